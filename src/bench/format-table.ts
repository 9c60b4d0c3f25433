/** Reports as text: what they ran on, and a table of what was measured. */
import { table } from '../util/table.ts';
import type { Machine } from './machine.ts';
import type { Rounds } from './median.ts';
import type { Absent } from './peer.ts';

/** What was measured, its median, and the least and the most of the rounds where they are known. */
export type Row = readonly [name: string, median: string, spread: string];

/** @returns lines, each with its end */
export function formatTable(
  { adapter, cpu, cores, load, date, versions }: Machine,
  rows: readonly Row[],
): string {
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${adapter.name} (${adapter.kind}); ${cpu}, ${cores} cores, load ${load.toFixed(1)}; ${date}`,
    software.join(', '),
    '',
    ...table(rows, { numbers: true, indent: '' }),
    '',
  ].join('\n');
}

export function figures(result: Rounds | Absent): [string, string] {
  if ('absent' in result) return ['absent', result.absent.replaceAll(/\s+/g, ' ')];
  const { median, rounds } = result;
  return [number(median), `${number(Math.min(...rounds))} to ${number(Math.max(...rounds))}`];
}

/** Three digits, and all those before the point. */
export function number(value: number): string {
  return Math.abs(value) >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(3);
}
