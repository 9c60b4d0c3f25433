/** Turns what zod reports into lines that say key, expected, found and what to do. */
import type { z } from 'zod';
import type { Problem } from './checks.ts';
import { isObject, knownKeys, nearestKey } from './known-keys.ts';

const MAX_FOUND_CHARS = 80;

/** The problems of one section. `raw` is the whole configuration as written. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  section: string,
  raw: Record<string, unknown>,
): Problem[] {
  return issues.flatMap((issue) => {
    const path = [section, ...issue.path.map(String)];
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey([...path, key].join('.')));
    if (issue.code === 'invalid_key') {
      const key = path.pop()!;
      return issue.issues.map((reason) => describeIssue(reason, `${path.join('.')}: a key`, key));
    }
    return describeIssue(issue, path.join('.'), valueAt(raw, path));
  });
}

/** The problem of a key that the schema does not have. */
export function unknownKey(key: string): Problem {
  const near = nearestKey(key);
  if (near !== undefined) return { key, message: `unknown key; did you mean ${near}?` };
  const parent = key.slice(0, Math.max(key.lastIndexOf('.'), 0));
  const depth = parent === '' ? 1 : parent.split('.').length + 1;
  const siblings = [...knownKeys().keys()]
    .filter((known) => (parent === '' || known.startsWith(`${parent}.`)) && known.split('.').length === depth)
    .map((known) => known.slice(known.lastIndexOf('.') + 1));
  if (siblings.length === 0) return { key, message: `unknown key; set ${parent} as a whole` };
  return {
    key,
    message: `unknown key; the keys of ${parent || 'the configuration'} are ${siblings.join(', ')}`,
  };
}

function describeIssue(issue: z.core.$ZodIssue, key: string, found: unknown): Problem {
  if (found === undefined) {
    return { key, message: `required, but missing. ${knownKeys().get(key) ?? ''}`.trimEnd() };
  }
  return { key, message: `expected ${expectation(issue)}, found ${show(found)}${hint(issue, found)}` };
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'int') return 'a whole number';
      if (issue.expected === 'boolean') return 'true or false';
      return issue.expected === 'object' || issue.expected === 'record'
        ? 'a mapping (key: value)'
        : `a ${issue.expected === 'string' ? 'text' : issue.expected}`;
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_union':
    case 'invalid_format':
    case 'custom':
    default:
      return issue.message;
  }
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'string')
    return limit === 1 ? 'a text that is not empty' : `${relation} ${limit} characters`;
  if (origin === 'array') return limit === 1 ? 'a list that is not empty' : `${relation} ${limit} entries`;
  return `${relation} ${limit}`;
}

function hint(issue: z.core.$ZodIssue, found: unknown): string {
  if (issue.code !== 'invalid_type' || typeof found !== 'string') return '';
  if (issue.expected === 'boolean') return ' (in YAML 1.2 only true and false are booleans)';
  if (issue.expected === 'number' || issue.expected === 'int')
    return ' (a text; write it without quotes or "_")';
  return '';
}

function show(value: unknown): string {
  const json = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value);
  return json.length <= MAX_FOUND_CHARS ? json : `${json.slice(0, MAX_FOUND_CHARS)}…`;
}

function valueAt(raw: unknown, path: readonly string[]): unknown {
  let value = raw;
  for (const part of path) {
    if (Array.isArray(value)) value = value[Number(part)];
    else if (isObject(value) && Object.hasOwn(value, part)) value = value[part];
    else return undefined;
  }
  return value;
}
