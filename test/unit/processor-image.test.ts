import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeImage } from '../../src/processor/image.ts';
import { imageToPatches, tokensOfGrid } from '../../src/processor/patches.ts';
import type { ProcessorConfig } from '../../src/processor/processor-config.ts';
import { resizeBicubic, roundHalfEven, smartResize } from '../../src/processor/resize.ts';
import { DataError } from '../../src/util/errors.ts';
import { removeFolder } from '../golden/processor/qwen-folder.ts';

const pictures = join(import.meta.dirname, '../golden/processor/images');
const photo = join(pictures, 'photo-320x240.jpg');
const folder = mkdtempSync(join(tmpdir(), 'wethink-image-'));
afterAll(() => removeFolder(folder));

function fileOf(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function failure(source: string | Uint8Array): Promise<string> {
  const error: unknown = await decodeImage(source, 'rows.jsonl:7').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message;
}

describe('decodeImage', () => {
  test('reads a path, its bytes and a data URL alike', async () => {
    const bytes = readFileSync(photo);
    const fromPath = await decodeImage(photo, 'row');
    const fromBytes = await decodeImage(new Uint8Array(bytes), 'row');
    const fromUrl = await decodeImage(`data:image/jpeg;base64,${bytes.toString('base64')}`, 'row');
    expect(fromPath.data).toHaveLength(320 * 240 * 3);
    expect(fromBytes.data).toEqual(fromPath.data);
    expect(fromUrl.data).toEqual(fromPath.data);
    expect(fromPath.where).toBe(`row: ${photo}`);
  });

  test('names the row and the path of a missing picture', async () => {
    const path = join(folder, 'none.png');
    const message = await failure(path);
    expect(message).toContain('rows.jsonl:7');
    expect(message).toContain(path);
    expect(message).toContain('no such file');
  });

  test('refuses what is not a picture, an empty file, a folder and a truncated picture', async () => {
    expect(await failure(fileOf('text.png', 'not a picture'))).toContain('text.png');
    expect(await failure(fileOf('empty.jpg', ''))).toContain('empty.jpg');
    expect(await failure(folder)).toContain(folder);
    expect(await failure(fileOf('cut.jpg', readFileSync(photo).subarray(0, 9000)))).toContain('cut.jpg');
    const png = readFileSync(join(pictures, 'plain-100x60.png'));
    expect(await failure(fileOf('cut.png', png.subarray(0, png.length / 2)))).toContain('cut.png');
  });

  test('refuses a format that the Python processor cannot read', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    expect(await failure(fileOf('drawing.svg', svg))).toContain('format svg');
  });

  test('refuses a URL of the network', async () => {
    expect(await failure('https://example.com/a.png')).toContain('download');
  });

  test('refuses a decompression bomb by its declared size', async () => {
    // The header of a real picture, its sides rewritten to 20,000 pixels and the checksum with them.
    const bomb = readFileSync(join(pictures, 'plain-100x60.png'));
    bomb.writeUInt32BE(20_000, 16);
    bomb.writeUInt32BE(20_000, 20);
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    expect(await failure(bomb)).toContain('exceeds pixel limit');
  });
});

describe('smartResize', () => {
  test('rounds halves to even, as Python does', () => {
    expect([0.5, 1.5, 2.5, 3.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 4, 2, 3]);
    expect(smartResize(70, 98, 28, 784, 1e6)).toEqual([56, 112]);
  });

  test('keeps within the bounds', () => {
    const [height, width] = smartResize(3000, 4000, 28, 3136, 1_003_520);
    expect(height * width).toBeLessThanOrEqual(1_003_520);
    expect(smartResize(1, 1, 28, 3136, 1_003_520)).toEqual([56, 56]);
  });

  test('refuses a ratio above 200, not one of 200', () => {
    expect(smartResize(1, 200, 28, 3136, 1e6)).toEqual([28, 812]);
    expect(() => smartResize(1, 201, 28, 3136, 1e6, 'row 3')).toThrow(/row 3/);
  });
});

describe('resizeBicubic', () => {
  test('leaves a flat picture flat and an equal size untouched', () => {
    const flat = { data: new Uint8Array(7 * 5 * 3).fill(201), width: 7, height: 5 };
    expect(new Set(resizeBicubic(flat, 11, 3).data)).toEqual(new Set([201]));
    expect(resizeBicubic(flat, 5, 7)).toBe(flat);
  });

  test('clips what the filter overshoots', () => {
    // A hard edge, doubled: beside it the cubic goes below 0 and above 255.
    const edge = {
      data: new Uint8Array([0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255]),
      width: 4,
      height: 1,
    };
    const row = Array.from(resizeBicubic(edge, 1, 8).data).filter((_, i) => i % 3 === 0);
    expect(row.slice(0, 3)).toEqual([0, 0, 0]);
    expect(row.slice(5)).toEqual([255, 255, 255]);
    expect(row[3]! + row[4]!).toBe(255);
  });
});

test('patches of a token follow each other, each channel by channel, the frame repeated', () => {
  // Raw bytes out: value 16 * y + x in red, 0 in green, 255 in blue, on 8 x 8 pixels in patches of 2.
  const config: ProcessorConfig = {
    minPixels: 64,
    maxPixels: 64,
    patchSize: 2,
    temporalPatchSize: 2,
    mergeSize: 2,
    imageMean: [0, 0, 0],
    imageStd: [1, 1, 1],
    rescaleFactor: 1,
  };
  const data = new Uint8Array(8 * 8 * 3);
  for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) data.set([16 * y + x, 0, 255], (y * 8 + x) * 3);
  const { patches, grid } = imageToPatches({ data, width: 8, height: 8, where: 'test' }, config);
  expect(grid).toEqual([1, 4, 4]);
  expect(tokensOfGrid(grid, 2)).toBe(4);
  const row = (index: number) => Array.from(patches.subarray(index * 24, (index + 1) * 24));
  expect(row(0)).toEqual([
    0,
    1,
    16,
    17,
    0,
    1,
    16,
    17,
    ...Array<number>(8).fill(0),
    ...Array<number>(8).fill(255),
  ]);
  // The first token: right of it, below it, and diagonally; then the second token's first patch.
  expect([1, 2, 3, 4].map((index) => row(index)[0])).toEqual([2, 32, 34, 4]);
  expect(row(8)[0]).toBe(64);
});
