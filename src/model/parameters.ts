/** The parameters of a model on the GPU. */
import type * as tf from '@tensorflow/tfjs';
import { BoundedWrites } from '../gpu/bounded-writes.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { MemoryLine } from '../gpu/memory.ts';
import {
  isQuantized,
  type FloatFormat,
  rowWords,
  scaleWords,
  type IntegerLayout,
  type Scales,
  type Weight,
  type WeightFormat,
} from '../ops/weight.ts';
import { CheckpointError, ShapeError } from '../util/errors.ts';
import type { ParameterSpec } from './parameter-table.ts';
import type { StackSpec } from './stacks.ts';
import { storedFormat, type StoredTensor } from './weight-files.ts';

export interface Parameter extends StackSpec {
  /** As `Weight.tensor` for matrices ([rows, the rest]); float32 [size] for vectors. */
  tensor: tf.Tensor;
  format: WeightFormat;
  /** As `Weight.scales`. */
  scales?: Scales | undefined;
  trainable: boolean;
}

/** A stored tensor within a parameter. */
interface Part {
  parameter: Parameter;
  spec: ParameterSpec;
  /** Its first row in the parameter. */
  firstRow: number;
}

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

  /** Adds a parameter of zeros. */
  allocate(stack: StackSpec, layout: FloatFormat | IntegerLayout, trainable: boolean): Parameter {
    const format = typeof layout === 'string' ? layout : layout.format;
    const [rows, ...rest] = stack.shape as [number, ...number[]];
    const columns = rest.reduce((a, b) => a * b, 1);
    const shape = stack.kind === 'matrix' ? [rows, rowWords(format, columns)] : [rows];
    const dtype = format === 'f32' ? 'float32' : 'int32';
    const tensor = this.#gpu.persistent(this.#line, shape, undefined, dtype);
    const scales = typeof layout === 'string' ? undefined : this.#zeroScales(rows, columns, layout);
    const parameter: Parameter = { ...stack, tensor, format, scales, trainable };
    this.#byName.set(stack.name, parameter);
    let firstRow = 0;
    for (const spec of stack.parts) {
      this.#parts.set(spec.name, { parameter, spec, firstRow });
      firstRow += spec.shape[0]!;
    }
    return parameter;
  }

  #zeroScales(rows: number, columns: number, { scales: format, group }: IntegerLayout): Scales {
    const dtype = format === 'f32' ? 'float32' : 'int32';
    const shape = [rows, scaleWords({ format, group }, columns)];
    return { tensor: this.#gpu.persistent(this.#line, shape, undefined, dtype), format, group };
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
    const { start, count, parameter } = this.#range(partName);
    if (parameter.format !== 'f32') throw wrongFormat(partName, 'f32', parameter.format);
    if (values.length !== count) {
      throw new ShapeError({ where: partName, expected: `${count} values`, found: `${values.length}` });
    }
    this.#gpu.write(parameter.tensor, values, start * 4);
  }

  /**
   * Overwrites a stored tensor within a parameter by one of a file, a bounded part at a time: as f32, or the bits of
   * bf16 or f16 as they are where the parameter has that format.
   * @throws {CheckpointError} when the shapes disagree or the file ends early
   * @throws {ShapeError} when the parameter has another format than the file, and not f32
   */
  async writeStored(
    partName: string,
    stored: StoredTensor,
    writes = new BoundedWrites(this.#gpu),
  ): Promise<void> {
    const { start: first, parameter } = this.#range(partName);
    const { tensor, format } = parameter;
    const { spec } = this.#parts.get(partName)!;
    const { file, storedName } = stored;
    const { shape } = file.info(storedName);
    if (shape.join() !== spec.shape.join()) {
      throw new CheckpointError({
        where: `${file.path}: ${storedName}`,
        expected: `[${spec.shape.join(', ')}]`,
        found: `[${shape.join(', ')}]`,
      });
    }
    if (format === 'f32') {
      for await (const { start, values } of file.chunksF32(storedName)) {
        await writes.write(tensor, values, (first + start) * 4);
      }
      return;
    }
    if (format !== storedFormat(stored)) throw wrongFormat(partName, storedFormat(stored), format);
    for await (const { start, bytes } of file.chunks(storedName, 4)) {
      await writes.write(tensor, new Int32Array(bytes.buffer, 0, bytes.length / 4), first * 4 + start);
    }
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
      if (scales) this.#gpu.free(scales.tensor);
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
