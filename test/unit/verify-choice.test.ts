import { describe, expect, it } from 'vitest';
import { verifyChoice } from '../../src/reward/verify/choice.ts';
import { readOptions } from '../../src/reward/verify/options.ts';
import { cpuMsSince } from './cpu-time.ts';

const OPTIONS = 'Which is largest?\n(A) 7 (B) 9 (C) a red ball (D) None of the above\n<image>';
const DOTTED = 'What is vitamin C for? Pick one.\nA. bones\nB. eyes\nC. colds\nD. I do not know';

const MARKED = {
  lower: 'Select one option: (a) cat (b) dog (c) cow',
  numbers: 'Which of these is it?\n1. cat\n2. dog\n3. cow',
  roman: 'Choose one: (i) cat (ii) dog (iii) cow',
  list: "Which is it? Choices: ['cat', 'dog']",
  chinese: '这是什么？（A）猫（B）狗',
  bold: 'Which one?\n**A.** a cat\n**B.** a dog',
  six: 'Which one?\nA. one\nB. two\nC. three\nD. four\nE. five\nF. six',
  seven: 'Choose: (1) a (2) b (3) c (4) d (5) e (6) f (7) g',
  units: 'How long is it? (A) 7 cm (B) 9 cm (C) 11 cm',
  fractions: 'How much is it? (A) $\\frac{1}{4}$ (B) $\\frac{1}{2}$ (C) $2$',
};

function score(extracted: string, gold: string, problem = ''): number {
  return verifyChoice(extracted, gold, { where: 'r:1', problem, tolerance: 0, iouThreshold: null }).score;
}

