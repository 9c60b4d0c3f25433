import * as tf from '@tensorflow/tfjs';
import { rotary } from '../rotary.ts';
import { checkDifferentiable, hostTensor, type KernelTest, uploadInts } from './case.ts';

const [N, HEADS, E] = [3, 2, 8];
/** Axis and column of the table for each pair of a head. */
const COLUMNS = [
  [0, 0],
  [1, 2],
  [2, 1],
  [1, 0],
] as const;
/** Rows of the table for [axis, n]. */
const POSITIONS = [
  [0, 4, 1],
  [2, 3, 0],
  [1, 1, 4],
] as const;
const TABLE_ROWS = 5;
const TABLE_COLUMNS = 3;

/** Two products and a sum. */
const TOLERANCE = 1e-6;

export const rotaryTest: KernelTest = {
  name: 'rotary',
  kernels: ['rotary/rotary'],
  tolerance: TOLERANCE,
  launch: () => {
    const angles = Array.from({ length: TABLE_ROWS * TABLE_COLUMNS }, (_, i) => 0.7 * i);
    const cosSin = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));
    const table = {
      cosSin: tf.tensor(cosSin, [TABLE_ROWS, TABLE_COLUMNS, 2]),
      columns: uploadInts([E / 2, 2], COLUMNS.flat()),
    };
    const positions = uploadInts([3, N], POSITIONS.flat());
    return checkDifferentiable({
      label: 'rotation of pairs',
      inputs: [hostTensor([N, HEADS * E], 1)],
      run: ([x]) => rotary(x!, HEADS, table, positions),
      reference: ([x]) =>
        x!.map((value, i) => {
          const [n, d] = [Math.floor(i / (HEADS * E)), i % (E / 2)];
          const [axis, column] = COLUMNS[d]!;
          const angle = angles[POSITIONS[axis][n]! * TABLE_COLUMNS + column]!;
          const isLow = i % E < E / 2;
          const other = x![isLow ? i + E / 2 : i - E / 2]!;
          return value * Math.cos(angle) + (isLow ? -1 : 1) * other * Math.sin(angle);
        }),
    });
  },
};
