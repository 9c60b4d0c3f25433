/** What the end-to-end tests share: the command line as a process, and a temporary folder with a tiny model. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { stringify } from 'yaml';
import { writeSafetensors, type TensorToWrite } from '../../src/io/safetensors.ts';
import { loadArchitecture } from '../../src/model/config.ts';
import { parameterTable } from '../../src/model/parameter-table.ts';
import { RandomStream } from '../../src/util/random.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const MINI = fileURLToPath(new URL('../../checkpoints/mini/', import.meta.url));
/** What a folder of the mini model has beside its weights. */
const MODEL_FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.json',
  'preprocessor_config.json',
];

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `wethink` in a folder. A process that is killed has the status null. */
export function wethink(folder: string, ...args: string[]): Promise<Finished> {
  return new Promise((resolve) => {
    const options = { cwd: folder, timeout: 120_000, maxBuffer: 2 ** 26 };
    const child = execFile(process.execPath, [MAIN, ...args], options, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}

/**
 * Makes a temporary folder with `model/`, `images/a.png`, `train.jsonl` (two rows) and `run.yaml`.
 * Remove it with `removeWorld`.
 */
export async function makeWorld(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wethink-e2e-'));
  await mkdir(join(folder, 'model'));
  for (const name of MODEL_FILES) await cp(join(MINI, name), join(folder, 'model', name));
  await writeSafetensors(join(folder, 'model', 'model.safetensors'), await randomWeights());
  await mkdir(join(folder, 'images'));
  const picture = { width: 56, height: 28, channels: 3, background: { r: 200, g: 100, b: 50 } } as const;
  await sharp({ create: picture })
    .png()
    .toFile(join(folder, 'images', 'a.png'));
  await writeRows(join(folder, 'train.jsonl'), [row(), row({ problem: 'What is 2 + 3?', image_path: '' })]);
  await writeFile(join(folder, 'run.yaml'), stringify(CONFIG));
  return folder;
}

export async function removeWorld(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

/** The smallest run that the world allows. */
export const CONFIG = {
  model: { path: 'model' },
  data: { train_files: 'train.jsonl', rollout_batch_size: 1, max_response_length: 4 },
  rollout: { n: 2 },
  trainer: { max_steps: 1, save_checkpoint_path: 'runs', gpu: { adapter: 'embedded' } },
};

/** A WeThink row about the world's picture. */
export function row(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { problem: 'What is the sum?', answer: '5', image_path: 'images/a.png', ...changes };
}

/** The rows of a JSONL file. */
export async function readRows<T>(file: string): Promise<T[]> {
  const text = await readFile(file, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

export async function writeRows(file: string, rows: readonly unknown[]): Promise<void> {
  await writeFile(file, rows.map((one) => `${JSON.stringify(one)}\n`).join(''));
}

/** Random weights of the mini model; the shape of one of them can be replaced. */
export async function randomWeights(
  shapes: Readonly<Record<string, readonly number[]>> = {},
): Promise<TensorToWrite[]> {
  return parameterTable(await loadArchitecture(MINI)).map(({ name, shape: published, kind }) => {
    const shape = shapes[name] ?? published;
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const random = new RandomStream(1, name);
    if (kind === 'matrix') data.forEach((_, i) => (data[i] = random.normal() * 0.02));
    else if (kind === 'norm') data.fill(1);
    return { name, dtype: 'F32', shape, data };
  });
}
