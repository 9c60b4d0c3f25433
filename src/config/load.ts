/**
 * From a YAML file and `key=value` overrides to a checked configuration. Later wins: schema defaults, the
 * file, the overrides in their order. Relative paths stay as written; they count from the current folder.
 */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { parseDocument } from 'yaml';
import { ConfigError, messageOf } from '../util/errors.ts';
import { crossFieldProblems, type Problem } from './checks.ts';
import { isObject, knownKeys } from './known-keys.ts';
import { describeIssues, unknownKey } from './problems.ts';
import { type Config, configSchema } from './schema.ts';

type Raw = Record<string, unknown>;

/**
 * Reads a configuration.
 * @param overrides `section.key=value` (the first `=` splits; the value is YAML) or `~section.key`, which takes
 *   the key out so that its default holds.
 * @throws ConfigError that lists every problem with its key.
 */
export async function loadConfig(file: string, overrides: readonly string[] = []): Promise<Config> {
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(
      {
        where: file,
        expected: 'a readable YAML file',
        found: messageOf(cause),
        fix: 'check the path; it counts from the current folder',
      },
      { cause },
    );
  }
  return parseConfig(source, file, overrides);
}

/**
 * The same for YAML text. `file` names the source in messages and, without its ending, the experiment.
 * @throws ConfigError that lists every problem with its key.
 */
export function parseConfig(source: string, file: string, overrides: readonly string[] = []): Config {
  const raw = parseYaml(source, file);
  const problems = overrides.flatMap((override) => applyOverride(raw, override) ?? []);
  nameExperiment(raw, file);

  const sections: Partial<Config> = {};
  for (const name of Object.keys(raw)) {
    if (!Object.hasOwn(configSchema.shape, name)) problems.push(unknownKey(name));
  }
  for (const [name, schema] of Object.entries(configSchema.shape)) {
    // A section that is left out, or left empty, has its defaults; its required keys are then reported one by one.
    const result = schema.safeParse(raw[name] ?? {});
    if (result.success) Object.assign(sections, { [name]: result.data });
    else problems.push(...describeIssues(result.error.issues, name, { ...raw, [name]: raw[name] ?? {} }));
  }
  problems.push(...crossFieldProblems(sections));
  if (problems.length > 0 || !isComplete(sections)) throw new ConfigError(listProblems(file, problems));
  return sections;
}

function isComplete(sections: Partial<Config>): sections is Config {
  return Object.keys(configSchema.shape).every((name) => Object.hasOwn(sections, name));
}

function parseYaml(source: string, file: string): Raw {
  const document = parseDocument(source, { prettyErrors: true });
  const [error] = document.errors;
  if (error) {
    throw new ConfigError(
      { where: file, expected: 'valid YAML 1.2', found: error.message.trimEnd(), fix: 'correct that line' },
      { cause: error },
    );
  }
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (cause) {
    const found = messageOf(cause);
    throw new ConfigError({ where: file, expected: 'YAML whose aliases can be resolved', found }, { cause });
  }
  if (!isObject(value)) {
    throw new ConfigError({
      where: file,
      expected: `a mapping with the sections ${Object.keys(configSchema.shape).join(', ')}`,
      found: Array.isArray(value) ? 'a list' : `a ${typeof value}`,
    });
  }
  return value;
}

function applyOverride(raw: Raw, override: string): Problem | undefined {
  const removal = override.startsWith('~');
  const split = override.indexOf('=');
  const key = removal ? override.slice(1) : override.slice(0, Math.max(split, 0));
  if ((!removal && split < 1) || key === '') {
    return { key: override, message: 'expected key=value, or ~key to take a key out' };
  }
  const parent = sectionOf(raw, key.split('.').slice(0, -1));
  const name = key.slice(key.lastIndexOf('.') + 1);
  if (removal) {
    if (!knownKeys().has(key) && !(parent && Object.hasOwn(parent, name))) return unknownKey(key);
    if (parent) delete parent[name];
    return undefined;
  }
  if (!knownKeys().has(key) && !insideMap(key)) return unknownKey(key);
  if (!parent) return { key, message: `cannot be set: a part of it is no mapping in the file` };
  const document = parseDocument(override.slice(split + 1));
  const [error] = document.errors;
  if (error)
    return { key, message: `expected a YAML value, found ${override.slice(split + 1)} (${error.message})` };
  setOwn(parent, name, document.toJS());
  return undefined;
}

/** Whether a key lies in a mapping whose keys are free, such as reward.verifier_by_category. */
function insideMap(key: string): boolean {
  return key.startsWith('reward.verifier_by_') && knownKeys().has(key.split('.').slice(0, 2).join('.'));
}

function sectionOf(raw: Raw, path: readonly string[]): Raw | undefined {
  let section = raw;
  for (const part of path) {
    const child = Object.hasOwn(section, part) ? (section[part] ?? {}) : {};
    if (!isObject(child)) return undefined;
    setOwn(section, part, child);
    section = child;
  }
  return section;
}

/** Sets an own property whatever its name, so that `__proto__` is only an unknown key. */
function setOwn(target: Raw, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

function nameExperiment(raw: Raw, file: string): void {
  const trainer = sectionOf(raw, ['trainer']);
  if (trainer) trainer['experiment_name'] ??= basename(file, extname(file));
}

function listProblems(file: string, problems: readonly Problem[]): string {
  const title = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [
    `${file}: ${title} in the configuration`,
    ...problems.map(({ key, message }) => `  ${key}: ${message}`),
  ].join('\n');
}
