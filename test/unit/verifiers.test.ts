import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { VerifierName } from '../../src/config/schema.ts';
import { plainText } from '../../src/reward/plain-text.ts';
import { parseDecimal } from '../../src/reward/rational.ts';
import { VERIFIERS } from '../../src/reward/verifier.ts';
import { readOptions } from '../../src/reward/verify-choice.ts';

const OPTIONS = 'Which is largest?\n(A) 7 (B) 9 (C) a red ball (D) None of the above\n<image>';
const DOTTED = 'What is vitamin C for? Pick one.\nA. bones\nB. eyes\nC. colds\nD. I do not know';

function score(name: VerifierName, extracted: string, gold: string, problem = '', tolerance = 0): number {
  const source = 'model: {path: m}\ndata: {train_files: t}';
  const { reward } = parseConfig(source, 'a.yaml', [`reward.number_tolerance=${tolerance}`]);
  const row = { id: 'r:1', problem, answer: gold, category: '', reward: '' };
  return VERIFIERS[name](extracted, gold, row, reward).score;
}

describe('number', () => {
  it.each([
    ['8', '8'],
    ['8.0', '8'],
    ['08', '8'],
    ['+8', '8'],
    ['-8', '\u22128'],
    ['- 8', '-8'],
    ['x = 8', '8'],
    ['3 + 5 = 8', '8'],
    ['The sum is 8.', '8'],
    ['eight', '8'],
    ['Eight.', '8'],
    ['eight apples', '8'],
    ['8', 'eight'],
    ['8 (8)', '8'],
    ['**8**', '8'],
    ['$8$', '8'],
    ['\\(8\\)', '8'],
    ['\\text{8}', '8'],
    ['\uFF18', '8'],
    ['1,000,000', '1000000'],
    ['1\\,000', '1000'],
    ['1{,}000', '1000'],
    ['$1,234.50', '1234.5'],
    ['1e3', '1000'],
    ['1.2×10^3', '1200'],
    ['1.2 \\times 10^{-3}', '0.0012'],
    ['.5', '0.5'],
    ['1/2', '0.5'],
    ['2/4', '1/2'],
    ['\\frac{1}{2}', '0.5'],
    ['\\dfrac{2}{4}', '\\frac12'],
    ['-\\frac{1}{2}', '-0.5'],
    ['1\\frac{1}{2}', '\\frac{3}{2}'],
    ['1 1/2', '1.5'],
    ['½', '0.5'],
    ['50%', '0.5'],
    ['50\\%', '0.5'],
    ['50 percent', '50%'],
    ['5 cm', '5'],
    ['5', '5 cm'],
    ['5 centimeters', '5 cm'],
    ['5cm', '5 cm'],
    ['5\\text{ cm}', '5'],
    ['5 cm^2', '5 cm²'],
    ['30^\\circ', '30^{\\circ}'],
    ['30°', '30 degrees'],
    ['There are 8 red apples', '8 apples'],
    ['12345678901234567890', '12345678901234567890'],
    ['0.1', '1/10'],
  ])('%j is %j', (extracted, gold) => {
    expect(score('number', extracted, gold)).toBe(1);
  });

  it.each([
    ['9', '8'],
    ['-8', '8'],
    ['±8', '8'],
    ['\\pm 8', '8'],
    ['7 or 8', '8'],
    ['8 or 9', '8'],
    ['1 2 3 4 5 6 7 8 9', '8'],
    ['3+5', '8'],
    ['13-5', '8'],
    ['2^3', '8'],
    ['8!', '8'],
    ['2\\sqrt{2}', '2'],
    ['4\\sqrt(2)', '4'],
    ['8x', '8'],
    ['>8', '8'],
    ['<= 8', '8'],
    ['≈8', '8'],
    ['8:30', '8'],
    ['8/0', '8'],
    ['A8', '8'],
    ['not a number', '8'],
    ['no one knows', '1'],
    ['infinity', '8'],
    ['NaN', '8'],
    ['0x8', '8'],
    ['50%', '50'],
    ['5 m', '5 cm'],
    ['4 am', '4 pm'],
    ['3,5', '3.5'],
    ['1,00', '100'],
    ['\\frac{1}{2}', '\\frac{1}{3}'],
    ['0.333', '1/3'],
    ['0.0000001', '0.0000002'],
    ['1/2004', '1/2006'],
    ['12345678901234567891', '12345678901234567890'],
    ['1e999999', '8'],
    ['9'.repeat(1000), '9'],
    ['8\u0000', '8.5'],
  ])('%j is not %j', (extracted, gold) => {
    expect(score('number', extracted, gold)).toBe(0);
  });

  it('allows a relative error where one is configured', () => {
    expect(score('number', '0.333', '1/3', '', 0.01)).toBe(1);
    expect(score('number', '101', '100', '', 0.01)).toBe(1);
    expect(score('number', '-101', '-100', '', 0.01)).toBe(1);
    expect(score('number', '101.0001', '100', '', 0.01)).toBe(0);
    expect(score('number', '-100', '100', '', 0.01)).toBe(0);
    expect(score('number', '0.0001', '0', '', 0.01)).toBe(0);
    expect(score('number', '0', '0.0', '', 0.01)).toBe(1);
  });

  it('throws for a gold answer that is no number', () => {
    expect(() => score('number', '8', 'a cat')).toThrow(/r:1[^]*a number[^]*no number/);
    expect(() => score('number', '8', '7 or 8')).toThrow(/several different numbers/);
  });

  it('reads decimals exactly', () => {
    expect(parseDecimal('-1,234.5e-2')).toEqual({ num: -12345n, den: 1000n });
    expect(parseDecimal('1e301')).toBeUndefined();
    expect(parseDecimal('.')).toBeUndefined();
    expect(parseDecimal('')).toBeUndefined();
    expect(parseDecimal('1,23')).toBeUndefined();
  });
});

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
  ])('%j is %j', (extracted, gold, problem) => {
    expect(score('choice', extracted, gold, problem)).toBe(1);
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
  ])('%j is not %j', (extracted, gold, problem) => {
    expect(score('choice', extracted, gold, problem)).toBe(0);
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
  });

  it('throws for a gold answer that is no option', () => {
    expect(() => score('choice', 'B', 'a blue ball', OPTIONS)).toThrow(/r:1[^]*"a blue ball"/);
    expect(() => score('choice', 'B', 'E', OPTIONS)).toThrow(/a letter or an option/);
  });
});

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
  ])('%j is %j', (extracted, gold) => {
    expect(score('yes_no', extracted, gold)).toBe(1);
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
  ])('%j is not %j', (extracted, gold) => {
    expect(score('yes_no', extracted, gold)).toBe(0);
  });

  it('throws for a gold answer that is neither', () => {
    expect(() => score('yes_no', 'yes', 'maybe')).toThrow(/yes, no, true or false[^]*"maybe"/);
  });
});

describe('text', () => {
  it.each([
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
  ])('%j is %j', (extracted, gold) => {
    expect(score('text', extracted, gold)).toBe(1);
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
  ])('%j is not %j', (extracted, gold) => {
    expect(score('text', extracted, gold)).toBe(0);
  });

  it('is never empty for a text that is not blank', () => {
    for (const text of ['?', '...', 'a', '-', '😀', '$', '\\', '**x**']) expect(plainText(text)).not.toBe('');
  });
});
