/**
 * Learning rate by update. The schedules have the names and the course of transformers', but the warm-up starts
 * with the first step above 0 instead of 0, so that no update is in vain.
 */
import type { OptimConfig } from '../config/schema.ts';

/**
 * @param update number of the update, from 0
 * @param totalUpdates updates of the whole run
 */
export function learningRate(
  { lr, lr_scheduler_type, warmup_steps, warmup_ratio, min_lr_ratio }: OptimConfig,
  update: number,
  totalUpdates: number,
): number {
  // One of the two is 0. Rounded up, as in transformers.
  const warmup = warmup_steps + Math.ceil(totalUpdates * warmup_ratio);
  if (update < warmup) return (lr * (update + 1)) / warmup;
  if (lr_scheduler_type === 'constant') return lr;
  const progress = Math.min(1, (update - warmup) / Math.max(1, totalUpdates - warmup));
  const decayed = lr_scheduler_type === 'linear' ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
  return lr * (min_lr_ratio + (1 - min_lr_ratio) * decayed);
}
