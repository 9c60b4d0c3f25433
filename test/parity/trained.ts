/** An optimizer by itself: over tensors that belong to no model, with gradients from the host. */
import * as tf from '@tensorflow/tfjs';
import { parseConfig } from '../../src/config/load.ts';
import type { OptimConfig } from '../../src/config/schema.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { Optimizer } from '../../src/optim/optimizer.ts';

function optimConfig(settings: Partial<OptimConfig>): OptimConfig {
  const keys = ['model.path=unused', 'data.train_files=unused', `optim=${JSON.stringify(settings)}`];
  return parseConfig('', 'test.yaml', keys).optim;
}

export interface Shape {
  name: string;
  shape: number[];
  parts?: { name: string; shape: number[] }[];
}

/** An optimizer over parameters with given values. */
export class Trained {
  readonly optimizer: Optimizer;
  readonly #gpu: Gpu;
  readonly #tensors: tf.Tensor[];

  constructor(
    gpu: Gpu,
    shapes: readonly Shape[],
    settings: Partial<OptimConfig>,
    values: readonly Float32Array[],
  ) {
    this.#gpu = gpu;
    this.#tensors = shapes.map(({ shape }, i) => gpu.persistent('weights', shape, values[i]));
    const parameters = shapes.map(({ name, shape, parts = [{ name, shape }] }, i) => {
      return { name, shape, parts, tensor: this.#tensors[i]! };
    });
    this.optimizer = new Optimizer(gpu, parameters, optimConfig(settings));
  }

  async step(lr: number, gradients: readonly Float32Array[]): Promise<void> {
    this.optimizer.zeroGradients();
    tf.tidy(() => {
      this.#tensors.forEach((parameter, i) =>
        this.optimizer.accumulate(parameter, tf.tensor(gradients[i]!, parameter.shape)),
      );
    });
    await this.optimizer.step(lr);
  }

  values(): Promise<Float32Array[]> {
    return Promise.all(this.#tensors.map((tensor) => this.#gpu.read(tensor)));
  }

  dispose(): void {
    this.optimizer.dispose();
    for (const tensor of this.#tensors) this.#gpu.free(tensor);
  }
}
