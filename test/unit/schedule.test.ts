import { describe, expect, it } from 'vitest';
import type { OptimConfig } from '../../src/config/schema.ts';
import { learningRate } from '../../src/optim/schedule.ts';

const BASE: OptimConfig = {
  lr: 0.8,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weight_decay: 0,
  max_grad_norm: 1,
  lr_scheduler_type: 'constant',
  warmup_steps: 0,
  min_lr_ratio: 0,
};

/** Learning rates of these updates, as fractions of the peak. */
const course = (updates: readonly number[], changes: Partial<OptimConfig>, totalUpdates: number): number[] =>
  updates.map((update) => learningRate({ ...BASE, ...changes }, update, totalUpdates) / BASE.lr);

const expectCourse = (found: readonly number[], expected: readonly number[]): void => {
  expect(found).toHaveLength(expected.length);
  // Fifteen digits: float64 arithmetic of a few operations.
  found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 15));
};

describe('learningRate', () => {
  it('stays at the peak without a warm-up', () => {
    expectCourse(course([0, 1, 99, 1000], {}, 100), [1, 1, 1, 1]);
  });

  it('rises in equal steps, of which the first already trains, and holds the peak at its last', () => {
    expectCourse(course([0, 1, 2, 3, 4], { warmup_steps: 4 }, 100), [0.25, 0.5, 0.75, 1, 1]);
  });

  it('falls on a line from the end of the warm-up to 0 at the end of the run', () => {
    const changes = { lr_scheduler_type: 'linear', warmup_steps: 2 } as const;
    expectCourse(course([1, 2, 3, 6, 9, 10], changes, 10), [1, 1, 7 / 8, 1 / 2, 1 / 8, 0]);
  });

  it('falls on half a cosine', () => {
    const changes = { lr_scheduler_type: 'cosine', warmup_steps: 2 } as const;
    const eighth = (1 + Math.SQRT1_2) / 2;
    expectCourse(course([2, 4, 6, 8, 10], changes, 10), [1, eighth, 0.5, 1 - eighth, 0]);
  });

  it.each(['linear', 'cosine'] as const)('%s: ends at the configured share of the peak', (type) => {
    const changes = { lr_scheduler_type: type, min_lr_ratio: 0.2 };
    expectCourse(course([0, 5, 10], changes, 10), [1, 0.6, 0.2]);
  });

  it('does not scale a constant rate by the share at the end', () => {
    expectCourse(course([0, 10], { min_lr_ratio: 0.2 }, 10), [1, 1]);
  });

  it.each(['linear', 'cosine'] as const)('%s: stays at its end past the end of the run', (type) => {
    const changes = { lr_scheduler_type: type, min_lr_ratio: 0.1 };
    expectCourse(course([10, 11, 1e6], changes, 10), [0.1, 0.1, 0.1]);
  });

  it('never passes the peak when the warm-up is as long as the run or longer', () => {
    for (const warmup_steps of [10, 25]) {
      const rates = course(
        Array.from({ length: 30 }, (_, update) => update),
        { lr_scheduler_type: 'linear', warmup_steps },
        10,
      );
      expect(Math.max(...rates)).toBe(1);
      expect(Math.min(...rates)).toBeGreaterThanOrEqual(0);
      expect(rates[9]).toBeCloseTo(10 / warmup_steps, 15);
    }
  });
});
