/**
 * Attention over packed sequences. Every query row names the key rows that it sees as two ranges; this one
 * form covers causal packs, prompts shared by a group, windows and whole images of the vision tower, and
 * decoding from a KV cache.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { plainAttention, plainAttentionGradients } from './attention-plain.ts';
import type { AttentionShape } from './attention-shape.ts';
import { MAX_HEAD_DIM, splitAttention } from './attention-split.ts';
import { tileAttention, tileAttentionGradients } from './attention-tile.ts';
import { asTensor, checkShape, defineOp } from './op.ts';

/** Rows that fill a GPU in tiles, and are more than decode at once, where each has keys of its own. */
const MANY_ROWS = 512;

export interface AttentionOptions extends AttentionShape {
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
  /**
   * No row sees more keys than this, which the GPU does not check; M where not given. A bound near the truth spares
   * GPUs scratch memory and idle workgroups.
   */
  maxKeys?: number;
}

interface Attrs extends AttentionShape, Record<string, number | boolean> {
  maxKeys: number;
  hasInverse: boolean;
}

/** Whether the kernels for GPUs are to be taken, and have room for a head. */
function sharesWork({ headDim }: AttentionShape): boolean {
  return currentGpu().sharesWork && headDim <= MAX_HEAD_DIM;
}

type Input = 'q' | 'k' | 'v' | 'ranges' | 'inverse';

const attentionOp = defineOp<Input, Attrs>({
  name: 'WethinkAttention',
  saveInputs: ['q', 'k', 'v', 'ranges', 'inverse'],
  saveOutputs: [true, true],
  forward({ q, k, v, ranges }, attrs) {
    const inputs = { q, k, v, ranges };
    if (!sharesWork(attrs)) return plainAttention(inputs, attrs);
    const [rows] = q.shape as [number];
    return rows < MANY_ROWS ? splitAttention(inputs, attrs) : tileAttention(inputs, attrs);
  },
  gradient([dOut], [q, k, v, ranges, inverse, out, lse], attrs) {
    const { heads, kvHeads, headDim, hasInverse } = attrs;
    if (!hasInverse) {
      throw new ShapeError({
        where: 'attention.inverse_M2',
        expected: 'a tensor, as a gradient is asked for',
        found: 'none',
      });
    }
    const gpu = currentGpu();
    const [[rows], [keyRows]] = [q!.shape as [number], k!.shape as [number]];
    const stats = gpu.empty([rows, heads, 2]);
    gpu.dispatch('attention/attention_bwd_stats', {
      operands: { out_NHE: out!, dout_NHE: dOut!, lse_NH: lse!, stats_NH: stats },
      params: { count: rows * heads },
      constants: { QUADS: headDim / 4 },
      grid: gridFor(rows * heads, 64),
    });
    // All three at once, outside the thunks: one kernel makes two of them.
    const gradientsOf = sharesWork(attrs) ? tileAttentionGradients : plainAttentionGradients;
    const inputs = { q: q!, k: k!, v: v!, ranges: ranges!, inverse: inverse!, dOut: dOut!, stats };
    const { dq, dkv } = gradientsOf(inputs, attrs);
    const columns = kvHeads * headDim;
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
