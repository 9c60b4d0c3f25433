/**
 * Linear layers: y = x Wᵀ + b, with the weight as it is stored (f32, or bf16 / f16 packed in u32 words), and
 * their gradients. Weights larger than one binding are walked in slices of rows.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import type { Operand } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp } from './op.ts';

export type WeightFormat = 'f32' | 'bf16' | 'f16';

/** A weight matrix on the GPU. */
export interface Weight {
  /** f32: float32 [M, K]. bf16, f16: int32 [M, K/2], two values to a word, the first in the low half. */
  tensor: tf.Tensor;
  format: WeightFormat;
  /** [M, K]: outputs, inputs. */
  shape: readonly [number, number];
}

/** In the order of the kernels' FORMAT constant. */
export const FORMATS: readonly WeightFormat[] = ['f32', 'bf16', 'f16'];

/** Rows of a weight that fit one binding, with the operand that binds them. */
export interface WeightSlice {
  firstRow: number;
  rows: number;
  operand: Operand;
}

/** Splits the rows of a weight's tensor into slices within the binding limit and `maxRows`. */
export function weightSlices(tensor: tf.TensorInfo, maxRows = Infinity): WeightSlice[] {
  const [rows, words] = tensor.shape as [number, number];
  const rowBytes = words * 4;
  const limit = currentGpu().device.limits.maxStorageBufferBindingSize;
  // Offsets must be multiples of 256 bytes; a row has a multiple of 8, so 32 rows always do.
  const perBinding = Math.floor(limit / rowBytes / 32) * 32;
  const perSlice = Math.min(perBinding, Math.ceil(maxRows / 32) * 32);
  if (rows <= perSlice) return [{ firstRow: 0, rows, operand: tensor }];
  return Array.from({ length: Math.ceil(rows / perSlice) }, (_, i) => {
    const firstRow = i * perSlice;
    const sliceRows = Math.min(perSlice, rows - firstRow);
    return {
      firstRow,
      rows: sliceRows,
      operand: { tensor, offset: firstRow * rowBytes, size: sliceRows * rowBytes },
    };
  });
}

export interface LinearNtOptions {
  /** f32, as long as a row of `out`. */
  bias?: tf.TensorInfo | undefined;
  /** Where the slice's columns start in a row of `out`. */
  offset?: number;
  accumulate?: boolean;
}

/** Launches out[n, offset + m] (+)= x_NK · wᵀ (+ bias) for one slice of the weight's rows. */
export function launchLinearNt(
  x: tf.TensorInfo,
  slice: WeightSlice,
  format: WeightFormat,
  out: tf.TensorInfo,
  { bias, offset = 0, accumulate = false }: LinearNtOptions = {},
): void {
  const [rows, inner] = x.shape as [number, number];
  currentGpu().dispatch('linear/linear_nt', {
    operands: { x_NK: x, w_MK: slice.operand, bias_M: bias ?? x, y_NY: out },
    params: {
      rows,
      inner: inner / 4,
      columns: slice.rows,
      y_stride: out.shape[1]!,
      y_offset: offset,
      accumulate: accumulate ? 1 : 0,
    },
    constants: { FORMAT: FORMATS.indexOf(format), HAS_BIAS: bias ? 1 : 0 },
    grid: [Math.ceil(slice.rows / 32), Math.ceil(rows / 64)],
  });
}

/**
 * Launches out_NK (+)= dy[n, offset + m] · w for one slice. Columns of dy past the slice's rows, up to the next
 * multiple of 4, must hold zeros.
 */
export function launchLinearNn(
  dy: tf.TensorInfo,
  slice: WeightSlice,
  format: WeightFormat,
  out: tf.TensorInfo,
  { offset = 0, accumulate = false }: Omit<LinearNtOptions, 'bias'> = {},
): void {
  const [rows, columns] = out.shape as [number, number];
  currentGpu().dispatch('linear/linear_nn', {
    operands: { x_NM: dy, w_MK: slice.operand, y_NK: out },
    params: {
      rows,
      inner: slice.rows,
      columns: columns / 4,
      x_stride: dy.shape[1]! / 4,
      x_offset: offset / 4,
      accumulate: accumulate ? 1 : 0,
    },
    constants: { FORMAT: FORMATS.indexOf(format) },
    grid: [Math.ceil(columns / 32), Math.ceil(rows / 64)],
  });
}

/** Launches the rows of one slice of dw: dw[m, k] = Σ_n dy[n, offset + m] · x_NK. */
export function launchLinearTn(dy: tf.TensorInfo, x: tf.TensorInfo, dw: WeightSlice, offset = 0): void {
  const [inner, columns] = x.shape as [number, number];
  currentGpu().dispatch('linear/linear_tn', {
    operands: { dy_NM: dy, x_NK: x, dw_MK: dw.operand },
    params: {
      inner,
      rows: dw.rows,
      columns: columns / 4,
      dy_stride: dy.shape[1]! / 4,
      dy_offset: offset / 4,
    },
    grid: [Math.ceil(columns / 32), Math.ceil(dw.rows / 64)],
  });
}

const linearOp = defineOp<'x' | 'w' | 'bias', { format: number }>({
  name: 'WethinkLinear',
  saveInputs: ['x', 'w'],
  forward({ x, w, bias }, { format }) {
    const out = currentGpu().empty([x.shape[0], w.shape[0]]);
    for (const slice of weightSlices(w)) {
      launchLinearNt(x, slice, FORMATS[format]!, out, { bias, offset: slice.firstRow });
    }
    return [out];
  },
  gradient([dy], [x, w], { format }) {
    const gpu = currentGpu();
    return {
      x: () => {
        const dx = gpu.empty(x!.shape);
        for (const slice of weightSlices(w!)) {
          const { firstRow } = slice;
          launchLinearNn(dy!, slice, FORMATS[format]!, dx, { offset: firstRow, accumulate: firstRow > 0 });
        }
        return asTensor(dx);
      },
      w: () => {
        const dw = gpu.empty(w!.shape);
        for (const slice of weightSlices(dw)) launchLinearTn(dy!, x!, slice, slice.firstRow);
        return asTensor(dw);
      },
      bias: () => asTensor(columnSum(dy!)),
    };
  },
});

/**
 * y_NM = x_NK · Wᵀ + b. Differentiable in x, in an f32 weight and in the bias.
 * @param bias f32 [M]
 * @throws {ShapeError} when the shapes disagree or K or M is not a multiple of 4
 */
export function linear(x_NK: tf.Tensor, weight: Weight, bias?: tf.Tensor): tf.Tensor2D {
  const [rows, inner] = weight.shape;
  checkShape('linear.x_NK', x_NK.shape, [null, inner]);
  if (bias) checkShape('linear.bias_M', bias.shape, [rows]);
  if (inner % 4 !== 0 || rows % 4 !== 0) {
    throw new ShapeError({
      where: 'linear.weight',
      expected: 'multiples of 4',
      found: `[${rows}, ${inner}]`,
    });
  }
  const format = FORMATS.indexOf(weight.format);
  return linearOp({ x: x_NK, w: weight.tensor, bias }, { format })[0] as tf.Tensor2D;
}

/** Launches sum_M = Σ_n dy_NM. */
function columnSum(dy: tf.TensorInfo): tf.TensorInfo {
  const gpu = currentGpu();
  const [rows, columns] = dy.shape as [number, number];
  const sum = gpu.empty([columns]);
  gpu.dispatch('linear/column_sum', {
    operands: { dy_NM: dy, sum_M: sum },
    params: { rows, columns },
    grid: [Math.ceil(columns / 64)],
  });
  return sum;
}
