/** Slots and heads for tests of sampling. */
import type * as tf from '@tensorflow/tfjs';
import type { Weight } from '../../../src/ops/weight.ts';
import type { SampleState, SlotStart } from '../../../src/ops/sample-state.ts';
import type { Guarded } from '../harness.ts';

/** What matters to sampling. */
interface Start {
  slot?: number;
  promptId?: number;
  responseId?: number;
  maxLength?: number;
  promptTokens?: readonly number[];
}

/** A slot with a cache of its own that nothing reads. */
export function start({
  slot = 0,
  promptId = 0,
  responseId = 0,
  maxLength = 8,
  promptTokens = [],
}: Start): SlotStart {
  const place = { slot, input: 0, promptRows: [0, 1], ownRow: 1, position: 1 } as const;
  return { ...place, promptId, responseId, maxLength, promptTokens };
}

/** A head [V, 4] whose logits are the given ones for a hidden state (1, 0, 0, 0). */
export function fixedHead(use: Guarded, logits: Float32Array): Weight {
  const values = new Float32Array(4 * logits.length);
  logits.forEach((x, v) => (values[4 * v] = x));
  return { tensor: use.input([logits.length, 4], values), format: 'f32', shape: [logits.length, 4] };
}

/** The hidden state (1, 0, 0, 0) for every slot. */
export function ones(use: Guarded, slots: number): tf.Tensor {
  return use.input(
    [slots, 4],
    Float32Array.from({ length: 4 * slots }, (_, i) => Number(i % 4 === 0)),
  );
}

/** The tokens of each slot. */
export async function outputs(use: Guarded, state: SampleState): Promise<number[][]> {
  const [tokens, lengths] = [await use.readInts(state.tokensOut_BT), await use.readInts(state.length_B)];
  return Array.from(lengths, (length, b) =>
    Array.from(tokens.subarray(b * state.maxTokens, b * state.maxTokens + length)),
  );
}

/** What each slot's first token has in an output. */
export async function firstOutputs(
  use: Guarded,
  { maxTokens }: SampleState,
  output_BT: tf.Tensor,
): Promise<Float32Array> {
  return (await use.read(output_BT)).filter((_, i) => i % maxTokens === 0);
}
