/** Writing into the KV cache. Launcher only: rollouts need no gradient. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { checkShape } from './op.ts';

/**
 * Launches cache_MC[rows_B[b]] = values_BC[b], in place. Rows outside the cache are skipped.
 * @param cache_MC f32 [M, C], C a multiple of 4
 * @param rows_B int32 [B]
 * @param values_BC f32 [B, C]
 * @throws {ShapeError} when the shapes disagree
 */
export function writeRows(cache_MC: tf.TensorInfo, rows_B: tf.TensorInfo, values_BC: tf.TensorInfo): void {
  const [cacheRows, columns] = cache_MC.shape as [number, number];
  const rows = rows_B.shape[0]!;
  checkShape('writeRows.values_BC', values_BC.shape, [rows, columns]);
  if (columns % 4 !== 0) {
    throw new ShapeError({ where: 'writeRows.cache_MC', expected: 'columns in fours', found: `${columns}` });
  }
  currentGpu().dispatch('cache/write_rows', {
    operands: { rows_B, values_BC, cache_MC },
    params: { rows, columns: columns / 4, cache_rows: cacheRows },
    grid: gridFor((rows * columns) / 4, 64),
  });
}
