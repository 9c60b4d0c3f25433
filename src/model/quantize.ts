/// <reference lib="esnext.float16" />
/**
 * Weights as small integers with one scale for every 32 or 64 of a row: half or a quarter of bf16's memory and
 * traffic, for matrices that are not trained. Rounding happens once, when a model is loaded.
 *
 * int8: scale = max|w| / 127, integers from -127 to 127; no error is larger than half a scale.
 *
 * int4: integers from -8 to 7. The range is not symmetric, so the sign of the scale is chosen such that the value of
 * largest magnitude lies on the side of -8. The extremum need not be met exactly, though: of three divisors around 8
 * the one with the least squared error of the group is taken.
 *
 * The integers are chosen for the scale as it is stored, so that an f16 scale adds next to nothing to the error. Root
 * mean square errors on normally distributed weights, in per cent of theirs, are in docs/numerics.md.
 */
import type { QUANTIZATIONS } from '../config/quantizations.ts';
import {
  F16_SCALE_FACTOR,
  INTEGER_ROW_UNIT,
  rowWords,
  type GroupSize,
  type IntegerLayout,
  type ScaleFormat,
} from '../ops/weight.ts';
import { CheckpointError, ShapeError } from '../util/errors.ts';
import type { StoredTensor } from './weight-files.ts';

/** The layout that a configuration asks for; none without quantization. */
export function integerLayout(
  format: (typeof QUANTIZATIONS)[number],
  group: GroupSize,
  scales: ScaleFormat,
): IntegerLayout | undefined {
  return format === 'none' ? undefined : { format, group, scales };
}

export interface QuantizedRows {
  /** As `Weight.tensor`: [rows, rowWords]. */
  words: Int32Array;
  /** As `Scales.tensor`: [rows, scaleWords]. */
  scales: Float32Array | Int32Array;
}

/** The numbers that a scale can be. Groups whose scale would be below `least` have it, and smaller integers. */
interface ScaleRange {
  round: (scale: number) => number;
  least: number;
}

const SCALE_RANGES: Readonly<Record<ScaleFormat, ScaleRange>> = {
  // The kernels take integers for up to 2^28 times their value, by a scale that must be a normal number then too.
  f32: { round: Math.fround, least: 2 ** -98 },
  // The smallest normal number of f16.
  f16: {
    round: (scale) => Math.f16round(scale * F16_SCALE_FACTOR) / F16_SCALE_FACTOR,
    least: 2 ** -14 / F16_SCALE_FACTOR,
  },
};
/** What the extremum of a group is divided by. The first wins ties, and holds a lone value exactly. */
const INT4_DIVISORS = [8, 7.2, 8.8] as const;

/**
 * Rounds rows of weights.
 * @param values [rows, columns] in f32, columns a multiple of 4
 * @param where what an error calls the values
 * @throws {CheckpointError} when a value is not finite, or a scale is too large for its format
 * @throws {ShapeError} when the values are no whole rows
 */
export function quantizeRows(
  values: Float32Array,
  columns: number,
  layout: IntegerLayout,
  where: string,
): QuantizedRows {
  if (columns % 4 !== 0 || values.length % columns !== 0) {
    throw new ShapeError({
      where,
      expected: 'rows of a multiple of 4 values',
      found: `${values.length} values in rows of ${columns}`,
    });
  }
  const { format, group: size } = layout;
  const rows = values.length / columns;
  const wordsPerRow = rowWords(format, columns);
  const words = new Int32Array(rows * wordsPerRow);
  const scales = new Float32Array(rows * Math.ceil(columns / size));
  const range = SCALE_RANGES[layout.scales];
  const scaleOf = format === 'int8' ? int8Scale : int4Scale;
  const pack = format === 'int8' ? packInt8 : packInt4;
  const buffer = new Float64Array(size);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += size, at++) {
      const count = Math.min(size, columns - column);
      // Rows are padded less far than to a group of 64.
      const group = buffer.subarray(0, Math.ceil(count / INTEGER_ROW_UNIT) * INTEGER_ROW_UNIT);
      const extremum = readGroup(values, row * columns + column, count, group);
      if (extremum === 0) continue;
      const scale = scaleOf(group, extremum, range);
      if (!Number.isFinite(scale)) throw unfit(`${where}, row ${row} from column ${column} on`, extremum);
      scales[at] = scale;
      pack(group, 1 / scale, words, row * wordsPerRow + rowWords(format, column));
    }
  }
  return { words, scales: layout.scales === 'f32' ? scales : packScales(scales, rows) };
}

