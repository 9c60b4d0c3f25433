import { describe, expect, it } from 'vitest';
import { plainText } from '../../src/reward/verify/plain-text.ts';
import { verifyText } from '../../src/reward/verify/text.ts';
import { cpuMsSince } from './cpu-time.ts';

function score(extracted: string, gold: string, problem = ''): number {
  return verifyText(extracted, gold, { where: 'r:1', problem, tolerance: 0, iouThreshold: null }).score;
}

describe('text', () => {
  it.each([
    ['3 : 4', '3:4'],
    ['a cat', 'Cat'],
    ['The cat.', 'cat'],
    ['“cat”', 'cat'],
    ['CAT!', 'cat'],
    ['\\text{cat}', 'cat'],
    ['**a  red\ncat**', 'red cat'],
    ['well-known', 'well known'],
    ["it's", 'it’s'],
    ['(9, 10)', '(9,10)'],
    ['(-1,2)', '(-1, 2)'],
    ['3:4', '3:4'],
    ['ﬁsh', 'fish'],
    ['Ｃａｔ', 'cat'],
    ['cafe\u0301', 'caf\u00E9'],
    ['猫。', '猫'],
    ['?', '?'],
    ['the', 'The'],
    ['The answer is a cat.', 'cat'],
    ['Final answer: Paris', 'Paris'],
    ['answer: **Paris**', 'Paris'],
    ['t-shirt', 't shirt'],
    ['tshirt', 'T-shirt'],
    ['ice-cream', 'ice cream'],
    ['two cats', '2 cats'],
    ['twenty-one cats', '21 cats'],
    ['the third floor', '3rd floor'],
    ['21st century', 'twenty-first century'],
    ['salt & pepper', 'salt and pepper'],
    ['1,000 people', '1000 people'],
    ['\\textbf{cat}', 'cat'],
    ['\\mathrm{NaCl}', 'NaCl'],
    ['C#', 'C#'],
    ['10-20', '10–20'],
  ])('%j is %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(1);
    expect(score(gold, gold)).toBe(1);
  });

  it.each([
    ['cat', 'dog'],
    ['cat dog', 'cat'],
    ['cats', 'cat'],
    ['vitamin', 'vitamin A'],
    ['(1,-2)', '(1,2)'],
    ['(9,10)', '(10,9)'],
    ['910', '(9,10)'],
    ['.5', '5'],
    ['3.5', '35'],
    ['1/2', '12'],
    ['50%', '50'],
    ['cafe', 'café'],
    ['犬', '猫'],
    ['!', '?'],
    ['', '?'],
    ['the', 'a'],
    ['C', 'C#'],
    ['C', 'C++'],
    ['10, 20', '10-20'],
    ['1020', '10-20'],
    ['(1,234)', '1234'],
    ['not a cat', 'cat'],
    ['cat or dog', 'cat'],
    ['two', '3'],
    ['colour', 'color'],
    ['now here', 'nowhere'],
    ['The answer is', 'cat'],
  ])('%j is not %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(0);
  });

  it('is never empty for a text that is not blank', () => {
    for (const text of ['?', '...', 'a', '-', '😀', '$', '\\', '**x**']) expect(plainText(text)).not.toBe('');
  });

  // Linear work takes a few milliseconds here, backtracking would take seconds.
  const LIMIT_MS = 50;
  it.each([
    'a ',
    'the answer is ',
    '-',
    'a-',
    '1,',
    '1,000,',
    ' ',
    '\\text{',
    '{',
    '**',
    '.',
    "'",
    'one ',
    'third ',
    'twenty ',
    'é',
    '&',
  ])('stays fast on many %j', (part) => {
    const hostile = part.repeat(Math.floor(2000 / part.length));
    const start = process.cpuUsage();
    expect(score(hostile, 'a cat', '')).toBe(0);
    expect(cpuMsSince(start)).toBeLessThan(LIMIT_MS);
  });
});
