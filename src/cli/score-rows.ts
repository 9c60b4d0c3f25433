/** Scores rows that hold a response, in batches, so that memory stays bounded however long the file is. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { PromptGroup } from '../model/packed-batch.ts';
import { scoreGroups } from '../model/score.ts';
import type { Policy } from '../rollout/policy.ts';
import { DataError, GpuError } from '../util/errors.ts';
import { readRows, type RowPlace } from './row-files.ts';

/** Rows whose images and scores are held at once. */
const BATCH_ROWS = 64;

const rowSchema = z
  .looseObject({
    problem: z.string(),
    image_path: z
      .union([z.string(), z.array(z.string().min(1))], { error: 'expected a path or a list of paths' })
      .nullish()
      .transform((paths) => (typeof paths === 'string' ? [paths].filter(Boolean) : (paths ?? []))),
    response: z.string().optional(),
    token_ids: z.array(z.int().nonnegative()).min(1).optional(),
  })
  .refine(({ response, token_ids }) => (response === undefined) !== (token_ids === undefined), {
    error: 'expected either "response" or "token_ids"',
  });

type GivenRow = RowPlace & { row: z.output<typeof rowSchema> };

export interface ScoreSettings {
  temperature: number;
  /** Folder of the images; the data file's own when undefined. */
  imageDir: string | undefined;
  /** null leaves it to the chat template. */
  systemPrompt: string | null;
  /** Rows of one pass. */
  maxRows: number;
}

export interface ScoreResult {
  id: string;
  /** The prompt as the model reads it, image tokens repeated. */
  prompt_token_ids: number[];
  token_ids: number[];
  /** Log-probability of each token under softmax(logits / temperature), in nats. */
  logprobs: number[];
  sum_logprob: number;
}

/**
 * @param load opens the model; called once the first rows have been read
 * @throws DataError for the first row that cannot be scored
 */
export async function* scoreRows(
  file: string,
  load: () => Promise<Policy>,
  settings: ScoreSettings,
): AsyncGenerator<ScoreResult> {
  const imageDir = resolve(settings.imageDir ?? dirname(file));
  let policy: Policy | undefined;
  let batch: GivenRow[] = [];
  for await (const row of readRows(file, rowSchema)) {
    if (batch.push(row) < BATCH_ROWS) continue;
    yield* scoreBatch((policy ??= await load()), batch, imageDir, settings);
    batch = [];
  }
  if (batch.length > 0) yield* scoreBatch((policy ??= await load()), batch, imageDir, settings);
}

async function* scoreBatch(
  policy: Policy,
  batch: readonly GivenRow[],
  imageDir: string,
  { temperature, systemPrompt, maxRows }: ScoreSettings,
): AsyncGenerator<ScoreResult> {
  const groups: (PromptGroup & { members: GivenRow[]; responses: Int32Array[] })[] = [];
  for (const given of batch) {
    const last = groups.at(-1);
    const response = responseTokens(policy, given);
    if (last && samePrompt(last.members[0]!, given)) {
      // Responses to one prompt mostly stand together; the prompt is computed once for them.
      last.members.push(given);
      last.responses.push(response);
      continue;
    }
    const { row, where } = given;
    const images = row.image_path.map((path) => resolve(imageDir, path));
    const prompt = await policy.prompt({ problem: row.problem, images, systemPrompt, where });
    groups.push({ prompt, responses: [response], members: [given] });
  }
  const scores = await scoreGroups(policy.model, groups, { temperature, maxRows });
  for (const [g, { prompt, members, responses }] of groups.entries()) {
    for (const [r, { id, where }] of members.entries()) {
      const logprobs = Array.from(scores[g]![r]!.logprobs);
      const sum = logprobs.reduce((a, b) => a + b, 0);
      if (!Number.isFinite(sum)) {
        throw new GpuError({
          where,
          expected: 'finite log-probabilities',
          found: String(sum),
          fix: 'check the weights of the model, and the kernels with wethink doctor',
        });
      }
      yield {
        id,
        prompt_token_ids: Array.from(prompt.tokens),
        token_ids: Array.from(responses[r]!),
        logprobs,
        sum_logprob: sum,
      };
    }
  }
}

function samePrompt({ row: a }: GivenRow, { row: b }: GivenRow): boolean {
  return a.problem === b.problem && a.image_path.join('\0') === b.image_path.join('\0');
}

/** @throws DataError for tokens that the model does not have or cannot answer with */
function responseTokens({ tokenizer, model }: Policy, { row, where }: GivenRow): Int32Array {
  const { response, token_ids: ids } = row;
  if (ids !== undefined) {
    const { vocab } = model.architecture.text;
    const bad = ids.find((id) => id >= vocab || tokenizer.placeholderIds.includes(id));
    if (bad === undefined) return Int32Array.from(ids);
    throw new DataError({
      where: `${where}: token_ids`,
      expected: `ids below ${vocab}, none that stands for a picture`,
      found: String(bad),
      fix: 'use the token ids of this model',
    });
  }
  const text = response ?? '';
  const special = tokenizer.findSpecialToken(text);
  const [end] = tokenizer.eosIds;
  if (special !== undefined || end === undefined) {
    throw new DataError({
      where: `${where}: response`,
      expected:
        end === undefined ? 'a model with an end token' : 'a text without special tokens of the model',
      found: special ?? 'none',
      fix: 'give "token_ids" instead',
    });
  }
  return Int32Array.from([...tokenizer.encode(text), end]);
}
