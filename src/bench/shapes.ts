/** Models of published sizes with random weights, as folders without weight files. */
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModelSource } from '../io/hub/model-source.ts';
import { Tokenizer } from '../processor/tokenizer.ts';
import type { Scale } from './parts.ts';

/** The numbers of a published `config.json`. */
export interface ModelShape {
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  kvHeads: number;
  vocab: number;
  tiedHead: boolean;
  vision: { depth: number; hidden: number; intermediate: number; heads: number; fullAttention: number[] };
}

/**
 * Qwen/Qwen2.5-VL-7B-Instruct, but two layers, next to no vision tower, and a head that fits the largest buffer of
 * SwiftShader, 1 GiB: a decode step reads 1.9 GB.
 */
export const TWO_LAYERS_OF_7B: ModelShape = {
  hidden: 3584,
  intermediate: 18944,
  layers: 2,
  heads: 28,
  kvHeads: 4,
  vocab: 131072,
  tiedHead: false,
  vision: { depth: 1, hidden: 64, intermediate: 64, heads: 1, fullAttention: [0] },
};

/** Qwen/Qwen2.5-VL-3B-Instruct. */
export const WHOLE_3B: ModelShape = {
  hidden: 2048,
  intermediate: 11008,
  layers: 36,
  heads: 16,
  kvHeads: 2,
  vocab: 151936,
  tiedHead: true,
  vision: { depth: 32, hidden: 1280, intermediate: 3420, heads: 16, fullAttention: [7, 15, 23, 31] },
};

/** As the whole, but two layers, and two blocks of the vision tower. */
export const TWO_LAYERS_OF_3B: ModelShape = {
  ...WHOLE_3B,
  layers: 2,
  vision: { ...WHOLE_3B.vision, depth: 2, fullAttention: [1] },
};

/** Qwen/Qwen2.5-VL-7B-Instruct. */
export const WHOLE_7B: ModelShape = {
  hidden: 3584,
  intermediate: 18944,
  layers: 28,
  heads: 28,
  kvHeads: 4,
  vocab: 152064,
  tiedHead: false,
  vision: { depth: 32, hidden: 1280, intermediate: 3420, heads: 16, fullAttention: [7, 15, 23, 31] },
};

/** Columns of time, height and width in half a head of 128. */
const MROPE_SECTION = [16, 24, 24];
const HEAD_DIM = 128;

/** The same number of heads and layers, all widths of the text model a part of what they are. */
export function scaled(shape: ModelShape, scale: Scale): ModelShape {
  return {
    ...shape,
    hidden: shape.hidden / scale,
    intermediate: shape.intermediate / scale,
    vocab: shape.vocab / scale,
  };
}

/** The files of a model folder beside the configuration and the weights. */
const PROCESSOR_FILES = /^(tokenizer|vocab|merges|chat_template|preprocessor_config|processor_config)/;

/**
 * Makes a temporary folder with a configuration of this shape and the processor's files of another model.
 * @param model path of that folder, or name on the Hugging Face hub
 * @throws {CheckpointError} when it has no tokenizer of the Qwen2 kind
 */
async function makeModelFolder(shape: ModelShape, model: string): Promise<string> {
  const { folder: processorFolder } = await openModelSource(model, { weights: false });
  const ids = await Tokenizer.load(processorFolder);
  const folder = await mkdtemp(join(tmpdir(), 'wethink-bench-'));
  const names = (await readdir(processorFolder)).filter((name) => PROCESSOR_FILES.test(name));
  for (const name of names) await copyFile(join(processorFolder, name), join(folder, name));
  const scale = HEAD_DIM / (shape.hidden / shape.heads);
  const { vision } = shape;
  const config = {
    architectures: ['Qwen2_5_VLForConditionalGeneration'],
    model_type: 'qwen2_5_vl',
    eos_token_id: ids.eosIds[0],
    image_token_id: ids.imagePadId,
    video_token_id: ids.videoPadId,
    vision_start_token_id: ids.visionStartId,
    vision_end_token_id: ids.visionEndId,
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    vocab_size: shape.vocab,
    hidden_act: 'silu',
    initializer_range: 0.02,
    max_position_embeddings: 128_000,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    rope_scaling: { type: 'mrope', mrope_section: MROPE_SECTION.map((columns) => columns / scale) },
    tie_word_embeddings: shape.tiedHead,
    torch_dtype: 'bfloat16',
    use_sliding_window: false,
    vision_config: {
      depth: vision.depth,
      hidden_act: 'silu',
      hidden_size: vision.hidden,
      intermediate_size: vision.intermediate,
      num_heads: vision.heads,
      in_chans: 3,
      out_hidden_size: shape.hidden,
      patch_size: 14,
      spatial_merge_size: 2,
      spatial_patch_size: 14,
      window_size: 112,
      fullatt_block_indexes: vision.fullAttention,
      tokens_per_second: 2,
      temporal_patch_size: 2,
    },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

/** Random weights in the format that published models have, of models whose folders hold none. */
export const RANDOM_BF16 = { fromScratch: true, randomFormat: 'bf16' } as const;

/**
 * Runs `work` on the folder of a model of this shape, which exists meanwhile.
 * @param model the folder, or the name, of the model that lends its processor; it is the model where there is no shape
 */
export async function withModelFolder<T>(
  shape: ModelShape | undefined,
  model: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  if (!shape) return work(model);
  const folder = await makeModelFolder(shape, model);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
