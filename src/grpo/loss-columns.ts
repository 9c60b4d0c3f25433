/** What the loss reads of each token besides log-probabilities of the trained and the sampling policy. */
import type { AlgorithmConfig } from '../config/schema.ts';
import { ShapeError } from '../util/errors.ts';
import type { Episode } from './episode.ts';

/**
 * The rows of `token_N4` (ops/policy-loss): reference log-probability, advantage, weight of the policy term, weight of
 * the KL term. Without a KL term the sampling policy stands in for a missing reference, so that its divergence can be
 * reported. With `top_entropy_quantile` below 1 the policy term counts for tokens of an entropy from the threshold on,
 * the KL term for all.
 * @param update episodes of one optimizer update
 * @param weights of the tokens of each episode, 0 for those outside the loss
 * @returns [T, 4] for each episode
 * @throws {ShapeError} without reference log-probabilities or entropies where they are needed
 * @see TRL's `get_high_entropy_mask`; arXiv 2506.01939
 */
export function lossColumns(
  update: readonly Episode[],
  weights: readonly number[],
  algorithm: Pick<AlgorithmConfig, 'top_entropy_quantile' | 'use_kl_loss' | 'kl_coef'>,
): Float32Array[] {
  const klWeight = algorithm.use_kl_loss ? algorithm.kl_coef : 0;
  const inLoss = update.filter((_, i) => weights[i] !== 0);
  const threshold = entropyThreshold(inLoss, algorithm.top_entropy_quantile);
  return update.map(({ logprobs, refLogprobs, entropies, advantage }, i) => {
    const weight = weights[i]!;
    const ref = klWeight > 0 ? given(refLogprobs, 'refLogprobs') : (refLogprobs ?? logprobs);
    const columns = new Float32Array(4 * logprobs.length);
    for (let t = 0; t < logprobs.length; t++) {
      const counts = threshold === null || given(entropies, 'entropies')[t]! >= threshold;
      columns.set([ref[t]!, advantage, counts ? weight : 0, klWeight * weight], 4 * t);
    }
    return columns;
  });
}

/** The entropy from which on tokens are among the share of the most uncertain ones; null for a share of 1. */
function entropyThreshold(episodes: readonly Episode[], share: number): number | null {
  if (share === 1) return null;
  const all = episodes.flatMap(({ entropies }) => [...given(entropies, 'entropies')]);
  return quantile(Float32Array.from(all).sort(), 1 - share);
}

/** The q-quantile of sorted values, interpolated linearly and in f32 as torch.quantile does; NaN of none. */
function quantile(sorted: Float32Array, q: number): number {
  const rank = Math.fround(Math.fround(q) * (sorted.length - 1));
  const low = sorted[Math.floor(rank)] ?? Number.NaN;
  const high = sorted[Math.ceil(rank)] ?? Number.NaN;
  return Math.fround(low + (rank - Math.floor(rank)) * (high - low));
}

function given(values: Float32Array | null, name: string): Float32Array {
  if (values) return values;
  throw new ShapeError({ where: `lossColumns.${name}`, expected: 'a value for each token', found: 'none' });
}
