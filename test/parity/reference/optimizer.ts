/** Float64 references of gradient clipping and AdamW, as torch computes them. */
import type { AdamwHyper, LrRange } from '../../../src/ops/adamw.ts';

export interface Moments {
  param: Float64Array;
  m: Float64Array;
  v: Float64Array;
}

/** torch.nn.utils.clip_grad_norm_: the norm over all gradients, and the factor that it multiplies them by. */
export function clip(
  gradients: readonly ArrayLike<number>[],
  maxNorm: number,
): { norm: number; factor: number } {
  let squares = 0;
  for (const gradient of gradients) {
    for (let i = 0; i < gradient.length; i++) squares += gradient[i]! ** 2;
  }
  const norm = Math.sqrt(squares);
  return { norm, factor: Math.min(1, maxNorm / (norm + 1e-6)) };
}

/** Factors on the learning rate for thirds of a tensor, at ends that are multiples of nothing. */
export function lrRanges(size: number): LrRange[] {
  const third = Math.ceil(size / 3);
  return [
    { end: third, factor: 1 },
    { end: Math.min(size, 2 * third), factor: 0.25 },
    { end: size, factor: 3 },
  ];
}

/** The factor of value i under `lrRanges`. */
export function lrFactor(i: number, size: number): number {
  return lrRanges(size).find(({ end }) => i < end)!.factor;
}

/** One step of torch.optim.AdamW, in place; t counts from 1. `factorOf` gives each value its factor on `lr`. */
export function adamw(
  { param, m, v }: Moments,
  gradient: ArrayLike<number>,
  { lr, beta1, beta2, eps, weightDecay }: AdamwHyper,
  t: number,
  factorOf: (i: number, size: number) => number = () => 1,
): void {
  for (let i = 0; i < param.length; i++) {
    const g = gradient[i]!;
    const ownLr = lr * factorOf(i, param.length);
    param[i]! *= 1 - ownLr * weightDecay;
    m[i] = m[i]! * beta1 + g * (1 - beta1);
    v[i] = v[i]! * beta2 + g * g * (1 - beta2);
    const denominator = Math.sqrt(v[i]!) / Math.sqrt(1 - beta2 ** t) + eps;
    param[i]! -= ((ownLr / (1 - beta1 ** t)) * m[i]!) / denominator;
  }
}
