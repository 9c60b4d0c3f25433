/** Logits of whole rows, for choices that need a row at once. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { ShapeError } from '../util/errors.ts';
import { launchProductNt } from './product.ts';
import { weightSlices, type Weight } from './weight.ts';

/** Slices begin at multiples of this: those of the kernels that read them. */
const PART = 512;

/** Logits of all rows for the columns [firstRow, firstRow + rows) of the vocabulary. */
export interface HeldLogits {
  /** f32 [N, rows, rounded up to a multiple of 4] */
  logits: tf.TensorInfo;
  firstRow: number;
  rows: number;
}

/**
 * Computes the logits of all columns and keeps them: in one tensor, or in as many as bindings are too small
 * for. The caller releases them.
 * @param hidden f32 [N, D]
 * @throws {ShapeError} when not even 512 columns of the rows fit a binding
 */
export function holdLogits(hidden: tf.TensorInfo, { tensor, format, scales, shape }: Weight): HeldLogits[] {
  const gpu = currentGpu();
  const { maxStorageBufferBindingSize: limit } = gpu.device.limits;
  const [count] = hidden.shape as [number];
  const [vocabulary] = shape;
  const fitting = (bytesPerColumn: number) => Math.floor(limit / bytesPerColumn / PART) * PART;
  const columns = Math.min(fitting(4 * count), fitting(4 * tensor.shape[1]!));
  if (columns === 0) {
    throw new ShapeError({
      where: 'sampleTokens',
      expected: `slots and weights of which ${PART} fit a binding of ${limit} bytes`,
      found: `${count} slots, weights of ${4 * tensor.shape[1]!} bytes a row`,
      fix: 'use fewer slots',
    });
  }
  const perTensor = Math.floor(fitting(4 * count) / columns) * columns;
  const held = Array.from({ length: Math.ceil(vocabulary / perTensor) }, (_, i) => {
    const firstRow = i * perTensor;
    const rows = Math.min(perTensor, vocabulary - firstRow);
    return { logits: gpu.empty([count, Math.ceil(rows / 4) * 4]), firstRow, rows };
  });
  for (const slice of weightSlices(tensor, columns, scales)) {
    const { logits, firstRow } = held[Math.floor(slice.firstRow / perTensor)]!;
    launchProductNt(hidden, slice, format, logits, { offset: slice.firstRow - firstRow });
  }
  return held;
}
