/** What is planned without a device is what the same step needs on one. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { fullPrompts, takeFullStep } from '../../src/train/full-step.ts';
import { closeLearner, openLearner } from '../../src/train/learner.ts';
import { planMemory, planRemedies } from '../../src/train/memory-plan.ts';

const MODEL = 'checkpoints/mini';
/** Full passes of several micro-batches, and responses that cannot end early. */
const COMMON = [
  `model.path=${MODEL}`,
  'data.train_files=unused',
  'data.max_prompt_length=96',
  'data.max_response_length=24',
  'data.rollout_batch_size=3',
  'data.max_pixels=12544',
  'rollout.n=4',
  'rollout.min_tokens=24',
  'trainer.micro_batch_tokens=256',
];

function configOf(overrides: readonly string[]): Config {
  const adapter = `trainer.gpu.adapter=${process.env['WETHINK_ADAPTER'] ?? 'embedded'}`;
  return parseConfig('', 'plan.yaml', [...COMMON, adapter, ...overrides]);
}

async function measure(config: Config, budgetBytes = Infinity) {
  const gpu = await Gpu.open(config.trainer.gpu.adapter, budgetBytes);
  const learner = await openLearner(gpu, config, config.algorithm.kl_coef > 0);
  const prompts = fullPrompts(learner);
  await takeFullStep(learner, prompts, 1);
  const { groups } = await takeFullStep(learner, prompts, 2);
  const lengths = groups.flat().map(({ tokens }) => tokens.length);
  const { peakBytes, peak } = gpu.budget;
  closeLearner(learner);
  return { peakBytes, peak, lengths };
}

describe('a plan', () => {
  it.each([
    {
      label: 'full training with a reference',
      overrides: ['algorithm.kl_coef=0.1', 'model.gradient_checkpointing=false'],
    },
    {
      label: 'full training, recomputed, without a reference',
      overrides: ['algorithm.kl_coef=0'],
    },
    {
      label: 'an adapter on int4 weights, in three updates',
      overrides: ['model.lora.rank=4', 'model.quantization=int4', 'algorithm.mini_batch_prompts=1'],
    },
    {
      label: 'full training with moments in 8 bits',
      overrides: ['algorithm.kl_coef=0', 'optim.strategy=adamw_8bit'],
    },
  ])('is what the step takes: $label', async ({ overrides }) => {
    const config = configOf(overrides);
    const plan = await planMemory(config);
    const measured = await measure(config);
    expect(measured.lengths).toEqual(Array(12).fill(24));
    expect(measured.peakBytes).toBeGreaterThan(0);
    expect(plan).toEqual({ peakBytes: measured.peakBytes, peak: measured.peak, limitBytes: Infinity });
    // And a budget of just so much holds it.
    expect((await measure(config, plan.peakBytes)).peakBytes).toBeLessThanOrEqual(plan.peakBytes);
  });

  it('shows by how much a budget is too small, and what would help', async () => {
    const config = configOf([
      'algorithm.kl_coef=0',
      'model.gradient_checkpointing=false',
      'trainer.gpu.memory_budget_gb=0.001',
    ]);
    const plan = await planMemory(config);
    expect(plan.peakBytes).toBeGreaterThan(plan.limitBytes);
    const remedies = await planRemedies(config, plan);
    const changes = remedies.map(({ change }) => change);
    expect(changes).toContain('model.gradient_checkpointing=true');
    expect(changes).toContain('optim.strategy=adamw_8bit');
    expect(remedies.every(({ peakBytes }) => peakBytes < plan.peakBytes)).toBe(true);
  });
});
