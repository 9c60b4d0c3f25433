/**
 * What a decode plan reads and writes for each sequence slot. Everything that changes between replays lies in
 * these buffers, so that a recorded plan stays valid; the host fills them before a rollout and reads the
 * outputs after it.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { ShapeError } from '../util/errors.ts';
import { chunkCount } from './sample-cut.ts';

/** Tensors of B slots and at most T tokens a response; int32 unless noted. */
export interface SampleState {
  slots: number;
  maxTokens: number;
  /** [B]: the next input token. Undefined before the first `advance`. */
  tokens_B: tf.Tensor;
  /** [3, B]: M-RoPE position of the next input token, the same on every axis. */
  positions_3B: tf.Tensor;
  /** [B, 4]: cache rows [prompt start, prompt end), [own start, own end) that the next input attends to. */
  ranges_B4: tf.Tensor;
  /** [B]: the cache row of the next input token. */
  cacheRow_B: tf.Tensor;
  /** [B]: tokens sampled so far. */
  length_B: tf.Tensor;
  /** [B] */
  maxLength_B: tf.Tensor;
  /** [B]: 1 while the response goes on. */
  active_B: tf.Tensor;
  /** [B, 4]: seed, step, prompt id, response id: the noise of a response depends on them, not on its slot. */
  keys_B4: tf.Tensor;
  /** Ids that end a response; -1 when there are none. */
  endTokens: tf.Tensor;
  /** Ids that are never sampled; -1 when there are none. */
  banned: tf.Tensor;
  /** [B, chunks of 128 ids, 4]: a bit for every id that occurred; undefined unless it was asked for. */
  seen_BC4: tf.Tensor | undefined;
  /** [B]: the choice of this step; -1 when there was none. */
  sampled_B: tf.Tensor;
  /** f32 [B] */
  sampledLogprob_B: tf.Tensor;
  /** f32 [B], nats */
  sampledEntropy_B: tf.Tensor;
  /** [B, T]: responses; defined up to each slot's length. */
  tokensOut_BT: tf.Tensor;
  /** f32 [B, T] */
  logprobsOut_BT: tf.Tensor;
  /** f32 [B, T], nats */
  entropiesOut_BT: tf.Tensor;
}

/** Where a response starts. */
export interface SlotStart {
  promptId: number;
  responseId: number;
  /** Cache rows [start, end) of the prompt. */
  promptRows: readonly [number, number];
  /** First cache row of the response; `maxLength` rows from there are its own. */
  ownRow: number;
  /** M-RoPE position of the first sampled token. */
  position: number;
  /** From 1 to `maxTokens`. */
  maxLength: number;
  /** Ids of the prompt, for the repetition penalty. */
  promptTokens?: ArrayLike<number>;
}

export interface SampleStateOptions {
  slots: number;
  maxTokens: number;
  endTokens: readonly number[];
  banned: readonly number[];
  /** Ids of the head's vocabulary: keeps which of them occurred, as a repetition penalty needs it. */
  seenVocabulary?: number;
}

/** Allocates the state with every slot inactive. Free it with `freeSampleState`. */
export function createSampleState({
  slots,
  maxTokens,
  endTokens,
  banned,
  seenVocabulary,
}: SampleStateOptions): SampleState {
  const gpu = currentGpu();
  const ints = (...shape: number[]) => gpu.persistent('kv-cache', shape, undefined, 'int32');
  const floats = (...shape: number[]) => gpu.persistent('kv-cache', shape);
  const ids = (list: readonly number[]) => {
    const values = Int32Array.from(list.length > 0 ? list : [-1]);
    return gpu.persistent('kv-cache', [values.length], values);
  };
  return {
    slots,
    maxTokens,
    tokens_B: ints(slots),
    positions_3B: ints(3, slots),
    ranges_B4: ints(slots, 4),
    cacheRow_B: ints(slots),
    length_B: ints(slots),
    maxLength_B: ints(slots),
    active_B: ints(slots),
    keys_B4: ints(slots, 4),
    endTokens: ids(endTokens),
    banned: ids(banned),
    seen_BC4: seenVocabulary === undefined ? undefined : ints(slots, chunkCount(seenVocabulary), 4),
    sampled_B: ints(slots),
    sampledLogprob_B: floats(slots),
    sampledEntropy_B: floats(slots),
    tokensOut_BT: ints(slots, maxTokens),
    logprobsOut_BT: floats(slots, maxTokens),
    entropiesOut_BT: floats(slots, maxTokens),
  };
}

