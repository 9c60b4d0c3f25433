/**
 * What the parity tests share: one open device per file, inputs and outputs in guarded buffers, comparison
 * with float64 references, and finite differences.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect } from 'vitest';
import type { AdapterChoice } from '../../src/gpu/adapter.ts';
import type { BackendInternals } from '../../src/gpu/backend.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import type { KernelFamily } from '../../src/gpu/kernel-family.ts';
import { RandomStream } from '../../src/util/random.ts';

/** A quiet NaN that no kernel computes: what an output holds before it is written, and the guard band. */
const POISON = 0x7fc0dead;
/** Words behind every guarded tensor: more than a tile of any kernel overshoots. */
const GUARD_WORDS = 1024;

/**
 * Opens the adapter of `WETHINK_ADAPTER` (default: embedded) before the tests of a file. A missing adapter
 * fails the file; it never skips.
 */
export function openGpu(): { readonly gpu: Gpu } {
  let gpu: Gpu | undefined;
  beforeAll(async () => {
    gpu = await Gpu.open((process.env['WETHINK_ADAPTER'] ?? 'embedded') as AdapterChoice);
  });
  afterAll(() => gpu?.close());
  return {
    get gpu() {
      return gpu!;
    },
  };
}

/** Takes the kernels of one family in the tests of the enclosing `describe`, whatever the adapter prefers. */
export function useFamily(device: { readonly gpu: Gpu }, family: KernelFamily): void {
  let own: KernelFamily;
  beforeAll(() => {
    own = device.gpu.family;
    device.gpu.family = family;
  });
  afterAll(() => {
    device.gpu.family = own;
  });
}

type Values = Float32Array | Int32Array | Uint32Array;

/** What a guarded test body may use. */
export interface Guarded {
  /** A tensor with NaN behind its end, so that a read past it shows. Integers become int32. */
  input: (shape: readonly number[], values: Values) => tf.Tensor;
  /** The values of a float32 tensor. */
  read: (tensor: tf.TensorInfo) => Promise<Float32Array>;
  readInts: (tensor: tf.TensorInfo) => Promise<Int32Array>;
}

/**
 * Runs `body` with every output of a launcher in a buffer of its own that is NaN throughout and has a guard
 * band behind it; fails when a guard band was written.
 */
export async function guarded<T>(gpu: Gpu, body: (use: Guarded) => Promise<T>): Promise<T> {
  const buffers: { buffer: GPUBuffer; words: number; shape: readonly number[] }[] = [];
  const allocate = (
    shape: readonly number[],
    dtype: 'float32' | 'int32' = 'float32',
    values?: Values,
  ): tf.TensorInfo => {
    const words = tf.util.sizeFromShape([...shape]);
    const contents = new Uint32Array(words + GUARD_WORDS).fill(POISON);
    if (values) {
      expect(values.length, `values for [${shape.join()}]`).toBe(words);
      contents.set(new Uint32Array(values.buffer, values.byteOffset, words));
    }
    const buffer = gpu.device.createBuffer({
      size: contents.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    gpu.device.queue.writeBuffer(buffer, 0, contents);
    buffers.push({ buffer, words, shape });
    const backend = tf.backend() as unknown as BackendInternals;
    const info = backend.makeTensorInfo([...shape], dtype);
    // External: TensorFlow.js drops such a buffer without taking it into its pool.
    Object.assign(backend.tensorMap.get(info.dataId), { resource: buffer, external: true });
    return info;
  };
  // An own property shadows the method of the class until it is deleted.
  gpu.empty = allocate;
  tf.engine().startScope('guarded');
  try {
    const result = await body({
      input: (shape, values) =>
        tf
          .engine()
          .makeTensorFromTensorInfo(
            allocate(shape, values instanceof Float32Array ? 'float32' : 'int32', values),
          ),
      read: (tensor) => gpu.read(tensor),
      readInts: (tensor) => gpu.readInts(tensor),
    });
    for (const { buffer, words, shape } of buffers) {
      const guard = (await readWords(gpu, buffer)).subarray(words);
      const at = guard.findIndex((word) => word !== POISON);
      expect(at, `words past the end of [${shape.join()}] that were written, from`).toBe(-1);
    }
    return result;
  } finally {
    tf.engine().endScope();
    Reflect.deleteProperty(gpu, 'empty');
    for (const { buffer } of buffers) buffer.destroy();
  }
}

async function readWords(gpu: Gpu, source: GPUBuffer): Promise<Uint32Array> {
  gpu.flush();
  const staging = gpu.device.createBuffer({
    size: source.size,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  gpu.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const words = new Uint32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return words;
}

/** Standard normal values, the same for the same label. */
export function randomValues(count: number, label: string, scale = 1): Float32Array {
  const stream = new RandomStream(20_250_607, label);
  return Float32Array.from({ length: count }, () => stream.normal() * scale);
}

/** Gradients of Σ f() · dy for `xs`, through the tape of TensorFlow.js. */
export function gradients(f: () => tf.Tensor, xs: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  return tf.engine().gradients(f, xs, dy, true).grads;
}

/**
 * Fails unless every |actual - expected| is within `tolerance` times the largest |expected| (1 where all are
 * zero). NaN fails, in either.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  label: string,
): void {
  expect(actual.length, `${label}: length`).toBe(expected.length);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  const bound = tolerance * (scale || 1);
  let worst = -1;
  let worstError = -1;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= worstError)) [worst, worstError] = [i, error];
    if (Number.isNaN(error)) break;
  }
  if (worst >= 0 && !(worstError <= bound)) {
    expect.fail(
      `${label}[${worst}]: expected ${expected[worst]}, found ${actual[worst]}, off by ${worstError}; ` +
        `at most ${bound} (${tolerance} of the largest, ${scale})`,
    );
  }
}

/** Step of the central differences: their error is near 1e-10 in float64 for values around 1. */
const DIFFERENCE_STEP = 1e-5;

/** ∂f/∂x by central differences in float64; `f` reads `x`, which is changed and restored in place. */
export function finiteDifferences(f: () => number, x: Float64Array): Float64Array {
  return x.map((value, i) => {
    x[i] = value + DIFFERENCE_STEP;
    const above = f();
    x[i] = value - DIFFERENCE_STEP;
    const below = f();
    x[i] = value;
    return (above - below) / (2 * DIFFERENCE_STEP);
  });
}

/** Σ a · b, the scalar whose gradient with respect to what made `a` is the one for `dy = b`. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Relative error allowed between an analytic float64 gradient and its central differences. */
export const DIFFERENCE_TOLERANCE = 1e-7;
