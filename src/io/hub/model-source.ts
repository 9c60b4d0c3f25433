/** A model by the path of its folder, or by its name on the Hugging Face hub. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../../util/errors.ts';
import { parseJson } from '../json.ts';
import { parseRepository } from './repository.ts';
import { hubSettings } from './settings.ts';
import { fetchSnapshot, type Selection } from './snapshot.ts';

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
const REQUIRED = [
  ['config.json'],
  ['tokenizer.json'],
  ['tokenizer_config.json'],
  ['preprocessor_config.json', 'processor_config.json'],
] as const;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** A model folder, as others save it. */
export const MODEL: Selection = { wants: (name) => MODEL_FILES.test(name), missing: missingModelFiles };

/**
 * A folder is always a folder. Where there is none, `owner/name` or `owner/name@revision` is fetched from the hub,
 * unless the cache has it.
 * @param revision of a repository, which wins over that in its name; a folder has none
 * @throws {ConfigError} when it is neither
 * @throws {HubError} when the hub does not give it whole
 */
export async function openModelSource(
  pathOrName: string,
  revision: string | null = null,
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
  const pinned = { ...repository, revision: revision ?? repository.revision };
  const { folder, commit } = await fetchSnapshot(pinned, MODEL, hubSettings());
  return { folder, name: repository.id, revision: commit };
}

async function missingModelFiles(names: readonly string[], folder: string): Promise<string[]> {
  const there = new Set(names);
  return [...REQUIRED, ...(await requiredWeights(folder))]
    .filter((alternatives) => !alternatives.some((name) => there.has(name)))
    .map((alternatives) => alternatives.join(' or '));
}

/** Every shard that the index names, where it is there already, or else one file or an index. */
async function requiredWeights(folder: string): Promise<string[][]> {
  const index = await readFile(join(folder, WEIGHT_INDEX), 'utf8').catch(() => null);
  if (index === null) return [[SINGLE_WEIGHTS, WEIGHT_INDEX]];
  const parsed = indexSchema.safeParse(parseJson(index));
  // A damaged index is told by whoever reads the weights.
  return parsed.success ? [...new Set(Object.values(parsed.data.weight_map))].map((shard) => [shard]) : [];
}
