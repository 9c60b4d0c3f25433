/** Weights in every stored format, with the values that they stand for: decoded here from the words, on their own. */
import type * as tf from '@tensorflow/tfjs';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../../src/io/float16.ts';
import { quantizeRows, type QuantizedRows } from '../../../src/model/quantize.ts';
import type { IntegerLayout, Weight, WeightFormat } from '../../../src/ops/weight.ts';
import type { Guarded } from '../harness.ts';

/** Integers by their format, group and scales. */
const LAYOUTS = {
  'int8/32/f16': { format: 'int8', group: 32, scales: 'f16' },
  'int8/64/f32': { format: 'int8', group: 64, scales: 'f32' },
  'int4/32/f32': { format: 'int4', group: 32, scales: 'f32' },
  'int4/64/f16': { format: 'int4', group: 64, scales: 'f16' },
} as const satisfies Record<string, IntegerLayout>;

export type WeightKind = 'f32' | 'bf16' | 'f16' | keyof typeof LAYOUTS;

/** Every format, and integers with every group and kind of scales. */
export const WEIGHT_KINDS: readonly WeightKind[] = [
  'f32',
  'bf16',
  'f16',
  'int8/32/f16',
  'int8/64/f32',
  'int4/32/f32',
  'int4/64/f16',
];

export interface HostWeight {
  format: WeightFormat;
  shape: readonly [number, number];
  stored: Float32Array | Int32Array;
  integers?: QuantizedRows & { layout: IntegerLayout };
  /** [M, K]: the values that `stored` stands for; exact in f32. */
  exact: Float32Array;
}

export function storeWeight(
  values: Float32Array,
  shape: readonly [number, number],
  kind: WeightKind,
): HostWeight {
  if (kind === 'f32') return { format: kind, shape, stored: values, exact: values };
  if (kind === 'bf16' || kind === 'f16') {
    const bits = kind === 'bf16' ? f32ToBf16(values) : f32ToF16(values);
    const exact = kind === 'bf16' ? bf16ToF32(bits) : f16ToF32(bits);
    return { format: kind, shape, stored: new Int32Array(bits.buffer), exact };
  }
  const layout = LAYOUTS[kind];
  const rows = quantizeRows(values, shape[1], layout, 'test');
  const exact = decodeIntegers(rows, shape[1], layout);
  return { format: layout.format, shape, stored: rows.words, integers: { ...rows, layout }, exact };
}

export function inputWeight(
  { input }: Pick<Guarded, 'input'>,
  { format, shape, stored, integers }: HostWeight,
): Weight {
  const rows = shape[0];
  const tensor: tf.Tensor = input([rows, stored.length / rows], stored);
  if (!integers) return { tensor, format, shape };
  const { scales, layout } = integers;
  const scaleTensor = input([rows, scales.length / rows], scales);
  return {
    tensor,
    format,
    shape,
    scales: { tensor: scaleTensor, format: layout.scales, group: layout.group },
  };
}

/**
 * The values of rows of integers: rows padded to a multiple of 32, low bits first, two's complement; f16 scales as
 * 2^12 times their value, two to a word.
 */
export function decodeIntegers(
  { words, scales }: QuantizedRows,
  columns: number,
  { format, group }: IntegerLayout,
): Float32Array {
  const bits = format === 'int8' ? 8 : 4;
  const padded = Math.ceil(columns / 32) * 32;
  const rows = (words.length * 32) / bits / padded;
  const values = decodeScales(scales);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const bit = (row * padded + column) * bits;
    const field = words[Math.floor(bit / 32)]! >>> (bit % 32);
    const scale = values[(row * values.length) / rows + Math.floor(column / group)]!;
    return scale * ((field << (32 - bits)) >> (32 - bits));
  });
}

/** Every scale; those of f16 with the padding of their rows. */
export function decodeScales(scales: QuantizedRows['scales']): Float32Array {
  if (scales instanceof Float32Array) return scales;
  return f16ToF32(new Uint16Array(scales.buffer)).map((value) => value / 4096);
}
