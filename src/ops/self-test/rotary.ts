import * as tf from '@tensorflow/tfjs';
import { type RotaryTable, splitRotary } from '../rotary.ts';
import { type Check, checkDifferentiable, hostTensor, type KernelTest, uploadInts } from './case.ts';

const [N, E] = [3, 8];
const HEADS = { heads: 2, kvHeads: 1 };
/** Values of a row: heads of queries, of keys and of values. */
const X = (HEADS.heads + 2 * HEADS.kvHeads) * E;
/** Rows of a cache that the rows go to; the last goes nowhere. */
const CACHE_ROWS = [2, 0, -1];
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
  kernels: ['rotary/split_rotary_fwd', 'rotary/split_rotary_bwd'],
  tolerance: TOLERANCE,
  launch: () => {
    const angles = Array.from({ length: TABLE_ROWS * TABLE_COLUMNS }, (_, i) => 0.7 * i);
    const cosSin = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));
    const table = {
      cosSin: tf.tensor(cosSin, [TABLE_ROWS, TABLE_COLUMNS, 2]),
      columns: uploadInts([E / 2, 2], COLUMNS.flat()),
    };
    const positions = uploadInts([3, N], POSITIONS.flat());
    const turned = (x: ArrayLike<number>) =>
      Float64Array.from({ length: N * X }, (_, i) => {
        const isValue = i % X >= (HEADS.heads + HEADS.kvHeads) * E;
        if (isValue) return x[i]!;
        const [n, d] = [Math.floor(i / X), i % (E / 2)];
        const [axis, column] = COLUMNS[d]!;
        const angle = angles[POSITIONS[axis][n]! * TABLE_COLUMNS + column]!;
        const isLow = i % E < E / 2;
        const other = x[isLow ? i + E / 2 : i - E / 2]!;
        return x[i]! * Math.cos(angle) + (isLow ? -1 : 1) * other * Math.sin(angle);
      });
    const column = (i: number) => Math.floor((i % X) / E);
    const part = (x: ArrayLike<number>, from: number, to: number) =>
      turned(x).filter((_, i) => column(i) >= from && column(i) < to);
    const first = HEADS.heads;
    const last = HEADS.heads + HEADS.kvHeads;
    const cases = (['q', 'k', 'v'] as const).flatMap((name) =>
      checkDifferentiable({
        label: `${name} of a projection`,
        inputs: [hostTensor([N, X], 1)],
        run: ([x]) => splitRotary(x!, HEADS, table, positions)[name],
        reference: ([x]) =>
          ({ q: part(x!, 0, first), k: part(x!, first, last), v: part(x!, last, last + HEADS.kvHeads) })[
            name
          ],
      }),
    );
    return [...cases, ...intoCache(table, positions, (x) => part(x, first, last))];
  },
};

function intoCache(
  table: RotaryTable,
  positions: tf.Tensor,
  keysOf: (x: ArrayLike<number>) => Float64Array,
): Check[] {
  const width = HEADS.kvHeads * E;
  const { values } = hostTensor([N, X], 1);
  const [k, v] = [tf.zeros([N, width]), tf.zeros([N, width])];
  splitRotary(tf.tensor2d(values, [N, X]), HEADS, table, positions, {
    k,
    v,
    rows_N: uploadInts([N], CACHE_ROWS),
  });
  const keys = keysOf(values);
  const expected = new Float64Array(N * width);
  CACHE_ROWS.forEach((row, n) => {
    if (row >= 0) expected.set(keys.subarray(n * width, (n + 1) * width), row * width);
  });
  return [{ label: 'keys in a cache', actual: k, expected }];
}
