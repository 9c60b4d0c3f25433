import { expect, it } from 'vitest';
import type { Weight } from '../../src/ops/weight.ts';
import { linearLogprob } from '../../src/ops/logprob.ts';
import type { SampleOptions } from '../../src/ops/sample-options.ts';
import {
  createSampleState,
  startSlots,
  freeSampleState,
  type SlotStart,
} from '../../src/ops/sample-state.ts';
import { advance, sampleTokens } from '../../src/ops/sample.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { guarded, openGpu, randomValues } from './harness.ts';
import { linearNt } from './reference/linear.ts';
import { fixedHead, ones, outputs, start, firstOutputs } from './reference/sample-setup.ts';

const ALL: SampleOptions = {
  temperature: 0.8,
  topK: 40,
  topP: 0.9,
  minP: 0.02,
  repetitionPenalty: 1.3,
  minTokens: 3,
};

const device = openGpu();

/** Responses of the given keys, one slot each, after `T` steps with all options on. */
async function respond(starts: readonly SlotStart[], hidden: readonly Float32Array[], T: number) {
  const [V, D] = [1031, 8];
  const slots = starts.length;
  const state = createSampleState({ slots, maxTokens: T, endTokens: [77], banned: [1], seenVocabulary: V });
  const result = await guarded(device.gpu, async (use) => {
    const tensor = use.input([V, D], randomValues(V * D, 'weight'));
    const weight: Weight = { tensor, format: 'f32', shape: [V, D] };
    const h = use.input([slots, D], Float32Array.from(hidden.flatMap((row) => [...row])));
    startSlots(
      state,
      starts.map((one, slot) => ({ ...one, slot })),
      11,
      12,
    );
    for (let i = 0; i < T; i++) {
      sampleTokens(h, weight, state, ALL);
      advance(state);
    }
    return outputs(use, state);
  });
  freeSampleState(state);
  return result;
}

it('draws the same response in any slot of any batch, in rows held in one tensor or several', async () => {
  const [B, T, D] = [70, 6, 8];
  const starts = Array.from({ length: B }, (_, i) =>
    start({ promptId: i % 5, responseId: i, maxLength: T, promptTokens: [i, 2 * i, 1000] }),
  );
  const hidden = starts.map((_, i) => randomValues(D, `hidden ${i % 5}`));
  const all = await respond(starts, hidden, T);
  expect(new Set(all.map(String)).size, 'different responses').toBeGreaterThan(B / 2);
  expect(await respond(starts.toReversed(), hidden.toReversed(), T)).toEqual(all.toReversed());
  expect(await respond(starts.slice(33, 34), hidden.slice(33, 34), T)).toEqual(all.slice(33, 34));
  // Three tensors, with weights in as many slices; then one tensor, still with three slices.
  expect(await withBindings(4 * B * 512, () => respond(starts, hidden, T))).toEqual(all);
  const pair = () => respond(starts.slice(33, 35), hidden.slice(33, 35), T);
  expect(await withBindings(4 * D * 512, pair)).toEqual(all.slice(33, 35));
});

/** Runs `body` as on a device whose bindings hold no more bytes. */
async function withBindings<T>(bytes: number, body: () => Promise<T>): Promise<T> {
  const { device: owner } = device.gpu;
  const own = Object.getOwnPropertyDescriptor(owner, 'limits')!;
  const { maxBufferSize } = owner.limits;
  const limits = { maxBufferSize, maxStorageBufferBindingSize: bytes };
  Object.defineProperty(owner, 'limits', { value: limits, configurable: true });
  try {
    return await body();
  } finally {
    Object.defineProperty(owner, 'limits', own);
  }
}

