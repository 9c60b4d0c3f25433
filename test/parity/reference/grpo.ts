/** Float64 references of GRPO's advantage and loss, as TRL and PyTorch compute them. */

/** Shapes as in `src/ops/grpo.ts`. */
export function groupAdvantage(
  reward: ArrayLike<number>,
  known: ArrayLike<number>,
  group: number,
  scale: boolean,
): Float64Array {
  const advantage = new Float64Array(reward.length);
  for (let first = 0; first < reward.length; first += group) {
    const places = Array.from({ length: group }, (_, g) => first + g).filter((i) => known[i] === 1);
    const mean = places.reduce((sum, i) => sum + reward[i]!, 0) / places.length;
    const squares = places.reduce((sum, i) => sum + (reward[i]! - mean) ** 2, 0);
    const std = places.length > 1 ? Math.sqrt(squares / (places.length - 1)) : 0;
    for (const i of places) advantage[i] = (reward[i]! - mean) / (scale ? std + 1e-4 : 1);
  }
  return advantage;
}

export interface LossCase {
  logprob: Float64Array | Float32Array;
  old: ArrayLike<number>;
  ref: ArrayLike<number>;
  advantage: ArrayLike<number>;
  weight: ArrayLike<number>;
  clipLow: number;
  clipHigh: number;
  klCoef: number;
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

/** The loss, the terms [N, 4] and the gradient with respect to `logprob`. */
export function policyLoss(c: LossCase): { loss: number; terms: Float64Array; gradient: Float64Array } {
  const count = c.logprob.length;
  const result = { loss: 0, terms: new Float64Array(4 * count), gradient: new Float64Array(count) };
  const [low, high] = [1 - c.clipLow, 1 + c.clipHigh];
  for (let n = 0; n < count; n++) {
    const logRatio = c.logprob[n]! - c.old[n]!;
    const ratio = Math.exp(clamp(logRatio, -20, 20));
    const a = c.advantage[n]!;
    const policy = -Math.min(ratio * a, clamp(ratio, low, high) * a);
    const d = c.ref[n]! - c.logprob[n]!;
    const k3 = Math.exp(clamp(d, -20, 20)) - clamp(d, -20, 20) - 1;
    const clipped = ratio < low && a < 0 ? -1 : ratio > high && a > 0 ? 1 : 0;
    result.terms.set([policy, k3, ratio, clipped], 4 * n);
    result.loss += c.weight[n]! * (policy + c.klCoef * k3);
    const dPolicy = clipped === 0 && Math.abs(logRatio) <= 20 ? -a * ratio : 0;
    const dK3 = Math.abs(d) <= 20 ? 1 - Math.exp(d) : 0;
    result.gradient[n] = c.weight[n]! * (dPolicy + c.klCoef * dK3);
  }
  return result;
}
