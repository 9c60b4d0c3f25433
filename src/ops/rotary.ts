/** Rotary position embedding over several axes: M-RoPE in the decoder, two axes in the vision tower. */
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

/** Launches the rotation, or with `inverse` the one back. */
function launchRotary(
  { x, cosSin, columns, positions }: Record<'x' | 'cosSin' | 'columns' | 'positions', tf.TensorInfo>,
  heads: number,
  inverse: boolean,
): tf.TensorInfo {
  const gpu = currentGpu();
  const rows = x.shape[0]!;
  const halfDim = columns.shape[0]!;
  const out = gpu.empty(x.shape);
  gpu.dispatch('rotary/rotary', {
    operands: {
      x_NHE: x,
      cos_sin_PT: cosSin,
      columns_d: columns,
      positions_AN: positions,
      out_NHE: out,
    },
    params: { rows, heads, half_dim: halfDim, table_columns: cosSin.shape[1]! },
    constants: { INVERSE: inverse ? 1 : 0 },
    grid: gridFor(rows * halfDim, 64),
  });
  return out;
}

const rotaryOp = defineOp<'x' | 'cosSin' | 'columns' | 'positions', { heads: number }>({
  name: 'WethinkRotary',
  saveInputs: ['cosSin', 'columns', 'positions'],
  forward: (inputs, { heads }) => [launchRotary(inputs, heads, false)],
  // A rotation is orthogonal: its gradient turns back.
  gradient: ([dy], [cosSin, columns, positions], { heads }) => ({
    x: () =>
      asTensor(
        launchRotary({ x: dy!, cosSin: cosSin!, columns: columns!, positions: positions! }, heads, true),
      ),
  }),
});

/**
 * Turns the pair (d, d + E/2) of every head of x by the angle of its axis at the row's position, the
 * "rotate half" form of Hugging Face. Differentiable in x.
 * @param x f32 [N, heads * E]
 * @param positions_AN int32 [A, N]; each must be a row of the table, which the GPU does not check
 * @throws {ShapeError} when the shapes disagree
 */
export function rotary(
  x: tf.Tensor,
  heads: number,
  table: RotaryTable,
  positions_AN: tf.Tensor,
): tf.Tensor2D {
  const { cosSin, columns } = table;
  checkShape('rotary.table.columns', columns.shape, [null, 2]);
  checkShape('rotary.table.cosSin', cosSin.shape, [null, null, 2]);
  checkShape('rotary.x', x.shape, [null, heads * columns.shape[0] * 2]);
  checkShape('rotary.positions_AN', positions_AN.shape, [null, x.shape[0]]);
  if (columns.dtype !== 'int32' || positions_AN.dtype !== 'int32') {
    throw new ShapeError({
      where: 'rotary',
      expected: 'int32 columns and positions',
      found: `${columns.dtype} and ${positions_AN.dtype}`,
    });
  }
  return rotaryOp({ x, cosSin, columns, positions: positions_AN }, { heads })[0] as tf.Tensor2D;
}
