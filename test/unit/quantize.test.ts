import { describe, expect, it } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { f32ToBf16, f32ToF16 } from '../../src/io/float16.ts';
import { SafetensorsFile, writeSafetensors } from '../../src/io/safetensors.ts';
import { quantizeRows, quantizeStored } from '../../src/model/quantize.ts';
import { groupCount, rowWords, type QuantizedFormat } from '../../src/ops/weight.ts';
import { CheckpointError, ShapeError } from '../../src/util/errors.ts';
import { RandomStream } from '../../src/util/random.ts';
import { decodeIntegers } from '../parity/reference/stored-weight.ts';

const FORMATS: readonly QuantizedFormat[] = ['int8', 'int4'];
/** Rounding of the scale itself to f32, and of scale times integer. */
const ROUNDING = 1e-6;

function normalValues(count: number, std = 0.02): Float32Array {
  const stream = new RandomStream(11, 'weights', count);
  return Float32Array.from({ length: count }, () => stream.normal() * std);
}

function roundTrip(values: Float32Array, columns: number, format: QuantizedFormat) {
  const rows = quantizeRows(values, columns, format, 'test');
  return { ...rows, decoded: decodeIntegers(rows, columns, format) };
}

function relativeRms(values: Float32Array, decoded: Float32Array): number {
  let [error, power] = [0, 0];
  values.forEach((value, i) => {
    error += (value - decoded[i]!) ** 2;
    power += value * value;
  });
  return Math.sqrt(error / power);
}

describe.each(FORMATS)('%s', (format) => {
  const [least, greatest] = format === 'int8' ? [-127, 127] : [-8, 7];

  it.each([4, 32, 36, 64, 100, 3420])('takes the nearest integer in rows of %i', (columns) => {
    const rows = 5;
    const values = normalValues(rows * columns);
    const { words, scales, decoded } = roundTrip(values, columns, format);
    expect(words).toHaveLength(rows * rowWords(format, columns));
    expect(scales).toHaveLength(rows * groupCount(columns));
    const padded = decodeIntegers({ words, scales }, groupCount(columns) * 32, format);
    const padding = padded.filter((_, i) => i % (groupCount(columns) * 32) >= columns);
    expect(padding.every((value) => value === 0)).toBe(true);
    values.forEach((value, i) => {
      const group = Math.floor(i / columns) * groupCount(columns) + Math.floor((i % columns) / 32);
      const scale = scales[group]!;
      const integer = decoded[i]! / scale;
      const error = Math.abs(value - decoded[i]!);
      // Only int4 leaves values outside its range, where that makes the error of the group smaller.
      const isEnd = integer < least + 0.5 || integer > greatest - 0.5;
      const isOutside = format === 'int4' && isEnd && Math.abs(value) > Math.abs(decoded[i]!);
      expect(error).toBeLessThanOrEqual(Math.abs(scale) * ((isOutside ? 2 : 0.5) + ROUNDING));
    });
  });

  it('holds zeros, lone values, halves of the range, tiny and huge values', () => {
    const values = new Float32Array(7 * 32);
    values[32 + 5] = -0.75;
    values[64] = 3e38;
    values[65] = -3e38;
    values.fill(1e-20, 96, 128);
    values.fill(-1e-38, 128, 160);
    values.fill(2.5, 160, 224);
    const { scales, decoded } = roundTrip(values, 32, format);
    expect(scales[0]).toBe(0);
    expect(decoded.subarray(0, 32)).toEqual(new Float32Array(32));
    expect(decoded[32 + 5]).toBeCloseTo(-0.75, 6);
    expect(decoded.every(Number.isFinite)).toBe(true);
    expect(decoded[64]! / 3e38).toBeCloseTo(1, format === 'int8' ? 6 : 0);
    expect(decoded[65]! / -3e38).toBeCloseTo(1, format === 'int8' ? 6 : 0);
    expect(decoded[100]! / 1e-20).toBeCloseTo(1, 6);
    expect(decoded.subarray(128, 160)).toEqual(new Float32Array(32));
    expect(relativeRms(values.slice(160), decoded.slice(160))).toBeLessThan(ROUNDING);
  });

  it('gives its own values back', () => {
    const { decoded } = roundTrip(normalValues(64 * 40), 40, format);
    const again = roundTrip(decoded, 40, format).decoded;
    expect(relativeRms(decoded, again)).toBeLessThan(format === 'int8' ? ROUNDING : 0.02);
  });

  it.each([NaN, Infinity, -Infinity])('refuses %d with the row', (value) => {
    const values = normalValues(3 * 64);
    values[2 * 64 + 40] = value;
    const run = () => quantizeRows(values, 64, format, 'x.safetensors: tensor w');
    expect(run).toThrow(CheckpointError);
    expect(run).toThrow(/tensor w[^]*row 2 from column 32/);
  });

  it('refuses rows that are no fours', () => {
    expect(() => quantizeRows(new Float32Array(12), 6, format, 'w')).toThrow(ShapeError);
    expect(() => quantizeRows(new Float32Array(12), 8, format, 'w')).toThrow(ShapeError);
  });
});

it('has the errors on normal weights that its description states', () => {
  const values = normalValues(32 * 4000);
  expect(relativeRms(values, roundTrip(values, 64, 'int8').decoded)).toBeLessThan(0.0055);
  expect(relativeRms(values, roundTrip(values, 64, 'int4').decoded)).toBeLessThan(0.0845);
});

it.each([
  // More than one piece of 2^23 values.
  ['BF16', 2 ** 21 + 4, [0, 3]],
  ['F32', 36, [0]],
  ['F16', 36, [0]],
] as const)('reads %s from a file, rows of %i', async (dtype, columns, firstRows) => {
  const rows = 5;
  const values = new Float32Array(rows * columns);
  const block = normalValues(9973);
  for (let i = 0; i < values.length; i += block.length) {
    values.set(block.subarray(0, values.length - i), i);
  }
  const narrow = dtype === 'BF16' ? f32ToBf16(values) : f32ToF16(values);
  const folder = await mkdtemp(join(tmpdir(), 'wethink-quantize-'));
  try {
    const path = join(folder, 'model.safetensors');
    const data = dtype === 'F32' ? values : narrow;
    await writeSafetensors(path, [{ name: 'w', dtype, shape: [rows, columns], data }]);
    await using file = await SafetensorsFile.open(path);
    const expected = quantizeRows(await file.readF32('w'), columns, 'int4', 'w');
    const pieces = [];
    for await (const piece of quantizeStored({ file, storedName: 'w' }, [rows, columns], 'int4')) {
      pieces.push(piece);
    }
    expect(pieces.map(({ firstRow }) => firstRow)).toEqual(firstRows);
    const bytes = (parts: (Int32Array | Float32Array)[]) =>
      Buffer.concat(parts.map(({ buffer }) => new Uint8Array(buffer)));
    expect(bytes(pieces.map(({ words }) => words)).equals(bytes([expected.words]))).toBe(true);
    expect(bytes(pieces.map(({ scales }) => scales)).equals(bytes([expected.scales]))).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});
