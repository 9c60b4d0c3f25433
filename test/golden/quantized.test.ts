/**
 * Models rounded to int8 and int4 as they are loaded: what they compute is, to the bit, what an f32 model computes
 * that holds the rounded values; rollouts and training agree; an adapter on top is trained as on that model.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import type { Episode } from '../../src/grpo/episode.ts';
import { loadArchitecture } from '../../src/model/config.ts';
import { mergeAdapter } from '../../src/model/merge.ts';
import type { PromptGroup } from '../../src/model/packed-batch.ts';
import { isAdaptable, parameterTable } from '../../src/model/parameter-table.ts';
import { quantizeRows } from '../../src/model/quantize.ts';
import { FROZEN, Qwen2_5_VL, type ModelSettings } from '../../src/model/qwen2_5_vl.ts';
import { restoreTrainable, saveWeights } from '../../src/model/save.ts';
import { scoreGroups, type ResponseScore } from '../../src/model/score.ts';
import { WeightFiles } from '../../src/model/weight-files.ts';
import type { IntegerLayout, QuantizedFormat } from '../../src/ops/weight.ts';
import { Optimizer } from '../../src/optim/optimizer.ts';
import type { ProcessorConfig } from '../../src/processor/processor-config.ts';
import { Tokenizer } from '../../src/processor/tokenizer.ts';
import { Policy } from '../../src/rollout/policy.ts';
import { RolloutEngine } from '../../src/rollout/rollout.ts';
import { addAdvantages } from '../../src/train/advantages.ts';
import { updatePolicy, type UpdateContext } from '../../src/train/policy-update.ts';
import { UNSCORED } from '../../src/train/rollouts.ts';
import { CheckpointError, ShapeError } from '../../src/util/errors.ts';
import { openGpu } from '../parity/harness.ts';
import { decodeIntegers } from '../parity/reference/stored-weight.ts';
import { groupOf, modelFolder, readJson, relativeDifference, type GoldenPrompt } from './golden-models.ts';
import { gradientsOf } from './scenarios.ts';

const LAYOUTS: readonly IntegerLayout[] = [
  { format: 'int8', group: 32, scales: 'f16' },
  { format: 'int8', group: 64, scales: 'f32' },
  { format: 'int4', group: 32, scales: 'f32' },
  { format: 'int4', group: 64, scales: 'f16' },
];
const INT4 = LAYOUTS[3]!;
const MODELS = ['tied_4to1', 'untied_2to1', 'untied_2to1_bf16'] as const;
/**
 * Mean distance in nats of a rounded model's log-probabilities from the stored one's. The errors of the weights are
 * near 0.5 and 8 % of their size, and the logits of these random models are large: log-probabilities are near -8.
 * Measured: up to 0.06 and 0.9.
 */
const ROUNDING_BOUND: Record<QuantizedFormat, number> = { int8: 0.1, int4: 1.5 };
/** Issue bar. The products are the same to the bit here; a driver may sum gradients in another order. */
const GRADIENT_TOLERANCE = 1e-5;

const opened = openGpu();
let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'wethink-quantized-'));
});
afterAll(() => rm(scratch, { recursive: true }));

const lora = {
  rank: 4,
  alpha: 8,
  use_rslora: false,
  target_modules: 'all-linear' as const,
  exclude_modules: '.*visual.*',
};
const ADAPTED: ModelSettings = { ...FROZEN, training: 'lora', lora };

