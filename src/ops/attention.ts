/**
 * Attention over packed sequences. Every query row names the key rows that it sees as two ranges; this one
 * form covers causal packs, prompts shared by a group, windows and whole images of the vision tower, and
 * decoding from a KV cache.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor, type Dispatch } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { canSplitAttention, splitAttention } from './attention-split.ts';
import { asTensor, checkShape, defineOp } from './op.ts';
import { longThreads } from './threads.ts';

/** Values of a head that a thread of the kernels keeps. */
const SLICE_DIM = 32;

export interface AttentionOptions {
  /** H: query heads. */
  heads: number;
  /** K: key and value heads, a divisor of H; query head h uses head floor(h / (H / K)). */
  kvHeads: number;
  /** E: a multiple of 4. */
  headDim: number;
  /**
   * int32 [N, 4]: query row n sees the key rows [r0, r1) and then [r2, r3). A range is empty when its ends are
   * equal; the two must not overlap, and their ends must lie in order within [0, M], which the GPU does not check.
   */
  ranges_N4: tf.Tensor;
  /**
   * int32 [M, 2]: key row m is seen by query rows within [i0, i1) only; the ranges decide by which of them.
   * Needed for gradients.
   */
  inverse_M2: tf.Tensor | undefined;
  /** What a score is multiplied with, usually 1 / sqrt(E). */
  scale: number;
  /**
   * No row sees more keys than this, which the GPU does not check; M where not given. A bound near the truth spares
   * GPUs scratch memory and idle workgroups.
   */
  maxKeys?: number;
}

interface Attrs extends Record<string, number | boolean> {
  heads: number;
  kvHeads: number;
  headDim: number;
  scale: number;
  maxKeys: number;
  hasInverse: boolean;
}

/** What the kernels over query rows share: two heads of one key head to a thread where there are two. */
function queryLaunch(
  rows: number,
  { heads, kvHeads, headDim, scale }: Attrs,
): Pick<Dispatch, 'params' | 'constants' | 'grid'> {
  const pair = (heads / kvHeads) % 2 === 0;
  const quads = headDim / 4;
  const threads = ((rows * heads) / (pair ? 2 : 1)) * Math.ceil(headDim / SLICE_DIM);
  const { constants, grid } = longThreads(threads);
  return {
    params: { rows, heads, kv_heads: kvHeads, quads, scale },
    constants: { ...constants, QUADS: quads, PAIR: pair ? 1 : 0 },
    grid,
  };
}

type Input = 'q' | 'k' | 'v' | 'ranges' | 'inverse';

