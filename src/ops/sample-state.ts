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
  /** [B]: the next input token: the last of the prompt, then what `sampleTokens` chose; -1 when there was none. */
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
  /** [B, T]: responses; defined up to each slot's length. */
  tokensOut_BT: tf.Tensor;
  /** f32 [B, T] */
  logprobsOut_BT: tf.Tensor;
  /** f32 [B, T], nats */
  entropiesOut_BT: tf.Tensor;
}

/** Where a response starts: its slot's first input is the last token of the prompt, whose cache row it rewrites. */
export interface SlotStart {
  slot: number;
  promptId: number;
  responseId: number;
  /** Id of the prompt's last token. */
  input: number;
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

/** Allocates the state with every slot inactive, touching no cache row. Free it with `freeSampleState`. */
export function createSampleState({
  slots,
  maxTokens,
  endTokens,
  banned,
  seenVocabulary,
}: SampleStateOptions): SampleState {
  const gpu = currentGpu();
  const ints = (...shape: number[]) => gpu.persistent('kv', shape, undefined, 'int32');
  const floats = (...shape: number[]) => gpu.persistent('kv', shape);
  const ids = (list: readonly number[]) => {
    const values = Int32Array.from(list.length > 0 ? list : [-1]);
    return gpu.persistent('kv', [values.length], values);
  };
  return {
    slots,
    maxTokens,
    tokens_B: ints(slots),
    positions_3B: ints(3, slots),
    ranges_B4: ints(slots, 4),
    cacheRow_B: gpu.persistent('kv', [slots], new Int32Array(slots).fill(-1)),
    length_B: ints(slots),
    maxLength_B: ints(slots),
    active_B: ints(slots),
    keys_B4: ints(slots, 4),
    endTokens: ids(endTokens),
    banned: ids(banned),
    seen_BC4: seenVocabulary === undefined ? undefined : ints(slots, chunkCount(seenVocabulary), 4),
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
 * Puts responses at their starts; the other slots go on as they are. What was in these slots must have ended.
 * @param seed whole number in [0, 2^32)
 * @param step whole number in [0, 2^32): the training step, so that no two steps share noise
 * @throws {ShapeError} for a slot that does not exist, a length outside 1 to T, or a token outside the vocabulary
 *   whose tokens are marked
 */
export function startSlots(
  state: SampleState,
  starts: readonly SlotStart[],
  seed: number,
  step: number,
): void {
  for (const start of starts) checkStart(start, state);
  const gpu = currentGpu();
  // One write for all slots beside each other: a batch starts in a dozen writes, a single slot does as well.
  for (const run of runsOf(starts.toSorted((a, b) => a.slot - b.slot))) {
    const { slot } = run[0]!;
    const write = (tensor: tf.Tensor, values: (start: SlotStart) => readonly number[], first = slot) => {
      const words = Uint32Array.from(run.flatMap(values));
      gpu.write(tensor, words, (words.byteLength / run.length) * first);
    };
    write(state.tokens_B, ({ input }) => [input]);
    for (let axis = 0; axis < 3; axis++) {
      write(state.positions_3B, ({ position }) => [position - 1], axis * state.slots + slot);
    }
    write(state.ranges_B4, ({ promptRows, ownRow }) => [...promptRows, ownRow, ownRow]);
    write(state.cacheRow_B, ({ promptRows }) => [promptRows[1] - 1]);
    write(state.maxLength_B, ({ maxLength }) => [maxLength]);
    write(state.length_B, () => [0]);
    write(state.keys_B4, ({ promptId, responseId }) => [seed, step, promptId, responseId]);
    write(state.active_B, () => [1]);
    const { seen_BC4: seen } = state;
    if (seen) gpu.write(seen, seenBits(run, 4 * seen.shape[1]!), 16 * seen.shape[1]! * slot);
  }
}

/** Ends responses before their time; what they have so far stays. */
export function stopSlots(state: SampleState, slots: readonly number[]): void {
  for (const slot of slots) currentGpu().write(state.active_B, Int32Array.of(0), 4 * slot);
}

function checkStart({ slot, maxLength }: SlotStart, { slots, maxTokens }: SampleState): void {
  if (!(slot >= 0 && slot < slots)) {
    throw new ShapeError({ where: 'startSlots.slot', expected: `0 to ${slots - 1}`, found: `${slot}` });
  }
  if (!(maxLength >= 1 && maxLength <= maxTokens)) {
    throw new ShapeError({
      where: `startSlots.maxLength of slot ${slot}`,
      expected: `1 to ${maxTokens}`,
      found: `${maxLength}`,
    });
  }
}

/** Starts whose slots lie beside each other, together. */
function runsOf(starts: readonly SlotStart[]): SlotStart[][] {
  const runs: SlotStart[][] = [];
  for (const start of starts) {
    const last = runs.at(-1);
    if (last && last.at(-1)!.slot === start.slot - 1) last.push(start);
    else runs.push([start]);
  }
  return runs;
}

/** A bit for every id that occurs in the prompt of a slot. */
function seenBits(starts: readonly SlotStart[], words: number): Uint32Array {
  const bits = new Uint32Array(starts.length * words);
  starts.forEach(({ slot, promptTokens = [] }, b) => {
    for (let i = 0; i < promptTokens.length; i++) {
      const token = promptTokens[i]!;
      if (!(token >= 0 && token < 32 * words)) {
        throw new ShapeError({
          where: `startSlots.promptTokens[${i}] of slot ${slot}`,
          expected: `an id from 0 to ${32 * words - 1}`,
          found: `${token}`,
        });
      }
      bits[b * words + (token >>> 5)]! |= 1 << (token & 31);
    }
  });
  return bits;
}
