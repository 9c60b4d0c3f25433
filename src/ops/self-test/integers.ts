/** Weights of small integers for the self-test, packed here on their own. */
import { f32ToF16, f16ToF32 } from '../../io/float16.ts';
import {
  F16_SCALE_FACTOR,
  rowWords,
  scaleWords,
  type IntegerLayout,
  type QuantizedFormat,
  type Scales,
  type Weight,
} from '../weight.ts';
import { hostTensor, upload, uploadInts } from './case.ts';

const BITS: Record<QuantizedFormat, number> = { int8: 8, int4: 4 };

/** What the self-test tries: every format, group and kind of scale. */
export const INTEGER_LAYOUTS: readonly IntegerLayout[] = [
  { format: 'int8', group: 32, scales: 'f16' },
  { format: 'int8', group: 64, scales: 'f32' },
  { format: 'int4', group: 32, scales: 'f32' },
  { format: 'int4', group: 64, scales: 'f16' },
];
/** Inputs of such a weight: whole groups and a short one. */
export const INTEGER_COLUMNS = 136;

/** A weight on the GPU, and the values that it stands for, [rows, columns]. */
export function integerWeight(
  layout: IntegerLayout,
  shape: readonly [number, number],
): { weight: Weight; values: Float64Array } {
  const [rows, columns] = shape;
  const { format, group } = layout;
  const bits = BITS[format];
  const wordsPerRow = rowWords(format, columns);
  const words = new Int32Array(rows * wordsPerRow);
  const scales = scalesOf(rows, columns, layout);
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    // Every integer of the format, in an order without a pattern along rows or columns.
    const integer = ((i * 37 + row * 11) % 2 ** bits) - 2 ** (bits - 1);
    const bit = row * wordsPerRow * 32 + column * bits;
    words[Math.floor(bit / 32)]! |= (integer & (2 ** bits - 1)) << (bit % 32);
    return scales.value(row, Math.floor(column / group)) * integer;
  });
  const tensor = uploadInts([rows, wordsPerRow], [...words]);
  return { weight: { tensor, format, shape, scales: scales.stored }, values };
}

/** Scales on the GPU, and the value of each. */
function scalesOf(
  rows: number,
  columns: number,
  { group, scales: format }: IntegerLayout,
): { stored: Scales; value: (row: number, group: number) => number } {
  const words = scaleWords({ format, group }, columns);
  if (format === 'f32') {
    const scales = hostTensor([rows, words], 4);
    return {
      stored: { tensor: upload(scales), format, group },
      value: (row, g) => scales.values[row * words + g]!,
    };
  }
  const bits = f32ToF16(hostTensor([rows, 2 * words], 4).values);
  const values = f16ToF32(bits);
  const tensor = uploadInts([rows, words], [...new Int32Array(bits.buffer)]);
  return {
    stored: { tensor, format, group },
    value: (row, g) => values[row * 2 * words + g]! / F16_SCALE_FACTOR,
  };
}