const attentionOp = defineOp<Input, Attrs>({
  name: 'WethinkAttention',
  saveInputs: ['q', 'k', 'v', 'ranges', 'inverse'],
  saveOutputs: [true, true],
  forward({ q, k, v, ranges }, attrs) {
    const gpu = currentGpu();
    if (gpu.sharesWork && canSplitAttention(attrs.headDim)) return splitAttention({ q, k, v, ranges }, attrs);
    const [rows] = q.shape as [number];
    const out = gpu.empty(q.shape);
    const lse = gpu.empty([rows, attrs.heads]);
    gpu.dispatch('attention/attention_fwd', {
      operands: { q_NHE: q, k_MKE: k, v_MKE: v, ranges_N4: ranges, out_NHE: out, lse_NH: lse },
      ...queryLaunch(rows, attrs),
    });
    return [out, lse];
  },
  gradient([dOut], [q, k, v, ranges, inverse, out, lse], attrs) {
    const { heads, kvHeads, headDim, scale, hasInverse } = attrs;
    if (!hasInverse) {
      throw new ShapeError({
        where: 'attention.inverse_M2',
        expected: 'a tensor, as a gradient is asked for',
        found: 'none',
      });
    }
    const gpu = currentGpu();
    const quads = headDim / 4;
    const constants = { QUADS: quads };
    const [[rows], [keyRows]] = [q!.shape as [number], k!.shape as [number]];
    const stats = gpu.empty([rows, heads, 2]);
    gpu.dispatch('attention/attention_bwd_stats', {
      operands: { out_NHE: out!, dout_NHE: dOut!, lse_NH: lse!, stats_NH: stats },
      params: { count: rows * heads },
      constants,
      grid: gridFor(rows * heads, 64),
    });
    const operands = {
      q_NHE: q!,
      k_MKE: k!,
      v_MKE: v!,
      ranges_N4: ranges!,
      dout_NHE: dOut!,
      stats_NH: stats,
    };
    // All three at once, outside the thunks: one kernel makes two of them.
    const dq = gpu.empty(q!.shape);
    const columns = kvHeads * headDim;
    const dkv = gpu.empty([keyRows, 2 * columns]);
    gpu.dispatch('attention/attention_bwd_q', {
      operands: { ...operands, dq_NHE: dq },
      ...queryLaunch(rows, attrs),
    });
    gpu.dispatch('attention/attention_bwd_kv', {
      operands: { ...operands, inverse_M2: inverse!, dkv_M2KE: dkv },
      params: { rows: keyRows, heads, kv_heads: kvHeads, quads, scale },
      constants,
      grid: gridFor(keyRows * kvHeads * Math.ceil(headDim / SLICE_DIM), 64),
    });
    const [dk, dv] = [gpu.empty(k!.shape), gpu.empty(v!.shape)];
    gpu.dispatch('attention/split_kv', {
      operands: { dkv_M2C: dkv, dk_MC: dk, dv_MC: dv },
      params: { rows: keyRows, columns },
      grid: gridFor(keyRows * columns, 64),
    });
    for (const scratch of [stats, dkv]) gpu.release(scratch);
    const [dQ, dK, dV] = [asTensor(dq), asTensor(dk), asTensor(dv)];
    return { q: () => dQ, k: () => dK, v: () => dV };
  },
});

/**
 * softmax(scale · q kᵀ) v over each row's ranges, in f32 and in the order of the keys, so that the result of a
 * query depends on its own keys alone: decoding from a cache and training on a pack give the same bits.
 * A row with two empty ranges gives zeros. Differentiable in q, k and v.
 * @param q f32 [N, H * E]
 * @param k f32 [M, K * E]
 * @param v f32 [M, K * E]
 * @returns f32 [N, H * E]
 * @throws {ShapeError} when shapes or types disagree
 */
export function attention(
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  { heads, kvHeads, headDim, ranges_N4, inverse_M2, scale, maxKeys = k.shape[0] }: AttentionOptions,
): tf.Tensor2D {
  if (headDim % 4 !== 0 || heads % kvHeads !== 0) {
    throw new ShapeError({
      where: 'attention',
      expected: 'a head dimension in multiples of 4, heads in multiples of the key heads',
      found: `${headDim}, ${heads} and ${kvHeads}`,
    });
  }
  checkShape('attention.q', q.shape, [null, heads * headDim]);
  checkShape('attention.k', k.shape, [null, kvHeads * headDim]);
  checkShape('attention.v', v.shape, k.shape);
  checkShape('attention.ranges_N4', ranges_N4.shape, [q.shape[0], 4]);
  if (inverse_M2) checkShape('attention.inverse_M2', inverse_M2.shape, [k.shape[0], 2]);
  if (ranges_N4.dtype !== 'int32' || (inverse_M2 && inverse_M2.dtype !== 'int32')) {
    throw new ShapeError({
      where: 'attention.ranges_N4, inverse_M2',
      expected: 'int32',
      found: `${ranges_N4.dtype}, ${inverse_M2?.dtype ?? 'none'}`,
    });
  }
  // The tape saves every input that it is told to; without an inverse the ranges stand in for it.
  const inputs = { q, k, v, ranges: ranges_N4, inverse: inverse_M2 ?? ranges_N4 };
  const hasInverse = inverse_M2 !== undefined;
  return attentionOp(inputs, { heads, kvHeads, headDim, scale, maxKeys, hasInverse })[0] as tf.Tensor2D;
}
