import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import type { Weight } from '../../src/ops/weight.ts';
import { linearLogprob } from '../../src/ops/logprob.ts';
import {
  createSampleState,
  startSlots,
  freeSampleState,
  type SlotStart,
} from '../../src/ops/sample-state.ts';
import { advance, sampleTokens } from '../../src/ops/sample.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { expectClose, guarded, openGpu, randomValues, type Guarded } from './harness.ts';
import { linearNt } from './reference/linear.ts';
import { firstOutputs } from './reference/sample-setup.ts';
import { gumbel, scores, type NoiseKey } from './reference/sample.ts';

// The noise passes two logarithms in f32; candidates closer than this may swap.
const SCORE_TOLERANCE = 1e-4;
// Chance of a chi-square above it with 4 degrees of freedom: 1e-5.
const CHI_SQUARE_BOUND = 28.5;

const device = openGpu();

function start(slot: number, maxLength = 8): SlotStart {
  return {
    slot,
    input: 1,
    promptId: Math.floor(slot / 3),
    responseId: slot % 3,
    promptRows: [0, 5],
    ownRow: 5 + slot * 8,
    position: 40 + slot,
    maxLength,
  };
}

function noiseKey(slot: number, seed: number, step: number, position: number): NoiseKey {
  const { promptId, responseId } = start(slot);
  return { seed, step, promptId, responseId, position };
}

function head(use: Guarded, V: number, D: number, values: Float32Array): Weight {
  return { tensor: use.input([V, D], values), format: 'f32', shape: [V, D] };
}

/** Fails unless the token's score is the highest, up to the noise's rounding. */
function expectBest(token: number, all: Float64Array, label: string): void {
  const best = all.reduce((a, b) => Math.max(a, b), -Infinity);
  expect(best - all[token]!, `${label}: score of ${token} below the best`).toBeLessThanOrEqual(
    SCORE_TOLERANCE,
  );
}

it.each([
  [1, 4, 3],
  [5, 8, 514],
  [70, 16, 1031],
])(
  'B=%i D=%i V=%i: takes the best of logit / temperature + noise, and its log-probability',
  async (B, D, V) => {
    const hidden = randomValues(B * D, 'hidden');
    const weightValues = randomValues(V * D, 'weight', 0.3);
    const banned = V > 3 ? [0, V - 1, 77] : [1];
    const state = createSampleState({ slots: B, maxTokens: 8, endTokens: [], banned });
    const { gpu } = device;
    await guarded(gpu, async (use) => {
      const weight = head(use, V, D, weightValues);
      const h = use.input([B, D], hidden);
      for (const [seed, step, temperature] of [
        [1, 2, 0.7],
        [4_000_000_000, 3, 1.5],
      ] as const) {
        startSlots(
          state,
          Array.from({ length: B }, (_, slot) => start(slot)),
          seed,
          step,
        );
        sampleTokens(h, weight, state, { temperature });
        const tokens = await use.readInts(state.tokens_B);
        const x = linearNt(hidden, weightValues, [B, D, V]).map((value) => value / temperature);
        tokens.forEach((token, b) => {
          const row = x.subarray(b * V, (b + 1) * V);
          expectBest(token, scores(row, noiseKey(b, seed, step, 0), banned), `slot ${b}`);
        });
        const { logprob_N, entropy_N } = linearLogprob(h, weight, state.tokens_B, { temperature });
        expect(await firstOutputs(use, state, state.logprobsOut_BT)).toEqual(await use.read(logprob_N));
        expect(await firstOutputs(use, state, state.entropiesOut_BT)).toEqual(await use.read(entropy_N));
        // The same tokens, scored one at a time and through slices of one part.
        const last = use.input([1, D], hidden.slice((B - 1) * D));
        const lastToken = use.input([1], tokens.slice(B - 1));
        const alone = linearLogprob(last, weight, lastToken, { temperature, scratchBytes: 1 });
        expect([...(await use.read(alone.logprob_N))]).toEqual([(await use.read(logprob_N))[B - 1]]);
      }
    });
    freeSampleState(state);
  },
);

