/** The run as its reader sees it while it goes on: one line a step. */
import { formatDuration } from '../util/duration.ts';
import { log } from '../util/log.ts';
import type { Metrics } from './run-folder.ts';

export function reportStep(metrics: Metrics, totalSteps: number, startedAt: number, firstStep: number): void {
  const step = metrics['step']!;
  const perStep = (performance.now() - startedAt) / 1000 / (step - firstStep + 1);
  const parts = [
    `step ${String(step).padStart(String(totalSteps).length)}/${totalSteps}`,
    field(metrics, 'reward/overall', 'reward', 3),
    field(metrics, 'reward/accuracy', 'accuracy', 3),
    // The value of GRPO's loss says nothing about progress: it is near 0 by construction.
    'reward/overall' in metrics ? '' : field(metrics, 'actor/loss', 'loss', 4),
    metrics['actor/kl_loss'] ? field(metrics, 'actor/kl_loss', 'kl', 5) : '',
    field(metrics, 'actor/grad_norm', 'grad', 2),
    field(metrics, 'response_length/mean', 'length', 1),
    field(metrics, 'val/accuracy_reward', 'held-out', 3),
    `${metrics['timing_s/step']!.toFixed(2)} s`,
    `${formatDuration(perStep * (totalSteps - step))} left`,
  ];
  log.info(parts.filter((part) => part !== '').join('  '));
}

function field(metrics: Metrics, name: string, label: string, digits: number): string {
  const value = metrics[name];
  return value === undefined ? '' : `${label} ${value.toFixed(digits)}`;
}
