/**
 * The architecture of a Qwen2.5-VL folder, from its `config.json`: both the published flat schema
 * (`rope_scaling`) and the nested one that transformers 5 writes (`text_config`, `rope_parameters`).
 */
import { z } from 'zod';
import { requireModelJson, type JsonObject } from '../processor/model-file.ts';
import type { FloatFormat } from '../ops/weight.ts';
import { CheckpointError } from '../util/errors.ts';

const size = z.int().positive();

const STORED_FORMATS: ReadonlyMap<unknown, FloatFormat> = new Map([
  ['float32', 'f32'],
  ['bfloat16', 'bf16'],
  ['float16', 'f16'],
]);

const visionSchema = z.looseObject({
  depth: size,
  hidden_size: size,
  intermediate_size: size,
  num_heads: size,
  out_hidden_size: size,
  patch_size: size.default(14),
  temporal_patch_size: size.default(2),
  spatial_merge_size: size.default(2),
  in_chans: size.optional(),
  in_channels: size.optional(),
  window_size: size.default(112),
  fullatt_block_indexes: z.array(z.int().nonnegative()),
  hidden_act: z.literal('silu').default('silu'),
});

const ropeSchema = z.looseObject({
  mrope_section: z.tuple([size, size, size]),
  rope_theta: z.number().positive().optional(),
});

const textSchema = z.looseObject({
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size,
  vocab_size: size,
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  initializer_range: z.number().positive().default(0.02),
  hidden_act: z.literal('silu').default('silu'),
  use_sliding_window: z.literal(false).default(false),
});

export interface VisionConfig {
  depth: number;
  /** D of the tower. */
  hidden: number;
  heads: number;
  headDim: number;
  /** F of the tower. */
  intermediate: number;
  /** D of the decoder, to which the merger projects. */
  outHidden: number;
  /** Values of one flattened patch: channels x temporal x patch x patch. */
  patchValues: number;
  patchSize: number;
  temporalPatchSize: number;
  channels: number;
  mergeSize: number;
  /** Side of an attention window in merged units. */
  windowUnits: number;
  fullAttentionLayers: ReadonlySet<number>;
}

export interface TextConfig {
  layers: number;
  /** D */
  hidden: number;
  /** H */
  heads: number;
  /** K */
  kvHeads: number;
  /** E */
  headDim: number;
  /** F */
  intermediate: number;
  /** V */
  vocab: number;
  normEps: number;
  ropeTheta: number;
  /** Columns of the rotary table for time, height and width; sums to E / 2. */
  mropeSection: readonly [number, number, number];
  tiedHead: boolean;
}

export interface ModelArchitecture {
  /** Id of `<|image_pad|>`, whose rows take the image features. */
  imageToken: number;
  /** Standard deviation of random matrices, for models trained from scratch. */
  initializerRange: number;
  /** Of the published weights, as the file says; the weights themselves decide when they are loaded. */
  storedFormat: FloatFormat;
  vision: VisionConfig;
  text: TextConfig;
}

/** @throws {CheckpointError} when the file is missing, of another model or outside what is implemented */
export async function loadArchitecture(folder: string): Promise<ModelArchitecture> {
  return parseArchitecture(await requireModelJson(folder, 'config.json'), `${folder}/config.json`);
}

export function parseArchitecture(json: JsonObject, where: string): ModelArchitecture {
  if (json['model_type'] !== 'qwen2_5_vl') {
    throw new CheckpointError({
      where: `${where}: model_type`,
      expected: 'qwen2_5_vl',
      found: JSON.stringify(json['model_type'] ?? null),
      fix: 'only Qwen2.5-VL models can be trained',
    });
  }
  const text = check(
    textSchema,
    json['text_config'] ?? json,
    `${where}: ${json['text_config'] ? 'text_config' : 'top level'}`,
  );
  const vision = check(visionSchema, json['vision_config'], `${where}: vision_config`);
  const rope = text.rope_parameters ?? text.rope_scaling;
  const headDim = text.hidden_size / text.num_attention_heads;
  const mropeSection = rope?.mrope_section ?? [0, 0, 0];
  require(rope, where, 'rope_scaling or rope_parameters with an mrope_section', 'none');
  const sectionSum = mropeSection[0] + mropeSection[1] + mropeSection[2];
  require(sectionSum * 2 ===
    headDim, where, `an mrope_section that sums to ${headDim / 2}`, mropeSection.join(' + '));
  require(headDim % 4 === 0, where, 'a head dimension that is a multiple of 4', `${headDim}`);
  require(text.num_attention_heads % text.num_key_value_heads ===
    0, where, 'num_attention_heads a multiple of num_key_value_heads', `${text.num_attention_heads} and ${text.num_key_value_heads}`);
  require(vision.out_hidden_size ===
    text.hidden_size, where, `out_hidden_size ${text.hidden_size}`, `${vision.out_hidden_size}`);
  const visionHeadDim = vision.hidden_size / vision.num_heads;
  require(visionHeadDim % 4 ===
    0, where, 'a vision head dimension that is a multiple of 4', `${visionHeadDim}`);
  for (const [name, width] of [
    ['hidden_size', text.hidden_size],
    ['intermediate_size', text.intermediate_size],
    ['vision_config.intermediate_size', vision.intermediate_size],
  ] as const) {
    require(width % 4 === 0, where, `${name} a multiple of 4`, `${width}`);
  }
  const unitPixels = vision.spatial_merge_size * vision.patch_size;
  require(vision.window_size >=
    unitPixels, where, `window_size of at least ${unitPixels}`, `${vision.window_size}`);
  const channels = vision.in_channels ?? vision.in_chans ?? 3;
  const imageToken = json['image_token_id'];
  require(Number.isInteger(imageToken), where, 'an image_token_id', String(imageToken));
  return {
    imageToken: imageToken as number,
    initializerRange: text.initializer_range,
    storedFormat: STORED_FORMATS.get(json['dtype'] ?? json['torch_dtype'] ?? text['dtype']) ?? 'f32',
    text: {
      layers: text.num_hidden_layers,
      hidden: text.hidden_size,
      heads: text.num_attention_heads,
      kvHeads: text.num_key_value_heads,
      headDim,
      intermediate: text.intermediate_size,
      vocab: text.vocab_size,
      normEps: text.rms_norm_eps,
      ropeTheta: rope?.rope_theta ?? text.rope_theta ?? 1_000_000,
      mropeSection,
      tiedHead: (json['tie_word_embeddings'] ?? text['tie_word_embeddings']) === true,
    },
    vision: {
      depth: vision.depth,
      hidden: vision.hidden_size,
      heads: vision.num_heads,
      headDim: visionHeadDim,
      intermediate: vision.intermediate_size,
      outHidden: vision.out_hidden_size,
      patchValues: channels * vision.temporal_patch_size * vision.patch_size ** 2,
      patchSize: vision.patch_size,
      temporalPatchSize: vision.temporal_patch_size,
      channels,
      mergeSize: vision.spatial_merge_size,
      windowUnits: Math.floor(vision.window_size / vision.spatial_merge_size / vision.patch_size),
      fullAttentionLayers: new Set(vision.fullatt_block_indexes),
    },
  };
}

function check<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const found = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw new CheckpointError({ where, expected: 'a Qwen2.5-VL configuration', found });
}

function require(condition: unknown, where: string, expected: string, found: string): void {
  if (!condition) throw new CheckpointError({ where, expected, found });
}
