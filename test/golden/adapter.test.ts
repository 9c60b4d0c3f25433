/** An adapter on every layer, with rsLoRA: saved as PEFT does, and merged for export, it scores as it did. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FROZEN, Qwen2_5_VL } from '../../src/model/qwen2_5_vl.ts';
import { restoreTrainable, saveAdapter } from '../../src/model/save.ts';
import { scoreGroups } from '../../src/model/score.ts';
import { exportHuggingFace } from '../../src/train/export.ts';
import { openGpu } from '../parity/harness.ts';
import { groupOf, maxDifference, modelFolder, readJson } from './golden-models.ts';
import type { Scenario } from './scenarios.ts';

/** The sum of weight and update is rounded to f32 once more. PEFT's scores are as far from ours: 4e-6. */
const TOLERANCE = 5e-5;

const LORA = {
  rank: 4,
  alpha: 8,
  use_rslora: true,
  target_modules: 'all-linear' as const,
  exclude_modules: null,
};

const opened = openGpu();
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-adapter-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function scoresOf(model: Qwen2_5_VL): Promise<number[]> {
  const { prompts } = readJson<Scenario>('reference/grpo_tied_lora_vision.json');
  const groups = await Promise.all(prompts.map(groupOf));
  const scores = await scoreGroups(model, groups, { temperature: 1, maxRows: 4096 });
  model.dispose();
  return scores.flat().flatMap(({ logprobs }) => [...logprobs]);
}

it('is saved with its scale, and merged by it', async () => {
  const { gpu } = opened;
  const base = modelFolder('tied_4to1');
  const adapted = await Qwen2_5_VL.load(gpu, base, { ...FROZEN, training: 'lora', lora: LORA });
  await restoreTrainable(adapted, `${modelFolder('tied_4to1_rslora_vision')}/adapter_model.safetensors`);
  await saveAdapter(adapted, folder, LORA, { name: base, revision: null });
  const config: unknown = JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'));
  expect(config).toMatchObject({ r: 4, lora_alpha: 8, use_rslora: true });
  const expected = await scoresOf(adapted);
  const merged = join(folder, 'merged');
  await exportHuggingFace(gpu, folder, merged, 'stored');
  const actual = await scoresOf(await Qwen2_5_VL.load(gpu, merged, FROZEN));
  expect(maxDifference(actual, expected)).toBeLessThanOrEqual(TOLERANCE);
  const plain = await scoresOf(await Qwen2_5_VL.load(gpu, base, FROZEN));
  expect(maxDifference(plain, expected)).toBeGreaterThan(0.1);
});
