/** A model by the path of its folder, or by its name on the Hugging Face hub. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../../util/errors.ts';
import { parseJson } from '../json.ts';
import { Hub, type Selection } from './hub.ts';
import { parseRepository } from './repository.ts';
import { hubSettings } from './settings.ts';

export interface ModelSource {
  /** The folder to read. */
  folder: string;
  /** The path as it was given, or `owner/name`. */
  name: string;
  /** The commit on the hub; null for a folder of the user's own. */
  revision: string | null;
}

const SINGLE_WEIGHTS = 'model.safetensors';
const WEIGHT_INDEX = 'model.safetensors.index.json';
/** What Qwen2.5-VL repositories have under these names; everything else in them is left where it is. */
const MODEL_FILES =
  /^((config|generation_config|(pre|video_pre)?processor_config|tokenizer[\w.-]*|special_tokens_map|added_tokens|vocab|chat_template|model\.safetensors\.index)\.json|merges\.txt|chat_template\.jinja|[\w.-]+\.safetensors)$/;
/** Without one of each line no model can be read. */
const SMALL_FILES = [
  ['config.json'],
  ['tokenizer.json'],
  ['tokenizer_config.json'],
  ['preprocessor_config.json', 'processor_config.json'],
] as const;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** A model folder, as others save it. */
export const MODEL: Selection = {
  wants: (name) => MODEL_FILES.test(name),
  missing: async (names, folder) => lacking([...SMALL_FILES, ...(await weightFiles(folder))], names),
};
/** What of it is not weights: enough to plan with. */
const SMALL: Selection = {
  wants: (name) => MODEL_FILES.test(name) && !name.includes('.safetensors'),
  missing: (names) => Promise.resolve(lacking(SMALL_FILES, names)),
};

/** One for the whole process, so that whatever opens a model by its name opens the same commit. */
let hub: Hub | undefined;

export interface ModelOptions {
  /** The commit of a repository, where it is known already; wins over the revision in the name. */
  revision?: string | null;
  /** Whether the weights are wanted; a folder has them anyway. */
  weights?: boolean;
}

/**
 * A folder is always a folder. Where there is none, `owner/name` or `owner/name@revision` is fetched from the hub,
 * unless the cache has it.
 * @throws {ConfigError} when it is neither
 * @throws {HubError} when the hub does not give it whole
 */
export async function openModelSource(
  pathOrName: string,
  { revision = null, weights = true }: ModelOptions = {},
): Promise<ModelSource> {
  const found = await stat(pathOrName).catch(() => null);
  if (found?.isDirectory() === true) return { folder: pathOrName, name: pathOrName, revision: null };
  const repository = found === null ? parseRepository(pathOrName, 'models') : null;
  if (repository === null) {
    throw new ConfigError({
      where: pathOrName,
      expected:
        'the folder of a model, or a name on the Hugging Face hub such as Qwen/Qwen2.5-VL-3B-Instruct',
      found: found === null ? 'no such folder' : 'a file',
      fix: 'check the path',
    });
  }
  hub ??= new Hub(hubSettings());
  const pinned = { ...repository, revision: revision ?? repository.revision };
  const { folder, commit } = await hub.snapshot(pinned, weights ? MODEL : SMALL);
  return { folder, name: repository.id, revision: commit };
}

/** Those of the files of which one of each line has to be there. */
function lacking(required: readonly (readonly string[])[], names: readonly string[]): string[] {
  const there = new Set(names);
  return required
    .filter((alternatives) => !alternatives.some((name) => there.has(name)))
    .map((alternatives) => alternatives.join(' or '));
}

/** Every shard that the index names, where it is there already, or else one file or an index. */
async function weightFiles(folder: string): Promise<string[][]> {
  const index = await readFile(join(folder, WEIGHT_INDEX), 'utf8').catch(() => null);
  if (index === null) return [[SINGLE_WEIGHTS, WEIGHT_INDEX]];
  const parsed = indexSchema.safeParse(parseJson(index));
  // A damaged index is told by whoever reads the weights.
  return parsed.success ? [...new Set(Object.values(parsed.data.weight_map))].map((shard) => [shard]) : [];
}
