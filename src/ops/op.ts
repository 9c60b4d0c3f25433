/**
 * How an operation of ours becomes a TensorFlow.js kernel with a gradient: `forward` and the gradient's
 * thunks launch WGSL kernels through the current `Gpu`. Inputs that the loss does not depend on (indices,
 * frozen weights) are never asked for a gradient.
 */
import * as tf from '@tensorflow/tfjs';
import { ShapeError } from '../util/errors.ts';

/** A quiet NaN, which kernels get as a parameter: a constant one would not compile. */
export const NAN_BITS = 0x7fc00000;

type Attrs = Readonly<Record<string, number | boolean | object | undefined>>;

export interface OpDefinition<Input extends string, A extends Attrs> {
  name: string;
  /** Launches the forward kernels; returns the outputs, freshly allocated. */
  forward(inputs: Record<Input, tf.Tensor>, attrs: A): tf.TensorInfo[];
  /** What the backward pass needs. */
  saveInputs?: readonly Input[];
  /** Which outputs it needs. */
  saveOutputs?: readonly boolean[];
  /**
   * One thunk per differentiable input, run only when that gradient is needed.
   * `saved` holds the saved inputs in the order of `saveInputs`, then the saved outputs.
   */
  gradient?(dys: tf.Tensor[], saved: tf.Tensor[], attrs: A): Partial<Record<Input, () => tf.Tensor>>;
}

/** Registers the operation and returns its caller: inputs by name, attributes, outputs in order. */
export function defineOp<Input extends string, A extends Attrs>(
  definition: OpDefinition<Input, A>,
): (inputs: Partial<Record<Input, tf.Tensor | undefined>>, attrs: A) => tf.Tensor[] {
  const { name, saveInputs = [], saveOutputs = [] } = definition;
  tf.registerKernel({
    kernelName: name,
    backendName: 'webgpu',
    kernelFunc: ({ inputs, attrs }) =>
      definition.forward(inputs as unknown as Record<Input, tf.Tensor>, attrs as unknown as A),
  });
  if (definition.gradient) {
    tf.registerGradient({
      kernelName: name,
      inputsToSave: [...saveInputs],
      outputsToSave: [...saveOutputs],
      gradFunc: (dy, saved, attrs) =>
        definition.gradient!(Array.isArray(dy) ? dy : [dy], saved, attrs as unknown as A) as Record<
          string,
          () => tf.Tensor
        >,
    });
  }
  return (inputs, attrs) => {
    const present = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor !== undefined));
    return tf.engine().runKernel(name, present as tf.NamedTensorMap, attrs as unknown as tf.NamedAttrMap);
  };
}

/** Wraps what a launcher wrote as a tensor that the engine tracks. */
export function asTensor(info: tf.TensorInfo): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(info);
}

/** @throws {ShapeError} unless `shape` equals `expected` (null matches any size) */
export function checkShape(
  where: string,
  shape: readonly number[],
  expected: readonly (number | null)[],
): void {
  const same =
    shape.length === expected.length && expected.every((size, i) => size === null || size === shape[i]);
  if (!same) {
    throw new ShapeError({
      where,
      expected: `[${expected.map((size) => size ?? 'any').join(', ')}]`,
      found: `[${shape.join(', ')}]`,
    });
  }
}
