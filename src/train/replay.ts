/**
 * `rollout.engine: replay`: responses and rewards from a file instead of sampling and verifying, so that a step
 * is a pure function of its inputs.
 *
 * Each line of `rollout.replay_file` is a row of the dataset (problem, image_path, …) with
 * `responses: [{ token_ids, reward, logprobs?, entropies? }, …]`, all lines with equally many. `logprobs` and
 * `entropies` are those of the policy that sampled the response; without `logprobs` the current policy's own are taken,
 * without `entropies` `algorithm.top_entropy_quantile` must be 1. Steps take
 * `data.rollout_batch_size` lines each, in order, and start over at the end.
 */
import { z } from 'zod';
import type { AlgorithmConfig } from '../config/schema.ts';
import { loadRows } from '../data/formats.ts';
import type { Row } from '../data/row.ts';
import type { Episode } from '../grpo/episode.ts';
import { readJsonlAll } from '../io/jsonl.ts';
import type { PromptGroup } from '../model/packed-batch.ts';
import { scoreGroups } from '../model/score.ts';
import { ConfigError, DataError } from '../util/errors.ts';
import { UNSCORED, type EpisodeSource } from './rollouts.ts';
import type { Run } from './run.ts';

const responseSchema = z.strictObject({
  token_ids: z.array(z.int().nonnegative()).min(1),
  reward: z.number(),
  logprobs: z.array(z.number()).optional(),
  entropies: z.array(z.number().nonnegative()).optional(),
});
const lineSchema = z.looseObject({ responses: z.array(responseSchema).min(2) });
type ReplayResponse = z.infer<typeof responseSchema>;

export class ReplayedEpisodes implements EpisodeSource {
  readonly #run: Run;
  readonly #groups: readonly { row: Row; responses: ReplayResponse[] }[];

  private constructor(run: Run, groups: readonly { row: Row; responses: ReplayResponse[] }[]) {
    this.#run = run;
    this.#groups = groups;
  }

  /** @throws {DataError} {ConfigError} naming the line that does not have the form above, or lacks the entropies */
  static async open(run: Run, file: string): Promise<ReplayedEpisodes> {
    const { rows } = await loadRows([file], { ...run.config.data, max_bad_fraction: 0 });
    const lines = await readJsonlAll(file);
    const groups = lines.map(({ value, line }, i) => {
      const parsed = lineSchema.safeParse(value);
      const where = `${file}:${line}`;
      if (!parsed.success) {
        throw new DataError({
          where,
          expected: 'responses: [{ token_ids, reward, logprobs?, entropies? }, …], at least two',
          found: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
        });
      }
      for (const response of parsed.data.responses) checkResponse(response, where, run.config.algorithm);
      return { row: rows[i]!, responses: parsed.data.responses };
    });
    const size = groups[0]!.responses.length;
    const odd = groups.find(({ responses }) => responses.length !== size);
    if (odd) {
      throw new DataError({
        where: `${file}:${odd.row.line}`,
        expected: `${size} responses as in the first line`,
        found: `${odd.responses.length}`,
      });
    }
    return new ReplayedEpisodes(run, groups);
  }

  /** Online filtering is refused with replay, so that a step has no prompts but its first. */
  async collect(
    step: number,
    _firstPrompt: number,
    onGroup: (group: Episode[]) => void,
  ): Promise<Episode[][]> {
    const { rollout_batch_size: size } = this.#run.config.data;
    const picked = Array.from(
      { length: size },
      (_, i) => this.#groups[((step - 1) * size + i) % this.#groups.length]!,
    );
    const prompts = await Promise.all(picked.map(({ row }) => this.#run.prompts.of(row)));
    const groups = picked.map(({ responses }, g): PromptGroup => ({
      prompt: prompts[g]!,
      responses: responses.map(({ token_ids: tokens }) => Int32Array.from(tokens)),
    }));
    const own = picked.every(({ responses }) => responses.every(({ logprobs }) => logprobs))
      ? null
      : await this.#ownLogprobs(groups);
    const episodes = picked.map(({ row, responses }, g) =>
      responses.map((response, r) => this.#episode(row, groups[g]!, response, own?.[g]?.[r], g, r)),
    );
    episodes.forEach(onGroup);
    return episodes;
  }

  #episode(
    row: Row,
    { prompt, responses }: PromptGroup,
    { logprobs, entropies, reward }: ReplayResponse,
    own: Float32Array | undefined,
    promptIndex: number,
    responseIndex: number,
  ): Episode {
    const { tokenizer } = this.#run.policy;
    const tokens = responses[responseIndex]!;
    return {
      row,
      prompt,
      promptIndex,
      responseIndex,
      tokens,
      logprobs: logprobs ? Float32Array.from(logprobs) : own!,
      entropies: entropies ? Float32Array.from(entropies) : null,
      refLogprobs: null,
      text: tokenizer.decode([...tokens], { skipSpecialTokens: true }),
      end: tokenizer.eosIds.includes(tokens.at(-1)!) ? 'stop' : 'length',
      reward: { ...UNSCORED, reward, parts: {}, method: 'replay' },
      klPenalty: 0,
      advantage: 0,
    };
  }

  async #ownLogprobs(groups: readonly PromptGroup[]): Promise<Float32Array[][]> {
    const { config, model } = this.#run;
    const scores = await scoreGroups(model, groups, {
      temperature: config.rollout.temperature,
      maxRows: config.trainer.micro_batch_tokens,
    });
    return scores.map((group) => group.map(({ logprobs }) => logprobs));
  }
}

function checkResponse(response: ReplayResponse, where: string, algorithm: AlgorithmConfig): void {
  const { token_ids: tokens } = response;
  for (const name of ['logprobs', 'entropies'] as const) {
    const values = response[name];
    if (values && values.length !== tokens.length) {
      throw new DataError({
        where,
        expected: `${tokens.length} ${name}, one a token`,
        found: `${values.length}`,
      });
    }
  }
  if (algorithm.top_entropy_quantile < 1 && !response.entropies) {
    throw new ConfigError({
      where: 'algorithm.top_entropy_quantile',
      expected: `1, or entropies in every response of rollout.replay_file`,
      found: `${algorithm.top_entropy_quantile}, and none in ${where}`,
    });
  }
}
