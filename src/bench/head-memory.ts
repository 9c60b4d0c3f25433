/** What the head and the loss take beside the weights, at the vocabulary of the published models. */
import * as tf from '@tensorflow/tfjs';
import type { AdapterChoice } from '../gpu/adapter.ts';
import { Gpu } from '../gpu/gpu.ts';
import { headSliceBytes, linearLogprob } from '../ops/logprob.ts';
import { rowWords, type Weight } from '../ops/weight.ts';
import { RandomStream } from '../util/random.ts';
import type { Scale } from './parts.ts';

/** Qwen2.5-VL-3B's head, and a pass of so many response tokens. */
const HEAD = { vocabulary: 151_936, width: 2048, tokens: 2048 } as const;
/** Of the weight, that are written together. */
const ROWS_AT_ONCE = 4096;

export interface HeadMemoryResult {
  vocabulary: number;
  width: number;
  tokens: number;
  /** Logits of all tokens would take so many bytes, and their gradient as many again. */
  logitsBytes: number;
  /** Hidden states. */
  inputBytes: number;
  /** The part of the weight that is worked on at a time. */
  sliceBytes: number;
  /** The most in use beside the weight: hidden states, their gradient, and all scratch. */
  peakBytes: number;
  /** peakBytes over sliceBytes and inputBytes. */
  ratio: number;
  /** Of a pass, forward and backward, once. */
  seconds: number;
}

/** @param scale divides the width, the vocabulary and the tokens */
export async function measureHeadMemory(adapter: AdapterChoice, scale: Scale): Promise<HeadMemoryResult> {
  const [vocabulary, width, tokens] = [HEAD.vocabulary / scale, HEAD.width / scale, HEAD.tokens / scale];
  const gpu = await Gpu.open(adapter);
  try {
    const random = new RandomStream(1, 'bench-head');
    const words = rowWords('bf16', width);
    const tensor = gpu.persistent('weights', [vocabulary, words], undefined, 'int32');
    const weight: Weight = { tensor, format: 'bf16', shape: [vocabulary, width] };
    // A row of small numbers, in every row: two bf16 to a word.
    const row = Int32Array.from({ length: words }, () => 0x3c003c00 + random.integer(2 ** 16));
    const rows = new Int32Array(words * ROWS_AT_ONCE);
    for (let at = 0; at < rows.length; at += words) rows.set(row, at);
    for (let first = 0; first < vocabulary; first += ROWS_AT_ONCE) {
      const count = Math.min(ROWS_AT_ONCE, vocabulary - first);
      gpu.write(tensor, rows.subarray(0, count * words), first * words * 4);
    }
    const values = Float32Array.from({ length: tokens * width }, () => random.uniform() - 0.5);
    const hidden = gpu.persistent('activations', [tokens, width], values);
    const target = tf.tensor1d(
      Int32Array.from({ length: tokens }, () => random.integer(vocabulary)),
      'int32',
    );
    await gpu.sync();
    const start = performance.now();
    tf.tidy(() => {
      const loss = (x: tf.Tensor): tf.Tensor =>
        tf.mean(linearLogprob(x, weight, target, { temperature: 1 }).logprob_N);
      tf.grad(loss)(hidden);
    });
    await gpu.sync();
    const seconds = (performance.now() - start) / 1000;
    const peakBytes = gpu.budget.peakBytes - tensor.size * 4;
    const sliceBytes = headSliceBytes(tokens, weight);
    const inputBytes = hidden.size * 4;
    return {
      vocabulary,
      width,
      tokens,
      logitsBytes: tokens * vocabulary * 4,
      inputBytes,
      sliceBytes,
      peakBytes,
      ratio: peakBytes / (sliceBytes + inputBytes),
      seconds,
    };
  } finally {
    gpu.close();
  }
}
