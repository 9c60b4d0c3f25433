/** Values of a model that is not loaded: for training from nothing, and for measurements. */
import { f32ToBf16 } from '../io/float16.ts';
import { GROUP, type QuantizedFormat } from '../ops/weight.ts';
import { RandomStream } from '../util/random.ts';
import type { ParameterSpec } from './parameter-table.ts';
import { quantizeRows } from './quantize.ts';

export interface RandomWeights {
  seed: number;
  /** Standard deviation of the values of matrices. */
  std: number;
}

/** Values of the block that is repeated: whole groups, but not a multiple of common widths, so that rows differ. */
const BLOCK_VALUES = GROUP * 4093;

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
  format: 'bf16' | QuantizedFormat,
): { words: Int32Array; scales?: Float32Array } {
  const values = randomValues({ ...spec, shape: [BLOCK_VALUES] }, random);
  if (format !== 'bf16') return quantizeRows(values, GROUP, format, spec.name);
  return { words: new Int32Array(f32ToBf16(values).buffer) };
}
