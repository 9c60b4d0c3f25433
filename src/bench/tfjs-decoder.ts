/**
 * The text decoder of Qwen2.5-VL in ordinary TensorFlow.js operations with a KV cache: what the rollout engine is
 * measured against. It is written for speed within that interface: fused products with bias, one product for
 * query, key and value, the prompt computed once for all its responses, sampling on the device, and no read
 * before the end.
 */
import * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import { disposeTfjsWeights, loadTfjsWeights, type LayerWeights, type TfjsWeights } from './tfjs-weights.ts';

/** Added to the logits of tokens that must not be sampled, and to the scores of keys that come later. */
const NEVER = -1e9;

// TensorFlow.js takes types as containers of tensors, not interfaces.

/** Keys [B, K, E, tokens so far], as the product with the queries reads them, and values [B, K, tokens so far, E]. */
type LayerCache = { k: tf.Tensor4D; v: tf.Tensor4D };

/** Cosine and sine of the positions of a pass, each [T, E]; the sine has the sign of its half. */
type Angles = { cos: tf.Tensor2D; sin: tf.Tensor2D };

export interface TfjsSampling {
  responses: number;
  tokens: number;
  /** 0 takes the likeliest token. */
  temperature: number;
  seed: number;
  banned: readonly number[];
}

/**
 * From how many tiles of 32 by 32 on the backend takes its large tiles. It would take small ones for products of
 * up to eight, to fill a GPU; a CPU computes those three to four times as slowly (32 x 128 by 128 x 256 on two
 * cores: 2.1 ms against 0.5).
 */
const TILES_FLAG = 'WEBGPU_THRESHOLD_TO_INCREASE_WORKGROUPS_FOR_MATMUL';

/** What the blocks of a pass share. */
interface Pass {
  batch: number;
  /** New tokens of each sequence. */
  count: number;
  angles: Angles;
  /** [T, T], where there are several new tokens. */
  bias: tf.Tensor2D | undefined;
}

export class TfjsDecoder {
  readonly #gpu: Gpu;
  readonly #weights: TfjsWeights;

  private constructor(gpu: Gpu, weights: TfjsWeights) {
    this.#gpu = gpu;
    this.#weights = weights;
  }

  /** @throws {CheckpointError} when a file or a tensor of the folder is missing */
  static async load(gpu: Gpu, folder: string): Promise<TfjsDecoder> {
    return new TfjsDecoder(gpu, await loadTfjsWeights(folder));
  }

  /**
   * Responses to one prompt of text, all of the same length.
   * @returns int32 [responses * tokens], response after response
   */
  async generate(prompt: Int32Array, options: TfjsSampling): Promise<Int32Array> {
    const tiles = tf.env().getNumber(TILES_FLAG);
    if (this.#gpu.isSoftware) tf.env().set(TILES_FLAG, 1);
    try {
      const all = this.#encode(prompt, options);
      // Not `data()`, which polls at full speed and takes a core from a driver that computes on the CPU.
      return await this.#gpu.readInts(all).finally(() => all.dispose());
    } finally {
      tf.env().set(TILES_FLAG, tiles);
    }
  }

  /** @returns int32 [responses, tokens] */
  #encode(prompt: Int32Array, options: TfjsSampling): tf.Tensor2D {
    const { responses, tokens, banned, temperature, seed } = options;
    const length = prompt.length;
    const shared = tf.tidy(() => ({
      angles: this.#angles(length + tokens),
      bias: causalBias(length),
      allowed: this.#allowed(banned),
    }));
    const at = (first: number, count: number): Angles => ({
      cos: shared.angles.cos.slice([first, 0], [count, -1]),
      sin: shared.angles.sin.slice([first, 0], [count, -1]),
    });
    const choose = (logits: tf.Tensor2D, t: number) =>
      sample(logits.add(shared.allowed), temperature, seed + t);
    const first = tf.tidy(() => {
      const pass = { batch: 1, count: length, angles: at(0, length), bias: shared.bias };
      const { logits, caches } = this.#forward(tf.tensor2d(prompt, [1, length], 'int32'), pass, []);
      // All responses go on from the one prompt.
      const spread = (x: tf.Tensor4D): tf.Tensor4D => x.tile([responses, 1, 1, 1]);
      return {
        ids: choose(logits.tile([responses, 1]), 0),
        caches: caches.map(({ k, v }) => ({ k: spread(k), v: spread(v) })),
      };
    });
    const sampled = [first.ids];
    let { caches } = first;
    for (let t = 1; t < tokens; t++) {
      const step = tf.tidy(() => {
        const pass = { batch: responses, count: 1, angles: at(length + t - 1, 1), bias: undefined };
        const { logits, caches: longer } = this.#forward(sampled.at(-1)!, pass, caches);
        return { ids: choose(logits, t), caches: longer };
      });
      tf.dispose(caches);
      caches = step.caches;
      sampled.push(step.ids);
    }
    const all = tf.concat2d(sampled, 1);
    tf.dispose([caches, sampled, shared]);
    return all;
  }

