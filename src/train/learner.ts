/** The part of a run that lies on the GPU: policy, reference, optimizer, and what samples from the policy. */
import type { Config } from '../config/schema.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { integerLayout } from '../model/quantize.ts';
import { FROZEN, Qwen2_5_VL, type ModelSettings } from '../model/qwen2_5_vl.ts';
import { Optimizer } from '../optim/optimizer.ts';
import { Policy } from '../rollout/policy.ts';
import { RolloutEngine } from '../rollout/rollout.ts';

export interface Learner {
  config: Config;
  gpu: Gpu;
  policy: Policy;
  /** The policy's model. */
  model: Qwen2_5_VL;
  /**
   * The start of a fully trained policy, frozen or following it (train/reference-sync.ts); null without a KL term,
   * and with LoRA (adapter off).
   */
  reference: Qwen2_5_VL | null;
  optimizer: Optimizer;
  rollouts: RolloutEngine;
}

/** `fromScratch` and `randomFormat`: random weights instead of the folder's, for measurements. */
export interface LearnerOptions extends Pick<ModelSettings, 'randomFormat'> {
  fromScratch?: true;
  /** The commit that the run began with, where the model came from the hub. */
  modelRevision?: string | null;
}

/**
 * Loads what lies on the GPU.
 * @param needsReference whether there is a KL term
 * @throws {ConfigError} {ServiceError} {CheckpointError} {GpuError}
 */
export async function openLearner(
  gpu: Gpu,
  config: Config,
  needsReference: boolean,
  { modelRevision = null, ...random }: LearnerOptions = {},
): Promise<Learner> {
  const { model: settings, trainer, rollout } = config;
  const policy = await Policy.load(
    gpu,
    settings.path,
    { ...modelSettings(config), ...random },
    { ...pixelBounds(config), revision: modelRevision },
  );
  const fullReference = needsReference && settings.lora.rank === 0;
  return {
    config,
    gpu,
    policy,
    model: policy.model,
    reference: fullReference ? await Qwen2_5_VL.load(gpu, policy.folder, referenceSettings(config)) : null,
    optimizer: new Optimizer(gpu, policy.model.layers.trainable(), config.optim),
    rollouts: new RolloutEngine(policy, {
      maxSequences: rollout.max_sequences,
      maxRows: trainer.micro_batch_tokens,
    }),
  };
}

export function closeLearner({ gpu, policy, reference, optimizer }: Learner): void {
  optimizer.dispose();
  reference?.dispose();
  policy.model.dispose();
  gpu.close();
}

/** Bytes that all GPU buffers may take. */
export function memoryLimit({ trainer }: Config): number {
  const gigabytes = trainer.gpu.memory_budget_gb;
  return gigabytes === null ? Infinity : gigabytes * 1e9;
}

function modelSettings({ model, trainer }: Config): ModelSettings {
  return {
    training: model.lora.rank > 0 ? 'lora' : 'full',
    freezeVision: model.freeze_vision_tower,
    lora: model.lora,
    recompute: model.gradient_checkpointing,
    quantization: integerLayout(model.quantization, model.quantization_group, model.quantization_scales),
    fromScratch: model.from_scratch,
    seed: trainer.seed,
  };
}

/**
 * The policy's start: from scratch the seed gives the same weights again. One that follows the policy has the
 * format of the policy, f32 where it is trained.
 */
function referenceSettings({ model, algorithm, trainer }: Config): ModelSettings {
  return {
    ...FROZEN,
    training: algorithm.sync_ref_model ? 'full' : 'none',
    freezeVision: model.freeze_vision_tower,
    fromScratch: model.from_scratch,
    seed: trainer.seed,
    line: 'reference',
  };
}

function pixelBounds({ data }: Config): { minPixels?: number; maxPixels?: number } {
  return {
    ...(data.min_pixels === null ? {} : { minPixels: data.min_pixels }),
    ...(data.max_pixels === null ? {} : { maxPixels: data.max_pixels }),
  };
}
