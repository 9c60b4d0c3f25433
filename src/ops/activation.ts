/** Elementwise operations: SwiGLU and GELU. */
import * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp } from './op.ts';

/** Launches a kernel whose threads take four of `count` values each. */
function launchStrided(
  kernel: string,
  operands: Readonly<Record<string, tf.TensorInfo>>,
  params: Readonly<Record<string, number>> & { count: number },
): void {
  const threads = Math.ceil(params.count / 4);
  currentGpu().dispatch(`activation/${kernel}`, {
    operands,
    params: { ...params, threads },
    grid: gridFor(threads, 64),
  });
}

const swigluOp = defineOp<'x', Record<string, never>>({
  name: 'WethinkSwiglu',
  saveInputs: ['x'],
  forward({ x }) {
    const rows = x.shape[0];
    const columns = x.shape[1]! / 2;
    const y = currentGpu().empty([rows, columns]);
    launchStrided('swiglu_fwd', { x_N2F: x, y_NF: y }, { count: rows * columns, columns });
    return [y];
  },
  gradient: ([dy], [x]) => ({
    x: () => {
      const dx = currentGpu().empty(x!.shape);
      const params = { count: dy!.size, columns: dy!.shape[1]! };
      launchStrided('swiglu_bwd', { x_N2F: x!, dy_NF: dy!, dx_N2F: dx }, params);
      return asTensor(dx);
    },
  }),
});

/**
 * silu(gate_NF) · up_NF (Shazeer, arXiv 2002.05202), the gates and the ups side by side in x. Differentiable.
 * @param x_N2F f32 [N, 2 * F]
 * @returns f32 [N, F]
 * @throws {ShapeError} when the columns are odd in number
 */
export function swiglu(x_N2F: tf.Tensor): tf.Tensor2D {
  checkShape('swiglu.x_N2F', x_N2F.shape, [null, null]);
  const columns = x_N2F.shape[1]!;
  if (columns % 2 !== 0) {
    throw new ShapeError({
      where: 'swiglu.x_N2F',
      expected: 'an even number of columns',
      found: `${columns}`,
    });
  }
  return swigluOp({ x: x_N2F }, {})[0] as tf.Tensor2D;
}

const geluOp = defineOp<'x', Record<string, never>>({
  name: 'WethinkGelu',
  saveInputs: ['x'],
  forward({ x }) {
    const y = currentGpu().empty(x.shape);
    launchStrided('gelu_fwd', { x_ND: x, y_ND: y }, { count: x.size });
    return [y];
  },
  gradient: ([dy], [x]) => ({
    x: () => {
      const dx = currentGpu().empty(x!.shape);
      launchStrided('gelu_bwd', { x_ND: x!, dy_ND: dy!, dx_ND: dx }, { count: x!.size });
      return asTensor(dx);
    },
  }),
});

/**
 * The exact GELU, x_ND · Φ(x_ND) (Hendrycks and Gimpel, arXiv 1606.08415), not its tanh approximation.
 * Differentiable.
 * @throws {ShapeError} when x is not a matrix
 */
export function gelu(x_ND: tf.Tensor): tf.Tensor2D {
  checkShape('gelu.x_ND', x_ND.shape, [null, null]);
  return geluOp({ x: x_ND }, {})[0] as tf.Tensor2D;
}
