/**
 * Every tensor of a Qwen2.5-VL model by its name and shape, in the naming of transformers 5
 * (`model.visual.*`, `model.language_model.*`); older names are mapped to it.
 */
import type { ModelArchitecture } from './config.ts';

export interface ParameterSpec {
  name: string;
  shape: readonly number[];
  /** A matrix of a linear layer or an embedding; other tensors are vectors (norm weights, biases). */
  kind: 'matrix' | 'norm' | 'bias';
}

/** All parameters in the order of the forward pass. */
export function parameterTable({ vision, text }: ModelArchitecture): ParameterSpec[] {
  const specs: ParameterSpec[] = [];
  const matrix = (name: string, ...shape: number[]) =>
    specs.push({ name: `${name}.weight`, shape, kind: 'matrix' });
  const norm = (name: string, width: number) =>
    specs.push({ name: `${name}.weight`, shape: [width], kind: 'norm' });
  const linear = (name: string, rows: number, columns: number) => {
    matrix(name, rows, columns);
    specs.push({ name: `${name}.bias`, shape: [rows], kind: 'bias' });
  };

  const { patchSize, temporalPatchSize, channels } = vision;
  matrix('model.visual.patch_embed.proj', vision.hidden, channels, temporalPatchSize, patchSize, patchSize);
  for (let i = 0; i < vision.depth; i++) {
    const block = `model.visual.blocks.${i}`;
    norm(`${block}.norm1`, vision.hidden);
    linear(`${block}.attn.qkv`, vision.hidden * 3, vision.hidden);
    linear(`${block}.attn.proj`, vision.hidden, vision.hidden);
    norm(`${block}.norm2`, vision.hidden);
    linear(`${block}.mlp.gate_proj`, vision.intermediate, vision.hidden);
    linear(`${block}.mlp.up_proj`, vision.intermediate, vision.hidden);
    linear(`${block}.mlp.down_proj`, vision.hidden, vision.intermediate);
  }
  const merged = vision.hidden * vision.mergeSize ** 2;
  norm('model.visual.merger.ln_q', vision.hidden);
  linear('model.visual.merger.mlp.0', merged, merged);
  linear('model.visual.merger.mlp.2', vision.outHidden, merged);

  matrix('model.language_model.embed_tokens', text.vocab, text.hidden);
  for (let i = 0; i < text.layers; i++) {
    const layer = `model.language_model.layers.${i}`;
    norm(`${layer}.input_layernorm`, text.hidden);
    linear(`${layer}.self_attn.q_proj`, text.heads * text.headDim, text.hidden);
    linear(`${layer}.self_attn.k_proj`, text.kvHeads * text.headDim, text.hidden);
    linear(`${layer}.self_attn.v_proj`, text.kvHeads * text.headDim, text.hidden);
    matrix(`${layer}.self_attn.o_proj`, text.hidden, text.heads * text.headDim);
    norm(`${layer}.post_attention_layernorm`, text.hidden);
    matrix(`${layer}.mlp.gate_proj`, text.intermediate, text.hidden);
    matrix(`${layer}.mlp.up_proj`, text.intermediate, text.hidden);
    matrix(`${layer}.mlp.down_proj`, text.hidden, text.intermediate);
  }
  norm('model.language_model.norm', text.hidden);
  if (!text.tiedHead) matrix('lm_head', text.vocab, text.hidden);
  return specs;
}

/** The name of transformers 5 for a tensor's name in a published file. */
export function canonicalName(stored: string): string {
  if (stored.startsWith('visual.')) return `model.${stored}`;
  if (/^model\.(layers|embed_tokens|norm)\./.test(stored)) {
    return stored.replace(/^model\./, 'model.language_model.');
  }
  return stored;
}

/** Whether a parameter belongs to the vision tower (its merger included). */
export function isVisionParameter(name: string): boolean {
  return name.startsWith('model.visual.');
}

/** Matrices that LoRA may adapt: the linear layers, neither embeddings nor the patch projection nor the head. */
export function isAdaptable({ name, kind }: ParameterSpec): boolean {
  return kind === 'matrix' && !/patch_embed|embed_tokens|lm_head/.test(name);
}