it('draws noise word for word as the generator on the host', async () => {
  const [B, D, V] = [64, 4, 1000];
  const state = createSampleState({ slots: B, maxTokens: 8, endTokens: [], banned: [] });
  await guarded(device.gpu, async (use) => {
    // With equal logits the choice is that of the noise alone.
    const weight = head(use, V, D, new Float32Array(V * D));
    const h = use.input([B, D], randomValues(B * D, 'hidden'));
    startSlots(
      state,
      Array.from({ length: B }, (_, slot) => start(slot)),
      123,
      456,
    );
    device.gpu.write(
      state.length_B,
      Int32Array.from({ length: B }, (_, b) => b * 7),
    );
    sampleTokens(h, weight, state, { temperature: 1 });
    const tokens = await use.readInts(state.tokens_B);
    tokens.forEach((token, b) => {
      const key = noiseKey(b, 123, 456, b * 7);
      const noise = Float64Array.from({ length: V }, (_, v) => gumbel(key, v));
      expectBest(token, noise, `slot ${b}`);
    });
  });
  freeSampleState(state);
});

it('follows the softmax in the long run', async () => {
  const [B, rounds] = [256, 40];
  const logits = [1, 0, -1, 0.5, -3];
  const state = createSampleState({ slots: B, maxTokens: 1, endTokens: [], banned: [] });
  const counts = new Float64Array(5);
  await guarded(device.gpu, async (use) => {
    const weight = head(use, 5, 4, Float32Array.from(logits.flatMap((x) => [x, 0, 0, 0])));
    const h = use.input(
      [B, 4],
      Float32Array.from({ length: 4 * B }, (_, i) => (i % 4 === 0 ? 1 : 0)),
    );
    for (let step = 0; step < rounds; step++) {
      startSlots(
        state,
        Array.from({ length: B }, (_, slot) => start(slot, 1)),
        9,
        step,
      );
      sampleTokens(h, weight, state, { temperature: 1 });
      for (const token of await use.readInts(state.tokens_B)) counts[token]! += 1;
    }
  });
  const z = logits.reduce((sum, x) => sum + Math.exp(x), 0);
  const chiSquare = logits.reduce((sum, x, v) => {
    const expected = (B * rounds * Math.exp(x)) / z;
    return sum + (counts[v]! - expected) ** 2 / expected;
  }, 0);
  expect(chiSquare).toBeLessThan(CHI_SQUARE_BOUND);
  freeSampleState(state);
});

it('takes the lowest of the most likely ids at temperature 0, with log-probabilities at temperature 1', async () => {
  const [D, V] = [4, 1200];
  const values = new Float32Array(V * D);
  for (const v of [700, 90, 1100, 3]) values[v * D] = 2;
  const state = createSampleState({ slots: 2, maxTokens: 8, endTokens: [], banned: [3] });
  await guarded(device.gpu, async (use) => {
    const weight = head(use, V, D, values);
    const h = use.input([2, D], Float32Array.of(1, 0, 0, 0, -1, 0, 0, 0));
    startSlots(state, [start(0), start(1)], 1, 1);
    sampleTokens(h, weight, state, { temperature: 0 });
    expect([...(await use.readInts(state.tokens_B))]).toEqual([90, 0]);
    const expected = [2 - Math.log(1196 + 4 * Math.exp(2)), -Math.log(1196 + 4 * Math.exp(-2))];
    expectClose(await firstOutputs(use, state, state.logprobsOut_BT), expected, 1e-6, 'logprob');
    expect(() => sampleTokens(h, weight, state, { temperature: -1 })).toThrow(ShapeError);
  });
  freeSampleState(state);
});

