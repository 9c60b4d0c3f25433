/**
 * The buffers and recorded plans of decoding: a KV cache, the state of each sequence slot, and per temperature
 * one plan that moves every slot by one token. Replaying a plan creates nothing.
 *
 * Cache rows: first the prompts of a wave, packed; then `maxTokens` rows for each slot.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Plan } from '../gpu/plan.ts';
import type { Qwen2_5_VL } from '../model/qwen2_5_vl.ts';
import { writeRows } from '../ops/cache.ts';
import type { RotaryTable } from '../ops/rotary.ts';
import { advance, sampleTokens } from '../ops/sample.ts';
import { createSampleState, freeSampleState, type SampleState } from '../ops/sample-state.ts';

export interface SessionShape {
  slots: number;
  maxTokens: number;
  /** Cache rows for prompts. */
  promptRows: number;
}

export class DecodeSession {
  readonly shape: SessionShape;
  readonly state: SampleState;
  readonly #rotary: RotaryTable;
  readonly #model: Qwen2_5_VL;
  readonly #keys: tf.Tensor[] = [];
  readonly #values: tf.Tensor[] = [];
  readonly #plans = new Map<number, Plan>();

  constructor(
    model: Qwen2_5_VL,
    shape: SessionShape,
    endTokens: readonly number[],
    banned: readonly number[],
  ) {
    const { layers, kvHeads, headDim } = model.architecture.text;
    this.shape = shape;
    this.#rotary = model.rotary.text;
    this.#model = model;
    const rows = shape.promptRows + shape.slots * shape.maxTokens;
    for (let i = 0; i < layers; i++) {
      this.#keys.push(model.gpu.persistent('kv-cache', [rows, kvHeads * headDim]));
      this.#values.push(model.gpu.persistent('kv-cache', [rows, kvHeads * headDim]));
    }
    this.state = createSampleState({ slots: shape.slots, maxTokens: shape.maxTokens, endTokens, banned });
  }

  /** Whether plans recorded so far are still valid. */
  get isCurrent(): boolean {
    return this.#rotary === this.#model.rotary.text;
  }

  /** First cache row of a slot's own tokens. */
  ownRow(slot: number): number {
    return this.shape.promptRows + slot * this.shape.maxTokens;
  }

  /** Writes new keys and values of a layer into the cache rows `rows_N`; returns the whole cache. */
  store(layer: number, rows_N: tf.Tensor, k: tf.Tensor, v: tf.Tensor): { k: tf.Tensor; v: tf.Tensor } {
    const cache = { k: this.#keys[layer]!, v: this.#values[layer]! };
    writeRows(cache.k, rows_N, k);
    writeRows(cache.v, rows_N, v);
    return cache;
  }

  /** The plan of one decode step at this temperature. */
  plan(temperature: number): Plan {
    let plan = this.#plans.get(temperature);
    if (!plan) {
      plan = this.#model.gpu.record(() => this.#step(temperature));
      this.#plans.set(temperature, plan);
    }
    return plan;
  }

  /** One token for every active slot: embed, decode against the cache, sample, advance. */
  #step(temperature: number): void {
    const { state } = this;
    const hidden = this.#model.hiddenStates({
      source: { index_N: state.tokens_B },
      vision: null,
      positions: state.positions_3B,
      ranges: state.ranges_B4,
      cache: (layer, k, v) => this.store(layer, state.cacheRow_B, k, v),
    });
    const normed = this.#model.finalNorm(hidden);
    sampleTokens(normed, this.#model.head, state, { temperature });
    advance(state);
  }

  dispose(): void {
    for (const plan of this.#plans.values()) plan.dispose();
    for (const tensor of [...this.#keys, ...this.#values]) this.#model.gpu.free(tensor);
    freeSampleState(this.state);
  }
}
