/** Optimizer updates on the policy loss, and the reference policy's log-probabilities that it needs. */
import * as tf from '@tensorflow/tfjs';
import type { Episode } from '../grpo/episode.ts';
import { lossColumns } from '../grpo/loss-columns.ts';
import { lossTokens, tokenWeights } from '../grpo/token-weights.ts';
import { microBatches, passGroups, type GroupPart } from '../model/micro-batches.ts';
import { packGroups, type PromptGroup } from '../model/packed-batch.ts';
import type { Predicted } from '../model/qwen2_5_vl.ts';
import { scoreGroups } from '../model/score.ts';
import { uploadBatch, uploadTargets } from '../model/upload.ts';
import { policyLoss, type PolicyLossInput } from '../ops/policy-loss.ts';
import { learningRate } from '../optim/schedule.ts';
import type { Run } from './run.ts';
import { UpdateMeter } from './update-meter.ts';

/** What updates need of a run. */
export type UpdateContext = Pick<Run, 'config' | 'gpu' | 'model' | 'reference' | 'optimizer' | 'totalSteps'>;

/** Fills in `refLogprobs`: the start of the policy, or with LoRA the policy without its adapter. */
export async function addReference(
  { config, model, reference }: UpdateContext,
  groups: readonly Episode[][],
): Promise<void> {
  const target = reference ?? model;
  const options = {
    temperature: config.rollout.temperature,
    maxRows: config.trainer.micro_batch_tokens,
  };
  const scores = await target.layers.withoutAdapter(() =>
    scoreGroups(target, groups.map(promptGroup), options),
  );
  groups.forEach((group, g) =>
    group.forEach((episode, r) => {
      episode.refLogprobs = scores[g]![r]!.logprobs;
    }),
  );
}

/**
 * Trains on the groups of one step: `algorithm.num_iterations` passes, each with one update per
 * `algorithm.mini_batch_prompts` prompts.
 * @param firstUpdate number of updates of the run so far
 */
export async function updatePolicy(
  run: UpdateContext,
  groups: readonly Episode[][],
  firstUpdate: number,
): Promise<UpdateMeter> {
  const { algorithm, optim, data } = run.config;
  const perUpdate = algorithm.mini_batch_prompts ?? groups.length;
  const miniBatches = chunks(groups, perUpdate);
  const batchTokens = lossTokens(groups.flat().map(weighted), algorithm) / miniBatches.length;
  const totalUpdates = run.totalSteps * miniBatches.length * algorithm.num_iterations;
  const meter = new UpdateMeter();
  let update = firstUpdate;
  for (let iteration = 0; iteration < algorithm.num_iterations; iteration++) {
    for (const miniBatch of miniBatches) {
      const weights = tokenWeights(
        miniBatch.flat().map(weighted),
        algorithm,
        batchTokens,
        data.max_response_length,
      );
      const lr = learningRate(optim, update, totalUpdates);
      run.optimizer.zeroGradients();
      await accumulateGradients(run, miniBatch, weights, meter);
      meter.addUpdate(await run.optimizer.step(lr), lr);
      update += 1;
    }
  }
  return meter;
}

/**
 * Adds the gradient of the mini-batch's loss, pass by pass. Without a KL term in it the groups whose rewards are all
 * equal have no gradient, and are left out.
 * @param weights of the tokens of each episode
 */
export async function accumulateGradients(
  { config, model, optimizer, gpu }: UpdateContext,
  miniBatch: readonly Episode[][],
  weights: readonly number[],
  meter: UpdateMeter,
): Promise<void> {
  const { algorithm } = config;
  const episodesOfUpdate = miniBatch.flat();
  const columns = lossColumns(episodesOfUpdate, weights, algorithm);
  const columnsOf = new Map(episodesOfUpdate.map((episode, i) => [episode, columns[i]!]));
  const teaching = miniBatch.filter(
    (group) =>
      (algorithm.use_kl_loss && algorithm.kl_coef > 0) || group.some(({ advantage }) => advantage !== 0),
  );
  const groups = teaching.map(promptGroup);
  for (const pass of microBatches(groups, config.trainer.micro_batch_tokens)) {
    const episodes = pass.flatMap(({ group, responses }: GroupPart) =>
      responses.map((r) => teaching[group]![r]!),
    );
    const batch = packGroups(passGroups(groups, pass), model.architecture);
    const outputs = tf.tidy(() => {
      const inputs = uploadBatch(model, batch);
      const prediction = { ...uploadTargets(batch), temperature: config.rollout.temperature };
      const lossInputs = uploadLossInputs(episodes, columnsOf);
      let kept: { terms: tf.Tensor; logprob: tf.Tensor; entropy: tf.Tensor } | undefined;
      const policyLossOf = ({ logprob, entropy }: Predicted): tf.Tensor => {
        const { loss, terms_N4 } = policyLoss({ logprob_N: logprob, ...lossInputs }, algorithm);
        kept = {
          terms: tf.keep(terms_N4.clone()),
          logprob: tf.keep(logprob.clone()),
          entropy: tf.keep(entropy.clone()),
        };
        return loss;
      };
      const loss = model.lossGradients(inputs, prediction, policyLossOf, optimizer.accumulate);
      return { loss, ...kept! };
    });
    await meter.addPass(gpu, episodes, outputs);
    tf.dispose(outputs);
  }
}

/** The inputs of the loss for the episodes of a pass, whose tokens follow one another. */
export function uploadLossInputs(
  episodes: readonly Episode[],
  columnsOf: ReadonlyMap<Episode, Float32Array>,
): Omit<PolicyLossInput, 'logprob_N'> {
  let first = 0;
  const responses = episodes.map(({ tokens }) => {
    first += tokens.length;
    return [first - tokens.length, tokens.length];
  });
  return {
    oldLogprob_N: tf.tensor1d(joined(episodes.map(({ logprobs }) => logprobs))),
    token_N4: tf.tensor2d(joined(episodes.map((episode) => columnsOf.get(episode)!)), [first, 4]),
    responses_R2: tf.tensor2d(responses, [episodes.length, 2], 'int32'),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function promptGroup(episodes: readonly Episode[]): PromptGroup {
  return { prompt: episodes[0]!.prompt, responses: episodes.map(({ tokens }) => tokens) };
}

function weighted({ tokens, end }: Episode): { length: number; truncated: boolean } {
  return { length: tokens.length, truncated: end === 'length' };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
