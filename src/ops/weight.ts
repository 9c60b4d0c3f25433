/** Weight matrices as they lie on the GPU, and slices of their rows that fit a binding. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import type { GROUP_SIZES, SCALE_FORMATS } from '../config/quantizations.ts';
import type { Operand } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { checkShape } from './op.ts';

/** Integers with a scale for every group of a row. */
export type QuantizedFormat = 'int8' | 'int4';
export type FloatFormat = 'f32' | 'bf16' | 'f16';
export type WeightFormat = FloatFormat | QuantizedFormat;

export type GroupSize = (typeof GROUP_SIZES)[number];
export type ScaleFormat = (typeof SCALE_FORMATS)[number];

/** How a matrix is rounded. */
export interface IntegerLayout {
  format: QuantizedFormat;
  /** Values of a row that share a scale. */
  group: GroupSize;
  scales: ScaleFormat;
}

/** The scales of a matrix of integers, G groups to a row. A value is its group's scale times its integer. */
export interface Scales {
  /** f32: float32 [M, G]. f16: int32 [M, G / 2, rounded up], two to a word, of 2^12 times the scale. */
  tensor: tf.Tensor;
  format: ScaleFormat;
  group: GroupSize;
}

/**
 * The factor of stored f16 scales, with which the scales of weights lie amid the range of f16: those from 2^-26 to
 * 16 are normal numbers.
 */
export const F16_SCALE_FACTOR = 2 ** 12;

/** What the kernels bind of a weight matrix. */
export interface StoredWeight {
  /**
   * f32: float32 [M, K]. Packed formats: int32 [M, `rowWords`], the values of a row in order, from the low bits
   * of each word to the high ones.
   */
  tensor: tf.TensorInfo;
  format: WeightFormat;
  /** int8 and int4 only. */
  scales?: Scales | undefined;
}

/** A weight matrix on the GPU. */
export interface Weight extends StoredWeight {
  tensor: tf.Tensor;
  /** [M, K]: outputs, inputs. */
  shape: readonly [number, number];
}

/** In the order of the kernels' FORMAT constant. */
export const FORMATS: readonly WeightFormat[] = ['f32', 'bf16', 'f16', 'int8', 'int4'];

/** Rows of integers are padded to a multiple of this, so that 16 bytes never hold two rows. */
export const INTEGER_ROW_UNIT = 32;

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

/** Words of the scales of a row of `columns` values; the last group may be short. */
export function scaleWords({ format, group }: Pick<Scales, 'format' | 'group'>, columns: number): number {
  const groups = Math.ceil(columns / group);
  return format === 'f16' ? Math.ceil(groups / 2) : groups;
}

/** Words of a row of `columns` values. */
export function rowWords(format: WeightFormat, columns: number): number {
  const values = isQuantized(format) ? Math.ceil(columns / INTEGER_ROW_UNIT) * INTEGER_ROW_UNIT : columns;
  return (values * VALUE_BITS[format]) / 32;
}

/** @throws {ShapeError} unless the tensors of a weight have the shapes that its format and shape ask for */
export function checkStored(where: string, { tensor, format, scales, shape }: Weight): void {
  const [rows, columns] = shape;
  checkShape(where, tensor.shape, [rows, rowWords(format, columns)]);
  if (scales) checkShape(`${where}.scales`, scales.tensor.shape, [rows, scaleWords(scales, columns)]);
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
  scales?: ScaleBinding;
}

/** The scales of a slice, and the constants of the kernels that read them. */
interface ScaleBinding {
  operand: Operand;
  constants: { GROUP: GroupSize; F16_SCALES: number };
}

/**
 * Splits the rows of a weight's tensor, and those of its scales, into slices within the binding limit and
 * `maxRows`.
 */
export function weightSlices(tensor: tf.TensorInfo, maxRows = Infinity, scales?: Scales): WeightSlice[] {
  const [rows, words] = tensor.shape as [number, number];
  const rowBytes = words * 4;
  const limit = currentGpu().device.limits.maxStorageBufferBindingSize;
  // Offsets must be multiples of 256 bytes; a row has a multiple of 8, or of 4 where it holds scales.
  const step = scales ? 64 : 32;
  const perBinding = Math.floor(limit / rowBytes / step) * step;
  const perSlice = Math.min(perBinding, Math.ceil(maxRows / step) * step);
  const slice = (
    firstRow: number,
    sliceRows: number,
    part: (whole: tf.TensorInfo) => Operand,
  ): WeightSlice => ({
    firstRow,
    rows: sliceRows,
    operand: part(tensor),
    ...(scales && { scales: bindScales(scales, part) }),
  });
  if (rows <= perSlice) return [slice(0, rows, (whole) => whole)];
  return Array.from({ length: Math.ceil(rows / perSlice) }, (_, i) => {
    const firstRow = i * perSlice;
    const sliceRows = Math.min(perSlice, rows - firstRow);
    return slice(firstRow, sliceRows, (whole) => rowRange(whole, firstRow, sliceRows));
  });
}

function bindScales(
  { tensor, format, group }: Scales,
  part: (whole: tf.TensorInfo) => Operand,
): ScaleBinding {
  return { operand: part(tensor), constants: { GROUP: group, F16_SCALES: format === 'f16' ? 1 : 0 } };
}

function rowRange(tensor: tf.TensorInfo, firstRow: number, rows: number): Operand {
  const rowBytes = tensor.shape[1]! * 4;
  return { tensor, offset: firstRow * rowBytes, size: rows * rowBytes };
}
