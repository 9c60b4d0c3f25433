/** The parameters of a model on the GPU. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import { f32ToBf16 } from '../io/float16.ts';
import type { Weight, WeightFormat } from '../ops/weight.ts';
import { ShapeError } from '../util/errors.ts';
import { RandomStream } from '../util/random.ts';
import type { ParameterSpec } from './parameter-table.ts';
import { alone, type StackSpec } from './stacks.ts';
import type { StoredTensor, WeightFiles } from './weight-files.ts';

export interface Parameter extends StackSpec {
  /** As `Weight.tensor` for matrices ([rows, the rest]); float32 [size] for vectors. */
  tensor: tf.Tensor;
  format: WeightFormat;
  trainable: boolean;
}

/** A stored tensor within a parameter. */
interface Part {
  parameter: Parameter;
  spec: ParameterSpec;
  /** Its first row in the parameter. */
  firstRow: number;
}

/** Where a parameter's first values come from. */
export type ParameterSource =
  | { kind: 'files'; files: WeightFiles }
  /** Random values, as transformers initialises the model: normal with this standard deviation. */
  | { kind: 'random'; seed: number; std: number }
  /** Frozen bf16 matrices that repeat one block of random values, for measurements at sizes nobody has files of. */
  | { kind: 'repeated'; seed: number; std: number };

/** Values of the block that is repeated: not a multiple of common widths, so that rows differ. */
const BLOCK_VALUES = 2 * 65_521;

export class Parameters {
  readonly #gpu: Gpu;
  readonly #byName = new Map<string, Parameter>();
  readonly #parts = new Map<string, Part>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /**
   * Loads every parameter of `stacks`, one stored tensor at a time. Frozen matrices stay as stored (bf16 and f16
   * packed); trainable ones, all vectors and stacks of unequal parts become f32.
   */
  static async load(
    gpu: Gpu,
    stacks: readonly StackSpec[],
    source: ParameterSource,
    isTrainable: (spec: ParameterSpec) => boolean,
  ): Promise<Parameters> {
    const parameters = new Parameters(gpu);
    for (const stack of stacks) {
      const trainable = isTrainable(stack);
      if (source.kind === 'files') await parameters.#loadStored(stack, source.files, trainable);
      else if (source.kind === 'repeated' && stack.kind === 'matrix') parameters.#repeat(stack, source);
      else {
        parameters.#allocate(stack, 'f32', trainable);
        for (const part of stack.parts) {
          parameters.write(part.name, randomValues(part, source.seed, source.std));
        }
      }
    }
    return parameters;
  }

  /** Adds a parameter from f32 values. */
  add(spec: ParameterSpec, values: Float32Array, trainable: boolean): void {
    this.#allocate(alone(spec), 'f32', trainable);
    this.write(spec.name, values);
  }

  async #loadStored(stack: StackSpec, files: WeightFiles, trainable: boolean): Promise<void> {
    const stored = stack.parts.map(({ name }) => ({ name, ...files.get(name) }));
    const [format, ...others] = new Set(stored.map(storedFormat));
    const isPacked = stack.kind === 'matrix' && !trainable && others.length === 0 && format !== 'f32';
    this.#allocate(stack, isPacked ? format! : 'f32', trainable);
    for (const { name, file, storedName } of stored) {
      if (isPacked) this.#writePart(name, new Int32Array((await file.read(storedName)).buffer));
      else this.write(name, await file.readF32(storedName));
    }
  }

  #repeat(stack: StackSpec, { seed, std }: { seed: number; std: number }): void {
    this.#allocate(stack, 'bf16', false);
    const { tensor } = this.get(stack.name);
    const values = randomValues({ ...stack, shape: [BLOCK_VALUES] }, seed, std);
    const words = new Int32Array(f32ToBf16(values).buffer);
    for (let start = 0; start < tensor.size; start += words.length) {
      this.#gpu.write(tensor, words.subarray(0, tensor.size - start), start * 4);
    }
  }

  #allocate(stack: StackSpec, format: WeightFormat, trainable: boolean): void {
    const [rows, ...rest] = stack.shape as [number, ...number[]];
    const values = rest.reduce((a, b) => a * b, 1);
    const words = format === 'f32' ? values : values / 2;
    const shape = stack.kind === 'matrix' ? [rows, words] : [rows];
    const dtype = format === 'f32' ? 'float32' : 'int32';
    const tensor = this.#gpu.persistent('weights', shape, undefined, dtype);
    const parameter: Parameter = { ...stack, tensor, format, trainable };
    this.#byName.set(stack.name, parameter);
    let firstRow = 0;
    for (const spec of stack.parts) {
      this.#parts.set(spec.name, { parameter, spec, firstRow });
      firstRow += spec.shape[0]!;
    }
  }

  get(name: string): Parameter {
    const parameter = this.#byName.get(name);
    if (!parameter) throw missing(name);
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

  /** Overwrites a stored tensor within an f32 parameter. */
  write(partName: string, values: Float32Array): void {
    this.#writePart(partName, values);
  }

  #writePart(partName: string, data: Float32Array | Int32Array): void {
    const { start, count, parameter } = this.#range(partName);
    if (data.length !== count) {
      throw new ShapeError({ where: partName, expected: `${count} words`, found: `${data.length}` });
    }
    this.#gpu.write(parameter.tensor, data, start * 4);
  }

  /** The f32 values of a stored tensor, or its packed words as they are. */
  async read(partName: string): Promise<Float32Array | Uint16Array> {
    const { parameter, start, count } = this.#range(partName);
    const range = { start, count };
    if (parameter.format === 'f32') return this.#gpu.read(parameter.tensor, range);
    return new Uint16Array((await this.#gpu.readInts(parameter.tensor, range)).buffer);
  }

  /** Where a stored tensor lies in its parameter's tensor, in words. */
  #range(partName: string): { parameter: Parameter; start: number; count: number } {
    const part = this.#parts.get(partName);
    if (!part) throw missing(partName);
    const { parameter, spec, firstRow } = part;
    const rowWords = parameter.tensor.size / parameter.tensor.shape[0]!;
    return { parameter, start: firstRow * rowWords, count: spec.shape[0]! * rowWords };
  }

  dispose(): void {
    for (const { tensor } of this.#byName.values()) this.#gpu.free(tensor);
    this.#byName.clear();
    this.#parts.clear();
  }
}

function missing(name: string): ShapeError {
  return new ShapeError({ where: 'model parameters', expected: name, found: 'no such parameter' });
}

/** WeightFiles lets no other types pass. */
function storedFormat({ file, storedName }: StoredTensor): WeightFormat {
  const { dtype } = file.info(storedName);
  if (dtype === 'F32') return 'f32';
  return dtype === 'BF16' ? 'bf16' : 'f16';
}

/** Norm weights start at 1, biases at 0, matrices at normal values. */
function randomValues({ name, shape, kind }: ParameterSpec, seed: number, std: number): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (kind === 'norm') return values.fill(1);
  if (kind === 'bias') return values;
  const random = new RandomStream(seed, `init:${name}`);
  return values.map(() => random.normal() * std);
}
