/** Supervised warm-up: cross-entropy on the reasoning and the answer of each row, on the same model code. */
import * as tf from '@tensorflow/tfjs';
import type { Config } from '../config/schema.ts';
import type { Row } from '../data/row.ts';
import { microBatches, passGroups } from '../model/micro-batches.ts';
import { packGroups, type PromptGroup } from '../model/packed-batch.ts';
import { uploadBatch, uploadTargets } from '../model/upload.ts';
import { learningRate } from '../optim/schedule.ts';
import { saveCheckpoint } from './checkpoint.ts';
import { isSaveDue, isValidationDue } from './due.ts';
import { Interrupt } from './interrupt.ts';
import type { TrainSummary } from './loop.ts';
import { reportStep } from './progress.ts';
import type { Metrics } from './run-folder.ts';
import { closeRun, openRun, type Run } from './run.ts';
import { Stopwatch } from './stopwatch.ts';
import { validate } from './validate.ts';

/** The response that a row teaches: its reasoning, where it has one, and its answer. */
function targetText({ refinedCot, answer }: Row): string {
  const answered = `<answer>${answer}</answer>`;
  return refinedCot === '' ? answered : `<think>${refinedCot}</think>${answered}`;
}

/** @throws {ConfigError} {DataError} {CheckpointError} {GpuError} */
export async function runSft(config: Config): Promise<TrainSummary> {
  const run = await openRun(config, {
    rowsPerStep: config.sft.batch_size,
    resume: false,
    needsReference: false,
    rewardsTraining: false,
  });
  try {
    await run.folder.describe(config, run.gpu);
    return await loop(run);
  } finally {
    await closeRun(run);
  }
}

async function loop(run: Run): Promise<TrainSummary> {
  const { config, folder, totalSteps, sampler, rows } = run;
  using interrupt = new Interrupt();
  const startedAt = performance.now();
  let after: Metrics | null = null;
  let checkpoint: string | null = null;
  let step = 0;
  while (step < totalSteps && !interrupt.requested) {
    step += 1;
    const watch = new Stopwatch();
    const batch = sampler.nextBatch(config.sft.batch_size).map((index) => rows[index]!);
    const groups = await Promise.all(batch.map((row) => supervisedGroup(run, row)));
    const lr = learningRate(config.optim, step - 1, totalSteps);
    const { loss, gradNorm } = await watch.time('update_actor', () => supervisedUpdate(run, groups, lr));
    const validation = isValidationDue(run, step) ? await validate(run, step) : null;
    after = validation ?? after;
    const metrics = {
      step,
      'actor/loss': loss,
      'actor/grad_norm': gradNorm,
      'actor/lr': lr,
      ...watch.metrics(groups.map(({ prompt, responses }) => ({ prompt, tokens: responses[0]! }))),
      ...validation,
    };
    await folder.appendMetrics(metrics);
    reportStep(metrics, totalSteps, startedAt, 1);
    if (isSaveDue(run, step) || interrupt.requested) {
      checkpoint = await saveCheckpoint(
        run,
        { step, updates: step, sampler: sampler.state, best: null },
        false,
      );
    }
    await run.gpu.sync();
  }
  return {
    folder: folder.path,
    step,
    totalSteps,
    checkpoint,
    interrupted: interrupt.requested,
    peakBytes: run.gpu.budget.peakBytes,
    plannedBytes: null,
    before: null,
    after,
  };
}

async function supervisedGroup({ policy, prompts }: Run, row: Row): Promise<PromptGroup> {
  const { tokenizer } = policy;
  const tokens = [...tokenizer.encode(targetText(row)), tokenizer.eosIds[0]!];
  return { prompt: await prompts.of(row), responses: [Int32Array.from(tokens)] };
}

/** One update on the mean negative log-probability of all response tokens of the batch. */
export async function supervisedUpdate(
  { config, model, optimizer, gpu }: Pick<Run, 'config' | 'gpu' | 'model' | 'optimizer'>,
  groups: readonly PromptGroup[],
  lr: number,
): Promise<{ loss: number; gradNorm: number }> {
  const tokens = groups.reduce((sum, { responses }) => sum + responses[0]!.length, 0);
  let loss = 0;
  optimizer.zeroGradients();
  for (const pass of microBatches(groups, config.trainer.micro_batch_tokens)) {
    const batch = packGroups(passGroups(groups, pass), model.architecture);
    const value = tf.tidy(() => {
      const inputs = uploadBatch(model, batch);
      return model.lossGradients(
        inputs,
        { ...uploadTargets(batch), temperature: 1 },
        ({ logprob }) => tf.mul(tf.sum(logprob), -1 / tokens).asScalar(),
        optimizer.accumulate,
      );
    });
    loss += (await gpu.read(value))[0]!;
    value.dispose();
  }
  const { gradNorm } = await optimizer.step(lr);
  return { loss, gradNorm };
}
