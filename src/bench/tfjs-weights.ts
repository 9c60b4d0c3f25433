/** The decoder's weights as ordinary TensorFlow.js tensors, laid out for its products. */
import * as tf from '@tensorflow/tfjs';
import { loadArchitecture, type TextConfig } from '../model/config.ts';
import { WeightFiles } from '../model/weight-files.ts';

export interface LayerWeights {
  inputNorm: tf.Tensor;
  /** [D, (H + 2 K) E]: query, key and value side by side. */
  qkv: tf.Tensor2D;
  qkvBias: tf.Tensor1D;
  output: tf.Tensor2D;
  postNorm: tf.Tensor;
  gate: tf.Tensor2D;
  up: tf.Tensor2D;
  down: tf.Tensor2D;
}

/** Matrices are [inputs, outputs], so that no product has to transpose; the embedding is [V, D]. */
export interface TfjsWeights {
  config: TextConfig;
  embedding: tf.Tensor2D;
  layers: readonly LayerWeights[];
  finalNorm: tf.Tensor;
  head: tf.Tensor2D;
}

const MODEL = 'model.language_model';

/**
 * Reads the text weights of a model folder, as f32 whatever they are stored in.
 * @throws {CheckpointError} when a file or a tensor is missing
 */
export async function loadTfjsWeights(folder: string): Promise<TfjsWeights> {
  const { text } = await loadArchitecture(folder);
  await using files = await WeightFiles.open(folder);
  const stored = async (name: string): Promise<tf.Tensor> => {
    const { file, storedName } = files.get(name);
    return tf.tensor(await file.readF32(storedName), [...file.info(storedName).shape]);
  };
  /** Rows of several tensors one below the other. */
  const joined = async (names: readonly string[]): Promise<tf.Tensor> => {
    const parts = await Promise.all(names.map(stored));
    const all = tf.concat(parts);
    tf.dispose(parts);
    return all;
  };
  const matrix = async (...names: string[]): Promise<tf.Tensor2D> => {
    const rows = await joined(names.map((name) => `${name}.weight`));
    const columns = rows.transpose();
    rows.dispose();
    return columns as tf.Tensor2D;
  };
  const layer = async (name: string): Promise<LayerWeights> => {
    const projections = ['q', 'k', 'v'].map((part) => `${name}.self_attn.${part}_proj`);
    return {
      inputNorm: await stored(`${name}.input_layernorm.weight`),
      qkv: await matrix(...projections),
      qkvBias: (await joined(projections.map((part) => `${part}.bias`))) as tf.Tensor1D,
      output: await matrix(`${name}.self_attn.o_proj`),
      postNorm: await stored(`${name}.post_attention_layernorm.weight`),
      gate: await matrix(`${name}.mlp.gate_proj`),
      up: await matrix(`${name}.mlp.up_proj`),
      down: await matrix(`${name}.mlp.down_proj`),
    };
  };
  return {
    config: text,
    embedding: (await stored(`${MODEL}.embed_tokens.weight`)) as tf.Tensor2D,
    layers: await Promise.all(Array.from({ length: text.layers }, (_, i) => layer(`${MODEL}.layers.${i}`))),
    finalNorm: await stored(`${MODEL}.norm.weight`),
    head: await matrix(text.tiedHead ? `${MODEL}.embed_tokens` : 'lm_head'),
  };
}

export function disposeTfjsWeights({ embedding, layers, finalNorm, head }: TfjsWeights): void {
  tf.dispose([embedding, finalNorm, head, ...layers.flatMap((layer) => Object.values(layer) as tf.Tensor[])]);
}
