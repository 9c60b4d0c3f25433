/** Weights in every stored format, with the values that they stand for: decoded here from the words, on their own. */
import type * as tf from '@tensorflow/tfjs';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../../src/io/float16.ts';
import { quantizeRows, type QuantizedRows } from '../../../src/model/quantize.ts';
import type { QuantizedFormat, Weight, WeightFormat } from '../../../src/ops/weight.ts';
import type { Guarded } from '../harness.ts';

export const WEIGHT_FORMATS: readonly WeightFormat[] = ['f32', 'bf16', 'f16', 'int8', 'int4'];

export interface HostWeight {
  format: WeightFormat;
  shape: readonly [number, number];
  stored: Float32Array | Int32Array;
  scales?: Float32Array;
  /** [M, K]: the values that `stored` stands for; exact in f32. */
  exact: Float32Array;
}

export function storeWeight(
  values: Float32Array,
  shape: readonly [number, number],
  format: WeightFormat,
): HostWeight {
  if (format === 'f32') return { format, shape, stored: values, exact: values };
  if (format === 'int8' || format === 'int4') {
    const { words, scales } = quantizeRows(values, shape[1], format, 'test');
    const exact = decodeIntegers({ words, scales }, shape[1], format);
    return { format, shape, stored: words, scales, exact };
  }
  const bits = format === 'bf16' ? f32ToBf16(values) : f32ToF16(values);
  const exact = format === 'bf16' ? bf16ToF32(bits) : f16ToF32(bits);
  return { format, shape, stored: new Int32Array(bits.buffer), exact };
}

export function inputWeight(
  { input }: Pick<Guarded, 'input'>,
  { format, shape, stored, scales }: HostWeight,
): Weight {
  const rows = shape[0];
  const tensor: tf.Tensor = input([rows, stored.length / rows], stored);
  return scales
    ? { tensor, format, shape, scales: input([rows, scales.length / rows], scales) }
    : { tensor, format, shape };
}

/** The values of rows of integers: rows padded to whole groups of 32, low bits first, two's complement. */
export function decodeIntegers(
  { words, scales }: QuantizedRows,
  columns: number,
  format: QuantizedFormat,
): Float32Array {
  const bits = format === 'int8' ? 8 : 4;
  const groups = Math.ceil(columns / 32);
  const rows = scales.length / groups;
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const bit = (row * groups * 32 + column) * bits;
    const field = words[Math.floor(bit / 32)]! >>> (bit % 32);
    return scales[row * groups + Math.floor(column / 32)]! * ((field << (32 - bits)) >> (32 - bits));
  });
}
