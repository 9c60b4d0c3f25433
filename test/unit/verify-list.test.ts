import { describe, expect, it } from 'vitest';
import { verifyList, verifyOrderedList } from '../../src/reward/verify/list.ts';
import { cpuMsSince } from './cpu-time.ts';

const CONTEXT = { where: 'r:1', problem: '', tolerance: 0, iouThreshold: null };
const list = (extracted: string, gold: string, tolerance = 0): number =>
  verifyList(extracted, gold, { ...CONTEXT, tolerance }).score;
const ordered = (extracted: string, gold: string): number =>
  verifyOrderedList(extracted, gold, CONTEXT).score;

const SAME: [string, string][] = [
  ['red, blue', 'red, blue'],
  ['Red, Blue.', 'red, blue'],
  ['[red, blue]', 'red, blue'],
  ['red; blue', 'red, blue'],
  ['red and blue', 'red, blue'],
  ['red & blue', 'red, blue'],
  ['red\nblue', 'red, blue'],
  ['red,blue', 'red, blue'],
  ['red, blue, and green', 'red, blue, green'],
  ['red, blue and green', 'red, blue, green'],
  ['red and blue and green', 'red, blue, green'],
  ['- red\n- blue', 'red, blue'],
  ['1. red\n2. blue', 'red, blue'],
  ['* red\n* blue', '["red", "blue"]'],
  ['["red", "blue"]', 'red, blue'],
  ["['red', 'blue']", '["red","blue"]'],
  ['```json\n["red", "blue"]\n```', 'red, blue'],
  ['{red, blue}', '(red, blue)'],
  ['\\{1, 2\\}', '1, 2'],
  ['“red”, “blue”', 'red, blue'],
  ['**red**, **blue**', 'red, blue'],
  ['The answer is red, blue', 'red, blue'],
  ['1, 2.0, 1/2', '1.0, 2, 0.5'],
  ['1,000, 2,000', '1000, 2000'],
  ['[1,000; 2,000]', '1000, 2000'],
  ['1,200', '1, 200'],
  ['100,200,300', '100, 200, 300'],
  ['1, 2, 3', '1,2,3'],
  ['two, 3', '2, three'],
  ['a cat, the dog', 'cat, dog'],
  ['"Paris, France", "Rome, Italy"', '"Paris, France"; "Rome, Italy"'],
  ['salt and pepper, bread', 'salt and pepper; bread'],
  ['(1,2), (3,4)', '[(1, 2), (3, 4)]'],
  ['red', 'red'],
  ['[]', '[]'],
  ['none', '[]'],
  ['\\emptyset', '{}'],
  ['1, 2, ..., n', '1, 2, ..., n'],
  ['red, red, blue', 'red, red, blue'],
];

const DIFFERENT: [string, string][] = [
  ['red', 'red, blue'],
  ['red, blue, green', 'red, blue'],
  ['red, red', 'red, blue'],
  ['red, blue, blue', 'red, red, blue'],
  ['red, blue', 'red, red, blue'],
  ['red blue', 'red, blue'],
  ['red or blue', 'red, blue'],
  ['reds, blue', 'red, blue'],
  ['1, 2, 4', '1, 2, 3'],
  ['1,000, 2,001', '1000, 2000'],
  ['10, 2', '1, 02'],
  ['12', '1, 2'],
  ['1, 3, 5, ..., 2n-1', '1, 2, ..., n'],
  ['1, 2, …', '1, 2'],
  ['1, 2', '1, 2, \\ldots'],
  ['none', 'red'],
  ['[]', 'red'],
  ['red', '[]'],
  ['(1,2), (4,3)', '(1,2), (3,4)'],
  ['', 'red'],
];

describe('list', () => {
  it.each([...SAME, ['blue, red', 'red, blue'], ['3, 1, 2', '1, 2, 3'], ['(3,4), (1,2)', '(1,2), (3,4)']])(
    '%j is %j',
    (extracted, gold) => {
      expect(list(extracted, gold)).toBe(1);
      expect(list(gold, gold)).toBe(1);
    },
  );

  it.each(DIFFERENT)('%j is not %j', (extracted, gold) => {
    expect(list(extracted, gold)).toBe(0);
  });

  it('allows a relative error where one is configured', () => {
    expect(list('101, 50', '50, 100', 0.01)).toBe(1);
    expect(list('102, 50', '50, 100', 0.01)).toBe(0);
  });

  it('throws for a gold answer that is empty or too long', () => {
    expect(() => list('red', '  ')).toThrow(/r:1[^]*a list/);
    expect(() => list('red', 'a, '.repeat(300))).toThrow(/at most 200 elements/);
  });

  const LIMIT_MS = 100;
  const golds = [Array.from({ length: 200 }, (_, i) => `a${i}`).join(), '1, 2', '[(1, 2)]'];
  it.each([
    'a,',
    '1,',
    ', ',
    '[',
    '(',
    '"',
    '“',
    '\\{',
    'a and ',
    ' and',
    ' ',
    '- a\n',
    '1. \n',
    ';',
    '1,000,',
    '\n',
    '…',
  ])('stays fast on many %j', (part) => {
    const hostile = part.repeat(Math.floor(2000 / part.length));
    for (const gold of golds) {
      const start = process.cpuUsage();
      expect(list(hostile, gold)).toBe(0);
      expect(cpuMsSince(start)).toBeLessThan(LIMIT_MS);
    }
  });

  it('stays fast on two long lists', () => {
    const items = (from: number): string => Array.from({ length: 200 }, (_, i) => `item ${from + i}`).join();
    const start = process.cpuUsage();
    expect(list(items(0), items(1))).toBe(0);
    expect(cpuMsSince(start)).toBeLessThan(LIMIT_MS);
  });
});

describe('ordered_list', () => {
  it.each(SAME)('%j is %j', (extracted, gold) => {
    expect(ordered(extracted, gold)).toBe(1);
    expect(ordered(gold, gold)).toBe(1);
  });

  it.each([...DIFFERENT, ['blue, red', 'red, blue'], ['3, 1, 2', '1, 2, 3'], ['b\na', 'a\nb']])(
    '%j is not %j',
    (extracted, gold) => {
      expect(ordered(extracted, gold)).toBe(0);
    },
  );
});
