/**
 * Parts of the reward that users write: `reward.functions: [./my_reward.ts:score]`.
 *
 *   import type { RewardFunction } from 'wethink-webgpu';
 *   export const score: RewardFunction = ({ response, responseTokens, row }) => (row.columns['lang'] === 'de' ? 1 : 0);
 *
 * A module that exports `rewardType = 'batch'` gets a list of samples and gives a list of values. null means that
 * the part does not apply to the sample: it is left out of its sum, and of the group's normalisation of that part.
 */
import { existsSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, DataError } from '../util/errors.ts';
import type { Sample } from './sample.ts';

/** What a function gets of a sample. */
export interface FunctionInput extends Sample {
  /** The answer in the response; empty when there was none. */
  extracted: string;
  /** What rule or model said of the answer; null when the assessment failed. */
  accuracy: number | null;
}

type Value = number | null;
export type RewardFunction = (input: FunctionInput) => Value | Promise<Value>;
export type BatchRewardFunction = (inputs: readonly FunctionInput[]) => Value[] | Promise<Value[]>;

export interface LoadedFunction {
  /** The part's name: that of the function; with its file's stem where two functions have one name. */
  name: string;
  readonly call: (inputs: readonly FunctionInput[]) => Promise<Value[]>;
}

/**
 * @param specs `file.ts:name`, relative to the current folder; without a name the function is `score`
 * @throws ConfigError for a missing file or function, and for what the module itself throws on loading
 */
export async function loadFunctions(
  specs: readonly string[],
  takenNames: readonly string[],
): Promise<LoadedFunction[]> {
  const functions: LoadedFunction[] = [];
  for (const spec of specs) {
    const names = new Set([...takenNames, ...functions.map(({ name }) => name)]);
    functions.push(await loadFunction(spec, names));
  }
  return functions;
}

async function loadFunction(spec: string, names: ReadonlySet<string>): Promise<LoadedFunction> {
  const { file, exported } = parseSpec(spec);
  const where = `reward.functions: ${spec}`;
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new ConfigError({
      where,
      expected: 'file.ts:function, with a path that counts from the current folder',
      found: `no file ${path}`,
    });
  }
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    const found = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new ConfigError({ where, expected: 'a module that can be loaded', found }, { cause });
  }
  const run = module[exported];
  if (typeof run !== 'function') {
    const found = `exports ${Object.keys(module).join(', ') || 'nothing'}`;
    throw new ConfigError({ where, expected: `an exported function ${exported}`, found });
  }
  const name = names.has(exported) ? `${basename(file, extname(file))}_${exported}` : exported;
  if (names.has(name)) throw new ConfigError({ where, expected: 'each function once', found: spec });
  const isBatch = module['rewardType'] === 'batch';
  return {
    name,
    async call(inputs) {
      let values: unknown;
      try {
        values = isBatch
          ? await (run as BatchRewardFunction)(inputs)
          : await Promise.all(inputs.map(async (input) => (run as RewardFunction)(input)));
      } catch (cause) {
        const found = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        throw new DataError({ where, expected: 'a value for each sample', found }, { cause });
      }
      return checkValues(values, inputs, where);
    },
  };
}

/** The last colon splits, but not that of a drive letter. */
function parseSpec(spec: string): { file: string; exported: string } {
  const split = spec.lastIndexOf(':');
  return split > 1
    ? { file: spec.slice(0, split), exported: spec.slice(split + 1) }
    : { file: spec, exported: 'score' };
}

function checkValues(values: unknown, inputs: readonly FunctionInput[], where: string): Value[] {
  if (!Array.isArray(values) || values.length !== inputs.length) {
    const found = Array.isArray(values) ? `${values.length} values` : typeof values;
    throw new DataError({ where, expected: `a list of ${inputs.length} values, one a sample`, found });
  }
  return values.map((value: unknown, i) => {
    if (value === null || value === undefined) return null;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new DataError({
      where: `${where}, ${inputs[i]!.row.id}`,
      expected: 'a finite number, or null where the part does not apply',
      found: typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value),
    });
  });
}