/** A copy of a golden model in f32, whose linear layers hold what `change` makes of them. */
async function copyModel(
  modelName: string,
  label: string,
  change: (values: Float32Array, columns: number, name: string) => Float32Array,
): Promise<string> {
  const from = modelFolder(modelName);
  const folder = await mkdtemp(join(scratch, `${modelName}-${label}-`));
  await copyFile(join(from, 'config.json'), join(folder, 'config.json'));
  await using files = await WeightFiles.open(from);
  const tensors = parameterTable(await loadArchitecture(from)).map((spec) => ({
    name: spec.name,
    dtype: 'F32' as const,
    shape: spec.shape,
    data: async () => {
      const { file, storedName } = files.get(spec.name);
      const values = await file.readF32(storedName);
      return isAdaptable(spec) ? change(values, spec.shape[1]!, spec.name) : values;
    },
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}

/** The folder of a model that stores in f32 what `layout` makes of a golden one. */
function roundedCopy(modelName: string, layout: IntegerLayout): Promise<string> {
  return copyModel(modelName, layout.format, (values, columns) =>
    decodeIntegers(quantizeRows(values, columns, layout, 'test'), columns, layout),
  );
}

async function goldenGroups(): Promise<PromptGroup[]> {
  const { prompts } = readJson<{ prompts: GoldenPrompt[] }>('reference/grpo_untied_lora.json');
  return Promise.all(prompts.map(groupOf));
}

async function scoresOf(folder: string, settings: ModelSettings): Promise<ResponseScore[]> {
  const model = await Qwen2_5_VL.load(opened.gpu, folder, settings);
  const scores = await scoreGroups(model, await goldenGroups(), { temperature: 1, maxRows: 4096 });
  model.dispose();
  return scores.flat();
}

function logprobsOf(scores: readonly ResponseScore[]): number[] {
  return scores.flatMap(({ logprobs }) => [...logprobs]);
}

describe.each(MODELS.flatMap((modelName) => LAYOUTS.map((layout) => ({ modelName, ...layout, layout }))))(
  '$modelName in $format, groups of $group, $scales scales',
  ({ modelName, layout }) => {
    it('scores as the f32 model of the rounded values, and close to the stored one', async () => {
      const folder = modelFolder(modelName);
      const rounded = await scoresOf(folder, { ...FROZEN, quantization: layout });
      expect(rounded).toEqual(await scoresOf(await roundedCopy(modelName, layout), FROZEN));
      const stored = logprobsOf(await scoresOf(folder, FROZEN));
      const differences = logprobsOf(rounded).map((value, i) => Math.abs(value - stored[i]!));
      const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
      expect(mean).toBeLessThanOrEqual(ROUNDING_BOUND[layout.format]);
      expect(mean).toBeGreaterThan(0);
    });
  },
);

/** The golden adapter on a model. */
async function adaptedContext(folder: string, quantization?: IntegerLayout): Promise<UpdateContext> {
  const { gpu } = opened;
  const model = await Qwen2_5_VL.load(gpu, folder, { ...ADAPTED, quantization });
  await restoreTrainable(model, `${modelFolder('untied_2to1_lora')}/adapter_model.safetensors`);
  const config = parseConfig('', 'golden.yaml', [
    'model.path=unused',
    'model.lora.rank=4',
    'data.train_files=unused',
    'data.max_response_length=12',
    'rollout.n=3',
    'algorithm.kl_coef=0',
    'optim.lr=0.001',
  ]);
  const optimizer = new Optimizer(gpu, model.layers.trainable(), config.optim);
  return { config, gpu, model, reference: null, optimizer, totalSteps: 1 };
}

/** Three responses to each golden prompt, sampled from a model, with rewards that differ. */
async function sampledEpisodes({ model, config }: UpdateContext): Promise<Episode[][]> {
  const tokenizer = await Tokenizer.load('checkpoints/mini');
  const policy = new Policy(
    { folder: '', name: '', revision: null },
    model,
    tokenizer,
    {} as ProcessorConfig,
  );
  const engine = new RolloutEngine(policy, { maxSequences: 4, maxRows: 200, stopAtEnd: false });
  const prompts = (await goldenGroups()).map(({ prompt }) => prompt);
  const groups = await engine.generate(
    prompts.map((prompt) => ({ prompt, count: 3 })),
    { temperature: config.rollout.temperature, maxTokens: 12, seed: 5, step: 0 },
  );
  const row = { id: '', problem: '', answer: '', category: '', abilities: [], refinedCot: '' };
  return groups.map((group, promptIndex) =>
    group.map((response, responseIndex): Episode => ({
      row: { ...row, images: [], columns: {}, reward: '', file: '', line: 0 },
      prompt: prompts[promptIndex]!,
      promptIndex,
      responseIndex,
      ...response,
      refLogprobs: null,
      reward: { ...UNSCORED, reward: responseIndex / 2, method: 'given' },
      klPenalty: 0,
      advantage: 0,
    })),
  );
}

async function adapterGradients(
  context: UpdateContext,
  groups: readonly Episode[][],
): Promise<Map<string, Float32Array>> {
  await gradientsOf(context, groups);
  const gradients = new Map<string, Float32Array>();
  for (const { name } of context.model.layers.trainable()) {
    gradients.set(name, await context.optimizer.gradient(name));
  }
  return gradients;
}

describe.each(LAYOUTS)('an adapter on an $format base, groups of $group, $scales scales', (layout) => {
  it('is sampled, scored and trained as on the f32 model of the rounded values', async () => {
    const context = await adaptedContext(modelFolder('untied_2to1'), layout);
    const groups = await sampledEpisodes(context);
    const scores = await scoreGroups(
      context.model,
      groups.map((group) => ({ prompt: group[0]!.prompt, responses: group.map(({ tokens }) => tokens) })),
      { temperature: 1, maxRows: 4096 },
    );
    expect(groups.flat().flatMap(({ logprobs }) => [...logprobs])).toEqual(logprobsOf(scores.flat()));

    await addAdvantages(opened.gpu, groups, context.config.algorithm, {});
    const full = await adaptedContext(await roundedCopy('untied_2to1', layout));
    const expected = await adapterGradients(full, groups);
    const actual = await adapterGradients(context, groups);
    expect(actual.size).toBeGreaterThan(0);
    for (const [name, values] of actual) {
      expect(relativeDifference(values, expected.get(name)!), name).toBeLessThanOrEqual(GRADIENT_TOLERANCE);
      expect(
        values.some((value) => value !== 0),
        name,
      ).toBe(true);
    }

    const metrics = (await updatePolicy(context, groups, 0)).metrics();
    expect(metrics['rollout/logprob_diff_max']).toBe(0);
    expect(metrics['actor/grad_norm']).toBeGreaterThan(0);
    expect(metrics['actor/skipped_updates']).toBe(0);
  });
});

describe('a rounded model', () => {
  it('is neither written as a model nor merged into', async () => {
    const model = await Qwen2_5_VL.load(opened.gpu, modelFolder('untied_2to1'), {
      ...ADAPTED,
      quantization: LAYOUTS[0]!,
    });
    await expect(saveWeights(model, join(scratch, 'model.safetensors'))).rejects.toThrow(CheckpointError);
    await expect(mergeAdapter(model, model.layers.adapter!, 2)).rejects.toThrow(ShapeError);
    const { name } = model.layers.base.all().find(({ format }) => format === 'int8')!.parts[0]!;
    expect(() => model.layers.base.write(name, new Float32Array(4))).toThrow(/expected: f32\n *found: +int8/);
    model.dispose();
  });

  it('keeps what is no linear layer as stored', async () => {
    const model = await Qwen2_5_VL.load(opened.gpu, modelFolder('untied_2to1_bf16'), {
      ...FROZEN,
      quantization: INT4,
    });
    const formats = Map.groupBy(model.layers.base.all(), ({ format }) => format);
    expect(formats.get('bf16')!.map(({ name }) => name)).toEqual([
      'model.visual.patch_embed.proj.weight',
      'model.language_model.embed_tokens.weight',
      'lm_head.weight',
    ]);
    expect(formats.get('f32')!.every(({ kind }) => kind !== 'matrix')).toBe(true);
    model.dispose();
  });

  it.each(['f32', 'bf16'] as const)('may be random, drawn in %s', async (randomFormat) => {
    const settings = { ...FROZEN, fromScratch: true, randomFormat, quantization: LAYOUTS[2]! } as const;
    const model = await Qwen2_5_VL.load(opened.gpu, modelFolder('tied_4to1'), settings);
    const rounded = model.layers.base.all().filter(({ format }) => format === 'int4');
    expect(rounded.length).toBeGreaterThan(0);
    for (const { name, tensor, scales } of rounded) {
      const words = await opened.gpu.readInts(tensor);
      const factors = await opened.gpu.read(scales!.tensor);
      // Every group holds something, to the last.
      expect(
        factors.every((scale) => Math.abs(scale) > 0),
        name,
      ).toBe(true);
      expect(
        words.some((word) => word !== 0),
        name,
      ).toBe(true);
      expect(words.at(-4), name).not.toBe(0);
    }
    model.dispose();
  });

  it('refuses a weight that is not finite, by its name', async () => {
    const broken = 'model.language_model.layers.1.mlp.up_proj.weight';
    const folder = await copyModel('tied_4to1', 'nan', (values, columns, name) => {
      if (name === broken) values[2 * columns] = Number.NaN;
      return values;
    });
    const loading = Qwen2_5_VL.load(opened.gpu, folder, { ...FROZEN, quantization: INT4 });
    await expect(loading).rejects.toThrow(CheckpointError);
    await expect(loading).rejects.toThrow(new RegExp(`${broken}[^]*row 2`));
  });
});
