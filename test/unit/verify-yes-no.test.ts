import { describe, expect, it } from 'vitest';
import { verifyYesNo } from '../../src/reward/verify/yes-no.ts';
import { cpuMsSince } from './cpu-time.ts';

function score(extracted: string, gold: string, problem = ''): number {
  return verifyYesNo(extracted, gold, { where: 'r:1', problem, tolerance: 0, iouThreshold: null }).score;
}

describe('yes_no', () => {
  it.each([
    ['yes', 'Yes'],
    ['Yes.', 'yes'],
    ['YES, they overlap', 'Yes'],
    ['true', 'yes'],
    ['True', 'true'],
    ['The statement is true.', 'true'],
    ['No', 'no'],
    ['No, it is not', 'No'],
    ['**False**', 'false'],
    ['the answer is no', 'false'],
    ['Correct', 'true'],
    ['correct.', 'yes'],
    ['The statement is incorrect.', 'false'],
    ['Wrong!', 'false'],
    ['right', 'true'],
    ['✓', 'yes'],
    ['✗', 'no'],
    ['✔️', 'true'],
    ['❌', 'false'],
    ['incorrect', 'incorrect'],
    ['false', 'Incorrect'],
    ['Y', 'yes'],
    ['n', 'no'],
    ['T', 'true'],
    ['F', 'False'],
    ['true', 'T'],
    ['no', 'N'],
    ['not true', 'false'],
    ['The statement is not true.', 'false'],
    ["It isn't true", 'false'],
    ['not correct', 'false'],
    ["No, that's not true", 'no'],
    ['untrue', 'false'],
    ['是', 'yes'],
    ['不是', 'no'],
    ['The correct answer is no', 'no'],
    ['No circles overlap', 'no'],
  ])('%j is %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(1);
    expect(score(gold, gold)).toBe(1);
  });

  it.each([
    ['no', 'yes'],
    ['false', 'yes'],
    ['yes', 'no'],
    ['yes and no', 'yes'],
    ['yes/no', 'yes'],
    ['Yes. No.', 'yes'],
    ['true or false', 'true'],
    ['not true', 'true'],
    ['The statement is not true', 'true'],
    ["it isn't true", 'true'],
    ['there is no doubt they overlap', 'no'],
    ['maybe', 'no'],
    ['yesterday', 'yes'],
    ['', 'no'],
    ['constructor', 'yes'],
    ['T', 'yes'],
    ['F', 'no'],
    ['y', 'true'],
    ['incorrect', 'true'],
    ['not correct', 'true'],
    ['wrong', 'true'],
    ['to the right', 'true'],
    ['the right circle is larger', 'yes'],
    ['no doubt', 'no'],
    ['no idea', 'no'],
    ['no one knows', 'no'],
    ['true, or false?', 'false'],
    ['not true and not false', 'false'],
    ['yes yes no', 'yes'],
    ['✓✗', 'yes'],
    ['not false', 'false'],
  ])('%j is not %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(0);
  });

  it('throws for a gold answer that is neither', () => {
    expect(() => score('yes', 'maybe')).toThrow(/yes, no, true or false[^]*"maybe"/);
  });

  // Linear work takes a few milliseconds here, backtracking would take seconds.
  const LIMIT_MS = 50;
  it.each(['yes no ', 'not ', 'not true ', 'the answer is ', ' ', 'no-', '✓', "isn't", 'the '])(
    'stays fast on many %j',
    (part) => {
      const hostile = part.repeat(Math.floor(2000 / part.length));
      const start = process.cpuUsage();
      expect(score(hostile, 'yes', '')).toBe(0);
      expect(cpuMsSince(start)).toBeLessThan(LIMIT_MS);
    },
  );
});
