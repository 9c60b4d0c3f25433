/**
 * Queries, keys and values out of one projection, with rotary position embedding over several axes: M-RoPE in the
 * decoder, two axes in the vision tower.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp } from './op.ts';

/** Tables on the GPU; `rotary-table.ts` computes their contents. */
export interface RotaryTable {
  /** f32 [positions, T, 2]: cosine and sine. */
  cosSin: tf.Tensor;
  /** int32 [E/2, 2]: axis, and column of the table. */
  columns: tf.Tensor;
}

/** The heads in a row of a projection: H of queries, then K of keys, then K of values. */
export interface Heads {
  heads: number;
  kvHeads: number;
}

/** Where keys and values of a pass go: row n to row `rows_N[n]` of a cache. */
export interface KvDestination {
  /** f32 [M, K * E] */
  k: tf.Tensor;
  /** f32 [M, K * E] */
  v: tf.Tensor;
  /** int32 [N], no row twice; rows outside the cache are skipped. */
  rows_N: tf.Tensor;
}

type Turn = Record<'cosSin' | 'columns' | 'positions', tf.TensorInfo>;

interface Split {
  q: tf.TensorInfo;
  k: tf.TensorInfo;
  v: tf.TensorInfo;
}

/** Launches the split of `qkv` into `out`. */
function launchSplitRotary(
  qkv: tf.TensorInfo,
  { cosSin, columns, positions }: Turn,
  { heads, kvHeads }: Heads,
  { q, k, v }: Split,
  rows_N?: tf.TensorInfo,
): void {
  const rows = qkv.shape[0]!;
  const halfDim = columns.shape[0]!;
  currentGpu().dispatch('rotary/split_rotary_fwd', {
    operands: {
      qkv_NX: qkv,
      cos_sin_PT: cosSin,
      columns_d: columns,
      positions_AN: positions,
      rows_N: rows_N ?? positions,
      q_NHE: q,
      k_MKE: k,
      v_MKE: v,
    },
    params: {
      rows,
      heads,
      kv_heads: kvHeads,
      half_dim: halfDim,
      table_columns: cosSin.shape[1]!,
      key_rows: k.shape[0]!,
    },
    constants: { MAPPED: rows_N ? 1 : 0 },
    grid: gridFor(rows * halfDim, 64),
  });
}

const splitRotaryOp = defineOp<'qkv' | keyof Turn, { heads: number; kvHeads: number }>({
  name: 'WethinkSplitRotary',
  saveInputs: ['cosSin', 'columns', 'positions'],
  forward({ qkv, ...turn }, heads) {
    const gpu = currentGpu();
    const [rows] = qkv.shape as [number];
    const headDim = 2 * turn.columns.shape[0];
    const q = gpu.empty([rows, heads.heads * headDim]);
    const [k, v] = [gpu.empty([rows, heads.kvHeads * headDim]), gpu.empty([rows, heads.kvHeads * headDim])];
    launchSplitRotary(qkv, turn, heads, { q, k, v });
    return [q, k, v];
  },
  gradient: ([dq, dk, dv], [cosSin, columns, positions], { heads, kvHeads }) => ({
    // A rotation is orthogonal: its gradient turns back.
    qkv: () => {
      const gpu = currentGpu();
      const [rows] = dq!.shape as [number];
      const [halfDim] = columns!.shape as [number];
      const dqkv = gpu.empty([rows, (heads + 2 * kvHeads) * 2 * halfDim]);
      gpu.dispatch('rotary/split_rotary_bwd', {
        operands: {
          dq_NHE: dq!,
          dk_NKE: dk!,
          dv_NKE: dv!,
          cos_sin_PT: cosSin!,
          columns_d: columns!,
          positions_AN: positions!,
          dqkv_NX: dqkv,
        },
        params: {
          rows,
          heads,
          kv_heads: kvHeads,
          half_dim: halfDim,
          table_columns: cosSin!.shape[1]!,
        },
        grid: gridFor(rows * halfDim, 64),
      });
      return asTensor(dqkv);
    },
  }),
});

/**
 * Splits qkv_NX into q [N, H * E], k and v [N, K * E], and turns the pair (d, d + E/2) of every head of q and k by
 * the angle of its axis at the row's position, the "rotate half" form of Hugging Face. Differentiable in qkv_NX.
 * With `into`, which has no gradient, keys and values go to rows of a cache, and the whole cache is returned.
 * @param qkv_NX f32 [N, (H + 2 K) * E]
 * @param positions_AN int32 [A, N]; each must be a row of the table, which the GPU does not check
 * @throws {ShapeError} when the shapes disagree
 */
export function splitRotary(
  qkv_NX: tf.Tensor,
  { heads, kvHeads }: Heads,
  table: RotaryTable,
  positions_AN: tf.Tensor,
  into?: KvDestination,
): { q: tf.Tensor; k: tf.Tensor; v: tf.Tensor } {
  const { cosSin, columns } = table;
  checkShape('splitRotary.table.columns', columns.shape, [null, 2]);
  checkShape('splitRotary.table.cosSin', cosSin.shape, [null, null, 2]);
  const [rows] = qkv_NX.shape as [number];
  const headDim = columns.shape[0] * 2;
  checkShape('splitRotary.qkv_NX', qkv_NX.shape, [null, (heads + 2 * kvHeads) * headDim]);
  checkShape('splitRotary.positions_AN', positions_AN.shape, [null, rows]);
  if (columns.dtype !== 'int32' || positions_AN.dtype !== 'int32') {
    throw new ShapeError({
      where: 'splitRotary',
      expected: 'int32 columns and positions',
      found: `${columns.dtype} and ${positions_AN.dtype}`,
    });
  }
  if (into) {
    const { k, v, rows_N } = into;
    checkShape('splitRotary.into.k', k.shape, [null, kvHeads * headDim]);
    checkShape('splitRotary.into.v', v.shape, k.shape);
    checkShape('splitRotary.into.rows_N', rows_N.shape, [rows]);
    const q = currentGpu().empty([rows, heads * headDim]);
    const turn = { cosSin, columns, positions: positions_AN };
    launchSplitRotary(qkv_NX, turn, { heads, kvHeads }, { q, k, v }, rows_N);
    return { q: asTensor(q), k, v };
  }
  const [q, k, v] = splitRotaryOp(
    { qkv: qkv_NX, cosSin, columns, positions: positions_AN },
    { heads, kvHeads },
  );
  return { q: q!, k: k!, v: v! };
}
