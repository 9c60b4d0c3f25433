/** Everything a training run holds while it goes on. */
import type { Config } from '../config/schema.ts';
import { loadRows } from '../data/formats.ts';
import type { Row } from '../data/row.ts';
import { Sampler, evenSubset, stepsInEpochs, type SamplerState } from '../data/sampler.ts';
import { Gpu } from '../gpu/gpu.ts';
import { FROZEN, Qwen2_5_VL, type ModelSettings } from '../model/qwen2_5_vl.ts';
import { Optimizer } from '../optim/optimizer.ts';
import { HybridReward } from '../reward/hybrid.ts';
import { Policy } from '../rollout/policy.ts';
import { RolloutEngine } from '../rollout/rollout.ts';
import { log } from '../util/log.ts';
import { PromptSource } from './prompts.ts';
import { RunFolder } from './run-folder.ts';

export interface Run {
  config: Config;
  folder: RunFolder;
  gpu: Gpu;
  policy: Policy;
  /** The policy's model. */
  model: Qwen2_5_VL;
  /** The frozen start of a fully trained policy; null without a KL term, and with LoRA (adapter off). */
  reference: Qwen2_5_VL | null;
  optimizer: Optimizer;
  rollouts: RolloutEngine;
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
  /** Whether a KL term needs a reference policy. */
  needsReference: boolean;
  /** Whether responses to the training rows are rewarded, or those to the held-out rows only. */
  rewardsTraining: boolean;
}

/** Loads data and model. @throws {DataError} {CheckpointError} {GpuError} before anything is trained */
export async function openRun(config: Config, options: OpenRunOptions): Promise<Run> {
  const { model, data, trainer } = config;
  const { rows, skipped } = await loadRows(data.train_files, data);
  const val = data.val_files ? await loadRows(data.val_files, data) : { rows: [], skipped: [] };
  for (const { file, line, message } of [...skipped, ...val.skipped])
    log.warn(`skipped ${file}:${line}: ${message}`);
  const reward = await HybridReward.open(config.reward, data.max_response_length);
  await reward.checkRows([...(options.rewardsTraining ? rows : []), ...val.rows]);
  const folder = await RunFolder.open(config, options.resume);

  const budgetGb = trainer.gpu.memory_budget_gb;
  const gpu = await Gpu.open(trainer.gpu.adapter, budgetGb === null ? Infinity : budgetGb * 1e9);
  const policy = await Policy.load(gpu, model.path, modelSettings(config), pixelBounds(config));
  const prompts = new PromptSource(policy, data);
  const trainRows = await prompts.withinLimit(rows);
  const valRows = await prompts.withinLimit(
    evenSubset(val.rows.length, data.val_max_rows).map((i) => val.rows[i]!),
  );
  const fullReference = options.needsReference && model.lora.rank === 0;
  return {
    config,
    folder,
    gpu,
    policy,
    model: policy.model,
    reference: fullReference ? await Qwen2_5_VL.load(gpu, model.path, referenceSettings(config)) : null,
    optimizer: new Optimizer(gpu, policy.model.layers.trainable(), config.optim),
    rollouts: new RolloutEngine(policy, {
      maxSequences: config.rollout.max_sequences,
      maxRows: trainer.micro_batch_tokens,
    }),
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

export async function closeRun({ gpu, policy, reference, optimizer, rollouts, reward }: Run): Promise<void> {
  await reward.close();
  rollouts.dispose();
  optimizer.dispose();
  reference?.dispose();
  policy.model.dispose();
  gpu.close();
}

function modelSettings({ model, trainer }: Config): ModelSettings {
  return {
    training: model.lora.rank > 0 ? 'lora' : 'full',
    freezeVision: model.freeze_vision_tower,
    lora: model.lora,
    recompute: model.gradient_checkpointing,
    quantization: model.quantization,
    fromScratch: model.from_scratch,
    seed: trainer.seed,
  };
}

/** The policy's start: from scratch the seed gives the same weights again. */
function referenceSettings({ model, trainer }: Config): ModelSettings {
  return { ...FROZEN, fromScratch: model.from_scratch, seed: trainer.seed };
}

function pixelBounds({ data }: Config): { minPixels?: number; maxPixels?: number } {
  return {
    ...(data.min_pixels === null ? {} : { minPixels: data.min_pixels }),
    ...(data.max_pixels === null ? {} : { maxPixels: data.max_pixels }),
  };
}
