/** Rewards rows that hold a response. */
import { dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { readImages } from '../data/formats.ts';
import { HybridReward } from '../reward/hybrid.ts';
import type { RewardRow, Sample, Score } from '../reward/sample.ts';
import { ConfigError, DataError } from '../util/errors.ts';
import { readRows } from './row-files.ts';

/** The settings that a reward depends on. */
const OWN_KEYS = /^~?(?:reward\.|data\.(?:prompt_key|answer_key|image_key|image_dir|max_response_length)\b)/;
/** Rows that are scored together: a batch for models and user functions. */
const ROWS_AT_ONCE = 128;
/** Batches in flight, so that a slow reply holds up nothing but itself. */
const BATCHES_AT_ONCE = 4;

export interface RewardResult extends Score {
  id: string;
}

export interface RewardTotals {
  rows: number;
  /** Rows whose assessment failed. */
  unknown: number;
  /** Sum of the rewards that are known. */
  sum: number;
  /** Rows by the verifier or model that judged them. */
  methods: Map<string, number>;
  /** Checks that were stopped, calls of models, and the like. */
  counters: Record<string, number>;
}

interface RewardInput extends Sample {
  id: string;
}

/**
 * Scores in the order of the rows.
 * @param file JSONL of WeThink rows with a `response`
 * @param totals is filled while the results are taken
 * @throws ConfigError for overrides of other settings than the reward's
 * @throws DataError before the first result: for the first row that lacks a key, for answers that their verifier
 *   cannot use, and for values of `reward` and `category` that the configuration does not know
 * @throws ServiceError when too many assessments by a model fail
 */
export async function* rewardRows(
  file: string,
  overrides: readonly string[],
  totals: RewardTotals,
): AsyncGenerator<RewardResult> {
  const config = rewardConfig(file, overrides);
  const hybrid = await HybridReward.open(config.reward, config.data.max_response_length);
  try {
    await hybrid.checkRows(rowsOf(inputs(file, config)));
    for await (const results of scoredBatches(inputs(file, config), hybrid)) {
      for (const result of results) {
        count(result, totals);
        yield result;
      }
    }
    hybrid.checkFailures();
    totals.counters = hybrid.takeCounters();
  } finally {
    await hybrid.close();
  }
}

export function emptyTotals(): RewardTotals {
  return { rows: 0, unknown: 0, sum: 0, methods: new Map(), counters: {} };
}

function count({ reward, method }: Score, totals: RewardTotals): void {
  totals.rows += 1;
  if (reward === null) totals.unknown += 1;
  else totals.sum += reward;
  totals.methods.set(method, (totals.methods.get(method) ?? 0) + 1);
}

async function* scoredBatches(
  rows: AsyncIterable<RewardInput>,
  hybrid: HybridReward,
): AsyncGenerator<RewardResult[]> {
  const inFlight: Promise<RewardResult[]>[] = [];
  for await (const batch of batches(rows, ROWS_AT_ONCE)) {
    const results = scoreBatch(batch, hybrid);
    // It is awaited below, and must not end the process before that.
    results.catch(() => {});
    inFlight.push(results);
    if (inFlight.length === BATCHES_AT_ONCE) yield await inFlight.shift()!;
  }
  for (const results of inFlight) yield await results;
}

async function scoreBatch(batch: readonly RewardInput[], hybrid: HybridReward): Promise<RewardResult[]> {
  const scores = await hybrid.score(batch);
  return scores.map((score, i) => ({ id: batch[i]!.id, ...score }));
}

async function* batches<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* rowsOf(samples: AsyncIterable<Sample>): AsyncGenerator<RewardRow> {
  for await (const { row } of samples) yield row;
}

async function* inputs(file: string, { data }: Config): AsyncGenerator<RewardInput> {
  const schema = z.intersection(
    z.looseObject({ [data.prompt_key]: z.string(), [data.answer_key]: z.string() }),
    z.looseObject({
      response: z.string(),
      category: z.string().nullish(),
      reward: z.string().nullish(),
      response_tokens: z.int().min(0).nullish(),
      token_ids: z.array(z.int()).nullish(),
    }),
  );
  const imageDir = resolve(data.image_dir ?? dirname(file));
  for await (const { id, where, row } of readRows(file, schema)) {
    const { response, category, reward, response_tokens: tokens, token_ids: tokenIds } = row;
    const columns: Readonly<Record<string, unknown>> = row;
    const images = readImages(columns[data.image_key] ?? null, data.image_key, imageDir);
    if (typeof images === 'string') throw new DataError(`${where}: ${images}`);
    yield {
      id,
      response,
      responseTokens: tokens ?? tokenIds?.length ?? null,
      row: {
        id: where,
        problem: row[data.prompt_key]!,
        answer: row[data.answer_key]!,
        category: category ?? '',
        reward: reward ?? '',
        images,
        columns,
      },
    };
  }
}

function rewardConfig(file: string, overrides: readonly string[]): Config {
  const stray = overrides.find((override) => !OWN_KEYS.test(override));
  if (stray !== undefined) {
    throw new ConfigError({
      where: 'wethink reward',
      expected:
        'overrides of reward.*, data.prompt_key, data.answer_key, data.image_key, data.image_dir or ' +
        'data.max_response_length',
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
