/** ONNX Runtime brings a WebGPU of its own: it has to live beside the policy's device in one process. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DESCRIPTIONS } from '../../scripts/digit-questions.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { AdapterChoice } from '../../src/gpu/adapter.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { selfTest } from '../../src/ops/self-test.ts';
import { RewardModel } from '../../src/reward/reward-model.ts';

/** Both compute in f32, in another order. */
const TOLERANCE = 1e-4;

const path = fileURLToPath(new URL('../../checkpoints/reward-mini', import.meta.url));
const defaults = parseConfig('{model: {path: m}, data: {train_files: t}}', 'test.yaml').reward.model;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await Gpu.open((process.env['WETHINK_ADAPTER'] ?? 'embedded') as AdapterChoice);
});
afterAll(() => gpu.close());

it('scores as on the CPU, while the kernels of the policy stay right', async () => {
  const gold = DESCRIPTIONS[0]!(3, 5);
  const requests = DESCRIPTIONS.flatMap((describe) =>
    [describe(3, 5), describe(5, 3), describe(3, 8)].map((extracted) => ({
      row: { id: 't:1', problem: '', answer: gold, category: '', reward: 'model', images: [], columns: {} },
      response: extracted,
      extracted,
    })),
  );
  const [onGpu, onCpu] = await Promise.all([
    RewardModel.open({ ...defaults, path, device: 'webgpu' }),
    RewardModel.open({ ...defaults, path }),
  ]);
  const [found, kernels] = await Promise.all([onGpu.assess(requests), selfTest(gpu)]);
  const expected = await onCpu.assess(requests);
  found.forEach(({ score }, i) =>
    expect(Math.abs(score! - expected[i]!.score!), requests[i]!.extracted).toBeLessThan(TOLERANCE),
  );
  expect(kernels.filter(({ ok }) => !ok)).toEqual([]);
  await Promise.all([onGpu.close(), onCpu.close()]);
});
