/** What the tests of downloads share: a small model's repository, and settings that wait for nothing long. */
import { createCipheriv, createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HubSettings } from '../../src/io/hub/settings.ts';
import type { Content, TestRepository } from './hub-server.ts';

export const MODEL_ID = 'maker/tiny-vl';
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';
export const SHARDS = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
export const SHARD_BYTES = 300_000;

const small = (text: string): Content => ({ bytes: Buffer.from(text), large: false });

/** Bytes that look random, the same for the same name. */
export function large(bytes: number, name: string): Content {
  const key = createHash('md5').update(name).digest();
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return { bytes: stream.update(Buffer.alloc(bytes)), large: true };
}

/** All that a model folder needs, as far as a downloader sees it, and what no model folder needs. */
export const FILES: Readonly<Record<string, Content>> = {
  '.gitattributes': small('*.safetensors filter=lfs'),
  LICENSE: small('licence'),
  'README.md': small('# Tiny'),
  'figures/a.png': large(1000, 'picture'),
  'onnx/model.onnx': large(1000, 'onnx'),
  'pytorch_model.bin': large(1000, 'torch'),
  'config.json': small('{"model_type": "qwen2_5_vl"}'),
  'generation_config.json': small(''),
  'preprocessor_config.json': small('{"patch_size": 14}'),
  'tokenizer.json': large(20_000, 'tokenizer'),
  'tokenizer_config.json': small('{}'),
  'merges.txt': small('a b'),
  'chat_template.jinja': small('{{ x }}'),
  'model.safetensors.index.json': small(
    JSON.stringify({ weight_map: { a: SHARDS[0], b: SHARDS[1], c: SHARDS[0] } }),
  ),
  [SHARDS[0]]: large(SHARD_BYTES, 'first'),
  [SHARDS[1]]: large(SHARD_BYTES, 'second'),
};
export const WANTED = Object.keys(FILES).slice(6).sort();

export function repository(changes: Partial<TestRepository> = {}): TestRepository {
  return { path: `models/${MODEL_ID}`, commit: COMMIT, files: FILES, ...changes };
}

const cacheFolders: string[] = [];

/** A new, empty folder; `removeCaches` removes it. */
export async function newCache(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wethink-hub-'));
  cacheFolders.push(folder);
  return folder;
}

export async function removeCaches(): Promise<void> {
  for (const folder of cacheFolders.splice(0)) await rm(folder, { recursive: true, force: true });
}

/** Settings for an endpoint and a new, empty cache. */
export async function testSettings(
  endpoint: string,
  changes: Partial<HubSettings> = {},
): Promise<HubSettings> {
  const cacheFolder = await newCache();
  return { endpoint, cacheFolder, token: null, offline: false, stallMs: 2000, firstWaitMs: 2, ...changes };
}

/** The contents of a folder by name. */
export async function readTree(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name));
  const contents = await Promise.all(files.map((file) => readFile(file)));
  return Object.fromEntries(files.map((file, i) => [file.slice(folder.length + 1), contents[i]!]));
}
