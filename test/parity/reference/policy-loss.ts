/** Float64 reference of the policy losses, as TRL and PyTorch compute them. */
import type { LossFormula } from '../../../src/ops/policy-loss.ts';

export interface LossCase {
  logprob: Float64Array;
  old: ArrayLike<number>;
  ref: ArrayLike<number>;
  advantage: ArrayLike<number>;
  policyWeight: ArrayLike<number>;
  klWeight: ArrayLike<number>;
  /** Tokens of each response; they follow one another. */
  lengths: readonly number[];
  formula: LossFormula;
}

export interface LossResult {
  loss: number;
  /** [N, 4] as in `src/ops/policy-loss.ts`. */
  terms: Float64Array;
  /** [N] */
  gradient: Float64Array;
}

/**
 * The loss, the terms and the gradient with respect to `logprob`.
 * @param factorAt [N] log-probabilities that CISPO's factor, a constant to the gradient, is computed from
 */
export function policyLoss(c: LossCase, factorAt: ArrayLike<number> = c.logprob): LossResult {
  const count = c.logprob.length;
  const result = { loss: 0, terms: new Float64Array(4 * count), gradient: new Float64Array(count) };
  const logRatio = logRatios(c, c.logprob);
  const factorRatio = logRatios(c, factorAt).map(ratioOf);
  const dLogRatio = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    const ratio = ratioOf(logRatio[n]!);
    const a = c.advantage[n]!;
    const policy = policyTerm(c.formula, ratio, a, c.logprob[n]!, factorRatio[n]!);
    const d = clamp(c.ref[n]! - c.logprob[n]!, -20, 20);
    const kl = { k1: -d, k2: d ** 2 / 2, k3: Math.exp(d) - d - 1, abs: Math.abs(d) }[c.formula.kl_penalty];
    result.terms.set([policy.value, kl, ratio, policy.side], 4 * n);
    result.loss += c.policyWeight[n]! * policy.value + c.klWeight[n]! * kl;
    const dKl = { k1: 1, k2: -d, k3: 1 - Math.exp(d), abs: -Math.sign(d) }[c.formula.kl_penalty];
    const inside = Math.abs(c.ref[n]! - c.logprob[n]!) <= 20 ? dKl : 0;
    result.gradient[n] = c.policyWeight[n]! * policy.byLogprob + c.klWeight[n]! * inside;
    if (Math.abs(logRatio[n]!) <= 20) dLogRatio[n] = c.policyWeight[n]! * policy.byRatio * ratio;
  }
  // What a mean gives to each of its values.
  const shared = c.formula.importance_sampling_level === 'sequence' ? means(dLogRatio, c.lengths) : dLogRatio;
  result.gradient = result.gradient.map((own, n) => own + shared[n]!);
  return result;
}

interface PolicyTerm {
  value: number;
  side: number;
  byRatio: number;
  byLogprob: number;
}

function policyTerm(
  formula: LossFormula,
  ratio: number,
  a: number,
  logprob: number,
  factorRatio: number,
): PolicyTerm {
  const [low, high] = [1 - formula.clip_ratio_low, 1 + formula.clip_ratio_high];
  if (formula.loss_type === 'cispo') {
    const factor = Math.min(factorRatio, high);
    const side = factorRatio > high ? 1 : 0;
    return { value: -factor * a * logprob, side, byRatio: 0, byLogprob: -factor * a };
  }
  if (formula.loss_type === 'sapo') {
    const t = a > 0 ? formula.sapo_temperature_pos : formula.sapo_temperature_neg;
    const gate = 1 / (1 + Math.exp(-t * (ratio - 1)));
    return { value: (-4 / t) * gate * a, side: 0, byRatio: -4 * gate * (1 - gate) * a, byLogprob: 0 };
  }
  const dual = formula.clip_ratio_dual ?? Infinity;
  if (a < 0 && ratio > dual) return { value: -dual * a, side: 2, byRatio: 0, byLogprob: 0 };
  if (a < 0 && ratio < low) return { value: -low * a, side: -1, byRatio: 0, byLogprob: 0 };
  if (a > 0 && ratio > high) return { value: -high * a, side: 1, byRatio: 0, byLogprob: 0 };
  return { value: -ratio * a, side: 0, byRatio: -a, byLogprob: 0 };
}

function logRatios(c: LossCase, logprob: ArrayLike<number>): Float64Array {
  const differences = Float64Array.from(logprob, (value, n) => value - c.old[n]!);
  return c.formula.importance_sampling_level === 'sequence' ? means(differences, c.lengths) : differences;
}

/** Each value becomes the mean of its response's. */
function means(values: Float64Array, lengths: readonly number[]): Float64Array {
  const result = new Float64Array(values.length);
  let first = 0;
  for (const length of lengths) {
    const own = values.subarray(first, first + length);
    result.fill(own.reduce((sum, value) => sum + value, 0) / length, first, first + length);
    first += length;
  }
  return result;
}

function ratioOf(logRatio: number): number {
  return Math.exp(clamp(logRatio, -20, 20));
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}
