/** How the configuration asks for responses to be sampled. */
import type { Config } from '../config/schema.ts';
import type { Sampling } from '../rollout/rollout.ts';

/** @param step keys the noise, with the seed of the run */
export function samplingOf({ data, rollout, trainer }: Config, temperature: number, step: number): Sampling {
  return {
    temperature,
    topK: Math.max(rollout.top_k, 0),
    topP: rollout.top_p,
    minP: rollout.min_p,
    repetitionPenalty: rollout.repetition_penalty,
    minTokens: rollout.min_tokens,
    maxTokens: data.max_response_length,
    stopStrings: rollout.stop_strings,
    seed: trainer.seed,
    step,
  };
}
