/** The parameters of a model and its optional adapter, as the layers see them. */
import type * as tf from '@tensorflow/tfjs';
import { swiglu } from '../ops/activation.ts';
import { gatedLinear, linear, type LowRankUpdate } from '../ops/linear.ts';
import { rmsNorm } from '../ops/norm.ts';
import type { Weight } from '../ops/weight.ts';
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

  /** y = x Wᵀ + b of the layer `name`, plus a residual and the low-rank updates of its parts, where there are any. */
  linear(name: string, x: tf.Tensor, residual?: tf.Tensor): tf.Tensor {
    const bias = this.base.has(`${name}.bias`) ? this.base.vector(`${name}.bias`) : undefined;
    const updates = this.#updates(`${name}.weight`);
    return linear(x, this.base.weight(`${name}.weight`), { bias, residual, updates });
  }

  /**
   * swiglu of the layer `name`, whose outputs are gates and ups.
   * @param needsGradient without it, one dispatch does both where the layer is no more than a product
   */
  gated(name: string, x: tf.Tensor, needsGradient: boolean): tf.Tensor {
    const isPlain = !this.base.has(`${name}.bias`) && this.#updates(`${name}.weight`).length === 0;
    const canFuse = isPlain && !needsGradient;
    const fused = canFuse ? gatedLinear(x, this.base.weight(`${name}.weight`)) : undefined;
    return fused ?? swiglu(this.linear(name, x));
  }

  #updates(name: string): LowRankUpdate[] {
    const { adapter } = this;
    if (!adapter || !this.#adapterOn) return [];
    const updates: LowRankUpdate[] = [];
    let firstRow = 0;
    for (const part of this.base.get(name).parts) {
      const layer = part.name.replace(/\.weight$/, '');
      if (adapter.has(`${layer}.lora_A.weight`)) {
        const down = adapter.weight(`${layer}.lora_A.weight`).tensor;
        const up = adapter.weight(`${layer}.lora_B.weight`).tensor;
        updates.push({ down, up, firstRow, scale: this.#loraScale });
      }
      firstRow += part.shape[0]!;
    }
    return updates;
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
