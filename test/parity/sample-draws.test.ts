import { expect, it } from 'vitest';
import type { SampleOptions } from '../../src/ops/sample-options.ts';
import { createSampleState, startSlots, freeSampleState } from '../../src/ops/sample-state.ts';
import { advance, sampleTokens } from '../../src/ops/sample.ts';
import { guarded, openGpu, randomValues } from './harness.ts';
import { gumbel } from './reference/sample.ts';
import { adjusted, chiSquareChance, distribution, kept, NO_RESTRICTIONS } from './reference/sample-cut.ts';
import { fixedHead, ones, outputs, start } from './reference/sample-setup.ts';

// The noise passes two logarithms in f32; candidates closer than this may swap.
const SCORE_TOLERANCE = 1e-4;
// Draws are a function of the seed, so this fails always or never.
const LEAST_CHANCE = 1e-3;

const device = openGpu();

/** What greedy choices make of the options. */
const UNCUT = { temperature: 1, topK: 0, topP: 1, minP: 0 };

it.each([
  { temperature: 0.7 },
  { topK: 12 },
  { topP: 0.8 },
  { minP: 0.1 },
  { repetitionPenalty: 1.6 },
  { minTokens: 1 },
  { temperature: 1.4, topK: 60, topP: 0.9 },
  { temperature: 0.9, topK: 100, topP: 0.97, minP: 0.02, repetitionPenalty: 1.2, minTokens: 2 },
])('draws follow the exact distribution: %o', async (options) => {
  const [B, rounds, V] = [1000, 20, 141];
  const logits = randomValues(V, 'chi-square', 1.5);
  const [banned, endTokens] = [[2, 139], [logits.indexOf(Math.max(...logits))]];
  const promptTokens = [...logits.keys()].filter((v) => v % 3 === 0);
  const state = createSampleState({ slots: B, maxTokens: 1, endTokens, banned, seenVocabulary: V });
  const counts = new Float64Array(V);
  await guarded(device.gpu, async (use) => {
    const [h, weight] = [ones(use, B), fixedHead(use, logits)];
    for (let step = 0; step < rounds; step++) {
      const starts = Array.from({ length: B }, (_, slot) =>
        start({ slot, promptId: slot >> 2, responseId: slot & 3, maxLength: 1, promptTokens }),
      );
      startSlots(state, starts, 7, step);
      sampleTokens(h, weight, state, { temperature: 1, ...options });
      for (const token of await use.readInts(state.tokens_B)) counts[token]! += 1;
    }
  });
  const all = { ...NO_RESTRICTIONS, ...options };
  const forbidden = [...banned, ...('minTokens' in options ? endTokens : [])];
  const x = adjusted(logits, all, new Set(promptTokens), forbidden);
  expect(chiSquareChance(counts, distribution(x, kept(x, all)))).toBeGreaterThan(LEAST_CHANCE);
  freeSampleState(state);
});

it('penalises what prompt and response hold, and holds back end tokens', async () => {
  const [V, T] = [600, 8];
  const prompts = [[], [5, 5, 599], [0, 31, 32, 63, 64, 127, 128, 511, 512]];
  const endTokens = [40, 513];
  // End tokens would come first, then the tokens of the prompts.
  const logits = randomValues(V, 'penalty').map((x, v) => {
    if (endTokens.includes(v)) return 6;
    return prompts.some((prompt) => prompt.includes(v)) ? 4 + x / 10 : x;
  });
  const options: readonly SampleOptions[] = [
    { temperature: 0, repetitionPenalty: 1.5, minTokens: 5 },
    { temperature: 0, repetitionPenalty: 1.5, minTokens: 5, topK: 1, topP: 0.1, minP: 1 },
    { temperature: 0.7, repetitionPenalty: 1.5, minTokens: 5 },
    { temperature: 0.7, repetitionPenalty: 0.9, minTokens: 4, topK: 30, topP: 0.9, minP: 0.01 },
  ];
  for (const option of options) {
    const state = createSampleState({ slots: 4, maxTokens: T, endTokens, banned: [], seenVocabulary: V });
    await guarded(device.gpu, async (use) => {
      const [h, weight] = [ones(use, 4), fixedHead(use, logits)];
      startSlots(
        state,
        prompts.map((promptTokens, promptId) => start({ slot: promptId, promptId, promptTokens })),
        3,
        4,
      );
      for (let i = 0; i < T; i++) {
        sampleTokens(h, weight, state, option);
        advance(state);
      }
      const found = await outputs(use, state);
      expect(found[3], 'a slot not in use').toEqual([]);
      prompts.forEach((prompt, promptId) => {
        const isGreedy = option.temperature === 0;
        const all = { ...NO_RESTRICTIONS, ...option, ...(isGreedy ? UNCUT : {}) };
        const seen = new Set<number>(prompt);
        found[promptId]!.forEach((token, position) => {
          const label = `${JSON.stringify(option)}, prompt ${promptId}, token ${position}`;
          const held = position < option.minTokens! ? endTokens : [];
          const x = adjusted(logits, all, seen, held);
          const ids = kept(x, all);
          const key = { seed: 3, step: 4, promptId, responseId: 0, position };
          const score = (v: number) => x[v]! + (isGreedy ? 0 : gumbel(key, v));
          const best = [...ids].reduce((a, v) => Math.max(a, score(v)), -Infinity);
          expect(ids.has(token), `${label}: ${token} is kept`).toBe(true);
          expect(best - score(token), label).toBeLessThanOrEqual(isGreedy ? 0 : SCORE_TOLERANCE);
          seen.add(token);
        });
        // Every response goes past the tokens that must come before an end token.
        expect(found[promptId]!.length).toBeGreaterThanOrEqual(option.minTokens!);
      });
    });
    freeSampleState(state);
  }
});
