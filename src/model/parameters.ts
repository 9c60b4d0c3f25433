/** The parameters of a model on the GPU. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import type { Weight, WeightFormat } from '../ops/linear.ts';
import { ShapeError } from '../util/errors.ts';
import { RandomStream } from '../util/random.ts';
import type { ParameterSpec } from './parameter-table.ts';
import type { StoredTensor, WeightFiles } from './weight-files.ts';

export interface Parameter extends ParameterSpec {
  /** As `Weight.tensor` for matrices ([rows, the rest]); float32 [size] for vectors. */
  tensor: tf.Tensor;
  format: WeightFormat;
  trainable: boolean;
}

/** Where a parameter's first values come from. */
export type ParameterSource =
  | { kind: 'files'; files: WeightFiles }
  /** Random values, as transformers initialises the model: normal with this standard deviation. */
  | { kind: 'random'; seed: number; std: number };

export class Parameters {
  readonly #gpu: Gpu;
  readonly #byName = new Map<string, Parameter>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /**
   * Loads every parameter of `specs`. Frozen matrices stay as stored (bf16 and f16 packed); trainable ones and
   * all vectors become f32.
   */
  static async load(
    gpu: Gpu,
    specs: readonly ParameterSpec[],
    source: ParameterSource,
    isTrainable: (spec: ParameterSpec) => boolean,
  ): Promise<Parameters> {
    const parameters = new Parameters(gpu);
    for (const spec of specs) {
      const trainable = isTrainable(spec);
      if (source.kind === 'random') {
        parameters.add(spec, randomValues(spec, source.seed, source.std), trainable);
      } else {
        await parameters.#addStored(spec, source.files.get(spec.name), trainable);
      }
    }
    return parameters;
  }

  /** Adds a parameter from f32 values. */
  add(spec: ParameterSpec, values: Float32Array, trainable: boolean): void {
    this.#put(spec, values, 'f32', trainable);
  }

  async #addStored(
    spec: ParameterSpec,
    { file, storedName }: StoredTensor,
    trainable: boolean,
  ): Promise<void> {
    const { dtype } = file.info(storedName);
    const keepPacked = spec.kind === 'matrix' && !trainable && dtype !== 'F32';
    if (keepPacked) {
      const bytes = await file.read(storedName);
      this.#put(spec, new Int32Array(bytes.buffer), dtype === 'BF16' ? 'bf16' : 'f16', false);
    } else {
      this.#put(spec, await file.readF32(storedName), 'f32', trainable);
    }
  }

  #put(spec: ParameterSpec, data: Float32Array | Int32Array, format: WeightFormat, trainable: boolean): void {
    const shape = spec.kind === 'matrix' ? [spec.shape[0]!, data.length / spec.shape[0]!] : [data.length];
    const tensor = this.#gpu.persistent('weights', shape, data);
    this.#byName.set(spec.name, { ...spec, tensor, format, trainable });
  }

  get(name: string): Parameter {
    const parameter = this.#byName.get(name);
    if (!parameter)
      throw new ShapeError({ where: 'model parameters', expected: name, found: 'no such parameter' });
    return parameter;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** A matrix as ops/linear takes it. */
  weight(name: string): Weight {
    const { tensor, format, shape } = this.get(name);
    const rows = shape[0]!;
    return { tensor, format, shape: [rows, shape.slice(1).reduce((a, b) => a * b, 1)] };
  }

  /** A norm's weight or a bias, float32 [size]. */
  vector(name: string): tf.Tensor {
    return this.get(name).tensor;
  }

  all(): Parameter[] {
    return [...this.#byName.values()];
  }

  trainable(): Parameter[] {
    return this.all().filter(({ trainable }) => trainable);
  }

  /** Overwrites a trainable (f32) parameter. */
  write(name: string, values: Float32Array): void {
    this.#gpu.write(this.get(name).tensor, values);
  }

  /** The f32 values of a parameter, or its packed words as they are. */
  async read({ tensor, format }: Parameter): Promise<Float32Array | Uint16Array> {
    if (format === 'f32') return this.#gpu.read(tensor);
    return new Uint16Array((await this.#gpu.readInts(tensor)).buffer);
  }

  dispose(): void {
    for (const { tensor } of this.#byName.values()) this.#gpu.free(tensor);
    this.#byName.clear();
  }
}

/** Norm weights start at 1, biases at 0, matrices at normal values. */
function randomValues({ name, shape, kind }: ParameterSpec, seed: number, std: number): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (kind === 'norm') return values.fill(1);
  if (kind === 'bias') return values;
  const random = new RandomStream(seed, `init:${name}`);
  return values.map(() => random.normal() * std);
}
