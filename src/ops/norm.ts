/** RMSNorm (Zhang and Sennrich, arXiv 1910.07467), as Qwen2.5-VL uses it in the decoder and in the vision tower. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp } from './op.ts';
import { longThreads } from './threads.ts';

/** Rows per partial sum of the weight's gradient: short enough to keep every lane of a GPU busy. */
const BLOCK_ROWS = 32;

const rmsNormOp = defineOp<'x' | 'weight', { eps: number }>({
  name: 'WethinkRmsNorm',
  saveInputs: ['x', 'weight'],
  saveOutputs: [false, true],
  forward({ x, weight }, { eps }) {
    const gpu = currentGpu();
    const [rows, columns] = x.shape as [number, number];
    const y = gpu.empty(x.shape);
    const inverse = gpu.empty([rows]);
    const dispatch = {
      operands: { x_ND: x, weight_D: weight, y_ND: y, inverse_N: inverse },
      params: { rows, columns: columns / 4, epsilon: eps },
    };
    if (gpu.sharesWork) gpu.dispatch('norm/rmsnorm_fwd_wide', { ...dispatch, grid: gridFor(rows, 1) });
    else gpu.dispatch('norm/rmsnorm_fwd', { ...dispatch, ...longThreads(rows) });
    return [y, inverse];
  },
  gradient([dy], [x, weight, inverse]) {
    return {
      x: () => {
        const gpu = currentGpu();
        const [rows, columns] = x!.shape as [number, number];
        const dx = gpu.empty(x!.shape);
        gpu.dispatch('norm/rmsnorm_bwd', {
          operands: { x_ND: x!, weight_D: weight!, inverse_N: inverse!, dy_ND: dy!, dx_ND: dx },
          params: { rows, columns: columns / 4 },
          grid: gridFor(rows, 64),
        });
        return asTensor(dx);
      },
      weight: () => asTensor(weightGradient(x!, inverse!, dy!)),
    };
  },
});

/**
 * y_ND = x_ND / sqrt(mean_D(x²) + eps) · weight_D, in f32. Differentiable in both.
 * @throws {ShapeError} when the shapes disagree or D is not a multiple of 4
 */
export function rmsNorm(x_ND: tf.Tensor, weight_D: tf.Tensor, eps: number): tf.Tensor2D {
  checkShape('rmsNorm.weight_D', weight_D.shape, [null]);
  const [columns] = weight_D.shape as [number];
  checkShape('rmsNorm.x_ND', x_ND.shape, [null, columns]);
  if (columns % 4 !== 0) {
    throw new ShapeError({ where: 'rmsNorm.weight_D', expected: 'a multiple of 4', found: `${columns}` });
  }
  return rmsNormOp({ x: x_ND, weight: weight_D }, { eps })[0] as tf.Tensor2D;
}

/** Launches dw_D = Σ_n dy · x · r: partial sums over blocks of rows, then their sum in order. */
function weightGradient(x: tf.TensorInfo, inverse: tf.TensorInfo, dy: tf.TensorInfo): tf.TensorInfo {
  const gpu = currentGpu();
  const [rows, columns] = x.shape as [number, number];
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const partial = gpu.empty([blocks, columns]);
  gpu.dispatch('norm/rmsnorm_bwd_weight', {
    operands: { x_ND: x, inverse_N: inverse, dy_ND: dy, partial_BD: partial },
    params: { rows, columns: columns / 4, block_rows: BLOCK_ROWS, blocks },
    grid: gridFor((blocks * columns) / 4, 64),
  });
  const dw = gpu.empty([columns]);
  gpu.dispatch('linear/column_sum', {
    operands: { dy_NM: partial, sum_M: dw },
    params: { rows: blocks, columns },
    grid: [Math.ceil(columns / 64)],
  });
  gpu.release(partial);
  return dw;
}
