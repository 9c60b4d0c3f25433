/**
 * Weights as small integers with one scale for every 32 of a row: half or a quarter of bf16's memory and
 * traffic, for matrices that are not trained. Rounding happens once, when a model is loaded.
 *
 * int8: scale = max|w| / 127, integers from -127 to 127; no error is larger than half a scale, and the root mean
 * square error on normally distributed weights is 0.5 % of theirs.
 *
 * int4: integers from -8 to 7. The range is not symmetric, so the sign of the scale is chosen such that the value of
 * largest magnitude lies on the side of -8; with max|w| / 7 and symmetric integers the error on normally
 * distributed weights is 9.7 %, so it is 8.6 %. The extremum need not be met exactly, though:
 * of three divisors around 8 the one with the least squared error of the group is taken, which makes it 8.3 %.
 * (Seventeen divisors would make it 8.1 %.)
 */
import { bf16ToF32, f16ToF32 } from '../io/float16.ts';
import { GROUP, groupCount, rowWords, type QuantizedFormat } from '../ops/weight.ts';
import { CheckpointError, ShapeError } from '../util/errors.ts';
import type { StoredTensor } from './weight-files.ts';

/** Of the matrices of linear layers that are not trained; everything else stays as stored. */
export type Quantization = 'none' | QuantizedFormat;

export interface QuantizedRows {
  /** As `Weight.tensor`: [rows, rowWords]. */
  words: Int32Array;
  /** As `Weight.scales`: [rows, groups]. */
  scales: Float32Array;
}

/** The kernels take integers for up to 2^28 times their value, by a scale that must be a normal number then too. */
const SMALLEST_SCALE = 2 ** -98;
/** What the extremum of a group is divided by. The first wins ties, and holds a lone value exactly. */
const INT4_DIVISORS = [8, 7.2, 8.8] as const;

/**
 * Rounds rows of weights. Groups whose scale would be below 2^-98 become zeros.
 * @param values [rows, columns] in f32, columns a multiple of 4
 * @param where what an error calls the values
 * @throws {CheckpointError} when a value is not finite
 * @throws {ShapeError} when the values are no whole rows
 */
export function quantizeRows(
  values: Float32Array,
  columns: number,
  format: QuantizedFormat,
  where: string,
): QuantizedRows {
  if (columns % 4 !== 0 || values.length % columns !== 0) {
    throw new ShapeError({
      where,
      expected: 'rows of a multiple of 4 values',
      found: `${values.length} values in rows of ${columns}`,
    });
  }
  const rows = values.length / columns;
  const groups = groupCount(columns);
  const words = new Int32Array(rows * rowWords(format, columns));
  const scales = new Float32Array(rows * groups);
  const scaleOf = format === 'int8' ? int8Scale : int4Scale;
  const pack = format === 'int8' ? packInt8 : packInt4;
  const wordsOfGroup = rowWords(format, GROUP);
  const group = new Float64Array(GROUP);
  for (let g = 0; g < scales.length; g++) {
    const column = (g % groups) * GROUP;
    const start = Math.floor(g / groups) * columns + column;
    const extremum = readGroup(values, start, Math.min(GROUP, columns - column), group);
    if (!Number.isFinite(extremum)) {
      throw new CheckpointError({
        where,
        expected: 'finite weights',
        found: `NaN or infinity in row ${Math.floor(g / groups)} from column ${column} on`,
        fix: 'the file is damaged, or its training diverged; int8 and int4 cannot hold it',
      });
    }
    const scale = Math.fround(scaleOf(group, extremum));
    if (Math.abs(scale) < SMALLEST_SCALE) continue;
    scales[g] = scale;
    pack(group, 1 / scale, words, g * wordsOfGroup);
  }
  return { words, scales };
}

/** Values that are read at a time: bounds the memory of the host. */
const CHUNK_VALUES = 2 ** 23;

/** Reads a stored matrix [rows, columns] in f32, bf16 or f16 and rounds it, some rows at a time. */
export async function* quantizeStored(
  { file, storedName }: StoredTensor,
  [rows, columns]: readonly [number, number],
  format: QuantizedFormat,
): AsyncGenerator<QuantizedRows & { firstRow: number }> {
  const { dtype, byteLength } = file.info(storedName);
  const rowBytes = byteLength / rows;
  const rowsAtOnce = Math.max(1, Math.floor(CHUNK_VALUES / columns));
  for (let firstRow = 0; firstRow < rows; firstRow += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - firstRow);
    const { buffer } = await file.read(storedName, firstRow * rowBytes, count * rowBytes);
    const where = `${file.path}: tensor ${storedName}, from row ${firstRow} on`;
    yield { firstRow, ...quantizeRows(toF32(buffer, dtype), columns, format, where) };
  }
}

/** WeightFiles lets no other types pass. */
function toF32(buffer: ArrayBuffer, dtype: string): Float32Array {
  if (dtype === 'F32') return new Float32Array(buffer);
  return dtype === 'BF16' ? bf16ToF32(new Uint16Array(buffer)) : f16ToF32(new Uint16Array(buffer));
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
  if (count < GROUP) group.fill(0, count);
  return -least > most ? least : most;
}

function int8Scale(_group: Float64Array, extremum: number): number {
  return Math.abs(extremum) / 127;
}

/** The scale of least squared error. */
function int4Scale(group: Float64Array, extremum: number): number {
  let best = 0;
  let leastError = Infinity;
  for (const divisor of INT4_DIVISORS) {
    const scale = -extremum / divisor;
    const inverse = 1 / scale;
    let error = 0;
    for (let i = 0; i < GROUP; i++) {
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
  for (let i = 0; i < GROUP; i += 4) {
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
  for (let i = 0; i < GROUP; i += 8) {
    let word = 0;
    for (let j = 0; j < 8; j++) {
      const integer = int4Biased(group[i + j]! * inverse) - 8;
      word |= (integer & 0xf) << (4 * j);
    }
    words[first + i / 8] = word;
  }
}
