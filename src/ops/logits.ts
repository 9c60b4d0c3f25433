/** Logits of hidden states, some rows and a slice of the vocabulary at a time, in one bounded scratch. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { ShapeError } from '../util/errors.ts';
import { launchProductNt } from './product.ts';
import { rowsOf } from './rows.ts';
import { weightSlices, type StoredWeight, type WeightSlice } from './weight.ts';

/** Columns of a part, as in the kernels. */
export const PART = 512;
/** Upper bound of the scratch, unless one part of a block of rows is larger. */
export const SCRATCH_BYTES = 64 * 2 ** 20;

/** Parts of a vocabulary: the second dimension of the row states. */
export function partCount(vocabulary: number): number {
  return Math.ceil(vocabulary / PART);
}

/**
 * Slices of whole parts, such that the logits of N rows fit the scratch.
 * @throws {ShapeError} when not even one part of the rows fits a binding
 */
function headSlices(rows: number, { tensor, scales }: StoredWeight, scratchBytes: number): WeightSlice[] {
  const limit = currentGpu().device.limits.maxStorageBufferBindingSize;
  const rowBytes = tensor.shape[1]! * 4;
  const fitting = Math.max(PART, Math.floor(scratchBytes / (rows * 4)));
  const columns = Math.floor(Math.min(fitting, limit / rowBytes, limit / (rows * 4)) / PART) * PART;
  if (columns === 0) {
    throw new ShapeError({
      where: 'linearLogprob',
      expected: `rows and weights of which ${PART} fit a binding of ${limit} bytes`,
      found: `${rows} rows, weights of ${rowBytes} bytes a row`,
      fix: 'pass fewer rows at a time',
    });
  }
  return weightSlices(tensor, columns, scales);
}

/** Bytes of a slice of the head for a block of so many rows. */
export function sliceBytes(rows: number, weight: StoredWeight): number {
  const [slice] = headSlices(rows, weight, SCRATCH_BYTES);
  return slice!.rows * weight.tensor.shape[1]! * 4;
}

export interface LogitsOptions {
  scratchBytes?: number;
  /** Rows at a time, a multiple of 64; all unless given. */
  blockRows?: number;
}

/** Computes the logits block by block of rows and slice by slice into one scratch [N, S] and hands each to `visit`. */
export function forEachLogits(
  hidden: tf.TensorInfo,
  weight: StoredWeight,
  visit: (logits: tf.TensorInfo, slice: WeightSlice, firstRow: number) => void,
  { scratchBytes = SCRATCH_BYTES, blockRows = hidden.shape[0]! }: LogitsOptions = {},
): void {
  const gpu = currentGpu();
  const [rows] = hidden.shape as [number];
  for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
    const block = rowsOf(hidden, firstRow, Math.min(blockRows, rows - firstRow));
    const slices = headSlices(block.shape[0]!, weight, scratchBytes);
    const logits = gpu.empty([block.shape[0]!, Math.ceil(slices[0]!.rows / 4) * 4]);
    for (const slice of slices) {
      launchProductNt(block, slice, weight.format, logits);
      visit(logits, slice, firstRow);
    }
    gpu.release(logits);
  }
}