  /**
   * @param ids int32 [B, T]: the new tokens of every sequence
   * @returns the logits after the last of them [B, V], and the longer caches
   */
  #forward(
    ids: tf.Tensor2D,
    pass: Pass,
    caches: readonly LayerCache[],
  ): { logits: tf.Tensor2D; caches: LayerCache[] } {
    const { embedding, layers, finalNorm, head, config } = this.#weights;
    const { batch, count } = pass;
    let hidden = embedding.gather(ids.flatten());
    const longer: LayerCache[] = [];
    layers.forEach((layer, i) => {
      const block = this.#block(layer, hidden, pass, caches[i]);
      hidden = block.hidden;
      longer.push(block.cache);
    });
    const rows = hidden.reshape<tf.Tensor3D>([batch, count, config.hidden]);
    const last = count === 1 ? rows : rows.slice([0, count - 1, 0], [batch, 1, -1]);
    const normed = this.#norm(last.reshape([batch, config.hidden]), finalNorm);
    return { logits: tf.matMul(normed, head), caches: longer };
  }

  #block(
    layer: LayerWeights,
    hidden: tf.Tensor2D,
    { batch, count, angles, bias }: Pass,
    cache: LayerCache | undefined,
  ): { hidden: tf.Tensor2D; cache: LayerCache } {
    const { heads, kvHeads, headDim } = this.#weights.config;
    const turning = heads + kvHeads;
    /** [B * T, n E] to [B, n, T, E]. */
    const split = (x: tf.Tensor2D, n: number): tf.Tensor4D =>
      count === 1
        ? x.reshape([batch, n, 1, headDim])
        : x.reshape([batch, count, n, headDim]).transpose([0, 2, 1, 3]);
    const normed = this.#norm(hidden, layer.inputNorm);
    const qkv = tf.fused.matMul({ a: normed, b: layer.qkv, bias: layer.qkvBias }) as tf.Tensor2D;
    const turned = rotate(split(qkv.slice([0, 0], [-1, turning * headDim]), turning), angles);
    const turnedK = turned.slice([0, heads, 0, 0], [-1, kvHeads, -1, -1]);
    const newK: tf.Tensor4D =
      count === 1 ? turnedK.reshape([batch, kvHeads, headDim, 1]) : turnedK.transpose([0, 1, 3, 2]);
    const newV = split(qkv.slice([0, turning * headDim], [-1, -1]), kvHeads);
    const k = cache ? tf.concat4d([cache.k, newK], 3) : newK;
    const v = cache ? tf.concat4d([cache.v, newV], 2) : newV;
    // The query heads of a key head are rows of one product.
    const q = turned
      .slice([0, 0, 0, 0], [-1, heads, -1, -1])
      .reshape([batch, kvHeads, (heads / kvHeads) * count, headDim]);
    const products = tf.matMul(q, k).mul(headDim ** -0.5);
    const scores = bias ? products.reshape([batch, heads, count, count]).add(bias) : products;
    const attended = tf.matMul(scores.softmax().reshape(products.shape), v);
    const byHead = attended.reshape<tf.Tensor4D>([batch, heads, count, headDim]);
    const joined = count === 1 ? byHead : byHead.transpose([0, 2, 1, 3]);
    const rows = joined.reshape<tf.Tensor2D>([batch * count, heads * headDim]);
    const residual = hidden.add<tf.Tensor2D>(tf.matMul(rows, layer.output));
    const inner = this.#norm(residual, layer.postNorm);
    const gate = tf.matMul(inner, layer.gate);
    const gated = gate.mul(gate.sigmoid()).mul<tf.Tensor2D>(tf.matMul(inner, layer.up));
    return { hidden: residual.add(tf.matMul(gated, layer.down)), cache: { k, v } };
  }

  #norm(x: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D {
    return x.square().mean(-1, true).add(this.#weights.config.normEps).rsqrt().mul(x).mul(weight);
  }

  /** A text has the same position on the three axes of M-RoPE, which leaves plain rotary embedding. */
  #angles(positions: number): Angles {
    const { headDim, ropeTheta } = this.#weights.config;
    const half = headDim / 2;
    const cos = new Float32Array(positions * headDim);
    const sin = new Float32Array(positions * headDim);
    for (let i = 0; i < cos.length; i++) {
      const column = i % headDim;
      const angle = Math.floor(i / headDim) * ropeTheta ** (-(column % half) / half);
      cos[i] = Math.cos(angle);
      sin[i] = column < half ? -Math.sin(angle) : Math.sin(angle);
    }
    return { cos: tf.tensor2d(cos, [positions, headDim]), sin: tf.tensor2d(sin, [positions, headDim]) };
  }

  /** [V]: 0 for tokens that may be sampled. */
  #allowed(banned: readonly number[]): tf.Tensor1D {
    const values = new Float32Array(this.#weights.config.vocab);
    for (const id of banned) values[id] = NEVER;
    return tf.tensor1d(values);
  }

  dispose(): void {
    disposeTfjsWeights(this.#weights);
  }
}

/** [L, L]: 0 where the key comes no later than the query. */
function causalBias(length: number): tf.Tensor2D {
  const values = new Float32Array(length * length);
  for (let i = 0; i < values.length; i++) values[i] = i % length > Math.floor(i / length) ? NEVER : 0;
  return tf.tensor2d(values, [length, length]);
}

/** Rotary embedding of [B, heads, T, E]. */
function rotate(x: tf.Tensor4D, { cos, sin }: Angles): tf.Tensor4D {
  const half = x.shape[3] / 2;
  const upper = x.slice([0, 0, 0, half], [-1, -1, -1, half]);
  const lower = x.slice([0, 0, 0, 0], [-1, -1, -1, half]);
  return x.mul(cos).add(tf.concat4d([upper, lower], 3).mul(sin));
}

/** @returns int32 [B, 1] */
function sample(logits: tf.Tensor2D, temperature: number, seed: number): tf.Tensor2D {
  if (temperature === 0) return logits.argMax(-1).expandDims(-1);
  const scaled: tf.Tensor2D = temperature === 1 ? logits : logits.div(temperature);
  return tf.multinomial(scaled, 1, seed) as tf.Tensor2D;
}
