/** AdamW in place on the GPU, with its moments in f32 or in 8 bits. Launchers only. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { checkShape } from './op.ts';
import type { OptimizerState } from './optimizer.ts';
import { type Piece, pieces, sizeOf } from './pieces.ts';

/** Values that share a scale in 8-bit moments, and values to a word of codes. */
export const QUANTIZED_BLOCK = 256;
export const CODES_PER_WORD = 4;

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

/** Running means of a gradient and of its square: f32, of the parameter's shape. */
export interface Moments {
  m: tf.Tensor;
  v: tf.Tensor;
}

/** The same in 8 bits, coded as kernels/optim/adamw_8bit_step.wgsl says, for a parameter of `size` values. */
export interface QuantizedMoments {
  /** int32 [size / 4, rounded up]: four codes to a word. */
  mCodes: tf.Tensor;
  vCodes: tf.Tensor;
  /** f32 [size / 256, rounded up]: the scale of each block. */
  mScales: tf.Tensor;
  vScales: tf.Tensor;
}

/** A factor on the learning rate for a range of a tensor's values, from the end of the range before it. */
export interface LrRange {
  end: number;
  factor: number;
}

/** Ranges that the kernels know: as many as a stack has parts. */
const MAX_RANGES = 3;

/** The parameters of a kernel for the factors on the values of a piece. */
function lrParams(ranges: readonly LrRange[], { first, count }: Piece): Record<string, number> {
  const end = (i: number): number => Math.min(Math.max((ranges[i]?.end ?? Infinity) - first, 0), count);
  const factor = (i: number): number => ranges[Math.min(i, ranges.length - 1)]!.factor;
  return { end_0: end(0), end_1: end(1), factor_0: factor(0), factor_1: factor(1), factor_2: factor(2) };
}

function checkRanges(where: string, ranges: readonly LrRange[], size: number): void {
  if (ranges.length < 1 || ranges.length > MAX_RANGES || ranges.at(-1)!.end !== size) {
    throw new ShapeError({
      where: `${where}.lrRanges`,
      expected: `1 to ${MAX_RANGES} ranges that end at ${size}`,
      found: `ends at ${ranges.map(({ end }) => end).join(', ') || 'nothing'}`,
    });
  }
}

/**
 * Launches one step of AdamW on `param` and its moments, in place, with the gradient times the clip factor and the
 * learning rate times the factors of `lrRanges`, which cover the tensor. Nothing changes when the norm was not
 * finite.
 * @throws {ShapeError} when the shapes disagree, or the ranges are not one to three that cover the tensor
 * @see torch.optim.AdamW
 */
export function adamwStep(
  param: tf.TensorInfo,
  gradient: tf.TensorInfo,
  { m, v }: Moments,
  { adamw, clip }: OptimizerState,
  lrRanges: readonly LrRange[],
): void {
  for (const [name, tensor] of Object.entries({ gradient, m, v })) {
    checkShape(`adamwStep.${name}`, tensor.shape, param.shape);
  }
  checkRanges('adamwStep', lrRanges, sizeOf(param));
  for (const piece of pieces(param)) {
    const { count, of } = piece;
    currentGpu().dispatch('optim/adamw_step', {
      operands: { gradient: of(gradient), hyper: adamw, clip, param: of(param), m: of(m), v: of(v) },
      params: { count, ...lrParams(lrRanges, piece) },
      grid: gridFor(count, 64),
    });
  }
}

/**
 * As `adamwStep`, with moments in 8 bits: 2.03 bytes for the two of a value instead of 8.
 * @throws {ShapeError} when the shapes disagree, or the ranges are not one to three that cover the tensor
 * @see https://arxiv.org/abs/2110.02861
 */
export function adamw8bitStep(
  param: tf.TensorInfo,
  gradient: tf.TensorInfo,
  { mCodes, vCodes, mScales, vScales }: QuantizedMoments,
  { adamw, clip }: OptimizerState,
  lrRanges: readonly LrRange[],
): void {
  const size = sizeOf(param);
  checkShape('adamw8bitStep.gradient', gradient.shape, param.shape);
  for (const [name, tensor] of Object.entries({ mCodes, vCodes })) {
    checkShape(`adamw8bitStep.${name}`, tensor.shape, [Math.ceil(size / CODES_PER_WORD)]);
  }
  for (const [name, tensor] of Object.entries({ mScales, vScales })) {
    checkShape(`adamw8bitStep.${name}`, tensor.shape, [Math.ceil(size / QUANTIZED_BLOCK)]);
  }
  checkRanges('adamw8bitStep', lrRanges, size);
  for (const piece of pieces(param)) {
    const { count, of } = piece;
    currentGpu().dispatch('optim/adamw_8bit_step', {
      operands: {
        gradient: of(gradient),
        hyper: adamw,
        clip,
        param: of(param),
        m_codes: of(mCodes, CODES_PER_WORD),
        v_codes: of(vCodes, CODES_PER_WORD),
        m_scales: of(mScales, QUANTIZED_BLOCK),
        v_scales: of(vScales, QUANTIZED_BLOCK),
      },
      params: { count, ...lrParams(lrRanges, piece) },
      grid: gridFor(Math.ceil(count / QUANTIZED_BLOCK), 64),
    });
  }
}
