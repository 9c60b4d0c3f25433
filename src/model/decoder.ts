/** The language model: a stack of blocks over packed rows of any number of sequences. */
import type * as tf from '@tensorflow/tfjs';
import { attention } from '../ops/attention.ts';
import { type KvDestination, type RotaryTable, splitRotary } from '../ops/rotary.ts';
import type { TextConfig } from './config.ts';
import type { Layers } from './projection.ts';
import type { Segment } from './segment.ts';

/** Where the rows of a pass stand and which keys they see. */
export interface DecoderRows {
  /** int32 [3, N]: time, height, width (M-RoPE). */
  positions: tf.Tensor;
  /** int32 [N, 4]: the two ranges of key rows of each query row (ops/attention). */
  ranges: tf.Tensor;
  /** int32 [N, 2]: who attends to each row; only the backward pass needs it, which no cache has. */
  inverse?: tf.Tensor;
  /** The cache of a layer, where the keys and values of the pass go; `ranges` are rows of it then. */
  cache?: (layer: number) => KvDestination;
  /** Upper bound of the keys that a row sees, where it is less than all of a cache. */
  maxKeys?: number;
}

/**
 * The blocks; each takes and gives hidden states f32 [N, D], the first the embedded rows, the last those before the
 * final norm.
 * @see modeling_qwen2_5_vl.py of transformers 5.23, Qwen2_5_VLTextModel
 */
export function decoderSegments(
  layers: Layers,
  config: TextConfig,
  rows: DecoderRows,
  table: RotaryTable,
): Segment[] {
  return Array.from({ length: config.layers }, (_, i) => {
    const name = `model.language_model.layers.${i}`;
    return { uses: [name], run: (hidden) => decoderBlock(layers, config, i, name, hidden!, rows, table) };
  });
}

function decoderBlock(
  layers: Layers,
  { heads, kvHeads, headDim, normEps }: TextConfig,
  layer: number,
  name: string,
  hidden: tf.Tensor,
  { positions, ranges, inverse, cache, maxKeys }: DecoderRows,
  table: RotaryTable,
): tf.Tensor {
  const normed = layers.norm(`${name}.input_layernorm`, hidden, normEps);
  const qkv = layers.linear(`${name}.self_attn.qkv_proj`, normed);
  const { q, k, v } = splitRotary(qkv, { heads, kvHeads }, table, positions, cache?.(layer));
  const attended = attention(q, k, v, {
    heads,
    kvHeads,
    headDim,
    ranges_N4: ranges,
    inverse_M2: cache ? undefined : inverse,
    ...(maxKeys !== undefined && { maxKeys }),
    scale: headDim ** -0.5,
  });
  const middle = layers.linear(`${name}.self_attn.o_proj`, attended, hidden);
  const inner = layers.norm(`${name}.post_attention_layernorm`, middle, normEps);
  const gated = layers.gated(`${name}.mlp.gate_up_proj`, inner, cache === undefined);
  return layers.linear(`${name}.mlp.down_proj`, gated, middle);
}
