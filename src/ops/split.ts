/** Cutting a matrix into equal parts by columns: queries, keys and values of one projection. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp } from './op.ts';

/** Launches the copy of one part out of `whole`, or with `inverse` into it. */
function launchPart(whole: tf.TensorInfo, part: tf.TensorInfo, offset: number, inverse: boolean): void {
  const [rows, partColumns] = part.shape as [number, number];
  currentGpu().dispatch('activation/split_columns', {
    operands: { from_NX: inverse ? part : whole, to_NX: inverse ? whole : part },
    params: { rows, part_columns: partColumns, whole_columns: whole.shape[1]!, offset },
    constants: { INVERSE: inverse ? 1 : 0 },
    grid: gridFor(rows * partColumns, 64),
  });
}

/** Launches the cut of x_NM into equal parts of its columns. */
export function launchSplit(x: tf.TensorInfo, parts: number): tf.TensorInfo[] {
  const [rows, columns] = x.shape as [number, number];
  const width = columns / parts;
  return Array.from({ length: parts }, (_, i) => {
    const part = currentGpu().empty([rows, width]);
    launchPart(x, part, i * width, false);
    return part;
  });
}

const splitOp = defineOp<'x', { parts: number }>({
  name: 'WethinkSplitColumns',
  forward: ({ x }, { parts }) => launchSplit(x, parts),
  gradient: (dys) => ({
    x: () => {
      const [rows, width] = dys[0]!.shape as [number, number];
      const dx = currentGpu().empty([rows, width * dys.length]);
      dys.forEach((dy, i) => launchPart(dx, dy, i * width, true));
      return asTensor(dx);
    },
  }),
});

/**
 * The `parts` equal column blocks of x_NM, each [N, M / parts], in order. Differentiable.
 * @throws {ShapeError} when the columns do not divide
 */
export function splitColumns(x_NM: tf.Tensor, parts: number): tf.Tensor2D[] {
  checkShape('splitColumns.x_NM', x_NM.shape, [null, null]);
  const [, columns] = x_NM.shape as [number, number];
  if (!Number.isInteger(columns / parts)) {
    throw new ShapeError({
      where: 'splitColumns.x_NM',
      expected: `columns in ${parts} equal parts`,
      found: `${columns}`,
    });
  }
  return splitOp({ x: x_NM }, { parts }) as tf.Tensor2D[];
}
