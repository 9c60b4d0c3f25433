/** Where a step's episodes come from: the policy samples them, or a file replays them. */
import type { Row } from '../data/row.ts';
import type { Episode, EpisodeReward } from '../grpo/episode.ts';
import type { Response } from '../rollout/rollout.ts';
import type { Prompt } from '../processor/prompt.ts';
import type { Run } from './run.ts';
import { samplingOf } from './sampling.ts';

export interface EpisodeSource {
  /**
   * `data.rollout_batch_size` groups of one step; rewards and advantages come later in the step.
   * @param firstPrompt number of the first prompt among all of the step; the prompts' numbers key their noise
   * @param onGroup hears of each group as soon as it is whole, in any order
   */
  collect(step: number, firstPrompt: number, onGroup: (group: Episode[]) => void): Promise<Episode[][]>;
}

/** Before a verifier has spoken; the NaN keeps it from being trained on by mistake. */
export const UNSCORED: EpisodeReward = { reward: Number.NaN, parts: {}, method: '', extracted: '' };

/** Rows of the dataset in the sampler's order, `rollout.n` sampled responses to each. */
export class SampledEpisodes implements EpisodeSource {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  async collect(
    step: number,
    firstPrompt: number,
    onGroup: (group: Episode[]) => void,
  ): Promise<Episode[][]> {
    const { config, sampler, rows, prompts, rollouts } = this.#run;
    const batch = sampler.nextBatch(config.data.rollout_batch_size).map((index) => rows[index]!);
    const requests = await Promise.all(
      batch.map(async (row, i) => ({
        prompt: await prompts.of(row),
        count: config.rollout.n,
        id: firstPrompt + i,
      })),
    );
    const groups: Episode[][] = [];
    const sampling = samplingOf(config, config.rollout.temperature, step);
    await rollouts.generate(requests, sampling, (g, responses) => {
      const group = responses.map((response, r) =>
        episodeOf(batch[g]!, requests[g]!.prompt, response, requests[g]!.id, r),
      );
      groups[g] = group;
      onGroup(group);
    });
    return groups;
  }
}

export function episodeOf(
  row: Row,
  prompt: Prompt,
  response: Response,
  promptIndex: number,
  responseIndex: number,
): Episode {
  return {
    row,
    prompt,
    promptIndex,
    responseIndex,
    tokens: response.tokens,
    logprobs: response.logprobs,
    entropies: response.entropies,
    refLogprobs: null,
    text: response.text,
    end: response.end,
    reward: UNSCORED,
    klPenalty: 0,
    advantage: 0,
  };
}

/** An episode as `rollouts/step_000010.jsonl` keeps it, grouped by prompt. */
export function rolloutRow(group: readonly Episode[], step: number): object {
  const { row, promptIndex } = group[0]!;
  return {
    step,
    prompt_id: promptIndex,
    row_id: row.id,
    problem: row.problem,
    answer: row.answer,
    images: row.images,
    group: group.map(({ text, tokens, logprobs, reward, klPenalty, advantage, end }) => ({
      response: text,
      ...reward,
      kl_penalty: klPenalty,
      advantage,
      end,
      token_ids: [...tokens],
      logprobs: [...logprobs],
    })),
  };
}
