/**
 * Recompute per block (gradient checkpointing, arXiv 1604.06174): the forward pass keeps a block's input only,
 * and the backward pass runs the block again under a tape of its own.
 */
import * as tf from '@tensorflow/tfjs';

interface TapeState {
  activeTape: unknown;
}

/**
 * @param block the block; it may use `parameters` and constants besides its input
 * @param parameters every trainable tensor that the block uses
 */
export function recomputed(
  block: (hidden: tf.Tensor) => tf.Tensor,
  hidden: tf.Tensor,
  parameters: readonly tf.Tensor[],
): tf.Tensor {
  const run = tf.customGrad((...args: unknown[]) => {
    const save = args.pop() as (tensors: tf.Tensor[]) => void;
    const inputs = args as tf.Tensor[];
    save([inputs[0]!]);
    const gradFunc = (dy: tf.Tensor, [saved]: tf.Tensor[]): tf.Tensor[] =>
      withOwnTape(() => tf.engine().gradients(() => block(saved!), [saved!, ...parameters], dy).grads);
    return {
      value: block(inputs[0]!),
      gradFunc: gradFunc,
    };
  });
  return run(hidden, ...parameters);
}

/** TensorFlow.js clears the active tape when a nested gradient ends; the outer one must survive it. */
function withOwnTape<T>(work: () => T): T {
  const state = tf.engine().state as unknown as TapeState;
  const outer = state.activeTape;
  try {
    return work();
  } finally {
    state.activeTape = outer;
  }
}
