import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { f32ToBf16, f32ToF16 } from '../../src/io/float16.ts';
import { SafetensorsFile, type TensorToWrite, writeSafetensors } from '../../src/io/safetensors.ts';
import { CheckpointError, ConfigError, ShapeError } from '../../src/util/errors.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-safetensors-'));
  path = join(folder, 'model.safetensors');
});
afterEach(() => rm(folder, { recursive: true }));

const f32 = Float32Array.of(1, -2.5, 3e-20, 65504, 0.1, 7);

/** Bytes of a file with this header and data. */
function fileBytes(header: unknown, dataBytes: number, lengthDelta = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.byteLength + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.byteLength + lengthDelta), true);
  bytes.set(json, 8);
  return bytes;
}

describe('writeSafetensors and SafetensorsFile', () => {
  it('keeps values, dtypes, shapes and metadata', async () => {
    await writeSafetensors(
      path,
      [
        { name: 'b', dtype: 'F32', shape: [2, 3], data: f32 },
        { name: 'a', dtype: 'F32', shape: [], data: async () => Float32Array.of(42) },
        { name: 'half', dtype: 'F16', shape: [6], data: f32ToF16(f32) },
        { name: 'brain', dtype: 'BF16', shape: [3, 2], data: f32ToBf16(f32) },
        { name: 'odd', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
        { name: 'ids', dtype: 'I32', shape: [2], data: Int32Array.of(-1, 5) },
        { name: 'empty', dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
        { name: '__proto__', dtype: 'F32', shape: [1], data: Float32Array.of(6) },
      ],
      { format: 'pt', note: 'ä' },
    );
    await using file = await SafetensorsFile.open(path);
    expect(file.metadata).toEqual({ format: 'pt', note: 'ä' });
    expect([...file.tensors.keys()].toSorted()).toEqual(
      ['__proto__', 'a', 'b', 'brain', 'empty', 'half', 'ids', 'odd'].toSorted(),
    );
    expect(await file.readF32('b')).toEqual(f32);
    expect(await file.readF32('a')).toEqual(Float32Array.of(42));
    expect(await file.readF32('__proto__')).toEqual(Float32Array.of(6));
    expect(await file.readF32('half')).toEqual(Float32Array.of(1, -2.5, 0, 65504, 0.0999755859375, 7));
    expect(await file.readF32('brain')).toEqual(
      Float32Array.of(1, -2.5, 3.006966952752766e-20, 65536, 0.10009765625, 7),
    );
    expect(await file.read('odd')).toEqual(Uint8Array.of(1, 2, 3));
    expect(new Int32Array((await file.read('ids')).buffer)).toEqual(Int32Array.of(-1, 5));
    expect((await file.readF32('empty')).length).toBe(0);
    expect(file.info('b')).toMatchObject({ dtype: 'F32', shape: [2, 3], byteLength: 24 });
    expect(file.info('b').byteOffset % 8).toBe(file.info('a').byteOffset % 8 === 0 ? 4 : 0);
  });

  it('reads a part of a tensor', async () => {
    await writeSafetensors(path, [{ name: 'x', dtype: 'F32', shape: [6], data: f32 }]);
    await using file = await SafetensorsFile.open(path);
    expect(new Float32Array((await file.read('x', 4, 8)).buffer)).toEqual(f32.slice(1, 3));
    await expect(file.read('x', 20, 8)).rejects.toThrow(ShapeError);
    await expect(file.read('x', -4, 8)).rejects.toThrow(ShapeError);
  });

  it('writes the same bytes whatever the order of the tensors', async () => {
    const tensors: TensorToWrite[] = [
      { name: 'z', dtype: 'F32', shape: [6], data: f32 },
      { name: 'y', dtype: 'BF16', shape: [6], data: f32ToBf16(f32) },
      { name: 'x', dtype: 'F32', shape: [1], data: Float32Array.of(1) },
    ];
    await writeSafetensors(path, tensors);
    const first = await readFile(path);
    await writeSafetensors(path, tensors.toReversed());
    expect(await readFile(path)).toEqual(first);
    const headerLength = Number(first.readBigUInt64LE(0));
    expect(headerLength % 8).toBe(0);
    const header: unknown = JSON.parse(first.toString('utf8', 8, 8 + headerLength));
    expect(header).toEqual({
      __metadata__: { format: 'pt' },
      x: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
      z: { dtype: 'F32', shape: [6], data_offsets: [4, 28] },
      y: { dtype: 'BF16', shape: [6], data_offsets: [28, 40] },
    });
  });

  it('refuses wrong sizes and double names, and keeps the old file', async () => {
    await writeSafetensors(path, [{ name: 'x', dtype: 'F32', shape: [6], data: f32 }]);
    const before = await readFile(path);
    const short = writeSafetensors(path, [{ name: 'x', dtype: 'F32', shape: [7], data: f32 }]);
    await expect(short).rejects.toThrow(/tensor x[^]*28 bytes[^]*24 bytes/);
    const twice = writeSafetensors(path, [
      { name: 'x', dtype: 'F32', shape: [6], data: f32 },
      { name: 'x', dtype: 'F32', shape: [6], data: f32 },
    ]);
    await expect(twice).rejects.toThrow(ShapeError);
    expect(await readFile(path)).toEqual(before);
    const nowhere = writeSafetensors(join(path, 'x'), []);
    await expect(nowhere).rejects.toThrow(ConfigError);
  });

  it('names what a file has when a tensor is missing or of another dtype', async () => {
    await writeSafetensors(path, [{ name: 'x', dtype: 'I32', shape: [1], data: Int32Array.of(1) }]);
    await using file = await SafetensorsFile.open(path);
    expect(() => file.info('y')).toThrow(/a tensor y[^]*1 others \(x\)/);
    await expect(file.readF32('x')).rejects.toThrow(/tensor x[^]*F32, BF16 or F16[^]*I32/);
  });
});

describe('damaged files', () => {
  const entry = (start: number, end: number): object => ({
    dtype: 'F32',
    shape: [2],
    data_offsets: [start, end],
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /header[^]*8 bytes[^]*0 bytes/],
    ['a short length', new Uint8Array(5), /header[^]*8 bytes[^]*5 bytes/],
    ['a length of zero', new Uint8Array(16), /header[^]*found: +0/],
    ['a length beyond the file', fileBytes({}, 0, 50), /header[^]*52 bytes[^]*2 bytes/],
    ['a huge length', new Uint8Array(20).fill(0xff), /header[^]*found: +18446744073709552000/],
    ['no JSON', fileBytes('{"a":', 0), /header[^]*JSON/],
    ['bytes that are not UTF-8', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe), /header[^]*UTF-8/],
    ['a list', fileBytes([1], 0), /header[^]*a JSON object/],
    ['metadata that is no map', fileBytes({ __metadata__: 5 }, 0), /__metadata__/],
    ['metadata that is no text', fileBytes({ __metadata__: { a: 5 } }, 0), /__metadata__[^]*a: number/],
    ['an entry that is no object', fileBytes({ a: 5 }, 0), /tensor a[^]*dtype, shape/],
    ['an unknown dtype', fileBytes({ a: { ...entry(0, 8), dtype: 'F4' } }, 8), /tensor a[^]*F32[^]*"F4"/],
    ['an inherited name as dtype', fileBytes({ a: { ...entry(0, 8), dtype: 'toString' } }, 8), /toString/],
    ['a negative size', fileBytes({ a: { ...entry(0, 8), shape: [-2] } }, 8), /tensor a[^]*shape/],
    ['a fraction', fileBytes({ a: { ...entry(0, 8), shape: [1.5] } }, 8), /tensor a[^]*shape/],
    [
      'a shape that overflows',
      fileBytes({ a: { ...entry(0, 8), shape: [2 ** 40, 2 ** 40] } }, 8),
      /tensor a/,
    ],
    ['three offsets', fileBytes({ a: { ...entry(0, 8), data_offsets: [0, 8, 8] } }, 8), /data_offsets/],
    [
      'offsets that do not fit the shape',
      fileBytes({ a: entry(0, 12) }, 12),
      /tensor a[^]*8 bytes[^]*12 bytes/,
    ],
    ['offsets turned round', fileBytes({ a: entry(8, 0) }, 8), /tensor a[^]*8 bytes[^]*-8 bytes/],
    ['an overlap', fileBytes({ a: entry(0, 8), b: entry(4, 12) }, 12), /tensor b[^]*an overlap/],
    ['a hole', fileBytes({ a: entry(0, 8), b: entry(12, 20) }, 20), /tensor b[^]*a hole/],
    [
      'a truncated tensor',
      fileBytes({ a: entry(0, 8), b: entry(8, 16) }, 12),
      /tensor b[^]*a file of \d+ bytes/,
    ],
    ['bytes after the last tensor', fileBytes({ a: entry(0, 8) }, 9), /bytes, as the header says/],
  ])('refuses %s', async (_, bytes, message) => {
    await writeFile(path, bytes);
    await expect(SafetensorsFile.open(path)).rejects.toThrow(CheckpointError);
    await expect(SafetensorsFile.open(path)).rejects.toThrow(message);
  });

  it('refuses a missing file and a folder', async () => {
    await expect(SafetensorsFile.open(join(folder, 'none'))).rejects.toThrow(/none\n.*readable[^]*ENOENT/);
    await expect(SafetensorsFile.open(folder)).rejects.toThrow(CheckpointError);
  });

  it('names the tensor when the file shrinks under it', async () => {
    await writeSafetensors(path, [{ name: 'x', dtype: 'F32', shape: [6], data: f32 }]);
    await using file = await SafetensorsFile.open(path);
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 5));
    await expect(file.read('x')).rejects.toThrow(/tensor x[^]*24 bytes[^]*19 bytes/);
  });
});
