/** Elementwise operations: SwiGLU, GELU and the scaled (residual) addition. Any number of values. */
import * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import type { KernelConstants } from '../gpu/kernel.ts';
import { asTensor, checkShape, defineOp } from './op.ts';

interface Elementwise {
  /** The output's name in the kernel; it has the shape of the first input. */
  output: string;
  params?: Readonly<Record<string, number>>;
  constants?: KernelConstants;
}

/** Launches a kernel over values in any shape and returns its output. */
function launchElementwise(
  kernel: string,
  inputs: Readonly<Record<string, tf.TensorInfo>>,
  { output, params = {}, constants = {} }: Elementwise,
): tf.TensorInfo {
  const gpu = currentGpu();
  const { shape } = Object.values(inputs)[0]!;
  const count = tf.util.sizeFromShape(shape);
  const threads = Math.ceil(count / 4);
  const out = gpu.empty(shape);
  gpu.dispatch(`activation/${kernel}`, {
    operands: { ...inputs, [output]: out },
    params: { count, threads, ...params },
    constants,
    grid: gridFor(threads, 64),
  });
  return out;
}

const swigluOp = defineOp<'gate' | 'up', Record<string, never>>({
  name: 'WethinkSwiglu',
  saveInputs: ['gate', 'up'],
  forward: ({ gate, up }) => [
    launchElementwise('swiglu_fwd', { gate_NF: gate, up_NF: up }, { output: 'y_NF' }),
  ],
  gradient([dy], [gate, up]) {
    const inputs = { gate_NF: gate!, up_NF: up!, dy_NF: dy! };
    const launch = (ofUp: number): tf.Tensor =>
      asTensor(launchElementwise('swiglu_bwd', inputs, { output: 'dx_NF', constants: { OF_UP: ofUp } }));
    return { gate: () => launch(0), up: () => launch(1) };
  },
});

/**
 * silu(gate_NF) · up_NF (Shazeer, arXiv 2002.05202). Differentiable in both.
 * @throws {ShapeError} when the shapes differ
 */
export function swiglu(gate_NF: tf.Tensor, up_NF: tf.Tensor): tf.Tensor2D {
  checkShape('swiglu.gate_NF', gate_NF.shape, [null, null]);
  checkShape('swiglu.up_NF', up_NF.shape, gate_NF.shape);
  return swigluOp({ gate: gate_NF, up: up_NF }, {})[0] as tf.Tensor2D;
}

const geluOp = defineOp<'x', Record<string, never>>({
  name: 'WethinkGelu',
  saveInputs: ['x'],
  forward: ({ x }) => [launchElementwise('gelu_fwd', { x_ND: x }, { output: 'y_ND' })],
  gradient: ([dy], [x]) => ({
    x: () => asTensor(launchElementwise('gelu_bwd', { x_ND: x!, dy_ND: dy! }, { output: 'dx_ND' })),
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

const addScaledOp = defineOp<'a' | 'b', { scale: number }>({
  name: 'WethinkAddScaled',
  forward: ({ a, b }, { scale }) => [
    launchElementwise('add_scaled_fwd', { a, b }, { output: 'y', params: { scale } }),
  ],
  // A clone shares the buffer; the tape may free each gradient on its own.
  gradient: ([dy], _saved, { scale }) => ({
    a: () => dy!.clone(),
    b: () =>
      scale === 1
        ? dy!.clone()
        : asTensor(launchElementwise('add_scaled_bwd', { dy: dy! }, { output: 'db', params: { scale } })),
  }),
});

/**
 * a + scale · b, of one shape; with scale 1 the residual addition. Differentiable in both.
 * @throws {ShapeError} when the shapes differ
 */
export function addScaled<T extends tf.Tensor>(a: T, b: tf.Tensor, scale: number): T {
  checkShape('addScaled.b', b.shape, a.shape);
  return addScaledOp({ a, b }, { scale })[0] as T;
}
