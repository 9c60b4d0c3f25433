/** The moments of one parameter, in f32 or in 8 bits: their step, and their form in checkpoints. */
import type * as tf from '@tensorflow/tfjs';
import type { OptimConfig } from '../config/schema.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { SafetensorsFile, TensorToWrite } from '../io/safetensors.ts';
import {
  CODES_PER_WORD,
  QUANTIZED_BLOCK,
  adamw8bitStep,
  adamwStep,
  type LrRange,
  type Moments,
  type QuantizedMoments,
} from '../ops/adamw.ts';
import type { OptimizerState } from '../ops/optimizer.ts';
import { CheckpointError } from '../util/errors.ts';

/** Smaller parameters (norms, biases) keep f32 moments: they cost next to nothing. As bitsandbytes. */
const MIN_QUANTIZED_SIZE = 4096;

/** What the optimizer needs of a parameter. */
export interface TrainedParameter {
  name: string;
  shape: readonly number[];
  /** The tensors that it is stacked of, in the order of their rows. */
  parts: readonly { name: string; shape: readonly number[] }[];
  /** float32, updated in place. */
  tensor: tf.Tensor;
}

export interface ParameterMoments {
  /** Launches one step of AdamW on the parameter. */
  step: (gradient: tf.Tensor, state: OptimizerState, lrRanges: readonly LrRange[]) => void;
  /** What a checkpoint holds of them; equal bits after `restore`. */
  stored: () => TensorToWrite[];
  /** @throws {CheckpointError} when the file has them in another form or shape, or not at all */
  restore: (file: SafetensorsFile) => Promise<void>;
  dispose: () => void;
}

/** Moments of zero. */
export function createMoments(
  gpu: Gpu,
  parameter: TrainedParameter,
  strategy: OptimConfig['strategy'],
): ParameterMoments {
  const isQuantized = strategy === 'adamw_8bit' && parameter.tensor.size >= MIN_QUANTIZED_SIZE;
  return isQuantized ? new EightBitMoments(gpu, parameter) : new F32Moments(gpu, parameter);
}

class F32Moments implements ParameterMoments {
  readonly #gpu: Gpu;
  readonly #parameter: TrainedParameter;
  readonly #moments: Moments;

  constructor(gpu: Gpu, parameter: TrainedParameter) {
    this.#gpu = gpu;
    this.#parameter = parameter;
    const zeros = () => gpu.persistent('optimizer', parameter.tensor.shape);
    this.#moments = { m: zeros(), v: zeros() };
  }

  step(gradient: tf.Tensor, state: OptimizerState, lrRanges: readonly LrRange[]): void {
    adamwStep(this.#parameter.tensor, gradient, this.#moments, state, lrRanges);
  }

  #named(): [name: string, tensor: tf.Tensor][] {
    const { name } = this.#parameter;
    return [
      [`exp_avg.${name}`, this.#moments.m],
      [`exp_avg_sq.${name}`, this.#moments.v],
    ];
  }

  stored(): TensorToWrite[] {
    const { shape } = this.#parameter;
    return this.#named().map(([name, tensor]) => ({
      name,
      dtype: 'F32',
      shape,
      data: () => this.#gpu.read(tensor),
    }));
  }

  async restore(file: SafetensorsFile): Promise<void> {
    for (const [name, tensor] of this.#named()) {
      const bytes = await readChecked(file, { name, dtype: 'F32', shape: this.#parameter.shape });
      this.#gpu.write(tensor, new Float32Array(bytes.buffer));
    }
  }

  dispose(): void {
    for (const tensor of [this.#moments.m, this.#moments.v]) this.#gpu.free(tensor);
  }
}

/** Codes are stored as bytes of the parameter's shape, with the scales of their blocks beside them. */
class EightBitMoments implements ParameterMoments {
  readonly #gpu: Gpu;
  readonly #parameter: TrainedParameter;
  readonly #moments: QuantizedMoments;

  constructor(gpu: Gpu, parameter: TrainedParameter) {
    this.#gpu = gpu;
    this.#parameter = parameter;
    const { size } = parameter.tensor;
    const codes = () => gpu.persistent('optimizer', [Math.ceil(size / CODES_PER_WORD)], undefined, 'int32');
    const scales = () => gpu.persistent('optimizer', [Math.ceil(size / QUANTIZED_BLOCK)]);
    // Under a scale of 0 every code stands for 0.
    this.#moments = { mCodes: codes(), vCodes: codes(), mScales: scales(), vScales: scales() };
  }

  step(gradient: tf.Tensor, state: OptimizerState, lrRanges: readonly LrRange[]): void {
    adamw8bitStep(this.#parameter.tensor, gradient, this.#moments, state, lrRanges);
  }

  #named(): { name: string; codes: tf.Tensor; scales: tf.Tensor }[] {
    const { name } = this.#parameter;
    const { mCodes, mScales, vCodes, vScales } = this.#moments;
    return [
      { name: `exp_avg.${name}`, codes: mCodes, scales: mScales },
      { name: `exp_avg_sq.${name}`, codes: vCodes, scales: vScales },
    ];
  }

  stored(): TensorToWrite[] {
    const { shape, tensor } = this.#parameter;
    const bytesOf = async (codes: tf.Tensor) =>
      new Uint8Array((await this.#gpu.readInts(codes)).buffer, 0, tensor.size);
    return this.#named().flatMap(({ name, codes, scales }): TensorToWrite[] => [
      { name, dtype: 'U8', shape, data: () => bytesOf(codes) },
      { name: scalesName(name), dtype: 'F32', shape: scales.shape, data: () => this.#gpu.read(scales) },
    ]);
  }

  async restore(file: SafetensorsFile): Promise<void> {
    const { shape } = this.#parameter;
    for (const { name, codes, scales } of this.#named()) {
      const words = new Int32Array(codes.size);
      new Uint8Array(words.buffer).set(await readChecked(file, { name, dtype: 'U8', shape }));
      this.#gpu.write(codes, words);
      const stored = { name: scalesName(name), dtype: 'F32', shape: scales.shape } as const;
      this.#gpu.write(scales, new Float32Array((await readChecked(file, stored)).buffer));
    }
  }

  dispose(): void {
    const { mCodes, vCodes, mScales, vScales } = this.#moments;
    for (const tensor of [mCodes, vCodes, mScales, vScales]) this.#gpu.free(tensor);
  }
}

/** `exp_avg.x` to `exp_avg_scales.x`. */
function scalesName(name: string): string {
  return name.replace('.', '_scales.');
}

async function readChecked(
  file: SafetensorsFile,
  { name, dtype, shape }: Pick<TensorToWrite, 'name' | 'dtype' | 'shape'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const info = file.info(name);
  const expected = `${dtype} [${shape.join(', ')}]`;
  const found = `${info.dtype} [${info.shape.join(', ')}]`;
  if (found !== expected) {
    const where = `${file.path}: tensor ${name}`;
    const fix =
      info.dtype === dtype
        ? 'continue with the model and the adapter that the checkpoint was written with'
        : 'continue with the optim.strategy that the checkpoint was written with';
    throw new CheckpointError({ where, expected, found, fix });
  }
  return file.read(name);
}
