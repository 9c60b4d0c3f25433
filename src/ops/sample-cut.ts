/**
 * What truncation keeps of each row: the values no less than a threshold that a search finds digit by digit.
 * Each of eight passes over the row weighs what lies at or above 16 borders, and narrows the search to the
 * range between two of them; the order of floating-point numbers as 32-bit whole numbers makes it exact, ties
 * included. Nothing but the row enters its threshold.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import type { SamplePlan } from './sample-options.ts';

/** Columns of a chunk, as in the kernels. */
export const CHUNK = 128;

/** Chunks of a vocabulary, and of a slice that starts at one. */
export function chunkCount(columns: number): number {
  return Math.ceil(columns / CHUNK);
}

/** Chunks of a group, as in the kernel. */
const GROUP = 32;
/** Bits of a key below each digit. */
const SHIFTS = [28, 24, 20, 16, 12, 8, 4, 0];

/** Adjusted logits [N, S] of the columns [firstRow, firstRow + rows); the first is a multiple of 128. */
export interface AdjustedSlice {
  adjusted: tf.TensorInfo;
  firstRow: number;
  rows: number;
}

/** What the search reads and writes. */
interface Search {
  slices: readonly AdjustedSlice[];
  tops: tf.TensorInfo;
  cut: tf.TensorInfo;
  weights: tf.TensorInfo;
  sums: tf.TensorInfo;
}

/**
 * Launches the search for what top-k and then top-p keep of each row.
 * @param slices the whole row
 * @param tops f32 [N, chunks]
 * @returns int32 [N, 4]: bits of the row's largest value, bits of the lowest value kept; the caller releases it
 */
export function launchCut(
  slices: readonly AdjustedSlice[],
  tops: tf.TensorInfo,
  { topK, topP }: Pick<SamplePlan, 'topK' | 'topP'>,
): tf.TensorInfo {
  const gpu = currentGpu();
  const [rows, chunks] = tops.shape as [number, number];
  const cut = gpu.empty([rows, 4], 'int32');
  gpu.dispatch('sample/begin_cut', {
    operands: { tops_NC: tops, cut_N4: cut },
    params: { rows, chunks },
    grid: gridFor(rows, 64),
  });
  if (topK === 0 && topP === 1) return cut;
  const weights = gpu.empty([rows, chunks, 16]);
  const sums = gpu.empty([rows, Math.ceil(chunks / GROUP), 16]);
  const search = { slices, tops, cut, weights, sums };
  if (topK > 0) launchSearch(search, topK, false);
  if (topP < 1) launchSearch(search, topP, true);
  for (const scratch of [weights, sums]) gpu.release(scratch);
  return cut;
}

/** Keeps the values down to which the goal is reached: a count, or a share of the mass kept so far. */
function launchSearch({ slices, tops, cut, weights, sums }: Search, goal: number, isMass: boolean): void {
  const gpu = currentGpu();
  const [rows, chunks] = tops.shape as [number, number];
  const chunkGroups = sums.shape[1]!;
  for (const shift of SHIFTS) {
    for (const { adjusted, firstRow, rows: columns } of slices) {
      gpu.dispatch('sample/weigh_chunks', {
        operands: { adjusted_NS: adjusted, tops_NC: tops, cut_N4: cut, weights_NC16: weights },
        params: {
          rows,
          columns,
          stride: adjusted.shape[1]! / 4,
          first_chunk: firstRow / CHUNK,
          chunks,
          shift,
        },
        constants: { MASS: isMass ? 1 : 0 },
        grid: gridFor(rows * chunkCount(columns), 64),
      });
    }
    gpu.dispatch('sample/fold_weights', {
      operands: { weights_NC16: weights, sums_NG16: sums },
      params: { rows, chunks },
      grid: gridFor(rows * chunkGroups * 4, 64),
    });
    gpu.dispatch('sample/narrow_cut', {
      operands: { sums_NG16: sums, cut_N4: cut },
      params: { rows, chunk_groups: chunkGroups, shift, relative: isMass ? 1 : 0, goal },
      grid: gridFor(rows, 64),
    });
  }
}
