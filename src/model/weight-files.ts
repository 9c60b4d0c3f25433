/** The tensors of a model folder, single or sharded, under either naming. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SafetensorsFile } from '../io/safetensors.ts';
import type { FloatFormat } from '../ops/weight.ts';
import { readModelJson, type JsonObject } from '../processor/model-file.ts';
import { CheckpointError } from '../util/errors.ts';
import { canonicalName, type ParameterSpec } from './parameter-table.ts';

const INDEX_FILE = 'model.safetensors.index.json';
const SINGLE_FILE = 'model.safetensors';

export interface StoredTensor {
  file: SafetensorsFile;
  storedName: string;
}

/** Of a tensor that `WeightFiles.check` let pass. */
export function storedFormat({ file, storedName }: StoredTensor): FloatFormat {
  const { dtype } = file.info(storedName);
  if (dtype === 'F32') return 'f32';
  return dtype === 'BF16' ? 'bf16' : 'f16';
}

/** Open files of one folder; close with `close` or `await using`. */
export class WeightFiles {
  readonly #files: SafetensorsFile[];
  readonly #tensors = new Map<string, StoredTensor>();
  readonly #folder: string;

  private constructor(folder: string, files: SafetensorsFile[]) {
    this.#folder = folder;
    this.#files = files;
    for (const file of files) {
      for (const storedName of file.tensors.keys()) {
        const name = canonicalName(storedName);
        const other = this.#tensors.get(name);
        if (other) {
          const found = `${other.storedName} in ${other.file.path} and ${storedName} in ${file.path}`;
          throw new CheckpointError({ where: folder, expected: `one tensor ${name}`, found });
        }
        this.#tensors.set(name, { file, storedName });
      }
    }
  }

  static existIn(folder: string): boolean {
    return [INDEX_FILE, SINGLE_FILE].some((name) => existsSync(join(folder, name)));
  }

  /** @throws {CheckpointError} when a file of the folder is missing or damaged, or two hold the same tensor */
  static async open(folder: string): Promise<WeightFiles> {
    const index = await readModelJson(folder, INDEX_FILE);
    const shards = index ? shardsOf(index, join(folder, INDEX_FILE)) : [SINGLE_FILE];
    const files: SafetensorsFile[] = [];
    try {
      for (const shard of shards) files.push(await SafetensorsFile.open(join(folder, shard)));
      return new WeightFiles(folder, files);
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
  }

  /** @throws {CheckpointError} naming every tensor that is missing, too many or misshapen */
  check(specs: readonly ParameterSpec[]): void {
    const problems: string[] = [];
    const wanted = new Set(specs.map(({ name }) => name));
    for (const { name, shape } of specs) {
      const stored = this.#tensors.get(name);
      if (!stored) problems.push(`${name} is missing`);
      else {
        const found = stored.file.info(stored.storedName);
        if (found.shape.join() !== shape.join()) {
          problems.push(`${name} has shape [${found.shape.join(', ')}], not [${shape.join(', ')}]`);
        } else if (!['F32', 'BF16', 'F16'].includes(found.dtype)) {
          problems.push(`${name} has dtype ${found.dtype}, not F32, BF16 or F16`);
        }
      }
    }
    for (const name of this.#tensors.keys()) {
      // Tied models are sometimes saved with a copy of the embedding as head.
      if (!wanted.has(name) && name !== 'lm_head.weight')
        problems.push(`${name} is not a tensor of this model`);
    }
    if (problems.length > 0) {
      throw new CheckpointError({
        where: this.#folder,
        expected: 'the tensors that config.json describes',
        found: `${problems.slice(0, 8).join('; ')}${problems.length > 8 ? `; and ${problems.length - 8} more` : ''}`,
        fix: 'config.json and the safetensors files must belong to the same model',
      });
    }
  }

  get(name: string): StoredTensor {
    const stored = this.#tensors.get(name);
    if (!stored)
      throw new CheckpointError({ where: this.#folder, expected: `a tensor ${name}`, found: 'none' });
    return stored;
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The files that an index names. */
function shardsOf(index: JsonObject, where: string): string[] {
  const map = z.object({ weight_map: z.record(z.string(), z.string()) }).safeParse(index);
  if (map.success) return [...new Set(Object.values(map.data.weight_map))].sort();
  throw new CheckpointError({
    where,
    expected: 'a weight_map from tensors to files',
    found: JSON.stringify(index['weight_map'] ?? null).slice(0, 100),
  });
}
