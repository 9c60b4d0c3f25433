import { expect, it } from 'vitest';
import { loadArchitecture } from '../../src/model/config.ts';
import type { RolloutRequest } from '../../src/rollout/rollout.ts';
import { cacheBytes, sessionShape } from '../../src/rollout/session-shape.ts';

/** Two layers of two key heads of 32 values: 2 KiB a row of the cache. */
const architecture = await loadArchitecture('checkpoints/mini');
const ROW_BYTES = 2 * 2 * 2 * 32 * 4;
const SAMPLING = { maxTokens: 100, marksSeen: false };
const LIMITS = { maxSequences: 128, maxRows: 256, cacheBytes: Infinity, bindingBytes: Infinity };

function requests(count: number, responses: number, length: number): RolloutRequest[] {
  const prompt = {
    text: '',
    tokens: new Int32Array(length),
    positions: new Int32Array(0),
    ropeDelta: 0,
    images: [],
  };
  return Array.from({ length: count }, () => ({ prompt, count: responses }));
}

const shapeOf = (batch: readonly RolloutRequest[], limits: Partial<typeof LIMITS> = {}) =>
  sessionShape(architecture, batch, SAMPLING, { ...LIMITS, ...limits });

it.each([
  [1, 1],
  [2, 2],
  [3, 4],
  [5, 8],
  [13, 16],
  [200, 128],
])('has slots for %i responses: %i', (responses, slots) => {
  expect(shapeOf(requests(1, responses, 10)).slots).toBe(slots);
});

it('has room for the prompts in flight and for two passes of the next ones, or for all', () => {
  expect(shapeOf(requests(4, 8, 100))).toEqual({
    ...SAMPLING,
    slots: 32,
    promptRows: 512,
    longestPrompt: 512,
  });
  // 16 prompts of 300 rows are in flight, 512 rows come ahead; all would be 30,000.
  expect(shapeOf(requests(100, 8, 300)).promptRows).toBe(5632);
});

it('takes fewer slots where the cache has too little room, down to one', () => {
  const batch = requests(8, 8, 40);
  expect(cacheBytes(architecture, shapeOf(batch))).toBe((512 + 6400) * ROW_BYTES);
  expect(shapeOf(batch, { cacheBytes: (512 + 6400) * ROW_BYTES }).slots).toBe(64);
  expect(shapeOf(batch, { cacheBytes: (512 + 6399) * ROW_BYTES }).slots).toBe(32);
  expect(shapeOf(batch, { cacheBytes: (512 + 450) * ROW_BYTES }).slots).toBe(4);
  expect(shapeOf(batch, { cacheBytes: 1 }).slots).toBe(1);
  // A layer's keys are a quarter of a cache of two layers.
  expect(shapeOf(batch, { bindingBytes: ((512 + 6400) * ROW_BYTES) / 4 }).slots).toBe(64);
  expect(shapeOf(batch, { bindingBytes: ((512 + 6399) * ROW_BYTES) / 4 }).slots).toBe(32);
});
