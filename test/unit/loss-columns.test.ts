import { describe, expect, it } from 'vitest';
import type { Episode } from '../../src/grpo/episode.ts';
import { lossColumns } from '../../src/grpo/loss-columns.ts';

const ALL = { top_entropy_quantile: 1, use_kl_loss: true, kl_coef: 0.5 };

const REFERENCE = -2;
const ADVANTAGE = 3;

/** As many tokens as entropies. */
function episode(entropies: number[] | null, tokens = entropies!.length): Episode {
  return {
    logprobs: new Float32Array(tokens).fill(-1),
    refLogprobs: new Float32Array(tokens).fill(REFERENCE),
    entropies: entropies && Float32Array.from(entropies),
    advantage: ADVANTAGE,
  } as unknown as Episode;
}

/** A column of all episodes: reference, advantage, weight of the policy term, weight of the KL term. */
function column(columns: readonly Float32Array[], c: number): number[] {
  return columns.flatMap((rows) => [...rows].filter((_, i) => i % 4 === c));
}

describe('lossColumns', () => {
  it('gives each token its reference, its advantage and its weights', () => {
    const columns = lossColumns([episode(null, 2), episode(null, 1)], [0.25, 0.125], ALL);
    expect(columns.map((rows) => [...rows])).toEqual([
      [REFERENCE, ADVANTAGE, 0.25, 0.125, REFERENCE, ADVANTAGE, 0.25, 0.125],
      [REFERENCE, ADVANTAGE, 0.125, 0.0625],
    ]);
  });

  it('has no KL term where it is taken off the reward', () => {
    const columns = lossColumns([episode(null, 2)], [1], { ...ALL, use_kl_loss: false });
    expect(column(columns, 3)).toEqual([0, 0]);
  });

  it('compares with the sampling policy where there is no reference', () => {
    const alone = { ...episode(null, 1), refLogprobs: null };
    const columns = lossColumns([alone], [1], { ...ALL, kl_coef: 0 });
    expect(column(columns, 0)).toEqual([-1]);
    expect(column(columns, 3)).toEqual([0]);
  });

  it('refuses a KL term without a reference, and a share without entropies', () => {
    const alone = { ...episode(null, 1), refLogprobs: null };
    expect(() => lossColumns([alone], [1], ALL)).toThrow(/refLogprobs/);
    const share = { ...ALL, top_entropy_quantile: 0.5 };
    expect(() => lossColumns([episode(null, 1)], [1], share)).toThrow(/entropies/);
  });

  it.each([
    // torch.quantile of these seven at 0.8, 0.5, 0.65 and 0: 0.86, 0.5, 0.68, 0.1.
    { share: 0.2, kept: [0, 0, 1, 0, 0, 1, 0] },
    { share: 0.5, kept: [1, 0, 1, 0, 0, 1, 1] },
    { share: 0.35, kept: [0, 0, 1, 0, 0, 1, 1] },
    { share: 1, kept: [1, 1, 1, 1, 1, 1, 1] },
  ])('the policy term counts from the entropy on that a share of $share has', ({ share, kept }) => {
    // The threshold is that of the update, not of each response.
    const update = [episode([0.5, 0.1, 0.9]), episode([0.3, 0.3, 1.2, 0.7])];
    const columns = lossColumns(update, [1, 1], { ...ALL, top_entropy_quantile: share });
    expect(column(columns, 2)).toEqual(kept);
    expect(column(columns, 3), 'the KL term counts for all').toEqual(kept.map(() => 0.5));
  });

  it('keeps all tokens as uncertain as the threshold', () => {
    const columns = lossColumns([episode([0.2, 0.7, 0.7, 0.7])], [1], { ...ALL, top_entropy_quantile: 0.25 });
    expect(column(columns, 2)).toEqual([0, 1, 1, 1]);
  });

  it('leaves responses outside the loss out of the threshold', () => {
    const update = [episode([0.1, 0.2]), episode([5, 6, 7])];
    const columns = lossColumns(update, [1, 0], { ...ALL, top_entropy_quantile: 0.5 });
    expect(column(columns, 2)).toEqual([0, 1, 0, 0, 0]);
    const none = lossColumns(update, [0, 0], { ...ALL, top_entropy_quantile: 0.5 });
    expect(column(none, 2)).toEqual([0, 0, 0, 0, 0]);
  });
});
