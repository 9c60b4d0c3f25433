import { readFile, readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SafetensorsFile } from '../../src/io/safetensors.ts';
import { loadArchitecture, parseArchitecture } from '../../src/model/config.ts';
import {
  canonicalName,
  isAdaptable,
  isVisionParameter,
  parameterTable,
  type ParameterSpec,
} from '../../src/model/parameter-table.ts';

const MODELS = 'test/golden/models';

const size = ({ shape }: ParameterSpec): number => shape.reduce((a, b) => a * b, 1);
const count = (specs: readonly ParameterSpec[]): number => specs.reduce((sum, spec) => sum + size(spec), 0);

/** The published sizes of Qwen2.5-VL, in the published schema. */
function published(changes: Record<string, unknown>, outHidden: number) {
  return parseArchitecture(
    {
      model_type: 'qwen2_5_vl',
      image_token_id: 151655,
      num_hidden_layers: 28,
      rms_norm_eps: 1e-6,
      rope_theta: 1_000_000,
      rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
      vision_config: {
        depth: 32,
        hidden_size: 1280,
        intermediate_size: 3420,
        num_heads: 16,
        out_hidden_size: outHidden,
        fullatt_block_indexes: [7, 15, 23, 31],
      },
      ...changes,
    },
    'published',
  );
}

const THREE_B = published(
  {
    hidden_size: 2048,
    intermediate_size: 11008,
    num_hidden_layers: 36,
    num_attention_heads: 16,
    num_key_value_heads: 2,
    vocab_size: 151936,
    tie_word_embeddings: true,
  },
  2048,
);
const SEVEN_B = published(
  {
    hidden_size: 3584,
    intermediate_size: 18944,
    num_attention_heads: 28,
    num_key_value_heads: 4,
    vocab_size: 152064,
    tie_word_embeddings: false,
  },
  3584,
);

describe('parameterTable', () => {
  it('counts the parameters of the published models: total_size of their index, two bytes each', () => {
    expect(count(parameterTable(THREE_B))).toBe(7_509_245_952 / 2);
    expect(count(parameterTable(SEVEN_B))).toBe(16_584_333_312 / 2);
  });

  it('gives shapes as stored: outputs first, grouped key heads narrower, three projections in one', () => {
    const shapes = new Map(parameterTable(THREE_B).map(({ name, shape }) => [name, shape]));
    const shape = (name: string) => shapes.get(name);
    expect(shape('model.visual.patch_embed.proj.weight')).toEqual([1280, 3, 2, 14, 14]);
    expect(shape('model.visual.blocks.31.attn.qkv.weight')).toEqual([3840, 1280]);
    expect(shape('model.visual.blocks.0.mlp.down_proj.weight')).toEqual([1280, 3420]);
    expect(shape('model.visual.merger.ln_q.weight')).toEqual([1280]);
    expect(shape('model.visual.merger.mlp.2.weight')).toEqual([2048, 5120]);
    expect(shape('model.language_model.embed_tokens.weight')).toEqual([151936, 2048]);
    expect(shape('model.language_model.layers.35.self_attn.k_proj.weight')).toEqual([256, 2048]);
    expect(shape('model.language_model.layers.35.self_attn.k_proj.bias')).toEqual([256]);
    expect(shape('model.language_model.layers.0.self_attn.o_proj.bias'), 'no bias there').toBeUndefined();
    expect(shape('model.language_model.layers.36.input_layernorm.weight')).toBeUndefined();
  });

  it('has a head of its own only where it is not tied', () => {
    const names = (model: typeof THREE_B) => parameterTable(model).map(({ name }) => name);
    expect(names(THREE_B)).not.toContain('lm_head.weight');
    expect(names(SEVEN_B).at(-1)).toBe('lm_head.weight');
  });

  it('tells matrices, norms and biases apart', () => {
    for (const { name, shape, kind } of parameterTable(THREE_B)) {
      if (kind === 'matrix') expect(shape.length, name).toBeGreaterThanOrEqual(2);
      else expect(shape, name).toHaveLength(1);
      expect(kind === 'norm', name).toBe(/norm\d?\.weight$|ln_q\.weight$/.test(name));
      expect(kind === 'bias', name).toBe(name.endsWith('.bias'));
    }
  });

  it.each(['tied_4to1', 'untied_2to1', 'untied_2to1_bf16'])(
    'names what transformers stores: %s',
    async (model) => {
      const folder = `${MODELS}/${model}`;
      const stored = new Map<string, readonly number[]>();
      for (const file of (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))) {
        await using tensors = await SafetensorsFile.open(`${folder}/${file}`);
        for (const [name, { shape }] of tensors.tensors) stored.set(canonicalName(name), shape);
      }
      const table = parameterTable(await loadArchitecture(folder));
      const byName = (entries: Iterable<readonly [string, readonly number[]]>) =>
        Object.fromEntries([...entries].map(([name, shape]) => [name, [...shape]]));
      expect(byName(table.map(({ name, shape }) => [name, shape] as const))).toEqual(byName(stored));
    },
  );
});

describe('canonicalName', () => {
  it.each([
    ['visual.blocks.0.attn.qkv.weight', 'model.visual.blocks.0.attn.qkv.weight'],
    ['model.layers.0.mlp.up_proj.weight', 'model.language_model.layers.0.mlp.up_proj.weight'],
    ['model.embed_tokens.weight', 'model.language_model.embed_tokens.weight'],
    ['model.norm.weight', 'model.language_model.norm.weight'],
    ['lm_head.weight', 'lm_head.weight'],
    // Already in the new naming.
    ['model.visual.merger.ln_q.weight', 'model.visual.merger.ln_q.weight'],
    ['model.language_model.norm.weight', 'model.language_model.norm.weight'],
    // Not of this model: left alone, so that the check of a folder names it.
    ['model.normaliser.weight', 'model.normaliser.weight'],
  ])('%s', (stored, canonical) => {
    expect(canonicalName(stored)).toBe(canonical);
    expect(canonicalName(canonical), 'a second time').toBe(canonical);
  });
});

describe('isAdaptable', () => {
  it('takes the linear layers of both towers and nothing else', () => {
    const table = parameterTable(SEVEN_B);
    const adaptable = table.filter(isAdaptable).map(({ name }) => name);
    // Seven to a layer of the decoder, five to a block of the tower, two in the merger.
    expect(adaptable).toHaveLength(28 * 7 + 32 * 5 + 2);
    for (const name of adaptable) expect(name).toMatch(/(_proj|\.qkv|\.proj|mlp\.[02])\.weight$/);
    for (const part of ['patch_embed', 'embed_tokens', 'lm_head', 'norm']) {
      expect(adaptable.filter((name) => name.includes(part))).toEqual([]);
    }
  });
});

it('isVisionParameter tells the tower, its merger included, from the decoder', () => {
  const table = parameterTable(THREE_B);
  const vision = table.filter(({ name }) => isVisionParameter(name));
  expect(vision.at(-1)!.name).toBe('model.visual.merger.mlp.2.bias');
  expect(table[vision.length]!.name).toBe('model.language_model.embed_tokens.weight');
  expect(table.slice(vision.length).some(({ name }) => isVisionParameter(name))).toBe(false);
});

it('fits the mini model', async () => {
  const config = JSON.parse(await readFile('checkpoints/mini/config.json', 'utf8')) as Record<
    string,
    unknown
  >;
  const parameters = count(parameterTable(parseArchitecture(config, 'checkpoints/mini')));
  // "About a million": what its configuration is chosen for.
  expect(parameters).toBeGreaterThan(0.8e6);
  expect(parameters).toBeLessThan(1.2e6);
});
