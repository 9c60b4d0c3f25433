/** The processor against numbers that scripts/goldens/processor.py took from transformers and Pillow. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WETHINK_SYSTEM_PROMPT } from '../../src/config/system-prompt.ts';
import type { ChatMessage } from '../../src/processor/chat.ts';
import { decodeImage } from '../../src/processor/image.ts';
import { mropePositions } from '../../src/processor/mrope.ts';
import { imageToPatches } from '../../src/processor/patches.ts';
import type { Grid } from '../../src/processor/patches.ts';
import { loadProcessorConfig } from '../../src/processor/processor-config.ts';
import type { ProcessorConfig } from '../../src/processor/processor-config.ts';
import { buildPrompt } from '../../src/processor/prompt.ts';
import { smartResize } from '../../src/processor/resize.ts';
import { Tokenizer } from '../../src/processor/tokenizer.ts';
import { DataError } from '../../src/util/errors.ts';
import { makeQwenFolder, removeFolder } from './processor/qwen-folder.ts';

interface PictureCase {
  name: string;
  width: number;
  height: number;
  min_pixels: number;
  max_pixels: number;
  lossless: boolean;
  refused?: string;
  grid?: Grid;
  sha256?: string;
  index?: string;
  value?: string;
}
interface ChatCase {
  name: string;
  messages: ChatMessage[];
  addGenerationPrompt: boolean;
  text: string;
  ids: number[];
  grids: Grid[];
  positions: number[][];
  ropeDelta: number;
}
interface PromptCase {
  name: string;
  problem: string;
  files: string[];
  text: string;
  length: number;
  tokens: string;
  positions: string;
  ropeDelta: number;
  patches: string[];
}
type ResizeCase = [
  height: number,
  width: number,
  factor: number,
  min: number,
  max: number,
  result: [number, number] | null,
];

/** Decoders of lossy formats may round differently between platforms; in units of a byte. */
const LOSSY_TOLERANCE = 2;
/** Back from f32 to bytes: 255 times a few roundings of 6e-8, where nothing else may differ. */
const LOSSLESS_TOLERANCE = 1e-3;

const golden = join(import.meta.dirname, 'processor');
const imagePath = (name: string) => join(golden, 'images', name);
const pictures = read('pictures.json') as PictureCase[];
const chats = read('chat.json') as ChatCase[];
const prompts = read('prompts.json') as PromptCase[];

let folder: string;
let tokenizer: Tokenizer;
let config: ProcessorConfig;

beforeAll(async () => {
  folder = makeQwenFolder();
  tokenizer = await Tokenizer.load(folder);
  config = await loadProcessorConfig(folder);
});
afterAll(() => removeFolder(folder));

test('there are at least 30 pictures, some of them refused', () => {
  expect(pictures.length).toBeGreaterThanOrEqual(30);
  expect(pictures.filter(({ refused }) => refused)).toHaveLength(3);
});

describe.each(pictures.filter(({ refused }) => refused === undefined))('picture $name', (picture) => {
  test('decodes to the same size, grid and patches', async () => {
    const image = await decodeImage(imagePath(picture.name), 'row 1');
    expect([image.width, image.height]).toEqual([picture.width, picture.height]);
    const { patches, grid } = imageToPatches(image, boundedConfig(picture));
    expect(grid).toEqual(picture.grid);
    const index = new Int32Array(bytesOf(picture.index));
    const value = new Float32Array(bytesOf(picture.value));
    expect(index.length).toBe(Math.min(256, patches.length));
    const errors = Array.from(index, (at, i) => {
      // A deviation belongs to a channel: a row holds [channel, frame, y, x].
      const channel = Math.floor((at % 1176) / 392);
      return Math.abs(patches[at]! - value[i]!) * config.imageStd[channel]! * 255;
    });
    const tolerance = picture.lossless ? LOSSLESS_TOLERANCE : LOSSY_TOLERANCE;
    // Not a maximum: a NaN must fail.
    expect(errors.filter((error) => !(error <= tolerance))).toEqual([]);
  });
});

