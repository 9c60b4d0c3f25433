/** Some rows of a tensor, for work that goes over a batch in blocks. */
import type * as tf from '@tensorflow/tfjs';
import type { Operand } from '../gpu/operands.ts';

export interface RowRange {
  shape: number[];
  operand: Operand;
}

/** @param firstRow a multiple of 64: then a binding may start there, whatever the width */
export function rowsOf(tensor: tf.TensorInfo, firstRow: number, count: number): RowRange {
  const [rows, ...rest] = tensor.shape as [number, ...number[]];
  const shape = [count, ...rest];
  if (count === rows) return { shape, operand: tensor };
  const rowBytes = rest.reduce((product, size) => product * size, 4);
  return { shape, operand: { tensor, offset: firstRow * rowBytes, size: count * rowBytes } };
}
