/** Reads the model goldens (test/golden/models/README.md). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SafetensorsFile } from '../../src/io/safetensors.ts';
import type { PromptGroup } from '../../src/model/packed-batch.ts';
import { mropePositions } from '../../src/processor/mrope.ts';
import type { Grid } from '../../src/processor/patches.ts';
import type { Prompt } from '../../src/processor/prompt.ts';

const ROOT = new URL('models/', import.meta.url);
const IMAGE_TOKEN = 299;
export const END_TOKEN = 300;

export function modelFolder(name: string): string {
  return fileURLToPath(new URL(name, ROOT));
}

export function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, ROOT), 'utf8')) as T;
}

/** A golden file; each read opens and closes it. */
export class Golden {
  readonly #path: string;
  readonly names: readonly string[];

  private constructor(path: string, names: readonly string[]) {
    this.#path = path;
    this.names = names;
  }

  static async open(name: string): Promise<Golden> {
    const path = fileURLToPath(new URL(`${name}.safetensors`, ROOT));
    await using file = await SafetensorsFile.open(path);
    return new Golden(path, [...file.tensors.keys()]);
  }

  async values(name: string): Promise<Float32Array> {
    await using file = await SafetensorsFile.open(this.#path);
    return await file.readF32(name);
  }

  async ints(name: string): Promise<Int32Array> {
    await using file = await SafetensorsFile.open(this.#path);
    return new Int32Array((await file.read(name)).buffer);
  }
}

export const inputs = await Golden.open('inputs');
const { images: grids, cases: caseImages } = readJson<{
  images: Record<string, { grid_thw: Grid }>;
  cases: Record<string, string[]>;
}>('inputs.json');

export const caseNames = Object.keys(caseImages);

async function promptOf(tokens: Int32Array, images: readonly string[]): Promise<Prompt> {
  const own = images.map((image) => grids[image]!.grid_thw);
  return {
    text: '',
    tokens,
    ...mropePositions(tokens, own, { imagePadId: IMAGE_TOKEN, spatialMergeSize: 2 }),
    images: await Promise.all(
      images.map(async (image, i) => ({ patches: await inputs.values(`pixels.${image}`), grid: own[i]! })),
    ),
  };
}

export async function casePrompt(name: string): Promise<Prompt> {
  return promptOf(await inputs.ints(`${name}.input_ids`), caseImages[name]!);
}

export interface GoldenPrompt {
  input_ids: number[];
  images: string[];
  responses: number[][];
  rewards: number[];
}

export async function groupOf({ input_ids, images, responses }: GoldenPrompt): Promise<PromptGroup> {
  const prompt = await promptOf(Int32Array.from(input_ids), images);
  return { prompt, responses: responses.map((tokens) => Int32Array.from(tokens)) };
}

/** Largest absolute difference; NaN when either side has one. */
export function maxDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

/** Largest absolute difference over the largest absolute value of what is expected. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const size = Array.from(expected).reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return maxDifference(actual, expected) / Math.max(size, Number.MIN_VALUE);
}
