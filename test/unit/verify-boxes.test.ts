import { describe, expect, it } from 'vitest';
import { verifyBox } from '../../src/reward/verify/box.ts';
import { verifyDetection } from '../../src/reward/verify/detection.ts';
import { cpuMsSince } from './cpu-time.ts';

const CONTEXT = { where: 'r:1', problem: '', tolerance: 0, iouThreshold: null };
const box = (extracted: string, gold: string, iouThreshold: number | null = null): number =>
  verifyBox(extracted, gold, { ...CONTEXT, iouThreshold }).score;
const detect = (extracted: string, gold: string, iouThreshold: number | null = null): number =>
  verifyDetection(extracted, gold, { ...CONTEXT, iouThreshold }).score;

const GOLD = '[10, 20, 30, 40]';
/** Two roundings of one double each. */
const DIGITS = 12;

describe('box', () => {
  it.each([
    '[10, 20, 30, 40]',
    '[10,20,30,40]',
    '[10.0, 20.0, 30.0, 40.0]',
    '[[10, 20, 30, 40]]',
    '(10, 20), (30, 40)',
    '(10,20),(30,40)',
    '[10, 20], [30, 40]',
    '[[10, 20], [30, 40]]',
    '<|box_start|>(10,20),(30,40)<|box_end|>',
    '<box>(10,20),(30,40)</box>',
    '{"bbox_2d": [10, 20, 30, 40], "label": "cat"}',
    '```json\n[{"bbox_2d": [10, 20, 30, 40]}]\n```',
    '10, 20, 30, 40',
    '10 20 30 40',
    'The box is [10, 20, 30, 40].',
    '[10, 20, 30, 40] or [10.0, 20, 30, 40]',
  ])('reads %j', (text) => {
    expect(box(text, GOLD)).toBe(1);
    expect(box(GOLD, text)).toBe(1);
  });

  it.each([
    ['[10, 20, 30, 30]', 0.5],
    ['[20, 30, 40, 50]', 100 / 700],
    ['[0, 0, 100, 100]', 0.04],
    ['[30, 40, 50, 60]', 0],
    ['[30, 20, 50, 40]', 0],
    ['[110, 20, 130, 40]', 0],
    ['[30, 40, 10, 20]', 0],
    ['[10, 20, 10, 40]', 0],
    ['[10, 20, 30, 40], [0, 0, 1, 1]', 0],
    ['[10, 20, 30]', 0],
    ['[10, 20, 30, 40, 50]', 0],
    ['10, 20, 30', 0],
    ['no box', 0],
    ['[1e999, 20, 30, 40]', 0],
    ['[NaN, 20, 30, 40]', 0],
  ])('scores %j with %d', (text, score) => {
    expect(box(text, GOLD)).toBeCloseTo(score, DIGITS);
  });

  it('counts a box as right from the threshold on', () => {
    expect(box('[10, 20, 30, 30]', GOLD, 0.5)).toBe(1);
    expect(box('[10, 20, 30, 29.9]', GOLD, 0.5)).toBe(0);
    expect(box('[10, 20, 30, 40]', GOLD, 0.5)).toBe(1);
  });

  it.each(['[10, 20, 10, 40]', '[30, 40, 10, 20]', 'a cat', '[1, 2, 3]', '[0, 0, 1, 1], [0, 0, 2, 2]'])(
    'throws for the gold answer %j',
    (gold) => {
      expect(() => box(GOLD, gold)).toThrow(/r:1[^]*one box/);
    },
  );

  it.each(['[1,', '[', '(1,1),', '1 ', '1,', '[1    ,    1    ', '[[1', '1', '. ', '<box>'])(
    'stays fast on many %j',
    (part) => {
      const hostile = part.repeat(Math.floor(2000 / part.length));
      const start = process.cpuUsage();
      expect(box(hostile, GOLD)).toBe(0);
      expect(cpuMsSince(start)).toBeLessThan(50);
    },
  );
});

