/**
 * AdamW over the trainable parameters, with gradients accumulated over passes and clipped by their global norm.
 * Everything stays on the GPU; one update reads back three numbers.
 */
import type * as tf from '@tensorflow/tfjs';
import type { OptimConfig } from '../config/schema.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { SafetensorsFile, writeSafetensors } from '../io/safetensors.ts';
import { type LrRange, writeAdamw } from '../ops/adamw.ts';
import { accumulate, clipGradients, createOptimizerState, type OptimizerState } from '../ops/optimizer.ts';
import { ShapeError } from '../util/errors.ts';
import { lrRangesOf } from './lr-multipliers.ts';
import { createMoments, type ParameterMoments, type TrainedParameter } from './moments.ts';

interface Slot {
  name: string;
  tensor: tf.Tensor;
  gradient: tf.Tensor;
  moments: ParameterMoments;
  lrRanges: readonly LrRange[];
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

  /** @throws {ConfigError} when a pattern of `lr_multipliers` matches no parameter */
  constructor(gpu: Gpu, parameters: readonly TrainedParameter[], config: OptimConfig) {
    this.#gpu = gpu;
    this.#config = config;
    const lrRanges = lrRangesOf(parameters, config.lr_multipliers);
    this.#slots = parameters.map((parameter, i) => ({
      name: parameter.name,
      tensor: parameter.tensor,
      gradient: gpu.persistent('gradients', parameter.tensor.shape),
      moments: createMoments(gpu, parameter, config.strategy),
      lrRanges: lrRanges[i]!,
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
   * @param lr before the factors of `lr_multipliers`
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
    for (const { gradient, moments, lrRanges } of this.#slots) moments.step(gradient, this.#state, lrRanges);
    const [norm, , skip] = await this.#gpu.read(this.#state.clip);
    const skipped = skip !== 0;
    if (!skipped) this.#step = t;
    return { gradNorm: norm!, skipped };
  }

  /** Writes the moments and the step count. */
  async save(path: string): Promise<void> {
    const moments = this.#slots.flatMap((slot) => slot.moments.stored());
    const step = { name: STEP_NAME, dtype: 'I32' as const, shape: [1], data: Int32Array.of(this.#step) };
    await writeSafetensors(path, [...moments, step]);
  }

  /** @throws {CheckpointError} when the file is damaged, of other parameters or of another `optim.strategy` */
  async restore(path: string): Promise<void> {
    await using file = await SafetensorsFile.open(path);
    for (const { moments } of this.#slots) await moments.restore(file);
    this.#step = new Int32Array((await file.read(STEP_NAME)).buffer)[0]!;
  }

  dispose(): void {
    for (const { gradient, moments } of this.#slots) {
      this.#gpu.free(gradient);
      moments.dispose();
    }
    for (const tensor of Object.values<tf.Tensor>({ ...this.#state })) this.#gpu.free(tensor);
  }
}
