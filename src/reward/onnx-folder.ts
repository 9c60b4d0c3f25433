/** What a Hugging Face folder with an ONNX model says of itself; every problem names the file. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { RewardConfig } from '../config/schema.ts';
import { CheckpointError, messageOf } from '../util/errors.ts';

type Dtype = RewardConfig['model']['dtype'];

export interface OnnxFolder {
  /** Absolute path. */
  folder: string;
  /** Name of the ONNX file in `onnx/`. */
  file: string;
  modelType: string;
  /** Names of the labels by their number; models of a few labels often leave them out. */
  idToLabel: Readonly<Record<string, string>>;
  /** Tokens that the model reads at most. */
  maxTokens: number;
}

/** What follows "model" in the name of the ONNX file. */
const FILE_SUFFIXES: Readonly<Record<Dtype, string>> = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
};
/** Where the folder does not state how many tokens the model reads. */
const DEFAULT_MAX_TOKENS = 8192;

const configSchema = z.object({
  model_type: z.string(),
  id2label: z.record(z.string(), z.string()).default({}),
  max_position_embeddings: z.int().positive().default(DEFAULT_MAX_TOKENS),
});
const tokenizerSchema = z.object({
  // Tokenizers without a limit write a number of thirty digits.
  model_max_length: z.number().positive().nullish(),
});

/**
 * Reads `config.json`, `tokenizer.json` and `tokenizer_config.json`, and looks for `onnx/model.onnx` or the file of
 * another dtype.
 * @throws CheckpointError when one of them is missing or wrong
 */
export async function readOnnxFolder(path: string, dtype: Dtype): Promise<OnnxFolder> {
  const folder = resolve(path);
  const config = await readFileAs(configSchema, folder, 'config.json');
  const tokenizer = await readFileAs(tokenizerSchema, folder, 'tokenizer_config.json');
  await readFileAs(z.object({}), folder, 'tokenizer.json');
  const file = `model${FILE_SUFFIXES[dtype]}.onnx`;
  await requireOnnxFile(folder, file);
  return {
    folder,
    file,
    modelType: config.model_type,
    idToLabel: config.id2label,
    maxTokens: Math.min(tokenizer.model_max_length ?? DEFAULT_MAX_TOKENS, config.max_position_embeddings),
  };
}

async function readFileAs<Schema extends z.ZodType>(
  schema: Schema,
  folder: string,
  name: string,
): Promise<z.infer<Schema>> {
  try {
    return schema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')));
  } catch (error) {
    throw wrongFile(
      folder,
      name,
      error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error),
      error,
    );
  }
}

async function requireOnnxFile(folder: string, name: string): Promise<void> {
  const there = await readdir(join(folder, 'onnx')).catch((): string[] => []);
  if (there.includes(name)) return;
  const files = there.filter((file) => file.endsWith('.onnx'));
  throw new CheckpointError({
    where: `reward.model.path, ${join(folder, 'onnx')}`,
    expected: name,
    found: files.length > 0 ? files.join(', ') : 'no ONNX file',
    fix: files.length > 0 ? 'choose reward.model.dtype by the file' : `export the model to onnx/${name}`,
  });
}

/** The error of a file in the folder of `reward.model.path`. */
export function wrongFile(folder: string, name: string, found: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    {
      where: `reward.model.path, ${join(folder, name)}`,
      expected: 'a file of a Hugging Face folder for Transformers.js',
      found,
    },
    { cause },
  );
}
