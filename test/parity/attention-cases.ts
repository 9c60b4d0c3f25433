/** Shapes and ranges that attention is tested on. */
import { RandomStream } from '../../src/util/random.ts';
import { randomValues } from './harness.ts';
import type { AttentionCase } from './reference/attention.ts';

export type Range = readonly [number, number, number, number];

/** Causal sequences one after the other, of these lengths: the second range only. */
export function causal(lengths: readonly number[]): Range[] {
  const rows: Range[] = [];
  for (const length of lengths) {
    const start = rows.length;
    for (let i = 0; i < length; i++) rows.push([start, start, start, start + i + 1]);
  }
  return rows;
}

/** Windows (or whole images) in which all see all: the first range only. */
function windows(lengths: readonly number[]): Range[] {
  const rows: Range[] = [];
  for (const length of lengths) {
    const start = rows.length;
    for (let i = 0; i < length; i++) rows.push([start, start + length, 0, 0]);
  }
  return rows;
}

/** A causal prompt, then responses that see the prompt and themselves; in several groups. */
export function sharedPrefix(groups: readonly { prompt: number; responses: readonly number[] }[]): Range[] {
  const rows: Range[] = [];
  for (const { prompt, responses } of groups) {
    const start = rows.length;
    rows.push(...causal([prompt]).map(([, , , end], i): Range => [start, start, start, start + (end ?? i)]));
    for (const length of responses) {
      const own = rows.length;
      for (let i = 0; i < length; i++) rows.push([start, start + prompt, own, own + i + 1]);
    }
  }
  return rows;
}

/** Query rows of a decoding step: a prompt and an own part anywhere in a cache of M rows. */
function cached(count: number, M: number): Range[] {
  const stream = new RandomStream(3, 'cache');
  return Array.from({ length: count }, () => {
    const cut = [0, 0, 0, 0].map(() => stream.integer(M + 1)).sort((a, b) => a - b) as unknown as Range;
    // The own part before the prompt as often as behind it.
    return stream.integer(2) ? cut : [cut[2], cut[3], cut[0], cut[1]];
  });
}

/** The tightest [first, last + 1) of query rows that see each key row. */
export function inverseOf(ranges: readonly Range[], M: number): Int32Array {
  const inverse = new Int32Array(2 * M);
  ranges.forEach(([a, b, c, d], n) => {
    for (let m = 0; m < M; m++) {
      if (!((m >= a && m < b) || (m >= c && m < d))) continue;
      if (inverse[2 * m + 1] === 0) inverse[2 * m] = n;
      inverse[2 * m + 1] = n + 1;
    }
  });
  return inverse;
}

export interface Case {
  name: string;
  ranges: Range[];
  /** Key rows; as many as query rows where not given. */
  M?: number;
  heads: number;
  kvHeads: number;
  headDim: number;
}

export const SHARED = sharedPrefix([
  { prompt: 21, responses: [5, 1, 9] },
  { prompt: 3, responses: [30, 2, 17] },
]);

/** Numbers of keys around those at which the kernels for GPUs begin another tile (64) or another chunk (128). */
const CHUNKS: Range[] = [
  [0, 63, 63, 64],
  [10, 75, 0, 0],
  [7, 107, 200, 227],
  [0, 128, 128, 128],
  [30, 30, 100, 228],
  [200, 320, 9, 18],
  [64, 320, 0, 0],
  [0, 0, 0, 0],
  [3, 259, 300, 301],
  [300, 320, 0, 300],
];

export const CASES: readonly Case[] = [
  { name: 'one row, one key', ranges: causal([1]), heads: 1, kvHeads: 1, headDim: 4 },
  { name: 'causal', ranges: causal([7, 1, 65]), heads: 4, kvHeads: 2, headDim: 32 },
  { name: 'causal', ranges: causal([7, 1, 33]), heads: 4, kvHeads: 1, headDim: 20 },
  { name: 'windows', ranges: windows([16, 4, 64, 1]), heads: 2, kvHeads: 2, headDim: 80 },
  { name: 'windows', ranges: windows([9, 30]), heads: 3, kvHeads: 3, headDim: 16 },
  { name: 'windows', ranges: windows([5, 8]), heads: 6, kvHeads: 2, headDim: 36 },
  { name: 'windows', ranges: windows([12]), heads: 4, kvHeads: 2, headDim: 12 },
  { name: 'shared prefix', ranges: SHARED, heads: 2, kvHeads: 1, headDim: 32 },
  { name: 'shared prefix', ranges: SHARED, heads: 4, kvHeads: 1, headDim: 128 },
  { name: 'cache', ranges: cached(13, 77), M: 77, heads: 4, kvHeads: 2, headDim: 16 },
  {
    name: 'empty ranges',
    ranges: [
      [0, 0, 0, 0],
      [2, 4, 4, 4],
      [1, 1, 0, 3],
      [5, 5, 2, 2],
    ],
    M: 6,
    heads: 2,
    kvHeads: 1,
    headDim: 20,
  },
  { name: 'long', ranges: causal([400]), heads: 2, kvHeads: 1, headDim: 32 },
  ...[
    { heads: 3, kvHeads: 3, headDim: 4 },
    { heads: 2, kvHeads: 1, headDim: 80 },
    { heads: 7, kvHeads: 1, headDim: 128 },
    { heads: 14, kvHeads: 2, headDim: 20 },
    { heads: 8, kvHeads: 1, headDim: 128 },
    { heads: 16, kvHeads: 2, headDim: 4 },
    { heads: 40, kvHeads: 1, headDim: 4 },
    { heads: 9, kvHeads: 1, headDim: 36 },
    { heads: 8, kvHeads: 1, headDim: 256 },
    { heads: 1, kvHeads: 1, headDim: 260 },
  ].map((heads) => ({ name: 'chunks', ranges: CHUNKS, M: 320, ...heads })),
];

export function make({ ranges, M = ranges.length, heads, kvHeads, headDim }: Case): {
  c: AttentionCase;
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  dy: Float32Array;
} {
  const N = ranges.length;
  // Scores of a few units, so that the softmax is neither flat nor one key.
  return {
    c: { N, M, heads, kvHeads, headDim, scale: 1.5 / Math.sqrt(headDim), ranges: ranges.flat() },
    q: randomValues(N * heads * headDim, 'q'),
    k: randomValues(M * kvHeads * headDim, 'k'),
    v: randomValues(M * kvHeads * headDim, 'v'),
    dy: randomValues(N * heads * headDim, 'dy'),
  };
}
