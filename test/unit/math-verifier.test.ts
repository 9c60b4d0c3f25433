import { describe, expect, it } from 'vitest';
import { verifyMath } from '../../src/reward/verify/math.ts';
import { DataError } from '../../src/util/errors.ts';

const CONTEXT = { where: 'rows.jsonl:7', problem: '', tolerance: 0, iouThreshold: null };
/** Far above the milliseconds that a hostile answer takes, far below what it would take without limits. */
const MAX_MS = 1000;

function score(answer: string, gold: string, context: Partial<typeof CONTEXT> = {}): number {
  return verifyMath(answer, gold, { ...CONTEXT, ...context }).score;
}

/** Mistakes that users of other verifiers reported. */
describe('known classes of errors', () => {
  it.each([
    ['tiny values', '\\frac{1}{2^{99}}', '\\frac{1}{2^{98}}'],
    ['tiny values', '\\frac{1}{2004!}', '\\frac{1}{2006!}'],
    ['tiny values', '0.0000001', '0.0000002'],
    ['tiny values', '\\frac{\\sqrt{2}}{2^{99}}', '\\frac{\\sqrt{2}}{2^{98}}'],
    ['LaTeX that fails and leaves a digit', '3x-y+13=0', '3x+4y+14=0'],
    ['LaTeX that fails and leaves a digit', '1-\\frac1{\\mathrm e}', '1'],
    ['LaTeX that fails and leaves a digit', '4', '4\\sqrt(2)'],
    ['LaTeX that fails and leaves a digit', '4', '\\foo{4}'],
    ['LaTeX that fails and leaves a digit', '4', '4 \\frac{'],
    ['lists with an ellipsis', '1,2,\\ldots,n', '1,3,5,\\ldots,2n-1'],
    ['lists with an ellipsis', '1,2,\\ldots,n', '1,2,\\ldots,2n'],
    ['units', '3\\text{ s}', '3\\text{ m}'],
    ['units', '3\\text{ s}', '3 m'],
    ['units', '3\\text{ cm}', '3\\text{ cm}^2'],
    ['an open interval is no set', '(1,2)', '\\{1,2\\}'],
    ['a set is no open interval', '\\{1,2\\}', '(1,2)'],
    ['one of two signs', '\\pm 2021', '2021'],
    ['another constant term', 'x+2y=3', 'x+2y=4'],
  ])('%s: %s is not %s', (_, gold, answer) => {
    expect(score(answer, gold)).toBe(0);
  });

  it.each([
    ['a root of a fraction', '\\sqrt{\\frac{1}{n}}', '\\frac{1}{\\sqrt{n}}'],
    ['a root of a fraction', '√(1/n)', '1/√n'],
    ['bold', '73', '**73**'],
    ['bold in a sentence', '73', 'The answer is **73**.'],
    ['no delimiters', '\\frac{3\\sqrt{3}}{4}', '\\frac{3\\sqrt{3}}{4}'],
    ['no delimiters', '$\\frac{3\\sqrt{3}}{4}$', '3√3/4'],
    ['missing braces', '\\frac{1}{2}', '\\frac12'],
    ['lists with an ellipsis', '1,2,\\ldots,n', '1, 2, …, n'],
  ])('%s: %s is %s', (_, gold, answer) => {
    expect(score(answer, gold)).toBe(1);
  });
});

describe('what the context decides', () => {
  it('a tolerance counts for constants only', () => {
    expect(score('3.14', '\\pi', { tolerance: 0.01 })).toBe(1);
    expect(score('3.1', '\\pi', { tolerance: 0.01 })).toBe(0);
    expect(score('(3.14, 1)', '(\\pi, 1)', { tolerance: 0.01 })).toBe(1);
    expect(score('1.001x', 'x', { tolerance: 0.01 })).toBe(0);
  });

  it('a problem that asks for percents', () => {
    expect(score('50%', '50')).toBe(0);
    expect(score('50%', '50', { problem: 'What percent of them are red?' })).toBe(1);
  });

  it('a problem that asks for the value of an expression', () => {
    expect(score('m + n = 27', '27')).toBe(0);
    expect(score('m + n = 27', '27', { problem: 'Find $m+n$.' })).toBe(1);
    expect(score('2x = 27', '27', { problem: 'Find $x$.' })).toBe(0);
  });
});

