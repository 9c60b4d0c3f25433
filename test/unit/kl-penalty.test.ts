import { describe, expect, it } from 'vitest';
import { type Episode, netReward } from '../../src/grpo/episode.ts';
import { addKlPenalty } from '../../src/train/kl-penalty.ts';

function episode(logprobs: number[], refLogprobs: number[] | null, reward: number | null = 1): Episode {
  return {
    logprobs: Float32Array.from(logprobs),
    refLogprobs: refLogprobs && Float32Array.from(refLogprobs),
    reward: { reward, parts: {}, method: '', extracted: '' },
    klPenalty: 0,
  } as unknown as Episode;
}

const LOGPROBS = [-1.5, -0.25, -3, -2];
const REFERENCE = [-1, -1.75, -3, -2.5];

describe('addKlPenalty', () => {
  it.each([
    // Sums of verl's kl_penalty of these four tokens.
    ['k1', 1.5],
    ['k2', 1.375],
    ['k3', 0.9783820905611915],
    ['abs', 2.5],
  ] as const)('%s: kl_coef times the sum over the response', (kl_penalty, sum) => {
    const groups = [[episode(LOGPROBS, REFERENCE), episode([-1, -1], [-1, -1])]];
    addKlPenalty(groups, { kl_coef: 0.2, kl_penalty });
    expect(groups[0]![0]!.klPenalty).toBeCloseTo(0.2 * sum, 14);
    expect(groups[0]![1]!.klPenalty).toBeCloseTo(0, 14);
    expect(netReward(groups[0]![0]!)).toBeCloseTo(1 - 0.2 * sum, 14);
  });

  it.each([
    ['k1', 20],
    ['k2', 200],
    ['k3', Math.exp(-20) + 19],
    ['abs', 20],
  ] as const)('%s: counts differences of at most 20', (kl_penalty, expected) => {
    const groups = [[episode([-1], [-90])]];
    addKlPenalty(groups, { kl_coef: 1, kl_penalty });
    expect(groups[0]![0]!.klPenalty).toBeCloseTo(expected, 12);
  });

  it('is 0 without a reference, and NaN where a log-probability is', () => {
    const groups = [[episode(LOGPROBS, null), episode([-1, Number.NaN], [-1, -1])]];
    addKlPenalty(groups, { kl_coef: 1, kl_penalty: 'abs' });
    expect(groups[0]!.map(({ klPenalty }) => klPenalty)).toEqual([0, Number.NaN]);
  });

  it('leaves a reward that is not known unknown', () => {
    const groups = [[episode(LOGPROBS, REFERENCE, null)]];
    addKlPenalty(groups, { kl_coef: 1, kl_penalty: 'k1' });
    expect(netReward(groups[0]![0]!)).toBeNull();
  });
});
