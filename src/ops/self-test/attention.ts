import { attention } from '../attention.ts';
import { type Check, checkDifferentiable, hostTensor, type KernelTest, upload, uploadInts } from './case.ts';

/**
 * Query heads and key heads: two that share one, and each with its own; and a bound on the keys of a row, once so
 * high that GPUs cut the rows into pieces.
 */
const HEADS = [
  [4, 2, 5],
  [3, 3, 300],
] as const;
const E = 12;
const SCALE = 1 / Math.sqrt(E);
/** A prompt of two rows, two responses that share it, and a row that sees nothing. */
const RANGES = [
  [0, 0, 0, 1],
  [0, 0, 0, 2],
  [0, 2, 2, 3],
  [0, 2, 2, 4],
  [0, 2, 4, 5],
  [0, 0, 0, 0],
] as const;
/** Query rows among which those lie that see a key row. */
const INVERSE = [
  [0, 5],
  [1, 5],
  [2, 4],
  [3, 4],
  [4, 5],
] as const;

/** The rows so many times over: enough for GPUs to take them in tiles. */
const REPEATS = 100;

/** An online softmax, and sums over 12 values and 5 keys. */
const TOLERANCE = 4e-6;

export const attentionTest: KernelTest = {
  name: 'attention',
  kernels: [
    'attention/attention_fwd',
    'attention/attention_fwd_split',
    'attention/attention_fwd_tile',
    'attention/attention_merge',
    'attention/attention_bwd_stats',
    'attention/attention_bwd_q',
    'attention/attention_bwd_q_tile',
    'attention/attention_bwd_kv',
    'attention/attention_bwd_kv_tile',
    'attention/split_kv',
  ],
  tolerance: TOLERANCE,
  launch: () => [...HEADS.flatMap(([heads, kvHeads, maxKeys]) => check(heads, kvHeads, maxKeys)), manyRows()],
};

/** The output for many rows; gradients take the same kernels for any number. */
function manyRows(): Check {
  const [N, M, heads, kvHeads] = [REPEATS * RANGES.length, INVERSE.length, 4, 2];
  const [q, k, v] = [
    hostTensor([RANGES.length, heads * E], 4),
    hostTensor([M, kvHeads * E], 5),
    hostTensor([M, kvHeads * E], 6),
  ] as const;
  const repeated = <T>(values: ArrayLike<T>): T[] =>
    Array.from({ length: REPEATS }, () => Array.from(values)).flat();
  const queries = upload({ shape: [N, heads * E], values: Float32Array.from(repeated(q.values)) });
  const actual = attention(queries, upload(k), upload(v), {
    heads,
    kvHeads,
    headDim: E,
    scale: SCALE,
    ranges_N4: uploadInts([N, 4], repeated(RANGES.flat())),
    inverse_M2: undefined,
  });
  const [q64, k64, v64] = [q, k, v].map(({ values }) => Float64Array.from(values));
  return {
    label: 'attention of many rows',
    actual,
    expected: repeated(reference(q64!, k64!, v64!, heads, kvHeads)),
  };
}

function check(heads: number, kvHeads: number, maxKeys: number): Check[] {
  const [N, M] = [RANGES.length, INVERSE.length];
  const options = {
    heads,
    kvHeads,
    headDim: E,
    scale: SCALE,
    maxKeys,
    ranges_N4: uploadInts([N, 4], RANGES.flat()),
    inverse_M2: uploadInts([M, 2], INVERSE.flat()),
  };
  return checkDifferentiable({
    label: `attention with ${heads} heads over ${kvHeads}`,
    inputs: [hostTensor([N, heads * E], 1), hostTensor([M, kvHeads * E], 2), hostTensor([M, kvHeads * E], 3)],
    run: ([q, k, v]) => attention(q!, k!, v!, options),
    reference: ([q, k, v]) => reference(q!, k!, v!, heads, kvHeads),
  });
}

function reference(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  heads: number,
  kvHeads: number,
): Float64Array {
  const out = new Float64Array(q.length);
  RANGES.forEach(([r0, r1, r2, r3], n) => {
    const keys = INVERSE.map((_, m) => m).filter((m) => (m >= r0 && m < r1) || (m >= r2 && m < r3));
    for (let h = 0; h < heads; h++) {
      const own = (n * heads + h) * E;
      const starts = keys.map((m) => (m * kvHeads + Math.floor((h * kvHeads) / heads)) * E);
      const weights = starts.map((start) => {
        let score = 0;
        for (let e = 0; e < E; e++) score += q[own + e]! * k[start + e]!;
        return Math.exp(SCALE * score);
      });
      const total = weights.reduce((a, b) => a + b, 0);
      starts.forEach((start, i) => {
        for (let e = 0; e < E; e++) out[own + e]! += (weights[i]! / total) * v[start + e]!;
      });
    }
  });
  return out;
}
