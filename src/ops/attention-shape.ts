/** What the launchers of attention take. */
import type * as tf from '@tensorflow/tfjs';

export interface AttentionShape {
  /** H: query heads. */
  heads: number;
  /** K: key and value heads, a divisor of H; query head h uses head floor(h / (H / K)). */
  kvHeads: number;
  /** E: a multiple of 4. */
  headDim: number;
  /** What a score is multiplied with, usually 1 / sqrt(E). */
  scale: number;
}

export interface AttentionInputs {
  /** f32 [N, H * E]. */
  q: tf.TensorInfo;
  /** f32 [M, K * E]. */
  k: tf.TensorInfo;
  /** f32 [M, K * E]. */
  v: tf.TensorInfo;
  /** int32 [N, 4]. */
  ranges: tf.TensorInfo;
}

/** What the gradients need as well. */
export interface AttentionGradientInputs extends AttentionInputs {
  /** int32 [M, 2]. */
  inverse: tf.TensorInfo;
  /** f32 [N, H * E]. */
  dOut: tf.TensorInfo;
  /** f32 [N, H, 2]: lse, and dout . out. */
  stats: tf.TensorInfo;
}

/** What the forward kernels write: out f32 [N, H * E]; lse f32 [N, H], the logarithm of a row's summed exponentials. */
export type AttentionOutputs = [out: tf.TensorInfo, lse: tf.TensorInfo];

/** What the kernels of the gradients write. */
export interface AttentionGradients {
  /** f32 [N, H * E]. */
  dq: tf.TensorInfo;
  /** f32 [M, 2, K * E]: the gradients of keys and values side by side. */
  dkv: tf.TensorInfo;
}