describe('choice', () => {
  it.each([
    ['B', 'B', OPTIONS],
    ['b', 'B', OPTIONS],
    ['(B)', 'B', OPTIONS],
    ['[B]', 'B', OPTIONS],
    ['B.', 'B', OPTIONS],
    ['B)', 'B', OPTIONS],
    ['**B**', 'B', OPTIONS],
    ['\\text{B}', 'B', OPTIONS],
    ['"B"', 'B', OPTIONS],
    ['B. 9', 'B', OPTIONS],
    ['(B) 9', 'B', OPTIONS],
    ['B: 9', 'B', OPTIONS],
    ['A 7', 'A', OPTIONS],
    ['Option B', 'B', OPTIONS],
    ['The answer is (B).', 'B', OPTIONS],
    ['the correct option is B', 'B', OPTIONS],
    ['B, because it is larger', 'B', OPTIONS],
    ['9', 'B', OPTIONS],
    ['a red ball', 'C', OPTIONS],
    ['Red ball.', 'C', OPTIONS],
    ['C. A red ball', 'C', OPTIONS],
    ['C', 'a red ball', OPTIONS],
    ['B', '9', OPTIONS],
    ['none of the above', 'D', OPTIONS],
    ['(D)', '(D)', OPTIONS],
    ['C', 'C', DOTTED],
    ['colds', 'C', DOTTED],
    ['I do not know', 'D', DOTTED],
    ['B', 'B', ''],
    ['E', 'E', 'Which letter is circled?'],
    ['b', 'B', MARKED.lower],
    ['(b)', 'B', MARKED.lower],
    ['dog', 'b', MARKED.lower],
    ['(2)', '2', MARKED.numbers],
    ['2', '2', MARKED.numbers],
    ['2. dog', '2', MARKED.numbers],
    ['dog', '2', MARKED.numbers],
    ['(ii)', 'ii', MARKED.roman],
    ['dog', '(ii)', MARKED.roman],
    ['B', 'dog', MARKED.list],
    ['dog', 'B', MARKED.list],
    ['B', 'B', MARKED.chinese],
    ['（B）', 'B', MARKED.chinese],
    ['Ｂ', '狗', MARKED.chinese],
    ['狗', 'B', MARKED.chinese],
    ['B', 'B', MARKED.bold],
    ['a dog', 'B', MARKED.bold],
    ['F', 'F', MARKED.six],
    ['six', '(F)', MARKED.six],
    ['B', '\\text{(B)}', OPTIONS],
    ['B', '**B**', OPTIONS],
    ['(B)', 'B. 9', OPTIONS],
    ['The answer is 9', 'B', OPTIONS],
    ['9.0', 'B', OPTIONS],
    ['B (9)', 'B', OPTIONS],
    ['B: nine, as the others are smaller', 'B', OPTIONS],
    ['9', 'B', MARKED.units],
    ['9 cm', 'B', MARKED.units],
    ['\\frac{1}{2}', 'B', MARKED.fractions],
    ['0.5', 'B', MARKED.fractions],
    ['A, C', 'A, C', OPTIONS],
    ['C, A', 'A,C', OPTIONS],
    ['AC', 'A, C', OPTIONS],
    ['A and C', 'AC', OPTIONS],
    ['(C)(A)', 'AC', OPTIONS],
    ['A. 7, C. a red ball', 'AC', OPTIONS],
    ['7 and a red ball', 'A, C', OPTIONS],
    ['A, B, and D', 'ABD', ''],
  ])('%j is %j', (extracted, gold, problem) => {
    expect(score(extracted, gold, problem)).toBe(1);
    expect(score(gold, gold, problem)).toBe(1);
  });

  it.each([
    ['A', 'B', OPTIONS],
    ['7', 'B', OPTIONS],
    ['B. 7', 'B', OPTIONS],
    ['A or B', 'B', OPTIONS],
    ['B or A', 'B', OPTIONS],
    ['B or C', 'B', OPTIONS],
    ['B and (C)', 'B', OPTIONS],
    ['B, C', 'B', OPTIONS],
    ['B/C', 'B', OPTIONS],
    ['B C D A', 'B', OPTIONS],
    ['(A)(B)(C)(D)', 'A', OPTIONS],
    ['ABCD', 'A', OPTIONS],
    ['A B C D', 'A', OPTIONS],
    ['A ball', 'A', OPTIONS],
    ['a dog', 'A', OPTIONS],
    ['Because', 'B', OPTIONS],
    ['E', 'B', OPTIONS],
    ['I think it is B', 'I', ''],
    ['', 'B', OPTIONS],
    ['7 9', 'B', OPTIONS],
    ['bones', 'C', DOTTED],
    ['B, maybe A', 'B', OPTIONS],
    ['A, maybe B', 'A', OPTIONS],
    ['B or red ball', 'B', OPTIONS],
    ['B or 7', 'B', OPTIONS],
    ['B is wrong', 'B', OPTIONS],
    ['not B', 'B', OPTIONS],
    ['a', 'B', MARKED.lower],
    ['3', '2', MARKED.numbers],
    ['7.5', '7', MARKED.seven],
    ['cat', 'B', MARKED.list],
    ['7 cm', 'B', MARKED.units],
    ['9 m', 'B', MARKED.units],
    ['0.25', 'B', MARKED.fractions],
    ['A', 'A, C', OPTIONS],
    ['ABC', 'A, C', OPTIONS],
    ['A, B', 'A, C', OPTIONS],
    ['A, A, C', 'A, C', OPTIONS],
    ['ABCD', 'A, C', OPTIONS],
  ])('%j is not %j', (extracted, gold, problem) => {
    expect(score(extracted, gold, problem)).toBe(0);
  });

  it('reads the options of a problem', () => {
    expect([...readOptions(OPTIONS)]).toEqual([
      ['A', '7'],
      ['B', '9'],
      ['C', 'a red ball'],
      ['D', 'None of the above'],
    ]);
    expect([...readOptions(DOTTED).values()]).toEqual(['bones', 'eyes', 'colds', 'I do not know']);
    expect([...readOptions('A) 1, B) 2, C) 3').values()]).toEqual(['1', '2', '3']);
    expect([...readOptions('(A) cat (B) dog\nAnswer with (A) or (B).').values()]).toEqual(['cat', 'dog']);
    expect(readOptions('Point (A) and point (C) in the figure.').size).toBe(0);
    expect(readOptions('Plan A. Do it.').size).toBe(0);
    expect(readOptions('').size).toBe(0);
    expect([...readOptions(MARKED.numbers).keys()]).toEqual(['1', '2', '3']);
    expect([...readOptions(MARKED.roman).keys()]).toEqual(['I', 'II', 'III']);
    expect([...readOptions(MARKED.list).values()]).toEqual(['cat', 'dog']);
    expect([...readOptions(MARKED.chinese).values()]).toEqual(['猫', '狗']);
    expect([...readOptions(MARKED.bold).values()]).toEqual(['a cat', 'a dog']);
    expect(readOptions(MARKED.six).size).toBe(6);
    expect(readOptions('Do this: 1. Draw a line. 2. Draw another. How many do you see?').size).toBe(0);
  });

  it('throws for a gold answer that is no option', () => {
    expect(() => score('B', 'a blue ball', OPTIONS)).toThrow(/r:1[^]*"a blue ball"/);
    expect(() => score('B', 'E', OPTIONS)).toThrow(/a letter or an option/);
  });

  // Linear work takes a few milliseconds here, backtracking would take seconds.
  const LIMIT_MS = 50;
  it.each([
    'A',
    'A ',
    'A, ',
    '(A)',
    'A and ',
    'the ',
    '**',
    '\\text{',
    '1',
    '1,',
    '()',
    ' ',
    'option ',
    'B. C. ',
    '9 ',
    '、',
  ])('stays fast on many %j', (part) => {
    const hostile = part.repeat(Math.floor(2000 / part.length));
    const start = process.cpuUsage();
    expect(score(hostile, 'B', OPTIONS)).toBe(0);
    expect(cpuMsSince(start)).toBeLessThan(LIMIT_MS);
  });

  it.each(['(A) ', 'A. ', 'a) ', '(1)', '1. ', '(i) ', "['", "options ['a', ", 'choose ', '**A**', '\n'])(
    'reads a problem of many %j fast',
    (part) => {
      const problem = `Choose: ${part.repeat(Math.floor(20_000 / part.length))}`;
      const start = process.cpuUsage();
      readOptions(problem);
      expect(cpuMsSince(start)).toBeLessThan(LIMIT_MS);
    },
  );
});
