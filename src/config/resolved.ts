/** What a run keeps of its configuration, and how two configurations are compared. */
import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import { isObject } from './known-keys.ts';
import type { Config } from './schema.ts';

/** The whole configuration with all defaults as YAML; loading it gives the same configuration again. */
export function resolvedYaml(config: Config): string {
  return stringify(config, { lineWidth: 100 });
}

/** SHA-256 (hexadecimal) of the configuration; the order of keys does not matter. */
export function configHash(config: Config): string {
  return createHash('sha256')
    .update(JSON.stringify(flatten(config, '').toSorted(byKey)))
    .digest('hex');
}

/** The dotted keys whose values differ, in alphabetical order. */
export function changedKeys(before: Config, after: Config): string[] {
  const old = new Map(flatten(before, ''));
  const now = new Map(flatten(after, ''));
  const keys = new Set([...old.keys(), ...now.keys()]);
  return [...keys].filter((key) => old.get(key) !== now.get(key)).sort();
}

/** Maps in which the order of the keys counts; they are compared as a whole. */
const ORDERED = new Set(['optim.lr_multipliers']);

function flatten(value: unknown, path: string): [key: string, json: string][] {
  if (!isObject(value) || ORDERED.has(path) || (path !== '' && Object.keys(value).length === 0))
    return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, child]) =>
    flatten(child, path === '' ? key : `${path}.${key}`),
  );
}

function byKey(a: [string, string], b: [string, string]): number {
  return a[0] < b[0] ? -1 : 1;
}