function unfit(where: string, extremum: number): CheckpointError {
  return Number.isFinite(extremum)
    ? new CheckpointError({
        where,
        expected: 'weights whose scales f16 can hold, below 16',
        found: `a weight of ${extremum}`,
        fix: 'set model.quantization_scales: f32',
      })
    : new CheckpointError({
        where,
        expected: 'finite weights',
        found: 'NaN or infinity',
        fix: 'the file is damaged, or its training diverged; int8 and int4 cannot hold it',
      });
}

/** Two f16 scales to a word, rows padded to whole words. */
function packScales(scales: Float32Array, rows: number): Int32Array {
  const perRow = scales.length / rows;
  const stride = Math.ceil(perRow / 2) * 2;
  const packed = new Float16Array(rows * stride);
  scales.forEach((scale, i) => {
    packed[Math.floor(i / perRow) * stride + (i % perRow)] = scale * F16_SCALE_FACTOR;
  });
  return new Int32Array(packed.buffer);
}

/**
 * Reads a stored matrix [rows, columns] in f32, bf16 or f16 and rounds it, some rows at a time.
 * @throws {CheckpointError} as `quantizeRows`
 */
export async function* quantizeStored(
  { file, storedName }: StoredTensor,
  columns: number,
  layout: IntegerLayout,
): AsyncGenerator<QuantizedRows & { firstRow: number }> {
  for await (const { start, values } of file.chunksF32(storedName, columns)) {
    const firstRow = start / columns;
    const where = `${file.path}: tensor ${storedName}, from row ${firstRow} on`;
    yield { firstRow, ...quantizeRows(values, columns, layout, where) };
  }
}

/** A scale as it can be stored; infinite where it is too large. */
function storable(scale: number, { round, least }: ScaleRange): number {
  const rounded = round(scale);
  return Math.abs(rounded) < least ? Math.sign(scale) * least : rounded;
}

/** Copies a group, with zeros behind a short one. Returns the value of largest magnitude; NaN when there is one. */
function readGroup(values: Float32Array, start: number, count: number, group: Float64Array): number {
  let most = 0;
  let least = 0;
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    group[i] = value;
    most = Math.max(most, value);
    least = Math.min(least, value);
  }
  group.fill(0, count);
  return -least > most ? least : most;
}

function int8Scale(_group: Float64Array, extremum: number, range: ScaleRange): number {
  return storable(Math.abs(extremum) / 127, range);
}

/** The scale of least squared error; infinite where none can be stored. */
function int4Scale(group: Float64Array, extremum: number, range: ScaleRange): number {
  let best = Infinity;
  let leastError = Infinity;
  for (const divisor of INT4_DIVISORS) {
    const scale = storable(-extremum / divisor, range);
    const inverse = 1 / scale;
    let error = 0;
    for (let i = 0; i < group.length; i++) {
      const value = group[i]!;
      const difference = value - scale * (int4Biased(value * inverse) - 8);
      error += difference * difference;
    }
    if (error < leastError) {
      best = scale;
      leastError = error;
    }
  }
  return best;
}

/** The nearest integer from -8 to 7, plus 8: truncation rounds what is positive. */
function int4Biased(quotient: number): number {
  const biased = (quotient + 8.5) | 0;
  return biased > 15 ? 15 : biased;
}

function packInt8(group: Float64Array, inverse: number, words: Int32Array, first: number): void {
  for (let i = 0; i < group.length; i += 4) {
    let word = 0;
    for (let j = 0; j < 4; j++) {
      // Truncation rounds what is positive.
      const integer = ((group[i + j]! * inverse + 128.5) | 0) - 128;
      word |= (integer & 0xff) << (8 * j);
    }
    words[first + i / 4] = word;
  }
}

function packInt4(group: Float64Array, inverse: number, words: Int32Array, first: number): void {
  for (let i = 0; i < group.length; i += 8) {
    let word = 0;
    for (let j = 0; j < 8; j++) {
      const integer = int4Biased(group[i + j]! * inverse) - 8;
      word |= (integer & 0xf) << (4 * j);
    }
    words[first + i / 8] = word;
  }
}
