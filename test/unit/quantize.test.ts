import { describe, expect, it } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { f32ToBf16, f32ToF16 } from '../../src/io/float16.ts';
import { SafetensorsFile, writeSafetensors } from '../../src/io/safetensors.ts';
import { quantizeRows, quantizeStored } from '../../src/model/quantize.ts';
import { rowWords, scaleWords, type IntegerLayout } from '../../src/ops/weight.ts';
import { CheckpointError, ShapeError } from '../../src/util/errors.ts';
import { RandomStream } from '../../src/util/random.ts';
import { decodeIntegers, decodeScales } from '../parity/reference/stored-weight.ts';

const LAYOUTS: readonly IntegerLayout[] = (['int8', 'int4'] as const).flatMap((format) =>
  ([32, 64] as const).flatMap((group) =>
    (['f32', 'f16'] as const).map((scales) => ({ format, group, scales })),
  ),
);
const INT4: IntegerLayout = { format: 'int4', group: 32, scales: 'f32' };
/** Rounding of a scale to f32, and of scale times integer; f16 scales of powers of two are as exact. */
const ROUNDING = 1e-6;

function normalValues(count: number, std = 0.02): Float32Array {
  const stream = new RandomStream(11, 'weights', count);
  return Float32Array.from({ length: count }, () => stream.normal() * std);
}

function roundTrip(values: Float32Array, columns: number, layout: IntegerLayout) {
  const rows = quantizeRows(values, columns, layout, 'test');
  return { ...rows, decoded: decodeIntegers(rows, columns, layout) };
}

function relativeRms(values: Float32Array, decoded: Float32Array): number {
  let [error, power] = [0, 0];
  values.forEach((value, i) => {
    error += (value - decoded[i]!) ** 2;
    power += value * value;
  });
  return Math.sqrt(error / power);
}

describe.each(LAYOUTS)('$format in groups of $group, $scales scales', (layout) => {
  const { format, group: size } = layout;
  const [least, greatest] = format === 'int8' ? [-127, 127] : [-8, 7];

  it.each([4, 32, 36, 64, 100, 3420])('takes the nearest integer in rows of %i', (columns) => {
    const rows = 5;
    const values = normalValues(rows * columns);
    const { words, scales, decoded } = roundTrip(values, columns, layout);
    expect(words).toHaveLength(rows * rowWords(format, columns));
    expect(scales).toHaveLength(rows * scaleWords({ format: layout.scales, group: size }, columns));
    const paddedColumns = Math.ceil(columns / 32) * 32;
    const padded = decodeIntegers({ words, scales }, paddedColumns, layout);
    const padding = padded.filter((_, i) => i % paddedColumns >= columns);
    expect(padding.every((value) => value === 0)).toBe(true);
    const factors = decodeScales(scales);
    values.forEach((value, i) => {
      const row = Math.floor(i / columns);
      const scale = factors[(row * factors.length) / rows + Math.floor((i % columns) / size)]!;
      const integer = decoded[i]! / scale;
      const error = Math.abs(value - decoded[i]!);
      // Only int4 leaves values outside its range, where that makes the error of the group smaller.
      const isEnd = integer < least + 0.5 || integer > greatest - 0.5;
      const isOutside = format === 'int4' && isEnd && Math.abs(value) > Math.abs(decoded[i]!);
      // The extremum of int8 lies beyond 127 by what the rounding of its scale to f16 makes of 127.
      const atEnd = format === 'int8' && isEnd ? 127 * 2 ** -11 : 0;
      expect(error).toBeLessThanOrEqual(Math.abs(scale) * ((isOutside ? 2 : 0.5) + atEnd + ROUNDING));
    });
  });

  it('holds zeros, lone values, halves of the range and tiny values', () => {
    const values = new Float32Array(6 * size);
    values[size + 5] = -0.75;
    values.fill(1e-6, 2 * size, 3 * size);
    values.fill(-1e-38, 3 * size, 4 * size);
    values.fill(2.5, 4 * size);
    const { scales, decoded } = roundTrip(values, size, layout);
    expect(scales[0]).toBe(0);
    expect(decoded.subarray(0, size)).toEqual(new Float32Array(size));
    expect(decoded[size + 5]! / -0.75).toBeCloseTo(1, 3);
    expect(decoded.every(Number.isFinite)).toBe(true);
    // With f16 the least scale is 2^-26: half of it is the error, however small the values.
    const error = layout.scales === 'f16' ? 2 ** -27 : 1e-12;
    expect(Math.abs(decoded[2 * size]! - 1e-6)).toBeLessThanOrEqual(error);
    expect(decoded.subarray(3 * size, 4 * size).every((value) => value === 0)).toBe(true);
    expect(relativeRms(values.slice(4 * size), decoded.slice(4 * size))).toBeLessThan(2 ** -11);
  });

  it('holds huge values by f32 scales, and refuses them by f16 ones', () => {
    const values = new Float32Array(size);
    values.set([3e38, -3e38]);
    if (layout.scales === 'f16') {
      expect(() => roundTrip(values, size, layout)).toThrow(/row 0[^]*3.*e\+38[^]*quantization_scales: f32/);
      expect(() => roundTrip(values.map(Math.sign), size, layout)).not.toThrow();
      return;
    }
    const { decoded } = roundTrip(values, size, layout);
    expect(decoded[0]! / 3e38).toBeCloseTo(1, format === 'int8' ? 6 : 0);
    expect(decoded[1]! / -3e38).toBeCloseTo(1, format === 'int8' ? 6 : 0);
  });

  it('gives its own values back', () => {
    const { decoded } = roundTrip(normalValues(64 * 40), 40, layout);
    const again = roundTrip(decoded, 40, layout).decoded;
    const tolerance = layout.scales === 'f32' ? ROUNDING : 2 ** -11;
    expect(relativeRms(decoded, again)).toBeLessThan(format === 'int8' ? tolerance : 0.02);
  });

  it.each([NaN, Infinity, -Infinity])('refuses %d with the row', (value) => {
    const values = normalValues(3 * 64);
    values[2 * 64 + 40] = value;
    const run = () => quantizeRows(values, 64, layout, 'x.safetensors: tensor w');
    expect(run).toThrow(CheckpointError);
    expect(run).toThrow(size === 32 ? /tensor w, row 2 from column 32/ : /tensor w, row 2 from column 0/);
  });

  it('refuses rows that are no fours', () => {
    expect(() => quantizeRows(new Float32Array(12), 6, layout, 'w')).toThrow(ShapeError);
    expect(() => quantizeRows(new Float32Array(12), 8, layout, 'w')).toThrow(ShapeError);
  });
});

/** Root mean square errors on normal weights, as docs/numerics.md has them, rounded up. */
it.each([
  ['int8', 32, 0.0054],
  ['int8', 64, 0.006],
  ['int4', 32, 0.0834],
  ['int4', 64, 0.0917],
] as const)('%s in groups of %i has the stated error, whatever the scales', (format, group, bound) => {
  const values = normalValues(64 * 4000);
  const [exact, narrow] = (['f32', 'f16'] as const).map((scales) =>
    relativeRms(values, roundTrip(values, 128, { format, group, scales }).decoded),
  );
  expect(exact).toBeLessThan(bound);
  expect(narrow! / exact!).toBeCloseTo(1, 2);
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
    const expected = quantizeRows(await file.readF32('w'), columns, INT4, 'w');
    const pieces = [];
    for await (const piece of quantizeStored({ file, storedName: 'w' }, columns, INT4)) {
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
