import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { OptimConfig } from '../../src/config/schema.ts';
import { learningRate } from '../../src/optim/schedule.ts';

// Float64 on both sides; a few roundings.
const RELATIVE_TOLERANCE = 1e-12;

const REQUIRED = 'model: {path: m}\ndata: {train_files: a.jsonl}\n';

function optimConfig(settings: Partial<OptimConfig>): OptimConfig {
  return parseConfig(REQUIRED, 'a.yaml', [`optim=${JSON.stringify({ lr: 3e-4, ...settings })}`]).optim;
}

function expectRate(found: number, expected: number, label: string): void {
  expect(Math.abs(found - expected), label).toBeLessThanOrEqual(RELATIVE_TOLERANCE * expected);
}

describe('the rate after the warm-up is that of transformers 5.23', () => {
  // get_scheduler(name, optimizer, num_warmup_steps=4, num_training_steps=40), lr 3e-4, at these steps.
  const STEPS = [4, 5, 13, 22, 31, 39];
  it.each([
    [
      'linear',
      { lr_scheduler_type: 'linear' },
      [3e-4, 0.00029166666666666664, 0.000225, 0.00015, 7.5e-5, 8.333333333333332e-6],
    ],
    [
      'cosine',
      { lr_scheduler_type: 'cosine' },
      [
        3e-4, 0.0002994292047137618, 0.00025606601717798207, 0.00015, 4.3933982822017876e-5,
        5.707952862381681e-7,
      ],
    ],
    [
      'cosine_with_min_lr, min_lr_rate=0.1',
      { lr_scheduler_type: 'cosine', min_lr_ratio: 0.1 },
      [
        3e-4, 0.0002994862842423856, 0.0002604594154601839, 0.000165, 6.954058453981609e-5,
        3.051371575761435e-5,
      ],
    ],
    ['constant_with_warmup', { lr_scheduler_type: 'constant' }, [3e-4, 3e-4, 3e-4, 3e-4, 3e-4, 3e-4]],
  ] as const)('%s', (_, settings, expected) => {
    for (const warmup of [{ warmup_steps: 4 }, { warmup_ratio: 0.1 }]) {
      const config = optimConfig({ ...settings, ...warmup });
      STEPS.forEach((step, i) => expectRate(learningRate(config, step, 40), expected[i]!, `update ${step}`));
    }
  });

  it('linear, down to min_lr_ratio', () => {
    const config = optimConfig({ lr_scheduler_type: 'linear', min_lr_ratio: 0.5 });
    expectRate(learningRate(config, 0, 10), 3e-4, 'update 0');
    expectRate(learningRate(config, 5, 10), 2.25e-4, 'update 5');
    expectRate(learningRate(config, 10, 10), 1.5e-4, 'behind the end');
    expectRate(learningRate(config, 15, 10), 1.5e-4, 'far behind the end');
  });
});

it('warms up from the first step above zero', () => {
  const config = optimConfig({ lr_scheduler_type: 'cosine', warmup_steps: 4 });
  [7.5e-5, 1.5e-4, 2.25e-4, 3e-4, 3e-4].forEach((rate, update) =>
    expectRate(learningRate(config, update, 40), rate, `update ${update}`),
  );
});

// TrainingArguments(warmup_steps=ratio).get_warmup_steps(updates)
it.each([
  [0.1, 40, 4],
  [0.03, 100, 3],
  [0.03, 101, 4],
  [0.5, 3, 2],
  [0.05, 1, 1],
  [1, 7, 7],
])('warmup_ratio %f of %i updates is %i updates', (ratio, updates, expected) => {
  const config = optimConfig({ warmup_ratio: ratio });
  const rates = Array.from({ length: updates }, (_, update) => learningRate(config, update, updates));
  expect(rates.findIndex((rate) => rate === 3e-4) + 1).toBe(expected);
});

it('has one warm-up', () => {
  expect(() => optimConfig({ warmup_steps: 2, warmup_ratio: 0.1 })).toThrow(
    /optim\.warmup_ratio: expected 0, because optim\.warmup_steps is 2, found 0\.1/,
  );
});
