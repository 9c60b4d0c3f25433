/** Everything a training run holds while it goes on. */
import type { Config } from '../config/schema.ts';
import { loadRows } from '../data/formats.ts';
import type { Row } from '../data/row.ts';
import { Sampler, evenSubset, stepsInEpochs, type SamplerState } from '../data/sampler.ts';
import { Gpu } from '../gpu/gpu.ts';
import { HybridReward } from '../reward/hybrid.ts';
import { log } from '../util/log.ts';
import { closeLearner, memoryLimit, openLearner, type Learner } from './learner.ts';
import { checkFilterKey } from './online-filter.ts';
import { PromptSource } from './prompts.ts';
import { RunFolder } from './run-folder.ts';

export interface Run extends Learner {
  folder: RunFolder;
  prompts: PromptSource;
  reward: HybridReward;
  rows: Row[];
  valRows: Row[];
  sampler: Sampler;
  /** Steps of the whole run. */
  totalSteps: number;
}

export interface OpenRunOptions {
  /** Rows that one step takes. */
  rowsPerStep: number;
  resume: boolean;
  /** Where the sampler goes on. */
  samplerState?: SamplerState;
  /** The commit of the model on the hub that the run began with; null where it has none. */
  modelRevision?: string | null;
  /** Whether a KL term needs a reference policy. */
  needsReference: boolean;
  /** Whether responses to the training rows are rewarded, or those to the held-out rows only. */
  rewardsTraining: boolean;
}

/** Loads data and model. @throws {DataError} {CheckpointError} {GpuError} before anything is trained */
export async function openRun(config: Config, options: OpenRunOptions): Promise<Run> {
  const { data, trainer } = config;
  const { rows, skipped } = await loadRows(data.train_files, data);
  const val = data.val_files ? await loadRows(data.val_files, data) : { rows: [], skipped: [] };
  for (const { file, line, message } of [...skipped, ...val.skipped])
    log.warn(`skipped ${file}:${line}: ${message}`);
  const reward = await HybridReward.open(config.reward, data.max_response_length);
  if (options.rewardsTraining) checkFilterKey(config.algorithm, reward.weights);
  await reward.checkRows([...(options.rewardsTraining ? rows : []), ...val.rows]);
  const folder = await RunFolder.open(config, options.resume);

  const gpu = await Gpu.open(trainer.gpu.adapter, memoryLimit(config));
  const learner = await openLearner(gpu, config, options.needsReference, {
    modelRevision: options.modelRevision ?? null,
  });
  const { policy } = learner;
  const prompts = new PromptSource(policy, data);
  const trainRows = await prompts.withinLimit(rows);
  const valRows = await prompts.withinLimit(
    evenSubset(val.rows.length, data.val_max_rows).map((i) => val.rows[i]!),
  );
  return {
    folder,
    ...learner,
    prompts,
    reward,
    rows: trainRows,
    valRows,
    sampler: new Sampler({
      rowCount: trainRows.length,
      shuffle: data.shuffle,
      seed: data.seed,
      ...(options.samplerState ? { state: options.samplerState } : {}),
    }),
    totalSteps:
      trainer.max_steps ?? stepsInEpochs(trainRows.length, options.rowsPerStep, trainer.total_epochs),
  };
}

export async function closeRun(run: Run): Promise<void> {
  await run.reward.close();
  closeLearner(run);
}
