/** Rewards rows that hold a response. */
import { stringify } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { scoreResponse } from '../reward/hybrid.ts';
import { ConfigError } from '../util/errors.ts';
import { readRows } from './row-files.ts';

/** The settings that a reward depends on. */
const OWN_KEYS = /^~?(?:reward\.|data\.(?:prompt|answer)_key\b)/;

export interface RewardResult {
  id: string;
  reward: number;
  parts: Readonly<Record<string, number>>;
  method: string;
  extracted: string;
}

/**
 * @param file JSONL of WeThink rows with a `response`
 * @throws ConfigError for overrides of other settings than the reward's
 * @throws DataError for the first row that lacks a key or has an answer that its verifier cannot use
 */
export async function* rewardRows(file: string, overrides: readonly string[]): AsyncGenerator<RewardResult> {
  const { data, reward } = rewardConfig(file, overrides);
  const schema = z.intersection(
    z.looseObject({ [data.prompt_key]: z.string(), [data.answer_key]: z.string() }),
    z.looseObject({ response: z.string(), category: z.string().nullish(), reward: z.string().nullish() }),
  );
  for await (const { id, where, row } of readRows(file, schema)) {
    const { response, category, reward: kind } = row;
    const score = scoreResponse(
      {
        id: where,
        problem: row[data.prompt_key]!,
        answer: row[data.answer_key]!,
        category: category ?? '',
        reward: kind ?? '',
      },
      response,
      reward,
    );
    const { parts, method, extracted } = score;
    yield { id, reward: score.reward, parts, method, extracted };
  }
}

function rewardConfig(file: string, overrides: readonly string[]): Config {
  const stray = overrides.find((override) => !OWN_KEYS.test(override));
  if (stray !== undefined) {
    throw new ConfigError({
      where: 'wethink reward',
      expected: 'overrides of reward.*, data.prompt_key or data.answer_key',
      found: stray,
    });
  }
  // What a whole configuration asks for beyond the reward plays no part here.
  const source = stringify({
    model: { path: 'unused' },
    data: { train_files: file },
    trainer: { experiment_name: 'reward' },
  });
  return parseConfig(source, 'wethink reward', overrides);
}
