import { describe, expect, it } from 'vitest';
import { philox, randomKey, RandomStream } from '../../src/util/random.ts';

describe('philox', () => {
  // Known-answer vectors of the reference implementation (Random123, kat_vectors, philox4x32 with 10 rounds).
  it.each([
    { key: [0, 0], counter: [0, 0, 0, 0], want: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      key: [0xffffffff, 0xffffffff],
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      want: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      key: [0xa4093822, 0x299f31d0],
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      want: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)('gives the known answer for key $key', ({ key, counter, want }) => {
    expect(philox(key, counter)).toEqual(want);
  });
});

describe('RandomStream', () => {
  it('repeats itself for equal arguments and differs for any other', () => {
    const draw = (...args: ConstructorParameters<typeof RandomStream>): number[] => {
      const stream = new RandomStream(...args);
      return Array.from({ length: 9 }, () => stream.nextU32());
    };
    const first = draw(1, 'sampling', 3, 4, 5);
    expect(draw(1, 'sampling', 3, 4, 5)).toEqual(first);
    for (const other of [
      draw(2, 'sampling', 3, 4, 5),
      draw(1, 'order', 3, 4, 5),
      draw(1, 'sampling', 4, 4, 5),
      draw(1, 'sampling', 3, 5, 5),
      draw(1, 'sampling', 3, 4, 6),
    ]) {
      expect(other).not.toEqual(first);
    }
  });

  it('draws uniform numbers and normal numbers with the right moments', () => {
    const count = 20_000;
    // Four standard errors of a mean of 20,000 draws.
    const tolerance = 4 / Math.sqrt(count);
    const stream = new RandomStream(7, 'moments');
    const uniforms = Array.from({ length: count }, () => stream.uniform());
    expect(Math.min(...uniforms)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniforms)).toBeLessThan(1);
    expect(Math.abs(mean(uniforms) - 0.5)).toBeLessThan(tolerance);
    const normals = Array.from({ length: count }, () => stream.normal());
    expect(Math.abs(mean(normals))).toBeLessThan(tolerance);
    expect(Math.abs(mean(normals.map((x) => x * x)) - 1)).toBeLessThan(1.5 * tolerance);
  });

  it('draws every whole number below the bound about equally often', () => {
    const stream = new RandomStream(11, 'integers');
    const counts = [0, 0, 0];
    for (let i = 0; i < 9000; i++) counts[stream.integer(3)]!++;
    for (const count of counts) expect(Math.abs(count - 3000)).toBeLessThan(200);
  });

  it('shuffles into a permutation', () => {
    const items = Array.from({ length: 50 }, (_, i) => i);
    const order = new RandomStream(1, 'shuffle').shuffle(items);
    expect(order).not.toEqual(items);
    expect(order.toSorted((a, b) => a - b)).toEqual(items);
  });

  it('refuses seeds and bounds out of range', () => {
    expect(() => randomKey(-1, 'x')).toThrow(RangeError);
    expect(() => randomKey(2 ** 32, 'x')).toThrow(RangeError);
    expect(() => randomKey(0.5, 'x')).toThrow(RangeError);
    expect(() => new RandomStream(1, 'x').integer(0)).toThrow(RangeError);
  });
});

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
