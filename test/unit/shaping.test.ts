import { describe, expect, it } from 'vitest';
import { cosineTerm, overlongTerm, repetitionTerm } from '../../src/reward/shaping.ts';

describe('overlongTerm', () => {
  // DAPO's example: 16,384 tokens expected, a buffer of 4,096 behind them.
  it.each([
    [0, 0],
    [16_384, 0],
    [17_408, -0.25],
    [18_432, -0.5],
    [20_480, -1],
    [30_000, -1],
  ])('%i tokens get %d', (tokens, term) => {
    expect(overlongTerm(tokens, 20_480, 4096)).toBeCloseTo(term, 12);
  });
});

describe('repetitionTerm', () => {
  it.each([
    ['a b c d e f', 0],
    ['', 0],
    ['a b', 0],
    ['a b c', 0],
    // Four sequences of three words, two different ones.
    ['a b a b a b', -0.5],
    ['A b a B a b', -0.5],
    ['so so so so so so', -0.75],
    ['a b c\n\na  b\tc', -0.25],
  ])('%j gets %d', (response, term) => {
    expect(repetitionTerm(response, 3)).toBeCloseTo(term, 12);
  });

  it('is linear in the length of the response', () => {
    const start = performance.now();
    expect(repetitionTerm('so '.repeat(200_000), 3)).toBeLessThan(-0.99);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('cosineTerm', () => {
  const values = { right: [1, 0.5] as [number, number], wrong: [-1, -0.5] as [number, number] };
  it.each([
    [1, 0, 1],
    [1, 50, 0.75],
    [1, 100, 0.5],
    [1, 200, 0.5],
    [0, 0, -1],
    [0, 50, -0.75],
    [0, 100, -0.5],
    [0.5, 0, 0],
    // A quarter of the way along half a cosine.
    [1, 25, 1 - 0.5 * ((1 - Math.SQRT1_2) / 2)],
  ])('accuracy %d with %i of 100 tokens gets %d', (accuracy, tokens, term) => {
    expect(cosineTerm(accuracy, tokens, 100, values)).toBeCloseTo(term, 12);
  });
});