it('replays a recorded step: appends, moves on, and retires slots', async () => {
  const [B, D, V, T] = [4, 8, 20, 6];
  const { gpu } = device;
  const hidden = randomValues(B * D, 'hidden');
  const values = randomValues(V * D, 'weight');
  const x = linearNt(hidden, values, [B, D, V]);
  const choice = (slot: number, position: number): number => {
    const all = scores(x.subarray(slot * V, (slot + 1) * V), noiseKey(slot, 5, 6, position), []);
    return all.indexOf(all.reduce((a, b) => Math.max(a, b)));
  };
  const course = (slot: number) => Array.from({ length: T }, (_, i) => choice(slot, i));
  // Slot 1 ends with its third token, slot 2 by its length, slot 3 never starts.
  const end = course(1)[2]!;
  const untilEnd = (tokens: number[]) => tokens.slice(0, [...tokens, end].indexOf(end) + 1);
  const expected = [untilEnd(course(0)), untilEnd(course(1)), untilEnd(course(2).slice(0, 2)), []];

  const state = createSampleState({ slots: B, maxTokens: T, endTokens: [end, 19_999], banned: [] });
  const weightTensor = gpu.persistent('workspace', [V, D], values);
  const h = gpu.persistent('workspace', [B, D], hidden);
  const plan = gpu.record(() => {
    sampleTokens(h, { tensor: weightTensor, format: 'f32', shape: [V, D] }, state, { temperature: 1 });
    advance(state);
  });
  startSlots(state, [start(0, T), start(1, T), start(2, 2)], 5, 6);
  gpu.replay(plan, 2);
  gpu.replay(plan, T - 2);
  const [tokens, lengths] = [await gpu.readInts(state.tokensOut_BT), await gpu.readInts(state.length_B)];
  expected.forEach((course, b) => {
    expect(Array.from(tokens.slice(b * T, b * T + lengths[b]!)), `slot ${b}`).toEqual(course);
  });
  expect([...(await gpu.readInts(state.active_B))]).toEqual([0, 0, 0, 0]);
  const counts = expected.map((course) => course.length);
  expect([...(await gpu.readInts(state.tokens_B))]).toEqual(expected.map((course) => course.at(-1) ?? 0));
  expect([...(await gpu.readInts(state.cacheRow_B))]).toEqual(
    counts.map((n, b) => (b < 3 ? start(b).ownRow - 1 + n : -1)),
  );
  const position = counts.map((n, b) => (b < 3 ? start(b).position - 1 + n : 0));
  expect([...(await gpu.readInts(state.positions_3B))]).toEqual([...position, ...position, ...position]);
  expect([...(await gpu.readInts(state.ranges_B4))]).toEqual(
    counts.flatMap((n, b) => (b < 3 ? [0, 5, start(b).ownRow, start(b).ownRow + n] : [0, 0, 0, 0])),
  );
  const flat = expected.flatMap((course, b) => course.map((token, i) => ({ token, b, at: b * T + i })));
  const rows = Float32Array.from(flat.flatMap(({ b }) => Array.from(hidden.slice(b * D, (b + 1) * D))));
  const scored = linearLogprob(
    tf.tensor(rows, [flat.length, D]),
    { tensor: weightTensor, format: 'f32', shape: [V, D] },
    tf.tensor1d(
      flat.map(({ token }) => token),
      'int32',
    ),
    { temperature: 1 },
  );
  const logprobs = await gpu.read(state.logprobsOut_BT);
  const entropies = await gpu.read(state.entropiesOut_BT);
  expect(flat.map(({ at }) => logprobs[at])).toEqual([...(await gpu.read(scored.logprob_N))]);
  expect(flat.map(({ at }) => entropies[at])).toEqual([...(await gpu.read(scored.entropy_N))]);
  plan.dispose();
  freeSampleState(state);
});

it('ends a slot that has no token to take, and refuses impossible starts', async () => {
  const state = createSampleState({ slots: 2, maxTokens: 4, endTokens: [], banned: [0, 1, 2] });
  const { gpu } = device;
  await guarded(gpu, async (use) => {
    startSlots(state, [start(0, 4), start(1, 4)], 1, 1);
    sampleTokens(use.input([2, 4], randomValues(8, 'h')), head(use, 3, 4, randomValues(12, 'w')), state, {
      temperature: 1,
    });
    advance(state);
    expect([...(await use.readInts(state.tokens_B))]).toEqual([-1, -1]);
    expect([...(await firstOutputs(use, state, state.logprobsOut_BT))]).toEqual([NaN, NaN]);
    expect([...(await use.readInts(state.active_B))]).toEqual([0, 0]);
    expect(() => startSlots(state, [start(0, 5)], 1, 1)).toThrow(/maxLength/);
    expect(() => startSlots(state, [start(0, 1), start(1, 1), start(2, 1)], 1, 1)).toThrow(ShapeError);
  });
  freeSampleState(state);
});
