/** Values of a model that is not loaded: for training from nothing, and for measurements. */
import { f32ToBf16 } from '../io/float16.ts';
import type { IntegerLayout } from '../ops/weight.ts';
import { RandomStream } from '../util/random.ts';
import type { ParameterSpec } from './parameter-table.ts';
import { quantizeRows, type QuantizedRows } from './quantize.ts';

export interface RandomWeights {
  seed: number;
  /** Standard deviation of the values of matrices. */
  std: number;
}

/**
 * Values of the block that is repeated: whole words of scales of any layout, but not a multiple of common widths, so
 * that rows differ.
 */
const BLOCK_VALUES = 128 * 1021;

/** Norm weights start at 1, biases at 0, matrices at normal values. */
export function randomValues(
  { name, shape, kind }: ParameterSpec,
  { seed, std }: RandomWeights,
): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (kind === 'norm') return values.fill(1);
  if (kind === 'bias') return values;
  const random = new RandomStream(seed, `init:${name}`);
  return values.map(() => random.normal() * std);
}

/** Words, and scales of integers, with which a matrix is filled over and over. */
export function randomBlock(
  spec: ParameterSpec,
  random: RandomWeights,
  layout: 'bf16' | IntegerLayout,
): Pick<QuantizedRows, 'words'> & Partial<QuantizedRows> {
  const values = randomValues({ ...spec, shape: [BLOCK_VALUES] }, random);
  if (layout !== 'bf16') return quantizeRows(values, BLOCK_VALUES, layout, spec.name);
  return { words: new Int32Array(f32ToBf16(values).buffer) };
}
