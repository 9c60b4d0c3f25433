/** How a training command ends. */
import type { TrainSummary } from '../train/loop.ts';
import { gigabytes } from '../util/gigabytes.ts';

/** Prints the summary on standard output: JSON on one line, or a few lines of text. */
export function printSummary(summary: TrainSummary, json: boolean): void {
  process.stdout.write(`${json ? JSON.stringify(summary) : formatSummary(summary)}\n`);
}

function formatSummary({
  folder,
  step,
  totalSteps,
  checkpoint,
  before,
  after,
  ...memory
}: TrainSummary): string {
  const lines = [`${step} of ${totalSteps} steps done: ${folder}`];
  if (checkpoint !== null) lines.push(`checkpoint: ${checkpoint}`);
  const accuracy = [before, after].map((metrics) => metrics?.['val/accuracy_reward']);
  const [first, last] = accuracy.map((value) =>
    value === undefined ? '?' : `${(value * 100).toFixed(1)} %`,
  );
  if (accuracy.some((value) => value !== undefined)) {
    lines.push(`held-out accuracy: ${first} before, ${last} after`);
  }
  const planned =
    memory.plannedBytes === null ? '' : `, ${gigabytes(memory.plannedBytes)} planned at full length`;
  lines.push(`GPU memory: ${gigabytes(memory.peakBytes)} at most${planned}`);
  return lines.join('\n');
}
