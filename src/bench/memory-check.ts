/** The memory that is planned for a step beside what the same step takes. */
import { parseConfig } from '../config/load.ts';
import type { AdapterChoice } from '../gpu/adapter.ts';
import { Gpu } from '../gpu/gpu.ts';
import { fullPrompts, takeFullStep } from '../train/full-step.ts';
import { closeLearner, openLearner } from '../train/learner.ts';
import { planMemory } from '../train/memory-plan.ts';
import {
  RANDOM_BF16,
  scaled,
  withModelFolder,
  type ModelShape,
  TWO_LAYERS_OF_3B,
  TWO_LAYERS_OF_7B,
} from './shapes.ts';
import type { Scale } from './parts.ts';

interface Case {
  name: string;
  /** Of a model with random weights; the folder's own model where there is none. */
  shape?: ModelShape;
  responseTokens: number;
  overrides: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: 'the model in full, with a reference',
    responseTokens: 64,
    overrides: ['model.gradient_checkpointing=false', 'data.max_prompt_length=128', 'algorithm.kl_coef=0.01'],
  },
  {
    name: 'two layers of 3B, LoRA 64, recomputed',
    shape: TWO_LAYERS_OF_3B,
    responseTokens: 16,
    overrides: ['model.lora.rank=64', 'algorithm.kl_coef=0.01'],
  },
  {
    name: 'two layers of 7B on int4, LoRA 16',
    shape: TWO_LAYERS_OF_7B,
    responseTokens: 16,
    overrides: ['model.lora.rank=16', 'model.quantization=int4', 'algorithm.kl_coef=0'],
  },
];

/** A step that is whole and small: prompts in several passes, and responses of full length. */
const COMMON = [
  'data.train_files=none',
  'data.max_prompt_length=48',
  'data.rollout_batch_size=2',
  'data.max_pixels=12544',
  'rollout.n=2',
  'trainer.micro_batch_tokens=128',
];

export interface MemoryCheck {
  name: string;
  plannedBytes: number;
  measuredBytes: number;
  /** Planned over measured. */
  ratio: number;
}

/** @param model folder of the first case, whose tokenizer the others take */
export async function checkMemory(
  model: string,
  adapter: AdapterChoice,
  scale: Scale,
): Promise<MemoryCheck[]> {
  const checks: MemoryCheck[] = [];
  for (const one of CASES) {
    const shape = one.shape && scaled(one.shape, scale);
    checks.push(await withModelFolder(shape, model, (folder) => checkCase(one, folder, adapter)));
  }
  return checks;
}

async function checkCase(
  { name, shape, responseTokens, overrides }: Case,
  folder: string,
  adapter: AdapterChoice,
): Promise<MemoryCheck> {
  const config = parseConfig('', 'memory', [
    ...COMMON,
    ...overrides,
    `data.max_response_length=${responseTokens}`,
    `rollout.min_tokens=${responseTokens}`,
    `model.path=${folder}`,
    `trainer.gpu.adapter=${adapter}`,
  ]);
  const { peakBytes: plannedBytes } = await planMemory(config);
  const gpu = await Gpu.open(adapter);
  const learner = await openLearner(gpu, config, config.algorithm.kl_coef > 0, shape && RANDOM_BF16);
  const prompts = fullPrompts(learner);
  for (const step of [1, 2]) await takeFullStep(learner, prompts, step);
  const { peakBytes: measuredBytes } = gpu.budget;
  closeLearner(learner);
  return { name, plannedBytes, measuredBytes, ratio: plannedBytes / measuredBytes };
}
