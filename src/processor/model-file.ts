/** Reads the small text and JSON files of a Hugging Face model folder; every problem names the file. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, messageOf } from '../util/errors.ts';

/**
 * Returns the text of `modelDir/name`, or null if there is no such file.
 * @throws CheckpointError if the file is there and cannot be read.
 */
export async function readModelText(modelDir: string, name: string): Promise<string | null> {
  const path = join(modelDir, name);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return null;
    }
    throw new CheckpointError(
      {
        where: path,
        expected: 'a readable file',
        found: messageOf(error),
      },
      { cause: error },
    );
  }
}

/**
 * Returns the JSON object in `modelDir/name`, or null if there is no such file.
 * @throws CheckpointError if the file is not a JSON object.
 */
export async function readModelJson(modelDir: string, name: string): Promise<JsonObject | null> {
  const text = await readModelText(modelDir, name);
  if (text === null) return null;
  const where = join(modelDir, name);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(
      {
        where,
        expected: 'valid JSON',
        found: messageOf(error),
        fix: 'copy the file again: it may be truncated',
      },
      { cause: error },
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CheckpointError({ where, expected: 'a JSON object', found: text.trim().slice(0, 40) });
  }
  return { ...value };
}

/** The same for a file that a model folder cannot do without. */
export async function requireModelJson(modelDir: string, name: string): Promise<JsonObject> {
  const value = await readModelJson(modelDir, name);
  if (value === null) throw missingFile(modelDir, name);
  return value;
}

/** The error for a file that the folder lacks. */
export function missingFile(modelDir: string, names: string): CheckpointError {
  return new CheckpointError({
    where: modelDir,
    expected: `a Hugging Face model folder with ${names}`,
    found: 'no such file',
    fix: `copy ${names} from the model's repository into the folder`,
  });
}

export type JsonObject = Record<string, unknown>;
