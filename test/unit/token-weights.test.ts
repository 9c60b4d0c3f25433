import { describe, expect, it } from 'vitest';
import type { AlgorithmConfig } from '../../src/config/schema.ts';
import { lossTokens, tokenWeights, type WeightedResponse } from '../../src/grpo/token-weights.ts';

/** Ten tokens; the last response ran into the limit. */
const RESPONSES: readonly WeightedResponse[] = [
  { length: 2, truncated: false },
  { length: 4, truncated: false },
  { length: 4, truncated: true },
];
const MAX_LENGTH = 16;
/** As if the rollout batch held 16 tokens for two updates. */
const BATCH_TOKENS = 8;

const weights = (
  loss_type: AlgorithmConfig['loss_type'],
  mask_truncated_completions = false,
  responses = RESPONSES,
): number[] => tokenWeights(responses, { loss_type, mask_truncated_completions }, BATCH_TOKENS, MAX_LENGTH);

/** What the weights make of a loss of 1 for every token. */
const total = (values: readonly number[], responses = RESPONSES): number =>
  values.reduce((sum, weight, i) => sum + weight * responses[i]!.length, 0);

describe('tokenWeights', () => {
  it('grpo: the mean over responses of the mean over their tokens', () => {
    expect(weights('grpo')).toEqual([1 / 6, 1 / 12, 1 / 12]);
    expect(total(weights('grpo'))).toBeCloseTo(1, 15);
  });

  it('bnpo: the mean over the tokens of the update', () => {
    expect(weights('bnpo')).toEqual([1 / 10, 1 / 10, 1 / 10]);
  });

  it('dr_grpo: a sum over a constant, so that a long response counts by its length', () => {
    expect(weights('dr_grpo')).toEqual([1 / 48, 1 / 48, 1 / 48]);
  });

  it('dapo: the mean over the tokens of the rollout batch, shared by its updates', () => {
    expect(weights('dapo')).toEqual([1 / 8, 1 / 8, 1 / 8]);
  });

  it('cispo averages as dapo, and sapo as grpo', () => {
    expect(weights('cispo')).toEqual(weights('dapo'));
    expect(weights('sapo', true)).toEqual(weights('grpo', true));
  });

  it.each([
    ['grpo', [1 / 6, 1 / 12, 0]],
    ['bnpo', [1 / 6, 1 / 6, 0]],
    ['dr_grpo', [1 / 48, 1 / 48, 0]],
    ['dapo', [1 / 8, 1 / 8, 0]],
  ] as const)('%s: a masked response counts as a response, its tokens do not', (type, expected) => {
    expect(weights(type, true)).toEqual(expected);
  });

  it.each(['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo', 'sapo'] as const)(
    '%s: nothing left is zeros, not NaN',
    (type) => {
      const truncated = [{ length: 3, truncated: true }];
      expect(weights(type, true, truncated)).toEqual([0]);
      expect(weights(type, false, [{ length: 0, truncated: false }])).toEqual([0]);
      expect(weights(type, false, [])).toEqual([]);
    },
  );

  it('dapo: an update counts by its share of the tokens of its batch', () => {
    const first = [{ length: 3, truncated: false }];
    const second = [{ length: 5, truncated: false }];
    const algorithm = { loss_type: 'dapo', mask_truncated_completions: false } as const;
    const perUpdate = lossTokens([...first, ...second], algorithm) / 2;
    const sums = [first, second].map((update) =>
      total(tokenWeights(update, algorithm, perUpdate, MAX_LENGTH), update),
    );
    // Half of the batch's 8 tokens are 4, whatever an update holds: 3 / 4 and 5 / 4.
    expect(sums).toEqual([0.75, 1.25]);
  });
});

describe('lossTokens', () => {
  it('leaves truncated responses out only where they are masked', () => {
    expect(lossTokens(RESPONSES, { mask_truncated_completions: false })).toBe(10);
    expect(lossTokens(RESPONSES, { mask_truncated_completions: true })).toBe(6);
    expect(lossTokens([], { mask_truncated_completions: true })).toBe(0);
  });
});
