/** The parameters of a model and its optional adapter, as the layers see them. */
import type * as tf from '@tensorflow/tfjs';
import { addScaled } from '../ops/activation.ts';
import { linear, type Weight } from '../ops/linear.ts';
import { rmsNorm } from '../ops/norm.ts';
import type { Parameter, Parameters } from './parameters.ts';

export class Layers {
  readonly base: Parameters;
  readonly adapter: Parameters | undefined;
  readonly #loraScale: number;
  #adapterOn = true;

  constructor(base: Parameters, adapter?: Parameters, loraScale = 0) {
    this.base = base;
    this.adapter = adapter;
    this.#loraScale = loraScale;
  }

  /** y = x Wᵀ + b of the layer `name`, plus its low-rank update where it has one. */
  linear(name: string, x: tf.Tensor): tf.Tensor {
    const bias = this.base.has(`${name}.bias`) ? this.base.vector(`${name}.bias`) : undefined;
    const y = linear(x, this.base.weight(`${name}.weight`), bias);
    if (!this.#adapterOn || !this.adapter?.has(`${name}.lora_A.weight`)) return y;
    const down = linear(x, this.adapter.weight(`${name}.lora_A.weight`));
    const up = linear(down, this.adapter.weight(`${name}.lora_B.weight`));
    return addScaled(y, up, this.#loraScale);
  }

  norm(name: string, x: tf.Tensor, eps: number): tf.Tensor {
    return rmsNorm(x, this.base.vector(`${name}.weight`), eps);
  }

  weight(name: string): Weight {
    return this.base.weight(name);
  }

  /** What training updates: the adapter where there is one, else the base's trainable parameters. */
  trainable(): Parameter[] {
    return (this.adapter ?? this.base).trainable();
  }

  /** Runs `work` on the model without its adapter: LoRA's reference policy. */
  async withoutAdapter<T>(work: () => Promise<T>): Promise<T> {
    this.#adapterOn = false;
    try {
      return await work();
    } finally {
      this.#adapterOn = true;
    }
  }
}
