/**
 * AdamW over the trainable parameters, with gradients accumulated over passes and clipped by their global norm.
 * Everything stays on the GPU; one update reads back three numbers.
 */
import type * as tf from '@tensorflow/tfjs';
import type { OptimConfig } from '../config/schema.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { SafetensorsFile, writeSafetensors } from '../io/safetensors.ts';
import {
  accumulate,
  adamwStep,
  clipGradients,
  createOptimizerState,
  writeAdamw,
  type OptimizerState,
} from '../ops/optimizer.ts';
import { CheckpointError, ShapeError } from '../util/errors.ts';

/** What the optimizer needs of a parameter. */
interface TrainedParameter {
  name: string;
  shape: readonly number[];
  /** float32, updated in place. */
  tensor: tf.Tensor;
}

interface Slot extends TrainedParameter {
  gradient: tf.Tensor;
  /** Running means of the gradient and of its square. */
  m: tf.Tensor;
  v: tf.Tensor;
}

export interface StepOutcome {
  /** Global norm before clipping. */
  gradNorm: number;
  /** The gradient was not finite, and nothing was updated. */
  skipped: boolean;
}

const STEP_NAME = 'step';

export class Optimizer {
  readonly #gpu: Gpu;
  readonly #config: OptimConfig;
  readonly #slots: readonly Slot[];
  readonly #slotOf: ReadonlyMap<tf.Tensor, Slot>;
  readonly #state: OptimizerState;
  /** Updates applied so far: t of AdamW's bias correction. */
  #step = 0;

  constructor(gpu: Gpu, parameters: readonly TrainedParameter[], config: OptimConfig) {
    this.#gpu = gpu;
    this.#config = config;
    this.#slots = parameters.map(({ name, shape, tensor }) => ({
      name,
      shape,
      tensor,
      gradient: gpu.persistent('gradients', tensor.shape),
      m: gpu.persistent('optimizer', tensor.shape),
      v: gpu.persistent('optimizer', tensor.shape),
    }));
    this.#slotOf = new Map(this.#slots.map((slot) => [slot.tensor, slot]));
    this.#state = createOptimizerState(parameters.map(({ tensor }) => tensor.size));
  }

  zeroGradients(): void {
    this.#gpu.clear(this.#slots.map(({ gradient }) => gradient));
  }

  /** Adds a gradient of one of the parameters. */
  readonly accumulate = (parameter: tf.Tensor, gradient: tf.Tensor): void => {
    accumulate(this.#slotOf.get(parameter)!.gradient, gradient);
  };

  /** The accumulated gradient of a parameter. */
  async gradient(name: string): Promise<Float32Array> {
    const slot = this.#slots.find((candidate) => candidate.name === name);
    if (!slot) throw new ShapeError({ where: 'optimizer', expected: name, found: 'no such parameter' });
    return this.#gpu.read(slot.gradient);
  }

  /**
   * Clips the accumulated gradients and updates every parameter in place. A gradient that is not finite updates
   * nothing and does not count as a step.
   */
  async step(lr: number): Promise<StepOutcome> {
    const { betas, eps, weight_decay: weightDecay, max_grad_norm: maxNorm } = this.#config;
    clipGradients(
      this.#slots.map(({ gradient }) => gradient),
      this.#state,
      maxNorm,
    );
    const t = this.#step + 1;
    writeAdamw(this.#state, { lr, beta1: betas[0], beta2: betas[1], eps, weightDecay }, t);
    for (const { tensor, gradient, m, v } of this.#slots) adamwStep(tensor, gradient, m, v, this.#state);
    const [norm, , skip] = await this.#gpu.read(this.#state.clip);
    const skipped = skip !== 0;
    if (!skipped) this.#step = t;
    return { gradNorm: norm!, skipped };
  }

  /** Writes the moments and the step count. */
  async save(path: string): Promise<void> {
    const moments = this.#slots.flatMap(({ name, shape, m, v }) => [
      { name: `exp_avg.${name}`, dtype: 'F32' as const, shape, data: () => this.#gpu.read(m) },
      { name: `exp_avg_sq.${name}`, dtype: 'F32' as const, shape, data: () => this.#gpu.read(v) },
    ]);
    const step = { name: STEP_NAME, dtype: 'I32' as const, shape: [1], data: Int32Array.of(this.#step) };
    await writeSafetensors(path, [...moments, step]);
  }

  /** @throws {CheckpointError} when the file is damaged or of other parameters */
  async restore(path: string): Promise<void> {
    await using file = await SafetensorsFile.open(path);
    for (const { name, shape, m, v } of this.#slots) {
      for (const [stored, tensor] of [
        [`exp_avg.${name}`, m],
        [`exp_avg_sq.${name}`, v],
      ] as const) {
        const found = file.info(stored).shape;
        if (found.join() !== shape.join()) {
          throw new CheckpointError({
            where: `${path}: ${stored}`,
            expected: `[${shape.join(', ')}]`,
            found: `[${found.join(', ')}]`,
          });
        }
        this.#gpu.write(tensor, await file.readF32(stored));
      }
    }
    this.#step = new Int32Array((await file.read(STEP_NAME)).buffer)[0]!;
  }

  dispose(): void {
    for (const { gradient, m, v } of this.#slots)
      for (const tensor of [gradient, m, v]) this.#gpu.free(tensor);
    for (const tensor of Object.values<tf.Tensor>({ ...this.#state })) this.#gpu.free(tensor);
  }
}
