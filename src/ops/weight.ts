/** Weight matrices as they lie on the GPU, and slices of their rows that fit a binding. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import type { Operand } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { checkShape } from './op.ts';

/** Integers with a scale for every group of a row. */
export type QuantizedFormat = 'int8' | 'int4';
export type WeightFormat = 'f32' | 'bf16' | 'f16' | QuantizedFormat;

/** What the kernels bind of a weight matrix. */
export interface StoredWeight {
  /**
   * f32: float32 [M, K]. Packed formats: int32 [M, `rowWords`], the values of a row in order, from the low bits
   * of each word to the high ones.
   */
  tensor: tf.TensorInfo;
  format: WeightFormat;
  /** int8 and int4 only: float32 [M, K / 32, rounded up]. A value is its group's scale times its integer. */
  scales?: tf.TensorInfo | undefined;
}

/** A weight matrix on the GPU. */
export interface Weight extends StoredWeight {
  tensor: tf.Tensor;
  scales?: tf.Tensor | undefined;
  /** [M, K]: outputs, inputs. */
  shape: readonly [number, number];
}

/** In the order of the kernels' FORMAT constant. */
export const FORMATS: readonly WeightFormat[] = ['f32', 'bf16', 'f16', 'int8', 'int4'];

/** Values of a row that share a scale. */
export const GROUP = 32;

const VALUE_BITS: Record<WeightFormat, number> = { f32: 32, bf16: 16, f16: 16, int8: 8, int4: 4 };
/** Of a weight's row, read at once. */
export const VALUES_OF_16_BYTES: Readonly<Record<WeightFormat, number>> = {
  f32: 4,
  bf16: 8,
  f16: 8,
  int8: 16,
  int4: 32,
};

export function isQuantized(format: WeightFormat): format is QuantizedFormat {
  return format === 'int8' || format === 'int4';
}

/** Groups of a row of `columns` values; the last may be short. */
export function groupCount(columns: number): number {
  return Math.ceil(columns / GROUP);
}

/** Words of a row of `columns` values. Rows of integers are padded to whole groups. */
export function rowWords(format: WeightFormat, columns: number): number {
  const values = isQuantized(format) ? groupCount(columns) * GROUP : columns;
  return (values * VALUE_BITS[format]) / 32;
}

/** @throws {ShapeError} unless the tensors of a weight have the shapes that its format and shape ask for */
export function checkStored(where: string, { tensor, format, scales, shape }: Weight): void {
  const [rows, columns] = shape;
  checkShape(where, tensor.shape, [rows, rowWords(format, columns)]);
  if (scales) checkShape(`${where}.scales`, scales.shape, [rows, groupCount(columns)]);
  if (isQuantized(format) !== (scales !== undefined)) {
    const [expected, found] = scales ? ['none', 'scales'] : ['scales', 'none'];
    throw new ShapeError({ where: `${where}.scales`, expected: `${expected} for ${format}`, found });
  }
}

/** Rows of a weight that fit one binding, with the operands that bind them. */
export interface WeightSlice {
  firstRow: number;
  rows: number;
  operand: Operand;
  scales?: Operand;
}

/**
 * Splits the rows of a weight's tensor, and those of its scales, into slices within the binding limit and
 * `maxRows`.
 */
export function weightSlices(
  tensor: tf.TensorInfo,
  maxRows = Infinity,
  scales?: tf.TensorInfo,
): WeightSlice[] {
  const [rows, words] = tensor.shape as [number, number];
  const rowBytes = words * 4;
  const limit = currentGpu().device.limits.maxStorageBufferBindingSize;
  // Offsets must be multiples of 256 bytes; a row has a multiple of 8, or of 4 where it holds scales.
  const step = scales ? 64 : 32;
  const perBinding = Math.floor(limit / rowBytes / step) * step;
  const perSlice = Math.min(perBinding, Math.ceil(maxRows / step) * step);
  if (rows <= perSlice) return [{ firstRow: 0, rows, operand: tensor, ...(scales && { scales }) }];
  return Array.from({ length: Math.ceil(rows / perSlice) }, (_, i) => {
    const firstRow = i * perSlice;
    const sliceRows = Math.min(perSlice, rows - firstRow);
    return {
      firstRow,
      rows: sliceRows,
      operand: rowRange(tensor, firstRow, sliceRows),
      ...(scales && { scales: rowRange(scales, firstRow, sliceRows) }),
    };
  });
}

function rowRange(tensor: tf.TensorInfo, firstRow: number, rows: number): Operand {
  const rowBytes = tensor.shape[1]! * 4;
  return { tensor, offset: firstRow * rowBytes, size: rows * rowBytes };
}
