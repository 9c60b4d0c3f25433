/**
 * A pass as a chain of segments: blocks of the vision tower, the embedding, blocks of the decoder, the head. The
 * forward pass can drop what a segment computed inside, and the backward pass walks the chain from its end.
 */
import * as tf from '@tensorflow/tfjs';

export interface Segment {
  /** Prefixes of the names of the parameters that it uses, without the last point. */
  uses: readonly string[];
  /** @param input what the segment before it gave; undefined for the first */
  run(input: tf.Tensor | undefined): tf.Tensor;
}

/** A tensor that is trained. */
interface Trained {
  name: string;
  tensor: tf.Tensor;
}

export interface Backpropagation {
  trainable: readonly Trained[];
  /**
   * Keep only the input of each segment and compute it again in the backward pass (gradient checkpointing,
   * arXiv 1604.06174); the gradients are the same.
   */
  recompute: boolean;
  /** Is given each gradient as soon as it is there, several for a parameter of several segments; it may not keep it. */
  onGradient: (parameter: tf.Tensor, gradient: tf.Tensor) => void;
}

/** The output of the chain. What lies between two segments is freed as soon as the next one has it. */
export function runSegments(segments: readonly Segment[], input?: tf.Tensor): tf.Tensor {
  let value = input;
  for (const segment of segments) {
    const next = tf.tidy(() => segment.run(value));
    if (value !== input) value!.dispose();
    value = next;
  }
  return value!;
}

/**
 * Computes the output of the chain, a scalar loss, and its gradient by every trainable parameter. Segments before the
 * first that uses one run without a tape.
 * @returns the loss
 */
export function backpropagate(
  segments: readonly Segment[],
  { trainable, recompute, onGradient }: Backpropagation,
): tf.Tensor {
  const usedBy = ({ uses }: Segment) =>
    trainable.filter(({ name }) => uses.some((prefix) => name.startsWith(`${prefix}.`)));
  const first = segments.findIndex((segment) => usedBy(segment).length > 0);
  if (first < 0) return runSegments(segments);
  const trained = segments.slice(first);
  const parts = recompute ? trained : [joined(trained)];
  const inputs = [first > 0 ? runSegments(segments.slice(0, first)) : undefined];
  for (const part of parts.slice(0, -1)) inputs.push(tf.tidy(() => part.run(inputs.at(-1))));

  let loss: tf.Tensor | undefined;
  let gradient: tf.Tensor | undefined;
  for (const [i, part] of [...parts.entries()].toReversed()) {
    const input = inputs[i];
    // Nothing before the first part is trained.
    const wanted = i > 0 ? input : undefined;
    const parameters = usedBy(part).map(({ tensor }) => tensor);
    const [value, ofInput] = tf.tidy(() =>
      differentiate(part, input, wanted, parameters, gradient, onGradient),
    );
    for (const used of [gradient, input]) used?.dispose();
    gradient = ofInput;
    if (loss) value.dispose();
    else loss = value;
  }
  return loss!;
}

/**
 * Runs a part under a tape of its own and hands on the gradients of its parameters.
 * @param wanted the input, where the gradient by it is wanted
 * @param dy gradient of the loss by the part's value; undefined where that is the loss
 */
function differentiate(
  part: Segment,
  input: tf.Tensor | undefined,
  wanted: tf.Tensor | undefined,
  parameters: readonly tf.Tensor[],
  dy: tf.Tensor | undefined,
  onGradient: Backpropagation['onGradient'],
): [value: tf.Tensor, gradient: tf.Tensor | undefined] {
  const by = wanted ? [...parameters, wanted] : [...parameters];
  const { value, grads } = tf.engine().gradients(() => part.run(input), by, dy, true);
  parameters.forEach((parameter, at) => {
    // A parameter that this batch does not touch has none.
    const gradient = grads[at];
    if (gradient) onGradient(parameter, gradient);
  });
  return [value, wanted && grads.at(-1)];
}

/** A chain as one segment. */
function joined(segments: readonly Segment[]): Segment {
  return {
    uses: segments.flatMap(({ uses }) => uses),
    run: (input) => runSegments(segments, input),
  };
}
