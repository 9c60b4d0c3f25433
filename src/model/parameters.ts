/** The parameters of a model on the GPU. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import type { MemoryLine } from '../gpu/memory.ts';
import {
  groupCount,
  isQuantized,
  rowWords,
  type QuantizedFormat,
  type Weight,
  type WeightFormat,
} from '../ops/weight.ts';
import { ShapeError } from '../util/errors.ts';
import { isAdaptable, type ParameterSpec } from './parameter-table.ts';
import { quantizeRows, quantizeStored, type Quantization } from './quantize.ts';
import { randomBlock, randomValues, type RandomWeights } from './random-weights.ts';
import type { StackSpec } from './stacks.ts';
import type { StoredTensor, WeightFiles } from './weight-files.ts';

export interface Parameter extends StackSpec {
  /** As `Weight.tensor` for matrices ([rows, the rest]); float32 [size] for vectors. */
  tensor: tf.Tensor;
  format: WeightFormat;
  /** As `Weight.scales`. */
  scales?: tf.Tensor | undefined;
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
  | ({ kind: 'random' } & RandomWeights)
  /** Frozen bf16 or rounded matrices that repeat one block of random values, to measure at sizes without files. */
  | ({ kind: 'repeated' } & RandomWeights)
  /** Nothing is read or drawn: for adapters, and to plan memory; frozen matrices are in this format. */
  | { kind: 'zeros'; format: WeightFormat };

/** One that has values. */
type ValueSource = Exclude<ParameterSource, { kind: 'zeros' }>;

export class Parameters {
  readonly #gpu: Gpu;
  readonly #line: MemoryLine;
  readonly #byName = new Map<string, Parameter>();
  readonly #parts = new Map<string, Part>();

  /** @param line of the memory budget */
  constructor(gpu: Gpu, line: MemoryLine = 'weights') {
    this.#gpu = gpu;
    this.#line = line;
  }

  /**
   * Loads every parameter of `stacks`, one stored tensor at a time. Frozen matrices stay as stored (bf16 and f16
   * packed), or are rounded to integers where they belong to linear layers and `quantization` says so: the
   * embedding, from which rows are only copied, and the head, whose errors go into every log-probability, are
   * left alone. Trainable matrices, all vectors and stacks of unequal parts become f32.
   * @throws {CheckpointError} when a weight that is to be rounded is not finite
   */
  static async load(
    gpu: Gpu,
    stacks: readonly StackSpec[],
    source: ParameterSource,
    isTrainable: (spec: ParameterSpec) => boolean,
    quantization: Quantization = 'none',
    line: MemoryLine = 'weights',
  ): Promise<Parameters> {
    const parameters = new Parameters(gpu, line);
    for (const stack of stacks) {
      const trainable = isTrainable(stack);
      const integers = quantization !== 'none' && isAdaptable(stack) && !trainable ? quantization : undefined;
      if (source.kind === 'zeros') {
        const stored = stack.kind === 'matrix' && !trainable ? source.format : 'f32';
        parameters.#allocate(stack, integers ?? stored, trainable);
      } else if (source.kind === 'repeated' && stack.kind === 'matrix') {
        parameters.#repeat(stack, source, integers ?? 'bf16');
      } else if (integers) {
        await parameters.#loadIntegers(stack, source, integers);
      } else if (source.kind === 'files') {
        await parameters.#loadStored(stack, source.files, trainable);
      } else {
        parameters.#allocate(stack, 'f32', trainable);
        for (const part of stack.parts) parameters.write(part.name, randomValues(part, source));
      }
    }
    return parameters;
  }

  async #loadStored(stack: StackSpec, files: WeightFiles, trainable: boolean): Promise<void> {
    const stored = stack.parts.map(({ name }) => ({ name, ...files.get(name) }));
    const [format, ...others] = new Set(stored.map(storedFormat));
    const isPacked = stack.kind === 'matrix' && !trainable && others.length === 0 && format !== 'f32';
    this.#allocate(stack, isPacked ? format! : 'f32', trainable);
    if (this.#gpu.isPlanning) return;
    for (const { name, file, storedName } of stored) {
      if (isPacked) this.#writePart(name, new Int32Array((await file.read(storedName)).buffer));
      else this.write(name, await file.readF32(storedName));
    }
  }

