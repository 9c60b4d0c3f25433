/** What the cases of the kernel self-test are made of. */
import * as tf from '@tensorflow/tfjs';

/** The test of a kernel family. */
export interface KernelTest {
  /** The family: the folder below `kernels/`. */
  name: string;
  /** Every kernel that `launch` runs, as a path below `kernels/` without ending. */
  kernels: readonly string[];
  /** Largest error allowed, relative to the largest value of an output. */
  tolerance: number;
  /** Runs the kernels; nothing is read back yet. `atEnd` takes what is to be freed after that. */
  launch: (atEnd: (free: () => void) => void) => Check[];
}

/** An output on the GPU, and the values that it must have. */
export interface Check {
  label: string;
  actual: tf.TensorInfo;
  expected: ArrayLike<number>;
}

/** A tensor's values on the host. */
export interface HostTensor {
  shape: readonly number[];
  values: Float32Array;
}

/** Values between -1 and 1 without a pattern that a kernel could hit by accident; exact in f32. */
export function hostTensor(shape: readonly number[], phase: number): HostTensor {
  const values = new Float32Array(tf.util.sizeFromShape([...shape]));
  return { shape, values: values.map((_, i) => Math.sin(1.7 * i + 0.3 * i * i + phase)) };
}

/** Uploads a tensor; it belongs to the scope of the self-test. */
export function upload({ shape, values }: HostTensor): tf.Tensor {
  return tf.tensor(values, [...shape]);
}

export function uploadInts(shape: readonly number[], values: readonly number[]): tf.Tensor {
  return tf.tensor(Int32Array.from(values), [...shape], 'int32');
}

export interface DifferentiableCase {
  label: string;
  /** The inputs that have a gradient. */
  inputs: readonly HostTensor[];
  run: (inputs: tf.Tensor[]) => tf.Tensor;
  /** The same in float64. */
  reference: (inputs: readonly Float64Array[]) => ArrayLike<number>;
}

/** Step of the central differences: their error in float64 is near 1e-10 for values around 1. */
const DIFFERENCE_STEP = 1e-5;

/**
 * Checks an operation's output, and its gradients against central differences of the float64 reference, so that
 * a case needs no formula of its own for them.
 */
export function checkDifferentiable({ label, inputs, run, reference }: DifferentiableCase): Check[] {
  const tensors = inputs.map(upload);
  const hosts = inputs.map(({ values }) => Float64Array.from(values));
  const expected = reference(hosts);
  const output = run(tensors);
  const dy = hostTensor(output.shape, 0.5);
  const { grads } = tf.engine().gradients(() => run(tensors), tensors, upload(dy), true);
  const loss = (): number => {
    const values = reference(hosts);
    return dy.values.reduce((sum, weight, i) => sum + weight * values[i]!, 0);
  };
  return [
    { label, actual: output, expected },
    ...grads.map((actual, i) => ({
      label: `${label}: gradient of input ${i + 1}`,
      actual,
      expected: differences(loss, hosts[i]!),
    })),
  ];
}

function differences(loss: () => number, x: Float64Array): Float64Array {
  return x.map((value, i) => {
    x[i] = value + DIFFERENCE_STEP;
    const above = loss();
    x[i] = value - DIFFERENCE_STEP;
    const below = loss();
    x[i] = value;
    return (above - below) / (2 * DIFFERENCE_STEP);
  });
}
