/**
 * Every policy loss against TRL's own `_compute_loss` on the same numbers: from episodes through the weights of tokens
 * to the loss and its gradient by the log-probabilities.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { AlgorithmConfig } from '../../src/config/schema.ts';
import type { Episode } from '../../src/grpo/episode.ts';
import { lossColumns } from '../../src/grpo/loss-columns.ts';
import { tokenWeights } from '../../src/grpo/token-weights.ts';
import { SafetensorsFile } from '../../src/io/safetensors.ts';
import { policyLoss } from '../../src/ops/policy-loss.ts';
import { addAdvantages } from '../../src/train/advantages.ts';
import { uploadLossInputs } from '../../src/train/policy-update.ts';
import { gradients, openGpu } from '../parity/harness.ts';
import { relativeDifference } from './golden-models.ts';

/** Of the loss, and of the largest value of a gradient; both sides start from the same f32 numbers. */
const TOLERANCE = 1e-5;
/** Rewards near 1 have a rounding of 6e-8, which a division by their deviation enlarges. */
const ADVANTAGE_TOLERANCE = 1e-6;

interface Report {
  lengths: number[];
  group: number;
  max_response_length: number;
  batch_tokens: number;
  updates: number;
  defaults: Record<string, unknown>;
  cases: { keys: Record<string, unknown>; loss: number }[];
  rewards: (number | null)[];
}

const report = JSON.parse(readFileSync(new URL('policy_losses.json', import.meta.url), 'utf8')) as Report;

const opened = openGpu();

async function golden(name: string): Promise<Float32Array> {
  const path = fileURLToPath(new URL('policy_losses.safetensors', import.meta.url));
  await using file = await SafetensorsFile.open(path);
  return file.readF32(name);
}

function algorithmOf(keys: Record<string, unknown>): AlgorithmConfig {
  const pairs = Object.entries({ ...report.defaults, ...keys });
  const overrides = pairs.map(([key, value]) => `algorithm.${key}=${JSON.stringify(value)}`);
  return parseConfig('', 'golden.yaml', ['model.path=unused', 'data.train_files=unused', ...overrides])
    .algorithm;
}

/** A response that is as long as the limit was cut there. */
async function episodes(): Promise<Episode[]> {
  const [old, ref, entropies, advantages] = await Promise.all(
    ['old', 'ref', 'entropies', 'advantages'].map(golden),
  );
  let first = 0;
  return report.lengths.map((length, i) => {
    const [from, to] = [first, (first += length)];
    return {
      tokens: new Int32Array(length),
      logprobs: old!.subarray(from, to),
      refLogprobs: ref!.subarray(from, to),
      entropies: entropies!.subarray(from, to),
      end: length === report.max_response_length ? 'length' : 'stop',
      reward: { reward: report.rewards[i], parts: {}, method: 'given', extracted: '' },
      klPenalty: 0,
      advantage: advantages![i]!,
    } as unknown as Episode;
  });
}

/** The sum over passes of so many responses each, and the gradient of all tokens. */
async function lossInPasses(
  update: readonly Episode[],
  size: number,
  columnsOf: ReadonlyMap<Episode, Float32Array>,
  logprobs: Float32Array,
  algorithm: AlgorithmConfig,
): Promise<{ loss: number; dlogprob: number[] }> {
  const dlogprob: number[] = [];
  let loss = 0;
  for (let start = 0; start < update.length; start += size) {
    const pass = update.slice(start, start + size);
    const tokens = pass.reduce((sum, episode) => sum + episode.tokens.length, 0);
    const own = logprobs.subarray(dlogprob.length, dlogprob.length + tokens);
    const [value, gradient] = tf.tidy(() => {
      const logprob_N = tf.tensor1d(own);
      const rest = uploadLossInputs(pass, columnsOf);
      const run = () => policyLoss({ logprob_N, ...rest }, algorithm).loss;
      return [run(), gradients(run, [logprob_N], tf.scalar(1))[0]!] as const;
    });
    loss += (await opened.gpu.read(value))[0]!;
    dlogprob.push(...(await opened.gpu.read(gradient)));
    tf.dispose([value, gradient]);
  }
  return { loss, dlogprob };
}

describe('losses and gradients', () => {
  it.each(report.cases.map((one, i) => ({ ...one, i, name: JSON.stringify(one.keys) })))(
    '$name',
    async ({ keys, loss: expected, i }) => {
      const algorithm = algorithmOf(keys);
      const update = await episodes();
      const responses = update.map(({ tokens, end }) => ({
        length: tokens.length,
        truncated: end === 'length',
      }));
      const batchTokens = report.batch_tokens / report.updates;
      const weights = tokenWeights(responses, algorithm, batchTokens, report.max_response_length);
      const columns = lossColumns(update, weights, algorithm);
      const columnsOf = new Map(update.map((episode, e) => [episode, columns[e]!]));
      const logprobs = await golden('logprobs');
      const gradient = await golden(`gradient.${i}`);
      // Whatever the passes are that a micro-batch makes of the update.
      for (const size of [update.length, 3]) {
        const { loss, dlogprob } = await lossInPasses(update, size, columnsOf, logprobs, algorithm);
        expect(relativeDifference([loss], [expected]), 'loss').toBeLessThanOrEqual(TOLERANCE);
        expect(relativeDifference(dlogprob, gradient), 'gradient').toBeLessThanOrEqual(TOLERANCE);
      }
    },
  );
});

it.each(['group', 'batch', 'none'] as const)(
  'advantages scaled by %s, with rewards that are not known',
  async (scale) => {
    const all = await episodes();
    const groups = [all.slice(0, report.group), all.slice(report.group)];
    await addAdvantages(opened.gpu, groups, algorithmOf({ scale_rewards: scale }), {});
    const advantages = all.map(({ advantage }) => advantage);
    expect(relativeDifference(advantages, await golden(`advantages.${scale}`))).toBeLessThanOrEqual(
      ADVANTAGE_TOLERANCE,
    );
  },
);