it('gives the log-probability and entropy of the full softmax, to the bit', async () => {
  const [B, D, V] = [6, 16, 1300];
  const hidden = randomValues(B * D, 'hidden');
  const values = randomValues(V * D, 'weight', 0.3);
  const x = linearNt(hidden, values, [B, D, V]);
  const best = Array.from({ length: B }, (_, b) => {
    const row = x.subarray(b * V, (b + 1) * V);
    return row.indexOf(row.reduce((a, c) => Math.max(a, c)));
  });
  const state = createSampleState({ slots: B, maxTokens: 8, endTokens: [], banned: [], seenVocabulary: V });
  await guarded(device.gpu, async (use) => {
    const weight: Weight = { tensor: use.input([V, D], values), format: 'f32', shape: [V, D] };
    const h = use.input([B, D], hidden);
    for (const options of [ALL, { temperature: 0.8, repetitionPenalty: 0.01 }, { ...ALL, temperature: 0 }]) {
      const { temperature } = options;
      // A penalty below 1 favours what occurred: the chosen token is one whose logit was changed.
      const promptTokens = options.repetitionPenalty! < 1 ? best : [1, 2, 3];
      startSlots(
        state,
        best.map((_, slot) => start({ slot, responseId: slot, promptTokens })),
        1,
        1,
      );
      sampleTokens(h, weight, state, options);
      const tokens = await use.readInts(state.tokens_B);
      if (options.repetitionPenalty! < 1) expect(best).toEqual(expect.arrayContaining([...tokens]));
      const full = linearLogprob(h, weight, state.tokens_B, { temperature: temperature || 1 });
      expect(await firstOutputs(use, state, state.logprobsOut_BT)).toEqual(await use.read(full.logprob_N));
      expect(await firstOutputs(use, state, state.entropiesOut_BT)).toEqual(await use.read(full.entropy_N));
    }
  });
  freeSampleState(state);
});

it('records a step with all options', async () => {
  const [B, V, T] = [3, 300, 4];
  const { gpu } = device;
  const state = createSampleState({ slots: B, maxTokens: T, endTokens: [], banned: [], seenVocabulary: V });
  const h = gpu.persistent('workspace', [B, 4], randomValues(B * 4, 'hidden'));
  const tensor = gpu.persistent('workspace', [V, 4], randomValues(V * 4, 'weight'));
  const step = () => {
    sampleTokens(h, { tensor, format: 'f32', shape: [V, 4] }, state, ALL);
    advance(state);
  };
  const starts = Array.from({ length: B }, (_, slot) => start({ slot, responseId: slot, maxLength: T }));
  startSlots(state, starts, 1, 2);
  for (let i = 0; i < T; i++) step();
  const expected = await gpu.readInts(state.tokensOut_BT);
  const plan = gpu.record(step);
  startSlots(state, starts, 1, 2);
  gpu.replay(plan, T);
  expect(await gpu.readInts(state.tokensOut_BT)).toEqual(expected);
  plan.dispose();
  for (const tensorToFree of [h, tensor]) gpu.free(tensorToFree);
  freeSampleState(state);
});

it('ends a slot that may choose nothing, and refuses what it cannot do', async () => {
  const state = createSampleState({ slots: 1, maxTokens: 4, endTokens: [0, 1], banned: [2] });
  await guarded(device.gpu, async (use) => {
    const [h, weight] = [ones(use, 1), fixedHead(use, Float32Array.of(1, 2, 3))];
    for (const options of [{ minTokens: 1 }, { minTokens: 1, topK: 2, topP: 0.5, minP: 0.5 }]) {
      startSlots(state, [start({ maxLength: 4 })], 1, 1);
      sampleTokens(h, weight, state, { temperature: 0.5, ...options });
      expect([...(await use.readInts(state.tokens_B))]).toEqual([-1]);
    }
    const refused: readonly Partial<SampleOptions>[] = [
      { topK: -1 },
      { topK: 1.5 },
      { topP: -0.1 },
      { topP: 1.1 },
      { topP: NaN },
      { minP: 2 },
      { repetitionPenalty: 0 },
      { repetitionPenalty: 1e-50 },
      { repetitionPenalty: Infinity },
      { minTokens: -3 },
      { temperature: -1 },
      // The state was made without a vocabulary.
      { repetitionPenalty: 1.1 },
    ];
    for (const options of refused) {
      const sample = () => sampleTokens(h, weight, state, { temperature: 1, ...options });
      expect(sample, JSON.stringify(options)).toThrow(ShapeError);
    }
  });
  freeSampleState(state);
  const seen = createSampleState({ slots: 1, maxTokens: 4, endTokens: [], banned: [], seenVocabulary: 100 });
  expect(() => startSlots(seen, [start({ maxLength: 4, promptTokens: [3, 128] })], 1, 1)).toThrow(
    /promptTokens\[1\]/,
  );
  expect(() => startSlots(seen, [start({ maxLength: 4, promptTokens: [-1] })], 1, 1)).toThrow(ShapeError);
  freeSampleState(seen);
});