test.each(pictures.filter(({ lossless, refused }) => lossless && refused === undefined))(
  'every bit of the patches of $name',
  async (picture) => {
    const image = await decodeImage(imagePath(picture.name), 'row 1');
    expect(digest(imageToPatches(image, boundedConfig(picture)).patches)).toBe(picture.sha256);
  },
);

test.each(pictures.filter(({ refused }) => refused !== undefined))('refuses $name', async (picture) => {
  const image = await decodeImage(imagePath(picture.name), 'row 1');
  expect(() => imageToPatches(image, boundedConfig(picture))).toThrow(DataError);
  expect(() => imageToPatches(image, boundedConfig(picture))).toThrow(picture.name);
});

test('sizes of 400 random pictures', () => {
  const cases = read('smart-resize.json') as ResizeCase[];
  const sizes = cases.map(([height, width, factor, min, max]) => {
    try {
      return smartResize(height, width, factor, min, max);
    } catch {
      return null;
    }
  });
  expect(sizes).toEqual(cases.map(([, , , , , result]) => result));
});

describe.each(chats)('conversation $name, generation prompt $addGenerationPrompt', (chat) => {
  test('renders and tokenises equally, and comes back from its tokens', () => {
    const text = tokenizer.renderChat(chat.messages, { addGenerationPrompt: chat.addGenerationPrompt });
    expect(text).toBe(chat.text);
    expect(tokenizer.encode(text)).toEqual(chat.ids);
    expect(tokenizer.decode(chat.ids, { skipSpecialTokens: false })).toBe(text.normalize('NFC'));
  });

  test('has the same positions', () => {
    let picture = 0;
    const { imagePadId } = tokenizer;
    const tokens = chat.ids.flatMap((id) => {
      if (id !== imagePadId) return [id];
      const [t, h, w] = chat.grids[picture++]!;
      return Array<number>((t * h * w) / 4).fill(id);
    });
    const { positions, ropeDelta } = mropePositions(tokens, chat.grids, { imagePadId, spatialMergeSize: 2 });
    expect(Array.from(positions)).toEqual(chat.positions.flat());
    expect(ropeDelta).toBe(chat.ropeDelta);
  });
});

test.each(prompts)('whole prompt: $name', async (expected) => {
  const images = await Promise.all(expected.files.map((name) => decodeImage(imagePath(name), 'row 1')));
  const prompt = buildPrompt({
    tokenizer,
    processorConfig: { ...config, minPixels: 56 * 56, maxPixels: 112 * 28 * 28 },
    modelVision: { patchSize: 14, temporalPatchSize: 2, spatialMergeSize: 2 },
    systemPrompt: WETHINK_SYSTEM_PROMPT,
    problem: expected.problem,
    images,
    where: 'rows.jsonl:1',
  });
  expect(prompt.text).toBe(expected.text);
  expect(prompt.tokens).toHaveLength(expected.length);
  expect(digest(prompt.tokens)).toBe(expected.tokens);
  expect(digest(prompt.positions)).toBe(expected.positions);
  expect(prompt.ropeDelta).toBe(expected.ropeDelta);
  expect(prompt.images.map(({ patches }) => digest(patches))).toEqual(expected.patches);
});

test.each(read('decode.json') as { ids: number[]; text: string; skipped: string }[])(
  'decodes $ids',
  (expected) => {
    expect(tokenizer.decode(expected.ids, { skipSpecialTokens: false })).toBe(expected.text);
    expect(tokenizer.decode(expected.ids, { skipSpecialTokens: true })).toBe(expected.skipped);
  },
);

function read(name: string): unknown {
  return JSON.parse(readFileSync(join(golden, name), 'utf8'));
}

function boundedConfig(picture: PictureCase): ProcessorConfig {
  return { ...config, minPixels: picture.min_pixels, maxPixels: picture.max_pixels };
}

function bytesOf(base64: string | undefined): ArrayBuffer {
  return new Uint8Array(Buffer.from(base64 ?? '', 'base64')).buffer;
}

function digest(array: Float32Array | Int32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    .digest('hex');
}
