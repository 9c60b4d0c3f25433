/** Reads back what a run wrote (docs/architecture.md, "a run"): metrics, rollouts, configuration, environment. */

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { readJsonl } from '../io/jsonl.ts';
import { DataError } from '../util/errors.ts';
import type { ChartPoint } from './report-chart.ts';

/** The finite numbers of one step by metric name; lines of the same step are merged, the later value wins. */
export interface StepMetrics {
  step: number;
  values: ReadonlyMap<string, number>;
}

const responseSchema = z.object({
  response: z.string(),
  reward: z.number().nullable(),
  parts: z.record(z.string(), z.number().nullable()).default({}),
  advantage: z.number().nullish(),
  extracted: z.string().nullish(),
  method: z.string().nullish(),
  end: z.string().nullish(),
});

const groupSchema = z.object({
  step: z.int(),
  problem: z.string(),
  answer: z.string(),
  images: z.array(z.string()).default([]),
  group: z.array(responseSchema),
});

/** One prompt with its group of responses, as a line of `rollouts/step_000010.jsonl` has it. */
export type RolloutGroup = z.infer<typeof groupSchema>;

const metricsLine = z.looseObject({ step: z.int() });

/** Dotted key and value of every leaf of a settings file, in its order. */
export type SettingRows = [key: string, value: string][];

/**
 * Metrics in ascending order of steps. A resumed run appends the steps after its checkpoint again: the later
 * lines count.
 *
 * @throws DataError when the file is missing, empty, or a line is not an object with a whole `step`
 */
export async function readMetrics(runDir: string): Promise<StepMetrics[]> {
  const file = path.join(runDir, 'metrics.jsonl');
  const steps = new Map<number, Map<string, number>>();
  for await (const { line, value } of readJsonl(file)) {
    const { step, ...metrics } = parseLine(metricsLine, value, `${file}:${line}`);
    const merged = steps.get(step) ?? new Map<string, number>();
    steps.set(step, merged);
    for (const [name, metric] of Object.entries(metrics)) {
      if (typeof metric === 'number') merged.set(name, metric);
      // JSON has no NaN: null stands for a value that was none, and takes back an earlier one.
      else if (metric === null) merged.delete(name);
    }
  }
  if (steps.size === 0) {
    throw new DataError({
      where: file,
      expected: 'at least one line of metrics',
      found: 'none',
      fix: 'train at least one step before asking for a report',
    });
  }
  return [...steps].map(([step, values]) => ({ step, values })).sort((a, b) => a.step - b.step);
}

/** The steps at which a metric has a value. */
export function metricPoints(metrics: readonly StepMetrics[], name: string): ChartPoint[] {
  return metrics.flatMap(({ step, values }) => {
    const y = values.get(name);
    return y === undefined ? [] : [{ x: step, y }];
  });
}

/** Mean of each value and up to `window - 1` values before it. */
export function smooth(points: readonly ChartPoint[], window: number): ChartPoint[] {
  return points.map(({ x }, i) => {
    const taken = points.slice(Math.max(0, i + 1 - window), i + 1);
    return { x, y: meanOf(taken) };
  });
}

/** @returns the mean of the values; NaN of none. */
export function meanOf(points: readonly ChartPoint[]): number {
  return points.reduce((sum, { y }) => sum + y, 0) / points.length;
}

/**
 * Groups of the first and of the last step whose rollouts were kept, at most `perStep` of each: those with
 * unequal rewards first, because they are what the policy learnt from.
 *
 * @throws DataError naming the line that is no group of rollouts
 */
export async function readRolloutGroups(runDir: string, perStep: number): Promise<RolloutGroup[]> {
  const files = await rolloutFiles(path.join(runDir, 'rollouts'));
  const ends = [...new Set([files[0], files.at(-1)])].filter((file) => file !== undefined);
  const chosen: RolloutGroup[] = [];
  for (const file of ends) {
    const groups: RolloutGroup[] = [];
    for await (const { line, value } of readJsonl(file))
      groups.push(parseLine(groupSchema, value, `${file}:${line}`));
    const byContrast = groups.toSorted((a, b) => Number(isMixed(b)) - Number(isMixed(a)));
    chosen.push(...byContrast.slice(0, perStep));
  }
  return chosen;
}

/** The settings of `config.yaml` and `environment.json`; a file that is missing has none. */
export async function readSettings(file: string): Promise<SettingRows> {
  const text = await readIfThere(file);
  if (text === null) return [];
  const value: unknown = parse(text); // JSON is YAML
  return flatten(value, '');
}

function isMixed({ group }: RolloutGroup): boolean {
  return group.some(({ reward }) => reward !== group[0]?.reward);
}

async function rolloutFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const step = (name: string): number => Number(/^step_(\d+)\.jsonl$/.exec(name)?.[1] ?? Number.NaN);
  const kept = names.filter((name) => !Number.isNaN(step(name))).sort((a, b) => step(a) - step(b));
  return kept.map((name) => path.join(folder, name));
}

function flatten(value: unknown, key: string): SettingRows {
  const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isBranch) return [[key, typeof value === 'string' ? value : JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, child]) => flatten(child, key ? `${key}.${name}` : name));
}

function parseLine<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DataError({ where, expected: 'a line that a run wrote', found: z.prettifyError(parsed.error) });
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
