/**
 * A whole GRPO step at a published size: seconds by phase, tokens in a second, and the peak of memory, beside PyTorch
 * with transformers and peft on the same card.
 */
import { parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { Gpu } from '../gpu/gpu.ts';
import type { AdapterChoice } from '../gpu/adapter.ts';
import { ServiceError } from '../util/errors.ts';
import { log } from '../util/log.ts';
import { fullPrompts, takeFullStep } from '../train/full-step.ts';
import { closeLearner, openLearner, type Learner } from '../train/learner.ts';
import { planMemory } from '../train/memory-plan.ts';
import { roundsOf, type Rounds } from './median.ts';
import { Peer, type Absent, type PeerFacts, type PeerModel, type PeerStep } from './peer.ts';
import type { Prompt } from '../processor/prompt.ts';
import { RANDOM_BF16, withModelFolder, type ModelShape, WHOLE_3B, WHOLE_7B } from './shapes.ts';

interface Case {
  name: string;
  /** A published shape with random bf16 weights; the folder's own model where there is none. */
  shape?: ModelShape;
  overrides: readonly string[];
  /** Peer's arithmetic; it has no counterpart to int4 weights, and is left out there. */
  peer?: Omit<PeerModel, 'folder'>;
}

/** 8 prompts with a picture of 256 tokens, 8 responses of 512 tokens to each. */
const LARGE = [
  'data.max_prompt_length=512',
  'data.max_response_length=512',
  'rollout.min_tokens=512',
  'data.max_pixels=200704',
  'data.rollout_batch_size=8',
  'rollout.n=8',
];

const ON_GPU: readonly Case[] = [
  {
    name: '3B, bf16, LoRA 64',
    shape: WHOLE_3B,
    overrides: [...LARGE, 'model.lora.rank=64', 'model.lora.alpha=128'],
    peer: { device: 'cuda', dtype: 'bfloat16', random: true, loraRank: 64 },
  },
  {
    name: '7B, int4, LoRA 64',
    shape: WHOLE_7B,
    overrides: [...LARGE, 'model.lora.rank=64', 'model.lora.alpha=128', 'model.quantization=int4'],
  },
];

const ON_CPU: readonly Case[] = [
  {
    name: 'the model in full, f32',
    overrides: [
      'model.gradient_checkpointing=false',
      'data.max_prompt_length=128',
      'data.max_response_length=64',
      'rollout.min_tokens=64',
      'data.max_pixels=12544',
      'data.rollout_batch_size=8',
      'rollout.n=8',
    ],
    peer: { device: 'cpu', dtype: 'float32', random: false, loraRank: 0 },
  },
];

export interface StepResult {
  name: string;
  prompts: number;
  group: number;
  promptTokens: number;
  responseTokens: number;
  seconds: { sampling: Rounds; reference: Rounds; update: Rounds; step: Rounds };
  /** Sampled tokens in a second of sampling; prompt and response tokens, each prompt once a response, in one of the update. */
  tokensPerSecond: { sampling: Rounds; update: Rounds };
  peakBytes: number;
  plannedBytes: number;
  peer: (PeerFacts & PeerStep) | Absent;
  /** Tokens in a second of the update over the peer's. */
  updateRatio: number | Absent;
}

export interface StepOptions {
  /** Folder of the case without a shape, whose tokenizer the others take. */
  model: string;
  adapter: AdapterChoice;
  runs: number;
  python: string | undefined;
}

export async function measureSteps(options: StepOptions, isSoftware: boolean): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const one of isSoftware ? ON_CPU : ON_GPU) {
    const { model } = options;
    results.push(await withModelFolder(one.shape, model, (folder) => measureStep(one, folder, options)));
  }
  return results;
}

async function measureStep(
  { name, shape, overrides, peer }: Case,
  folder: string,
  { adapter, runs, python }: StepOptions,
): Promise<StepResult> {
  const config = parseConfig('', 'bench', [
    ...overrides,
    `model.path=${folder}`,
    'data.train_files=none',
    `trainer.gpu.adapter=${adapter}`,
  ]);
  const { peakBytes: plannedBytes } = await planMemory(config);
  const gpu = await Gpu.open(adapter);
  const learner = await openLearner(gpu, config, config.algorithm.kl_coef > 0, shape && RANDOM_BF16);
  const prompts = fullPrompts(learner);
  const timed: Record<'sampling' | 'reference' | 'update', number[]> = {
    sampling: [],
    reference: [],
    update: [],
  };
  // The first step compiles kernels.
  for (let round = 0; round <= runs; round++) {
    const seconds = await stepSeconds(learner, prompts, round);
    log.info(
      `  ${name}: ${Object.entries(seconds)
        .map(([phase, value]) => `${phase} ${value.toPrecision(3)} s`)
        .join(', ')}`,
    );
    if (round === 0) continue;
    for (const phase of ['sampling', 'reference', 'update'] as const) timed[phase].push(seconds[phase]);
  }
  const { peakBytes } = gpu.budget;
  closeLearner(learner);
  const { max_prompt_length: promptTokens, max_response_length: responseTokens } = config.data;
  const responses = prompts.length * config.rollout.n;
  const updated = responses * (promptTokens + responseTokens);
  const update = roundsOf(timed.update.map((seconds) => updated / seconds));
  const theirs = await peerStep(python, folder, peer, config, prompts);
  return {
    name,
    prompts: prompts.length,
    group: config.rollout.n,
    promptTokens,
    responseTokens,
    seconds: {
      sampling: roundsOf(timed.sampling),
      reference: roundsOf(timed.reference),
      update: roundsOf(timed.update),
      step: roundsOf(timed.update.map((seconds, i) => seconds + timed.reference[i]! + timed.sampling[i]!)),
    },
    tokensPerSecond: {
      sampling: roundsOf(timed.sampling.map((seconds) => (responses * responseTokens) / seconds)),
      update,
    },
    peakBytes,
    plannedBytes,
    peer: theirs,
    updateRatio: 'absent' in theirs ? theirs : (update.median * theirs.updateSeconds) / updated,
  };
}

async function stepSeconds(learner: Learner, prompts: readonly Prompt[], round: number) {
  const { watch } = await takeFullStep(learner, prompts, round + 1);
  await learner.gpu.sync();
  return {
    sampling: watch.seconds('gen'),
    reference: watch.seconds('ref'),
    update: watch.seconds('update_actor'),
  };
}

/** The same step by PyTorch: once to warm up, once measured. */
async function peerStep(
  python: string | undefined,
  folder: string,
  model: Omit<PeerModel, 'folder'> | undefined,
  { model: settings, rollout, data }: Config,
  prompts: readonly Prompt[],
): Promise<(PeerFacts & PeerStep) | Absent> {
  if (!model) return { absent: 'no counterpart' };
  const peer = await Peer.start(python, { folder, ...model });
  if ('absent' in peer) return peer;
  try {
    const work = {
      inputIds: prompts.map(({ tokens }) => [...tokens]),
      grids: prompts.flatMap(({ images }) => images.map(({ grid }) => grid)),
      responses: rollout.n,
      tokens: data.max_response_length,
    };
    const recompute = settings.gradient_checkpointing;
    await peer.step(work, recompute);
    return { ...peer.facts, ...(await peer.step(work, recompute)) };
  } catch (error) {
    if (error instanceof ServiceError) return { absent: error.message };
    throw error;
  } finally {
    peer.close();
  }
}
