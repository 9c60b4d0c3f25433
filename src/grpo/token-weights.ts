/**
 * How token losses are averaged, as a weight per token, so that the loss is one weighted sum whatever the
 * micro-batches are.
 *
 * @see TRL 1.16 grpo_trainer.py, `loss_type`
 */
import type { AlgorithmConfig } from '../config/schema.ts';

export interface WeightedResponse {
  /** Tokens of the response. */
  length: number;
  /** It ran into the length limit. */
  truncated: boolean;
}

/**
 * @param update responses of one optimizer update
 * @param batchTokens tokens in the loss of the whole rollout batch divided by its number of updates (dapo, cispo)
 * @returns the weight of every token of each response
 */
export function tokenWeights(
  update: readonly WeightedResponse[],
  {
    loss_type,
    mask_truncated_completions,
  }: Pick<AlgorithmConfig, 'loss_type' | 'mask_truncated_completions'>,
  batchTokens: number,
  maxResponseLength: number,
): number[] {
  const counted = update.map((response) =>
    mask_truncated_completions && response.truncated ? 0 : response.length,
  );
  const updateTokens = counted.reduce((a, b) => a + b, 0);
  return counted.map((tokens) => {
    const divisors = {
      grpo: tokens * update.length,
      sapo: tokens * update.length,
      bnpo: updateTokens,
      dr_grpo: update.length * maxResponseLength,
      dapo: batchTokens,
      cispo: batchTokens,
    };
    return tokens === 0 ? 0 : 1 / divisors[loss_type];
  });
}

/** Tokens that enter the loss. */
export function lossTokens(
  responses: readonly WeightedResponse[],
  { mask_truncated_completions }: Pick<AlgorithmConfig, 'mask_truncated_completions'>,
): number {
  return responses.reduce(
    (sum, { length, truncated }) => sum + (mask_truncated_completions && truncated ? 0 : length),
    0,
  );
}
