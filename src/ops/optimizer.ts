/**
 * The optimizer's arithmetic, all of it in place on the GPU: accumulating gradients, their global norm, the
 * clip factor, AdamW, and mixing two models. Launchers only. Tensors larger than a binding are walked in pieces.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor, type Operand } from '../gpu/operands.ts';
import { checkShape } from './op.ts';
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

export interface AdamwHyper {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
}

/**
 * Writes what the next `adamwStep`s read. The complements of the betas come from here because f32 cannot
 * recover them: 1 - f32(0.999) is off by 1e-5 of itself.
 * @param t the step, counted from 1
 */
export function writeAdamw(
  { adamw }: OptimizerState,
  { lr, beta1, beta2, eps, weightDecay }: AdamwHyper,
  t: number,
): void {
  const bias1 = 1 - beta1 ** t;
  const bias2 = 1 - beta2 ** t;
  const values = Float32Array.of(lr, beta1, beta2, eps, weightDecay, bias1, bias2, 1 - beta1, 1 - beta2);
  currentGpu().write(adamw, values);
}

interface Piece {
  count: number;
  /** The same piece of any tensor of this size. */
  of: (tensor: tf.TensorInfo) => Operand;
}

/** Pieces of whole blocks that fit a binding each. */
function pieces(tensor: tf.TensorInfo): Piece[] {
  const size = sizeOf(tensor);
  const limit = Math.floor(currentGpu().device.limits.maxStorageBufferBindingSize / 4 / BLOCK) * BLOCK;
  if (size <= limit) return [{ count: size, of: (tensor) => tensor }];
  return Array.from({ length: Math.ceil(size / limit) }, (_, i) => {
    const first = i * limit;
    const count = Math.min(limit, size - first);
    return { count, of: (tensor) => ({ tensor, offset: first * 4, size: count * 4 }) };
  });
}

function sizeOf({ shape }: tf.TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1);
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
 * as torch's `clip_grad_norm_`, and the flag of a norm that is not finite, which makes `adamwStep` do nothing.
 * The gradients themselves stay as they are: `adamwStep` applies the factor.
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

/**
 * Launches one step of AdamW on `param` and its moments `m` and `v`, in place, with the gradient times the clip
 * factor. Nothing changes when the norm was not finite.
 * @throws {ShapeError} when the shapes disagree
 * @see torch.optim.AdamW
 */
export function adamwStep(
  param: tf.TensorInfo,
  gradient: tf.TensorInfo,
  m: tf.TensorInfo,
  v: tf.TensorInfo,
  { adamw, clip }: OptimizerState,
): void {
  for (const [name, tensor] of Object.entries({ gradient, m, v })) {
    checkShape(`adamwStep.${name}`, tensor.shape, param.shape);
  }
  for (const { count, of } of pieces(param)) {
    currentGpu().dispatch('optim/adamw_step', {
      operands: { gradient: of(gradient), hyper: adamw, clip, param: of(param), m: of(m), v: of(v) },
      params: { count },
      grid: gridFor(count, 64),
    });
  }
}
