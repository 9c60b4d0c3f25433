/**
 * Fills the parameters of a model, from files or with random values. Files are read some megabytes at a time, so
 * that the host never holds a large part of a model, nor a whole large tensor.
 */
import type * as tf from '@tensorflow/tfjs';
import { BoundedWrites } from '../gpu/bounded-writes.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { MemoryLine } from '../gpu/memory.ts';
import type { FloatFormat, IntegerLayout } from '../ops/weight.ts';
import { isAdaptable, type ParameterSpec } from './parameter-table.ts';
import { type Parameter, Parameters } from './parameters.ts';
import { quantizeRows, quantizeStored, type QuantizedRows } from './quantize.ts';
import { randomBlock, randomValues, type RandomWeights } from './random-weights.ts';
import type { StackSpec } from './stacks.ts';
import { type WeightFiles, storedFormat } from './weight-files.ts';

/** Where a parameter's first values come from. */
export type ParameterSource =
  | { kind: 'files'; files: WeightFiles }
  /** Random values, as transformers initialises the model: normal with this standard deviation. */
  | ({ kind: 'random' } & RandomWeights)
  /** Frozen bf16 or rounded matrices that repeat one block of random values, to measure at sizes without files. */
  | ({ kind: 'repeated' } & RandomWeights)
  /** Nothing is read or drawn: for adapters, and to plan memory; frozen matrices are in this format. */
  | { kind: 'zeros'; format: FloatFormat };

/** One that has values. */
type ValueSource = Exclude<ParameterSource, { kind: 'zeros' }>;

export interface LoadOptions {
  /** Of frozen linear layers. */
  quantization?: IntegerLayout | undefined;
  /** Of the memory budget. */
  line?: MemoryLine | undefined;
}

/**
 * Loads every parameter of `stacks`. Frozen matrices stay as stored (bf16 and f16 packed), or are rounded to
 * integers where they belong to linear layers and `quantization` says so: the embedding, from which rows are only
 * copied, and the head, whose errors go into every log-probability, are left alone. Trainable matrices, all vectors
 * and stacks of unequal parts become f32.
 * @throws {CheckpointError} when a file ends early, or a weight that is to be rounded is not finite
 */
export async function loadParameters(
  gpu: Gpu,
  stacks: readonly StackSpec[],
  source: ParameterSource,
  isTrainable: (spec: ParameterSpec) => boolean,
  { quantization, line }: LoadOptions = {},
): Promise<Parameters> {
  const parameters = new Parameters(gpu, line);
  const writes = new BoundedWrites(gpu);
  for (const stack of stacks) {
    const trainable = isTrainable(stack);
    const integers = isAdaptable(stack) && !trainable ? quantization : undefined;
    const parameter = parameters.allocate(
      stack,
      integers ?? floatFormat(stack, source, trainable),
      trainable,
    );
    if (source.kind === 'zeros' || gpu.isPlanning) continue;
    if (source.kind === 'repeated' && stack.kind === 'matrix') {
      await repeat(parameter, source, integers, writes);
    } else if (integers) {
      await loadIntegers(parameter, source, integers, writes);
    } else {
      for (const part of stack.parts) {
        if (source.kind === 'files')
          await parameters.writeStored(part.name, source.files.get(part.name), writes);
        else parameters.write(part.name, randomValues(part, source));
      }
    }
  }
  return parameters;
}

/** The format of a parameter that is not rounded. */
function floatFormat(stack: StackSpec, source: ParameterSource, isTrained: boolean): FloatFormat {
  if (stack.kind !== 'matrix' || isTrained || source.kind === 'random') return 'f32';
  if (source.kind === 'repeated') return 'bf16';
  if (source.kind === 'zeros') return source.format;
  const [format, ...others] = new Set(stack.parts.map(({ name }) => storedFormat(source.files.get(name))));
  return others.length === 0 ? format! : 'f32';
}

async function loadIntegers(
  { tensor, scales, parts }: Parameter,
  source: ValueSource,
  layout: IntegerLayout,
  writes: BoundedWrites,
): Promise<void> {
  let partRow = 0;
  for (const part of parts) {
    const [rows, columns] = part.shape as [number, number];
    for await (const { firstRow, words, scales: values } of roundedPieces(part, columns, source, layout)) {
      await writes.write(tensor, words, rowBytes(tensor) * (partRow + firstRow));
      await writes.write(scales!.tensor, values, rowBytes(scales!.tensor) * (partRow + firstRow));
    }
    partRow += rows;
  }
}

async function* roundedPieces(
  part: ParameterSpec,
  columns: number,
  source: ValueSource,
  layout: IntegerLayout,
): AsyncGenerator<QuantizedRows & { firstRow: number }> {
  if (source.kind === 'files') yield* quantizeStored(source.files.get(part.name), columns, layout);
  else yield { firstRow: 0, ...quantizeRows(randomValues(part, source), columns, layout, part.name) };
}

async function repeat(
  parameter: Parameter,
  random: RandomWeights,
  layout: IntegerLayout | undefined,
  writes: BoundedWrites,
): Promise<void> {
  const block = randomBlock(parameter, random, layout ?? 'bf16');
  await tile(parameter.tensor, block.words, writes);
  if (parameter.scales && block.scales) await tile(parameter.scales.tensor, block.scales, writes);
}

/** Fills a tensor with a block, over and over. */
async function tile(
  tensor: tf.TensorInfo,
  block: Int32Array | Float32Array,
  writes: BoundedWrites,
): Promise<void> {
  const words = (rowBytes(tensor) / 4) * tensor.shape[0]!;
  for (let start = 0; start < words; start += block.length) {
    await writes.write(tensor, block.subarray(0, words - start), start * 4);
  }
}

/** Of a tensor [rows, words of a row]. */
function rowBytes(tensor: tf.TensorInfo): number {
  return tensor.shape[1]! * 4;
}