  async #loadIntegers(stack: StackSpec, source: ValueSource, format: QuantizedFormat): Promise<void> {
    this.#allocate(stack, format, false);
    if (this.#gpu.isPlanning) return;
    const { tensor, scales } = this.get(stack.name);
    for (const part of stack.parts) {
      const shape = part.shape as [number, number];
      const pieces =
        source.kind === 'files'
          ? quantizeStored(source.files.get(part.name), shape, format)
          : [{ firstRow: 0, ...quantizeRows(randomValues(part, source), shape[1], format, part.name) }];
      const { firstRow } = this.#parts.get(part.name)!;
      for await (const piece of pieces) {
        this.#writeRows(tensor, firstRow + piece.firstRow, piece.words);
        this.#writeRows(scales!, firstRow + piece.firstRow, piece.scales);
      }
    }
  }

  #repeat(stack: StackSpec, random: RandomWeights, format: 'bf16' | QuantizedFormat): void {
    this.#allocate(stack, format, false);
    const { tensor, scales } = this.get(stack.name);
    const block = randomBlock(stack, random, format);
    this.#tile(tensor, block.words);
    if (scales && block.scales) this.#tile(scales, block.scales);
  }

  #tile(tensor: tf.Tensor, block: Int32Array | Float32Array): void {
    for (let start = 0; start < tensor.size; start += block.length) {
      this.#gpu.write(tensor, block.subarray(0, tensor.size - start), start * 4);
    }
  }

  #writeRows(tensor: tf.Tensor, firstRow: number, data: Int32Array | Float32Array): void {
    this.#gpu.write(tensor, data, firstRow * tensor.shape[1]! * 4);
  }

  #allocate(stack: StackSpec, format: WeightFormat, trainable: boolean): void {
    const [rows, ...rest] = stack.shape as [number, ...number[]];
    const columns = rest.reduce((a, b) => a * b, 1);
    const shape = stack.kind === 'matrix' ? [rows, rowWords(format, columns)] : [rows];
    const dtype = format === 'f32' ? 'float32' : 'int32';
    const tensor = this.#gpu.persistent(this.#line, shape, undefined, dtype);
    const scales = isQuantized(format)
      ? this.#gpu.persistent(this.#line, [rows, groupCount(columns)])
      : undefined;
    const parameter: Parameter = { ...stack, tensor, format, scales, trainable };
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
    const { tensor, format, scales, shape } = this.get(name);
    const rows = shape[0]!;
    return { tensor, format, scales, shape: [rows, shape.slice(1).reduce((a, b) => a * b, 1)] };
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

  /** Overwrites a stored tensor within an f32 parameter. @throws {ShapeError} when it does not fit */
  write(partName: string, values: Float32Array): void {
    const { format } = this.#range(partName).parameter;
    if (format !== 'f32') throw wrongFormat(partName, 'f32', format);
    this.#writePart(partName, values);
  }

  #writePart(partName: string, data: Float32Array | Int32Array): void {
    const { start, count, parameter } = this.#range(partName);
    if (data.length !== count) {
      throw new ShapeError({ where: partName, expected: `${count} words`, found: `${data.length}` });
    }
    this.#gpu.write(parameter.tensor, data, start * 4);
  }

  /**
   * The f32 values of a stored tensor, or its bf16 or f16 bits as they are.
   * @throws {ShapeError} when it was rounded to integers
   */
  async read(partName: string): Promise<Float32Array | Uint16Array> {
    const { parameter, start, count } = this.#range(partName);
    if (isQuantized(parameter.format)) throw wrongFormat(partName, 'f32, bf16 or f16', parameter.format);
    const range = { start, count };
    if (parameter.format === 'f32') return this.#gpu.read(parameter.tensor, range);
    return new Uint16Array((await this.#gpu.readInts(parameter.tensor, range)).buffer);
  }

  /** Where a stored tensor lies in its parameter's tensor, in words. */
  #range(partName: string): { parameter: Parameter; start: number; count: number } {
    const part = this.#parts.get(partName);
    if (!part) throw missing(partName);
    const { parameter, spec, firstRow } = part;
    const words = parameter.tensor.size / parameter.tensor.shape[0];
    return { parameter, start: firstRow * words, count: spec.shape[0]! * words };
  }

  dispose(): void {
    for (const { tensor, scales } of this.#byName.values()) {
      this.#gpu.free(tensor);
      if (scales) this.#gpu.free(scales);
    }
    this.#byName.clear();
    this.#parts.clear();
  }
}

function missing(name: string): ShapeError {
  return new ShapeError({ where: 'model parameters', expected: name, found: 'no such parameter' });
}

function wrongFormat(where: string, expected: string, found: WeightFormat): ShapeError {
  return new ShapeError({ where, expected, found });
}

/** WeightFiles lets no other types pass. */
function storedFormat({ file, storedName }: StoredTensor): WeightFormat {
  const { dtype } = file.info(storedName);
  if (dtype === 'F32') return 'f32';
  return dtype === 'BF16' ? 'bf16' : 'f16';
}