export function freeSampleState(state: SampleState): void {
  const gpu = currentGpu();
  for (const value of Object.values(state) as (tf.Tensor | number | undefined)[]) {
    if (typeof value === 'object') gpu.free(value);
  }
}

/**
 * Puts one response at its start into each slot; slots without one become inactive and touch no cache row.
 * The hidden state of the prompt's last token then yields the first token, before any input of the slots.
 * @param seed whole number in [0, 2^32)
 * @param step whole number in [0, 2^32): the training step, so that no two steps share noise
 * @throws {ShapeError} when there are more starts than slots, a length outside 1 to T, or a token outside the
 *   vocabulary whose tokens are marked
 */
export function fillSlots(
  state: SampleState,
  starts: readonly SlotStart[],
  seed: number,
  step: number,
): void {
  const { slots, maxTokens } = state;
  if (starts.length > slots) {
    throw new ShapeError({
      where: 'fillSlots',
      expected: `at most ${slots} starts`,
      found: `${starts.length}`,
    });
  }
  const positions = new Int32Array(3 * slots);
  const ranges = new Int32Array(4 * slots);
  const cacheRow = new Int32Array(slots).fill(-1);
  const maxLength = new Int32Array(slots);
  const active = new Int32Array(slots);
  const keys = new Uint32Array(4 * slots).map((_, i) => [seed, step, 0, 0][i % 4]!);
  starts.forEach((start, b) => {
    if (!(start.maxLength >= 1 && start.maxLength <= maxTokens)) {
      throw new ShapeError({
        where: `fillSlots.starts[${b}].maxLength`,
        expected: `1 to ${maxTokens}`,
        found: `${start.maxLength}`,
      });
    }
    // One before the first token: advancing makes it the input.
    for (let axis = 0; axis < 3; axis++) positions[axis * slots + b] = start.position - 1;
    ranges.set([...start.promptRows, start.ownRow, start.ownRow], 4 * b);
    cacheRow[b] = start.ownRow - 1;
    maxLength[b] = start.maxLength;
    active[b] = 1;
    keys.set([start.promptId, start.responseId], 4 * b + 2);
  });
  const gpu = currentGpu();
  gpu.write(state.positions_3B, positions);
  gpu.write(state.ranges_B4, ranges);
  gpu.write(state.cacheRow_B, cacheRow);
  gpu.write(state.maxLength_B, maxLength);
  gpu.write(state.active_B, active);
  gpu.write(state.keys_B4, keys);
  gpu.write(state.tokens_B, new Int32Array(slots));
  gpu.write(state.length_B, new Int32Array(slots));
  if (state.seen_BC4) gpu.write(state.seen_BC4, seenBits(state.seen_BC4.shape, starts));
}

/** A bit for every id that occurs in a slot's prompt. */
function seenBits(shape: readonly number[], starts: readonly SlotStart[]): Uint32Array {
  const [slots, chunks] = shape as [number, number];
  const words = 4 * chunks;
  const bits = new Uint32Array(slots * words);
  starts.forEach(({ promptTokens = [] }, b) => {
    for (let i = 0; i < promptTokens.length; i++) {
      const token = promptTokens[i]!;
      if (!(token >= 0 && token < 32 * words)) {
        throw new ShapeError({
          where: `fillSlots.starts[${b}].promptTokens[${i}]`,
          expected: `an id from 0 to ${32 * words - 1}`,
          found: `${token}`,
        });
      }
      bits[b * words + (token >>> 5)]! |= 1 << (token & 31);
    }
  });
  return bits;
}
