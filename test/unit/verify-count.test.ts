import { describe, expect, it } from 'vitest';
import { verifyCount } from '../../src/reward/verify/count.ts';
import { cpuMsSince } from './cpu-time.ts';

const CIRCLES = 'How many red circles are in the image?';

function score(extracted: string, gold: string, problem = CIRCLES): number {
  return verifyCount(extracted, gold, { where: 'r:1', problem, tolerance: 0.5, iouThreshold: null }).score;
}

describe('count', () => {
  it.each([
    ['5', '5'],
    ['five', '5'],
    ['5', 'five'],
    ['There are 5 circles.', '5'],
    ['5 circles', '5'],
    ['5', '5 circles'],
    ['5.0', '5'],
    ['**5**', '5'],
    ['\\text{5}', '5'],
    ['five (5)', '5'],
    ['I count twenty-one circles', '21'],
    ['one circle', '1'],
    ['0', '0'],
    ['zero', '0'],
    ['None', '0'],
    ['none.', '0'],
    ['There are no red circles.', '0'],
    ['no circles', '0'],
    ['1,204', '1204'],
  ])('%j is %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(1);
    expect(score(gold, gold)).toBe(1);
  });

  it.each([
    ['6', '5'],
    ['between 4 and 5', '5'],
    ['4 or 5', '5'],
    ['between four and five', '5'],
    ['4, 5', '5'],
    ['about 4-5', '5'],
    ['5.5', '5'],
    ['500%', '5'],
    ['-5', '5'],
    ['5 squares', '5 circles'],
    ['more than 5', '5'],
    ['5+', '5'],
    ['several', '5'],
    ['no idea', '0'],
    ['no', '0'],
    ['no image', '0'],
    ['not sure', '0'],
    ['none', '1'],
    ['1 2 3 4 5 6 7', '5'],
  ])('%j is not %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(0);
  });

  it.each(['-1', '2.5', '50%', 'many', '4 or 5', ''])('throws for the gold answer %j', (gold) => {
    expect(() => score('5', gold)).toThrow(/r:1[^]*whole number/);
  });

  it('stays fast', () => {
    for (const part of ['no ', 'there are no ', 'how many ', '5', 'five ']) {
      const hostile = part.repeat(2000 / part.length);
      const start = process.cpuUsage();
      expect(score(hostile, '6', `How many ${'x '.repeat(20_000)}`)).toBe(0);
      expect(cpuMsSince(start), part).toBeLessThan(50);
    }
  });
});