describe('detection', () => {
  const one = (corners: string, label = 'cat'): string => `{"bbox_2d": [${corners}], "label": "${label}"}`;
  const A = '0, 0, 10, 10';
  const B = '20, 20, 40, 40';
  const C = '50, 50, 60, 60';
  const HALF_OF_A = '0, 0, 10, 5';
  const gold = `[${one(A)}, ${one(B, 'dog')}]`;

  it.each([
    [gold, 1],
    [`[${one(B, 'Dog')}, ${one(A)}]`, 1],
    [`\`\`\`json\n${gold}\n\`\`\``, 1],
    [`Here they are: ${gold}`, 1],
    [gold.replaceAll('bbox_2d', 'bbox'), 1],
    // one of two found: 0.7 / 2 + 0.3 (1 - 0.5 / 2)
    [`[${one(A)}]`, 0.35 + 0.225],
    [one(A), 0.35 + 0.225],
    // an overlap of a half: 0.7 (0.5 + 1) / 2 + 0.3
    [`[${one(HALF_OF_A)}, ${one(B, 'dog')}]`, 0.525 + 0.3],
    // a false alarm: 0.7 + 0.3 (1 - (1/3) / 2)
    [`[${one(A)}, ${one(B, 'dog')}, ${one(C)}]`, 0.7 + 0.25],
    // the same box twice is a false alarm as well
    [`[${one(A)}, ${one(A)}, ${one(B, 'dog')}]`, 0.7 + 0.25],
    // wrong labels: found, but worth nothing
    [`[${one(A, 'dog')}, ${one(B, 'cat')}]`, 0.3],
    [`[${one(A)}, ${one(B)}]`, 0.35 + 0.3],
    [gold.replaceAll(', "label": "cat"', ''), 0.35 + 0.3],
    [`[${one(C)}]`, 0],
    [`[${one('0, 0, 10, 4.9')}]`, 0],
    [`[${one('10, 10, 0, 0')}]`, 0],
    ['[]', 0],
    ['', 0],
    ['no boxes', 0],
    ['[1, 2, 3, 4]', 0],
    ['[{"bbox_2d": [0, 0, 10]}]', 0],
    ['[{"bbox_2d": ["0", 0, 10, 10]}]', 0],
    [gold.slice(0, -1), 0],
    [`[${Array.from({ length: 201 }, () => one(A)).join()}]`, 0],
  ])('scores %j with %d', (text, score) => {
    expect(detect(text, gold)).toBeCloseTo(score, DIGITS);
  });

  it('is exactly 1 for the gold answer itself', () => {
    for (let n = 1; n <= 12; n++) {
      const many = `[${Array.from({ length: n }, (_, i) => one(`${i}, ${i / 3}, ${i + 0.1}, ${i + 7}`)).join()}]`;
      expect(detect(many, many)).toBe(1);
    }
  });

  it('takes an empty list where nothing is to be found', () => {
    expect(detect('[]', '[]')).toBe(1);
    expect(detect('```json\n[]\n```', '[]')).toBe(1);
    expect(detect(one(A), '[]')).toBe(0);
    expect(detect('nothing', '[]')).toBe(0);
  });

  it('counts pairs as right from the threshold on', () => {
    expect(detect(`[${one(HALF_OF_A)}, ${one(B, 'dog')}]`, gold, 0.4)).toBe(1);
    expect(detect(`[${one(HALF_OF_A)}, ${one(B, 'dog')}]`, gold, 0.6)).toBeCloseTo(0.35 + 0.15, DIGITS);
  });

  it.each(['a cat', '[1, 2]', `[${one('10, 10, 0, 0')}]`, '{"label": "cat"}'])(
    'throws for the gold answer %j',
    (bad) => {
      expect(() => detect(gold, bad)).toThrow(/r:1[^]*detection/);
    },
  );

  it.each(['[', '{"a":', '[[],', '```', one(A), '[{"bbox_2d":', '"', '\\', '1'])(
    'stays fast on many %j',
    (part) => {
      const hostile = part.repeat(Math.floor(2000 / part.length));
      const start = process.cpuUsage();
      expect(detect(hostile, gold)).toBe(0);
      expect(cpuMsSince(start)).toBeLessThan(50);
    },
  );

  it('stays fast on two hundred boxes in one place', () => {
    const many = `[${Array.from({ length: 200 }, () => one(A)).join()}]`;
    const start = process.cpuUsage();
    expect(detect(many, many)).toBe(1);
    expect(cpuMsSince(start)).toBeLessThan(300);
  });
});
