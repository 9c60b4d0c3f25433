/**
 * What a configuration needs of the GPU's memory, before anything is loaded: the run is opened on a device that
 * computes nothing and takes two steps of full size there, so that every allocation is counted where it is made.
 */
import { parseConfig } from '../config/load.ts';
import { resolvedYaml } from '../config/resolved.ts';
import type { Config } from '../config/schema.ts';
import { Gpu } from '../gpu/gpu.ts';
import type { MemoryUse } from '../gpu/memory.ts';
import { ConfigError } from '../util/errors.ts';
import { fullPrompts, takeFullStep } from './full-step.ts';
import { closeLearner, memoryLimit, openLearner } from './learner.ts';

export interface MemoryPlan {
  /** The most that is in use at once, in bytes, and by line of the budget at that moment. */
  peakBytes: number;
  peak: MemoryUse;
  /** trainer.gpu.memory_budget_gb; Infinity where it is not set. */
  limitBytes: number;
}

/** A change of the configuration that needs less. */
export interface Remedy {
  /** As on the command line. */
  change: string;
  peakBytes: number;
}

/**
 * Of the model folder it needs the small files alone; where the weights are there, their types count, else that which
 * config.json names. Of a model on the hub they alone are fetched.
 * @param modelRevision the commit that the run began with, where the model came from the hub
 * @throws {CheckpointError} when one is missing {GpuError} when there is no such adapter, or a tensor is too large for it
 */
export async function planMemory(config: Config, modelRevision: string | null = null): Promise<MemoryPlan> {
  const limitBytes = memoryLimit(config);
  const gpu = await Gpu.openForPlanning(config.trainer.gpu.adapter, limitBytes);
  const learner = await openLearner(gpu, config, config.algorithm.kl_coef > 0, { modelRevision });
  try {
    const prompts = fullPrompts(learner);
    // The second finds free buffers of the first.
    for (const step of [1, 2]) await takeFullStep(learner, prompts, step);
  } finally {
    closeLearner(learner);
  }
  const { peakBytes, peak } = gpu.budget;
  return { peakBytes, peak, limitBytes };
}

/** What may be changed for memory's sake, none of which changes what is learnt but the last ones. */
function changesFor({ model, optim, trainer, rollout }: Config): string[] {
  const changes: string[] = [];
  if (!model.gradient_checkpointing) changes.push('model.gradient_checkpointing=true');
  for (const part of [2, 4]) {
    const tokens = Math.floor(trainer.micro_batch_tokens / part);
    changes.push(`trainer.micro_batch_tokens=${tokens}`);
  }
  changes.push(`rollout.max_sequences=${Math.max(1, Math.floor(rollout.max_sequences / 4))}`);
  if (optim.strategy === 'adamw') changes.push('optim.strategy=adamw_8bit');
  if (model.lora.rank === 0) changes.push('model.lora.rank=64');
  else if (model.quantization === 'none') changes.push('model.quantization=int8', 'model.quantization=int4');
  else if (model.quantization === 'int8') changes.push('model.quantization=int4');
  return changes;
}

/** Single changes that lower the peak, the most effective first. */
export async function planRemedies(config: Config, { peakBytes }: MemoryPlan): Promise<Remedy[]> {
  const yaml = resolvedYaml(config);
  const remedies: Remedy[] = [];
  for (const change of changesFor(config)) {
    try {
      const plan = await planMemory(parseConfig(yaml, 'the configuration', [change]));
      if (plan.peakBytes < peakBytes) remedies.push({ change, peakBytes: plan.peakBytes });
    } catch (error) {
      // A change that the rest of the configuration does not allow.
      if (!(error instanceof ConfigError)) throw error;
    }
  }
  return remedies.toSorted((a, b) => a.peakBytes - b.peakBytes);
}
