/** Runs one transformer block, freeing its intermediates at once and recomputing them where asked to. */
import * as tf from '@tensorflow/tfjs';
import { recomputed } from './checkpoint-block.ts';
import type { Layers } from './projection.ts';

export interface BlockOptions {
  /** Keep only the block's input for the backward pass. */
  recompute: boolean;
}

/** @param name prefix of the block's parameters */
export function runBlock(
  layers: Layers,
  name: string,
  hidden: tf.Tensor,
  block: (hidden: tf.Tensor) => tf.Tensor,
  { recompute }: BlockOptions,
): tf.Tensor {
  if (!recompute) return tf.tidy(() => block(hidden));
  const own = layers.trainable().filter((parameter) => parameter.name.startsWith(`${name}.`));
  return recomputed(
    (x) => tf.tidy(() => block(x)),
    hidden,
    own.map(({ tensor }) => tensor),
  );
}
