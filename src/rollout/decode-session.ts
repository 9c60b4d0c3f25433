/**
 * The buffers and recorded plans of decoding: a KV cache, the state of each sequence slot, and for each set of
 * sampling options one plan that moves every slot by one token. Replaying a plan creates nothing.
 *
 * Cache rows: first those of prompts, then `maxTokens` rows for each slot.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Plan } from '../gpu/plan.ts';
import type { Qwen2_5_VL } from '../model/qwen2_5_vl.ts';
import type { KvDestination } from '../ops/rotary.ts';
import type { SampleOptions } from '../ops/sample-options.ts';
import { advance, sampleTokens } from '../ops/sample.ts';
import { createSampleState, freeSampleState, type SampleState } from '../ops/sample-state.ts';
import type { SessionShape } from './session-shape.ts';

export class DecodeSession {
  readonly shape: SessionShape;
  readonly state: SampleState;
  readonly #model: Qwen2_5_VL;
  readonly #keys: tf.Tensor[] = [];
  readonly #values: tf.Tensor[] = [];
  readonly #plans = new Map<string, Plan>();

  constructor(
    model: Qwen2_5_VL,
    shape: SessionShape,
    endTokens: readonly number[],
    banned: readonly number[],
  ) {
    const { layers, kvHeads, headDim } = model.architecture.text;
    this.shape = shape;
    this.#model = model;
    const rows = shape.promptRows + shape.slots * shape.maxTokens;
    for (let i = 0; i < layers; i++) {
      this.#keys.push(model.gpu.persistent('kv', [rows, kvHeads * headDim]));
      this.#values.push(model.gpu.persistent('kv', [rows, kvHeads * headDim]));
    }
    this.state = createSampleState({
      slots: shape.slots,
      maxTokens: shape.maxTokens,
      endTokens,
      banned,
      ...(shape.marksSeen ? { seenVocabulary: model.head.shape[0] } : {}),
    });
  }

  /** First cache row of a slot's own tokens. */
  ownRow(slot: number): number {
    return this.shape.promptRows + slot * this.shape.maxTokens;
  }

  /** The cache of a layer, for new keys and values in the rows `rows_N`. */
  cache(layer: number, rows_N: tf.Tensor): KvDestination {
    return { k: this.#keys[layer]!, v: this.#values[layer]!, rows_N };
  }

  /** The plan of one decode step with these options. */
  plan(options: SampleOptions): Plan {
    const key = JSON.stringify(options);
    let plan = this.#plans.get(key);
    if (!plan) {
      plan = this.#model.gpu.record(() => this.#step(options));
      this.#plans.set(key, plan);
    }
    return plan;
  }

  /** One token for every active slot: embed, decode against the cache, sample, advance. */
  #step(options: SampleOptions): void {
    const { state } = this;
    const hidden = this.#model.hiddenStates({
      source: { index_N: state.tokens_B },
      vision: null,
      positions: state.positions_3B,
      ranges: state.ranges_B4,
      maxKeys: this.shape.longestPrompt + this.shape.maxTokens,
      cache: (layer) => this.cache(layer, state.cacheRow_B),
    });
    sampleTokens(this.#model.finalNorm(hidden), this.#model.head, state, options);
    advance(state);
  }

  [Symbol.dispose](): void {
    for (const plan of this.#plans.values()) plan.dispose();
    for (const tensor of [...this.#keys, ...this.#values]) this.#model.gpu.free(tensor);
    freeSampleState(this.state);
  }
}
