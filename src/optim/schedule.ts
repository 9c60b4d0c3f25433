/**
 * Learning rate by update. The schedules have the names and the course of transformers', but the warm-up starts
 * at 1 / warmup_steps instead of 0, so that no update is in vain.
 */
import type { OptimConfig } from '../config/schema.ts';

/**
 * @param update number of the update, from 0
 * @param totalUpdates updates of the whole run
 */
export function learningRate(
  { lr, lr_scheduler_type, warmup_steps, min_lr_ratio }: OptimConfig,
  update: number,
  totalUpdates: number,
): number {
  if (update < warmup_steps) return (lr * (update + 1)) / warmup_steps;
  if (lr_scheduler_type === 'constant') return lr;
  const progress = Math.min(1, (update - warmup_steps) / Math.max(1, totalUpdates - warmup_steps));
  const decayed = lr_scheduler_type === 'linear' ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
  return lr * (min_lr_ratio + (1 - min_lr_ratio) * decayed);
}
