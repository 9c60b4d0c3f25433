/** The golden GRPO steps (scripts/goldens/grpo.py) with our model, ready to be replayed. */
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Episode } from '../../src/grpo/episode.ts';
import { lossTokens, tokenWeights } from '../../src/grpo/token-weights.ts';
import { FROZEN, Qwen2_5_VL, type ModelSettings } from '../../src/model/qwen2_5_vl.ts';
import { restoreTrainable } from '../../src/model/save.ts';
import { Optimizer } from '../../src/optim/optimizer.ts';
import { accumulateGradients, type UpdateContext } from '../../src/train/policy-update.ts';
import { UNSCORED } from '../../src/train/rollouts.ts';
import { UpdateMeter } from '../../src/train/update-meter.ts';
import { END_TOKEN, Golden, groupOf, modelFolder, readJson, type GoldenPrompt } from './golden-models.ts';

export const LOSS_TYPES = ['grpo', 'bnpo', 'dr_grpo', 'dapo'] as const;
type PerLoss<T> = Record<(typeof LOSS_TYPES)[number], T>;

export interface Scenario {
  model: string;
  adapter: string | null;
  on_policy: boolean;
  optimizer: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  kl_coef: number;
  clip_ratio_low: number;
  clip_ratio_high: number;
  max_response_length: number;
  prompts: GoldenPrompt[];
  steps: {
    loss: PerLoss<number>;
    grad_norm: PerLoss<number>;
    loss_without_truncated: PerLoss<number>;
    loss_one_update_per_prompt: PerLoss<number[]>;
  }[];
}

function configOf(scenario: Scenario, overrides: string[]): Config {
  const { optimizer } = scenario;
  const keys = [
    'model.path=unused',
    'model.gradient_checkpointing=false',
    'data.train_files=unused',
    `data.max_response_length=${scenario.max_response_length}`,
    'rollout.n=3',
    `algorithm.kl_coef=${scenario.kl_coef}`,
    `algorithm.clip_ratio_low=${scenario.clip_ratio_low}`,
    `algorithm.clip_ratio_high=${scenario.clip_ratio_high}`,
    `optim.lr=${optimizer.lr}`,
    `optim.betas=${JSON.stringify(optimizer.betas)}`,
    `optim.eps=${optimizer.eps}`,
    `optim.weight_decay=${optimizer.weight_decay}`,
    ...(scenario.adapter ? loraKeys(scenario.adapter) : []),
    ...overrides,
  ];
  return parseConfig('', 'golden.yaml', keys);
}

/** A golden step, with its model as `overrides` of the configuration say. */
export async function openScenario(gpu: Gpu, name: string, overrides: string[] = []) {
  const scenario = readJson<Scenario>(`reference/${name}.json`);
  const golden = await Golden.open(`reference/${name}`);
  const config = configOf(scenario, overrides);
  const settings: ModelSettings = {
    ...FROZEN,
    training: scenario.adapter ? 'lora' : 'full',
    freezeVision: false,
    lora: config.model.lora,
    recompute: config.model.gradient_checkpointing,
  };
  const folder = modelFolder(scenario.model);
  const model = await Qwen2_5_VL.load(gpu, folder, settings);
  if (scenario.adapter)
    await restoreTrainable(model, `${modelFolder(scenario.adapter)}/adapter_model.safetensors`);
  const reference = scenario.on_policy ? await Qwen2_5_VL.load(gpu, folder, FROZEN) : null;
  const optimizer = new Optimizer(gpu, model.layers.trainable(), config.optim);
  const context: UpdateContext = { config, gpu, model, reference, optimizer, totalSteps: 1 };
  return {
    scenario,
    golden,
    context,
    groups: await episodesOf(scenario, golden),
    names: storedNames(scenario),
  };
}

/** The configuration of an adapter, from what PEFT wrote beside it. */
function loraKeys(adapter: string): string[] {
  const saved = readJson<Record<string, unknown>>(`${adapter}/adapter_config.json`);
  return [
    `model.lora.rank=${String(saved['r'])}`,
    `model.lora.alpha=${String(saved['lora_alpha'])}`,
    `model.lora.use_rslora=${String(saved['use_rslora'])}`,
    `model.lora.exclude_modules=${JSON.stringify(saved['exclude_modules'])}`,
  ];
}

/** Parameters as the golden files name them. */
function storedNames({ adapter }: Scenario): (name: string) => string {
  return (name) => (adapter ? `base_model.model.${name}` : name);
}

async function episodesOf(scenario: Scenario, golden: Golden): Promise<Episode[][]> {
  const old = await golden.values('old_logprobs');
  const ref = await golden.values('ref_logprobs');
  let start = 0;
  const promptGroups = await Promise.all(scenario.prompts.map(groupOf));
  return scenario.prompts.map((prompt, promptIndex) => {
    const group = promptGroups[promptIndex]!;
    return group.responses.map((tokens, responseIndex): Episode => {
      const end = start + tokens.length;
      const episode: Episode = {
        row: {
          id: '',
          problem: '',
          answer: '',
          category: '',
          abilities: [],
          refinedCot: '',
          images: [],
          columns: {},
          reward: '',
          file: '',
          line: 0,
        },
        prompt: group.prompt,
        promptIndex,
        responseIndex,
        tokens,
        logprobs: old.slice(start, end),
        entropies: null,
        refLogprobs: ref.slice(start, end),
        text: '',
        end: tokens.at(-1) === END_TOKEN ? 'stop' : 'length',
        reward: { ...UNSCORED, reward: prompt.rewards[responseIndex]!, method: 'given' },
        klPenalty: 0,
        advantage: 0,
      };
      start = end;
      return episode;
    });
  });
}

/** Leaves the gradient of the loss of `groups` in the context's optimizer. */
export async function gradientsOf(
  context: UpdateContext,
  groups: readonly Episode[][],
): Promise<UpdateMeter> {
  const { algorithm, data } = context.config;
  const responses = groups
    .flat()
    .map(({ tokens, end }) => ({ length: tokens.length, truncated: end === 'length' }));
  const weights = tokenWeights(
    responses,
    algorithm,
    lossTokens(responses, algorithm),
    data.max_response_length,
  );
  const meter = new UpdateMeter();
  context.optimizer.zeroGradients();
  await accumulateGradients(context, groups, weights, meter);
  return meter;
}