describe('gold answers', () => {
  it.each(['', '\\frac{1}{', 'x^', '3 +', '\\sqrt', '{1', '2^{'])('%j is a data error', (gold) => {
    expect(() => score('1', gold)).toThrow(DataError);
    expect(() => score('1', gold)).toThrow(/rows\.jsonl:7/);
  });

  it('what the parser does not know is compared as it is written', () => {
    const gold = '\\begin{cases} x & x > 0 \\\\ -x & x \\le 0 \\end{cases}';
    expect(score(`$${gold}$`, gold)).toBe(1);
    expect(score(gold.replace('-x', '+x'), gold)).toBe(0);
  });

  it('an answer that cannot be read says so', () => {
    expect(verifyMath('I do not know', '5', CONTEXT)).toEqual({
      score: 0,
      note: 'not readable as mathematics',
    });
  });
});

const HOSTILE: Readonly<Record<string, string>> = {
  'nested braces': `${'{'.repeat(999)}1${'}'.repeat(999)}`,
  'open brackets': '('.repeat(2000),
  'nested brackets': `${'('.repeat(900)}1${')'.repeat(900)}`,
  'nested fractions': '\\frac{'.repeat(330),
  'a tower of powers': '9^9^9^9',
  'a tower of powers in braces': '9^{9^{9^{9}}}',
  'a huge factorial': '10^{10^{10!}}',
  'many factorials': '3000!'.repeat(300),
  'factorials of factorials': '((3000!)!)!',
  'a long sum': '\\sum_{i=1}^{10^9} i',
  'sums in sums': '\\sum_{i=1}^{500}\\sum_{j=1}^{500}\\sum_{k=1}^{500} i j k',
  'many commas': '1,'.repeat(1000),
  'many variables': Array.from({ length: 300 }, (_, i) => `x_{${i}}`).join('+'),
  'many letters': 'abc'.repeat(600),
  'a large matrix': `\\begin{pmatrix}${`${'1&'.repeat(20)}1\\\\`.repeat(40)}\\end{pmatrix}`,
  'many terms': `${'x+'.repeat(900)}1`,
  'many bars': '|'.repeat(500),
  'many roots': `${'\\sqrt'.repeat(300)}2`,
  'many signs': '\\pm 1'.repeat(300),
  'many equals signs': 'x='.repeat(900),
  'many unions': `${'(1,2)\\cup'.repeat(200)}(3,4)`,
  'many boxes': `${'\\boxed{'.repeat(250)}1${'}'.repeat(250)}`,
  'many words': 'a is '.repeat(400),
  'many functions': `${'\\sin'.repeat(300)}x`,
  'a long number': '9'.repeat(2000),
  'large powers of sums': '(x+y+z+1)^{5000}(a+b)^{5000}',
  'a huge exponent': '1e9999',
  'many stars': '*'.repeat(2000),
  'many subscripts': `${'x_'.repeat(900)}1`,
  'names with subscripts': `${'a_aa'.repeat(19)}! = 5`,
  'units and units': `5 ${'cm '.repeat(600)}`,
  'more than the limit': '1'.repeat(1_000_000),
};

describe('hostile answers are wrong, and cost little', () => {
  it.each(Object.entries(HOSTILE))('%s', (_, answer) => {
    for (const gold of ['5', '\\frac{x^2+1}{2}', '\\{1, 2\\}', 'y = 2x']) {
      const start = performance.now();
      expect(score(answer, gold)).toBe(0);
      expect(performance.now() - start).toBeLessThan(MAX_MS);
    }
  });
});
