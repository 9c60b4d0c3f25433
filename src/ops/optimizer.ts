/**
 * What the optimizer does but for AdamW, all of it in place on the GPU: accumulating gradients, their global norm,
 * the clip factor, and mixing two models. Launchers only.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { checkShape } from './op.ts';
import { pieces, sizeOf } from './pieces.ts';
import { launchSum, launchSumBlocks } from './reduce.ts';

/** Values to one partial sum of squares. */
const BLOCK = 4096;
/** Lengths of the tensors of the state. */
const ADAMW_VALUES = 9;
const CLIP_VALUES = 3;

/** What the steps of one optimizer share; all f32. */
export interface OptimizerState {
  /** [9]: what `writeAdamw` writes before a step. */
  adamw: tf.Tensor;
  /** [3]: global norm before clipping, clip factor, and 1 when the norm is not finite (else 0). */
  clip: tf.Tensor;
  /** [blocks of all gradients]: partial sums of squares. */
  partials: tf.Tensor;
}

/** @param sizes values of each gradient that `clipGradients` will be given, in its order */
export function createOptimizerState(sizes: readonly number[]): OptimizerState {
  const gpu = currentGpu();
  const blocks = sizes.reduce((sum, size) => sum + Math.ceil(size / BLOCK), 0);
  return {
    adamw: gpu.persistent('optimizer', [ADAMW_VALUES]),
    clip: gpu.persistent('optimizer', [CLIP_VALUES]),
    partials: gpu.persistent('optimizer', [Math.max(1, blocks)]),
  };
}

/** Launches into += scale · gradient, in place. @throws {ShapeError} when the shapes disagree */
export function accumulate(into: tf.TensorInfo, gradient: tf.TensorInfo, scale = 1): void {
  checkShape('accumulate.gradient', gradient.shape, into.shape);
  for (const { count, of } of pieces(into)) {
    currentGpu().dispatch('optim/accumulate', {
      operands: { gradient: of(gradient), into: of(into) },
      params: { count, scale },
      grid: gridFor(count, 64),
    });
  }
}

/** Launches into = (1 - alpha) · into + alpha · source, in place. @throws {ShapeError} when the shapes disagree */
export function mix(into: tf.TensorInfo, source: tf.TensorInfo, alpha: number): void {
  checkShape('mix.source', source.shape, into.shape);
  for (const { count, of } of pieces(into)) {
    currentGpu().dispatch('optim/mix', {
      operands: { source: of(source), into: of(into) },
      params: { count, keep: 1 - alpha, alpha },
      grid: gridFor(count, 64),
    });
  }
}

/**
 * Launches the clip state of all gradients together: the global norm, the factor min(1, maxNorm / (norm + 1e-6))
 * as torch's `clip_grad_norm_`, and the flag of a norm that is not finite, which makes steps do nothing.
 * The gradients themselves stay as they are: the steps apply the factor.
 * @param maxNorm 0 for no clipping
 * @throws {ShapeError} when the gradients are not those that the state was made for
 */
export function clipGradients(
  gradients: readonly tf.TensorInfo[],
  { partials, clip }: OptimizerState,
  maxNorm: number,
): void {
  const gpu = currentGpu();
  const blocks = gradients.reduce((sum, gradient) => sum + Math.ceil(sizeOf(gradient) / BLOCK), 0);
  checkShape('clipGradients.partials', partials.shape, [Math.max(1, blocks)]);
  let slot = 0;
  for (const gradient of gradients) {
    for (const { count, of } of pieces(gradient)) {
      launchSumBlocks(of(gradient), partials, { count, block: BLOCK, slot, squares: true });
      slot += Math.ceil(count / BLOCK);
    }
  }
  const squares = launchSum(partials, slot, BLOCK);
  gpu.dispatch('optim/clip_scale', {
    operands: { squares, clip },
    params: { max_norm: maxNorm },
    grid: [1],
  });
  gpu.release(squares);
}
