/** Tensors of any size for kernels that take each value by itself: what is larger than a binding, in pieces. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import type { Operand } from '../gpu/operands.ts';

/**
 * Pieces are multiples of so many values: whole blocks of sums (4096 values) and of 8-bit moments (256), whose
 * scales then start at multiples of 256 bytes, as bindings must.
 */
const PIECE_UNIT = 16_384;

export interface Piece {
  /** Its first value in the tensor. */
  first: number;
  count: number;
  /** The same piece of any tensor of this size, or of one with a word for so many of its values. */
  of: (tensor: tf.TensorInfo, valuesPerWord?: number) => Operand;
}

/** Pieces that fit a binding each, and start at an offset that a binding may have. */
export function pieces(tensor: tf.TensorInfo): Piece[] {
  const size = sizeOf(tensor);
  const { maxStorageBufferBindingSize } = currentGpu().device.limits;
  const limit = Math.floor(maxStorageBufferBindingSize / 4 / PIECE_UNIT) * PIECE_UNIT;
  if (size <= limit) return [{ first: 0, count: size, of: (tensor) => tensor }];
  return Array.from({ length: Math.ceil(size / limit) }, (_, i) => {
    const first = i * limit;
    const count = Math.min(limit, size - first);
    const of = (tensor: tf.TensorInfo, valuesPerWord = 1): Operand => ({
      tensor,
      offset: (first / valuesPerWord) * 4,
      size: Math.ceil(count / valuesPerWord) * 4,
    });
    return { first, count, of };
  });
}

export function sizeOf({ shape }: tf.TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1);
}
