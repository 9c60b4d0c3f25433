/** The vision tower: patches to features of the decoder's width. */
import type * as tf from '@tensorflow/tfjs';
import { gelu, swiglu } from '../ops/activation.ts';
import { attention } from '../ops/attention.ts';
import { type RotaryTable, splitRotary } from '../ops/rotary.ts';
import type { VisionConfig } from './config.ts';
import type { Layers } from './projection.ts';
import type { Segment } from './segment.ts';

/** RMSNorm's epsilon in the tower is fixed in transformers. */
const NORM_EPS = 1e-6;

/** The images of a batch on the GPU: model/vision-layout.ts, uploaded. */
export interface VisionInputs {
  /** f32 [P, patch values] in window order. */
  patches: tf.Tensor;
  /** int32 [2, P] */
  positions: tf.Tensor;
  windows: { ranges: tf.Tensor; inverse: tf.Tensor };
  full: { ranges: tf.Tensor; inverse: tf.Tensor };
}

/**
 * The tower: patches without an input, its blocks, and the merger, which gives features f32 [F, D] in window order
 * (`VisionLayout.featureRow` leads back to the prompt's order).
 * @see modeling_qwen2_5_vl.py of transformers 5.23, Qwen2_5_VisionTransformerPretrainedModel
 */
export function visionSegments(
  layers: Layers,
  config: VisionConfig,
  inputs: VisionInputs,
  table: RotaryTable,
): Segment[] {
  const patches: Segment = {
    uses: ['model.visual.patch_embed'],
    run: () => layers.linear('model.visual.patch_embed.proj', inputs.patches),
  };
  const blocks = Array.from({ length: config.depth }, (_, i): Segment => {
    const name = `model.visual.blocks.${i}`;
    const rows = config.fullAttentionLayers.has(i) ? inputs.full : inputs.windows;
    return {
      uses: [name],
      run: (hidden) => visionBlock(layers, config, name, hidden!, rows, inputs.positions, table),
    };
  });
  const merger: Segment = {
    uses: ['model.visual.merger'],
    run: (hidden) => {
      const merged = config.hidden * config.mergeSize ** 2;
      const normed = layers.norm('model.visual.merger.ln_q', hidden!, NORM_EPS).reshape([-1, merged]);
      const inner = gelu(layers.linear('model.visual.merger.mlp.0', normed));
      return layers.linear('model.visual.merger.mlp.2', inner);
    },
  };
  return [patches, ...blocks, merger];
}

function visionBlock(
  layers: Layers,
  { heads, headDim }: VisionConfig,
  name: string,
  hidden: tf.Tensor,
  { ranges, inverse }: { ranges: tf.Tensor; inverse: tf.Tensor },
  positions: tf.Tensor,
  table: RotaryTable,
): tf.Tensor {
  const normed = layers.norm(`${name}.norm1`, hidden, NORM_EPS);
  const qkv = layers.linear(`${name}.attn.qkv`, normed);
  const { q, k, v } = splitRotary(qkv, { heads, kvHeads: heads }, table, positions);
  const attended = attention(q, k, v, {
    heads,
    kvHeads: heads,
    headDim,
    ranges_N4: ranges,
    inverse_M2: inverse,
    scale: headDim ** -0.5,
  });
  const middle = layers.linear(`${name}.attn.proj`, attended, hidden);
  const inner = layers.norm(`${name}.norm2`, middle, NORM_EPS);
  const gated = swiglu(layers.linear(`${name}.mlp.gate_up_proj`, inner));
  return layers.linear(`${name}.mlp.down_proj`, gated, middle);
}
