/** What `wethink doctor CONFIG` says about memory. */
import { MEMORY_LINES, type MemoryLine } from '../gpu/memory.ts';
import type { MemoryPlan, Remedy } from '../train/memory-plan.ts';
import { gigabytes } from '../util/gigabytes.ts';
import { table } from '../util/table.ts';

/** As `--json` prints it. */
export interface MemoryReport {
  /** Bytes of each line of the budget when the most is in use. */
  lines: Record<MemoryLine, number>;
  peakBytes: number;
  /** null where trainer.gpu.memory_budget_gb is not set. */
  limitBytes: number | null;
  fits: boolean;
  /** Single changes that lower the peak, where it does not fit. */
  remedies: Remedy[];
}

export function memoryReport({ peak, peakBytes, limitBytes }: MemoryPlan, remedies: Remedy[]): MemoryReport {
  return {
    lines: { ...peak },
    peakBytes,
    limitBytes: Number.isFinite(limitBytes) ? limitBytes : null,
    fits: peakBytes <= limitBytes,
    remedies,
  };
}

/** The report as text. */
export function formatMemory({ lines, peakBytes, limitBytes, fits, remedies }: MemoryReport): string {
  const limit = limitBytes === null ? 'no trainer.gpu.memory_budget_gb is set' : verdict(limitBytes, fits);
  return [
    'Memory of a step with prompts, pictures and responses as long as the configuration allows, when it is most',
    ...table([
      ...Object.entries(MEMORY_LINES).map(
        ([line, meaning]) => [line, gigabytes(lines[line as MemoryLine]), meaning] as const,
      ),
      ['in all', gigabytes(peakBytes), limit],
    ]),
    ...(remedies.length > 0 ? ['', 'With a change'] : []),
    ...table(
      remedies.map(({ change, peakBytes: peak }) => [
        change,
        gigabytes(peak),
        limitBytes !== null && peak <= limitBytes ? 'fits' : '',
      ]),
    ),
    '',
  ].join('\n');
}

function verdict(limitBytes: number, fits: boolean): string {
  return `${fits ? 'fits' : 'does not fit'} within ${gigabytes(limitBytes)} (trainer.gpu.memory_budget_gb)`;
}
