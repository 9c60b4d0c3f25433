/** Weight matrices as they lie on the GPU, and slices of their rows that fit a binding. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import type { Operand } from '../gpu/operands.ts';

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
