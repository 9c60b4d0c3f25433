/** Weights of small integers for the self-test, packed here on their own. */
import { GROUP, groupCount, rowWords, type QuantizedFormat, type Weight } from '../weight.ts';
import { hostTensor, upload, uploadInts } from './case.ts';

const BITS: Record<QuantizedFormat, number> = { int8: 8, int4: 4 };

/** A weight on the GPU, and the values that it stands for, [rows, columns]. */
export function integerWeight(
  format: QuantizedFormat,
  shape: readonly [number, number],
): { weight: Weight; values: Float64Array } {
  const [rows, columns] = shape;
  const bits = BITS[format];
  const groups = groupCount(columns);
  const words = new Int32Array(rows * rowWords(format, columns));
  const scales = hostTensor([rows, groups], 4);
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    // Every integer of the format, in an order without a pattern along rows or columns.
    const integer = ((i * 37 + row * 11) % 2 ** bits) - 2 ** (bits - 1);
    const bit = (row * groups * GROUP + column) * bits;
    words[Math.floor(bit / 32)]! |= (integer & (2 ** bits - 1)) << (bit % 32);
    return scales.values[row * groups + Math.floor(column / GROUP)]! * integer;
  });
  const tensor = uploadInts([rows, words.length / rows], [...words]);
  return { weight: { tensor, format, shape, scales: upload(scales) }, values };
}
