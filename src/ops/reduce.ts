/** Sums of many values in a fixed order: blocks in parallel, then the blocks' sums. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor, type Operand } from '../gpu/operands.ts';

export interface SumBlocksOptions {
  /** Values in `values`. */
  count: number;
  /** Values to a block; one thread adds them. */
  block: number;
  /** Where the blocks' sums start in `sums`. */
  slot?: number;
  /** Adds squares instead of values. */
  squares?: boolean;
}

/** Launches sums[slot + i] = Σ of the i-th block, for ceil(count / block) blocks. */
export function launchSumBlocks(
  values: Operand,
  sums: tf.TensorInfo,
  { count, block, slot = 0, squares = false }: SumBlocksOptions,
): void {
  currentGpu().dispatch('reduce/sum_blocks', {
    operands: { values, sums },
    params: { count, block, slot },
    constants: { SQUARES: squares ? 1 : 0 },
    grid: gridFor(Math.ceil(count / block), 64),
  });
}

/** Launches the sum of all values of a f32 tensor. @returns a new tensor without dimensions */
export function launchSum(values: tf.TensorInfo, count: number, block = 256): tf.TensorInfo {
  const gpu = currentGpu();
  let current = values;
  let left = count;
  do {
    const blocks = Math.ceil(left / block);
    const sums = gpu.empty(blocks === 1 ? [] : [blocks]);
    launchSumBlocks(current, sums, { count: left, block });
    if (current !== values) gpu.release(current);
    current = sums;
    left = blocks;
  } while (left > 1);
  return current;
}
