/** The divergence from the reference policy as a price on the reward (`algorithm.use_kl_loss: false`). */
import type { AlgorithmConfig } from '../config/schema.ts';
import type { Episode } from '../grpo/episode.ts';

/** As in the loss: beyond it exp says nothing of a policy any more, and less of a float. */
const MAX_LOG_RATIO = 20;

/** Estimates of KL(sampling policy | reference) from one token, d = ref - logprob; as in policy_loss_fwd.wgsl. */
const ESTIMATES: Readonly<Record<AlgorithmConfig['kl_penalty'], (d: number) => number>> = {
  k1: (d) => -d,
  k2: (d) => (d * d) / 2,
  k3: (d) => Math.exp(d) - d - 1,
  abs: Math.abs,
};

/**
 * Fills in `klPenalty`: `kl_coef` times the sum of the estimates over the tokens of the response, in nats; 0 without
 * reference log-probabilities.
 * @see EasyR1 and verl, `apply_kl_penalty`
 */
export function addKlPenalty(
  groups: readonly Episode[][],
  { kl_coef, kl_penalty }: Pick<AlgorithmConfig, 'kl_coef' | 'kl_penalty'>,
): void {
  const estimate = ESTIMATES[kl_penalty];
  for (const episode of groups.flat()) {
    const { logprobs, refLogprobs } = episode;
    if (!refLogprobs) continue;
    const sum = logprobs.reduce((total, logprob, t) => total + estimate(clamp(refLogprobs[t]! - logprob)), 0);
    episode.klPenalty = kl_coef * sum;
  }
}

function clamp(x: number): number {
  return Math.min(Math.max(x, -MAX_LOG_RATIO), MAX_LOG_RATIO);
}
