/** The moments of one parameter: their step, and their form in checkpoints. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import type { SafetensorsFile, TensorToWrite } from '../io/safetensors.ts';
import { adamwStep, type LrRange, type Moments } from '../ops/adamw.ts';
import type { OptimizerState } from '../ops/optimizer.ts';
import { CheckpointError } from '../util/errors.ts';

/** What the optimizer needs of a parameter. */
export interface TrainedParameter {
  name: string;
  shape: readonly number[];
  /** The tensors that it is stacked of, in the order of their rows. */
  parts: readonly { name: string; shape: readonly number[] }[];
  /** float32, updated in place. */
  tensor: tf.Tensor;
}

export class ParameterMoments {
  readonly #gpu: Gpu;
  readonly #parameter: TrainedParameter;
  readonly #moments: Moments;

  /** Moments of zero. */
  constructor(gpu: Gpu, parameter: TrainedParameter) {
    this.#gpu = gpu;
    this.#parameter = parameter;
    const zeros = () => gpu.persistent('optimizer', parameter.tensor.shape);
    this.#moments = { m: zeros(), v: zeros() };
  }

  /** Launches one step of AdamW on the parameter. */
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

  /** What a checkpoint holds of them; equal bits after `restore`. */
  stored(): TensorToWrite[] {
    const { shape } = this.#parameter;
    return this.#named().map(([name, tensor]) => ({
      name,
      dtype: 'F32',
      shape,
      data: () => this.#gpu.read(tensor),
    }));
  }

  /** @throws {CheckpointError} when the file has them in another form or shape, or not at all */
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

async function readChecked(
  file: SafetensorsFile,
  { name, dtype, shape }: Pick<TensorToWrite, 'name' | 'dtype' | 'shape'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const info = file.info(name);
  const expected = `${dtype} [${shape.join(', ')}]`;
  const found = `${info.dtype} [${info.shape.join(', ')}]`;
  if (found !== expected) {
    const where = `${file.path}: tensor ${name}`;
    const fix = 'continue with the model and the adapter that the checkpoint was written with';
    throw new CheckpointError({ where, expected, found, fix });
  }
  return file.read(name);
}
