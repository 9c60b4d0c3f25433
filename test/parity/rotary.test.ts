import { expect, it } from 'vitest';
import { rotary } from '../../src/ops/rotary.ts';
import { mropeAngles, mropeColumns, visionAngles, visionColumns } from '../../src/ops/rotary-table.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { RandomStream } from '../../src/util/random.ts';
import {
  DIFFERENCE_TOLERANCE,
  dot,
  expectClose,
  finiteDifferences,
  gradients,
  guarded,
  openGpu,
  randomValues,
} from './harness.ts';
import * as reference from './reference/rotary.ts';

/** Two products and a sum in f32, 6e-8 each. */
const TOLERANCE = 2e-7;

interface Case {
  N: number;
  heads: number;
  headDim: number;
  /** M-RoPE section; none for the vision tower. */
  section?: readonly number[];
}

const CASES: readonly Case[] = [
  { N: 1, heads: 1, headDim: 4 },
  { N: 5, heads: 3, headDim: 20 },
  { N: 67, heads: 4, headDim: 80 },
  { N: 1, heads: 2, headDim: 16, section: [2, 3, 3] },
  { N: 33, heads: 5, headDim: 20, section: [4, 3, 3] },
  { N: 130, heads: 2, headDim: 128, section: [16, 24, 24] },
];
const MAX_POSITION = 300;

const device = openGpu();

function make({ N, heads, headDim, section }: Case): reference.RotaryCase & { axes: number } {
  const axes = section ? 3 : 2;
  const stream = new RandomStream(1, 'positions', N);
  return {
    axes,
    N,
    heads,
    headDim,
    cosSin: section ? mropeAngles(headDim, 1e4, MAX_POSITION) : visionAngles(headDim, MAX_POSITION),
    tableColumns: section ? headDim / 2 : headDim / 4,
    columns: section ? mropeColumns(headDim, section) : visionColumns(headDim),
    positions: Int32Array.from({ length: axes * N }, () => stream.integer(MAX_POSITION + 1)),
  };
}

it.each(CASES)('rotary N=$N heads=$heads E=$headDim section=$section: output and gradient', async (shape) => {
  const c = make(shape);
  const { N, heads, headDim, tableColumns, axes } = c;
  const size = [N, heads * headDim];
  const x = randomValues(N * heads * headDim, 'x');
  const dy = randomValues(x.length, 'dy');
  await guarded(device.gpu, async ({ input, read }) => {
    const table = {
      cosSin: input([MAX_POSITION + 1, tableColumns, 2], Float32Array.from(c.cosSin)),
      columns: input([headDim / 2, 2], Int32Array.from(c.columns)),
    };
    const positions = input([axes, N], Int32Array.from(c.positions));
    const tensor = input(size, x);
    expectClose(
      await read(rotary(tensor, heads, table, positions)),
      reference.rotary(x, c),
      TOLERANCE,
      'out',
    );
    const [dx] = gradients(() => rotary(tensor, heads, table, positions), [tensor], input(size, dy));
    expectClose(await read(dx!), reference.rotary(dy, c, -1), TOLERANCE, 'dx');
  });
});

it('has a float64 gradient that agrees with finite differences', () => {
  const c = make({ N: 3, heads: 2, headDim: 8, section: [2, 1, 1] });
  const x = new Float64Array(randomValues(48, 'x'));
  const dy = randomValues(48, 'dy');
  const differences = finiteDifferences(() => dot(reference.rotary(x, c), dy), x);
  expectClose(reference.rotary(dy, c, -1), differences, DIFFERENCE_TOLERANCE, 'dx');
});

it('refuses shapes and types that disagree', async () => {
  await guarded(device.gpu, async ({ input }) => {
    const table = {
      cosSin: input([4, 2, 2], new Float32Array(16)),
      columns: input([4, 2], new Int32Array(8)),
    };
    const x = input([3, 16], new Float32Array(48));
    const positions = input([2, 3], new Int32Array(6));
    expect(() => rotary(x, 3, table, positions)).toThrow(ShapeError);
    expect(() => rotary(x, 2, table, input([2, 4], new Int32Array(8)))).toThrow(ShapeError);
    expect(() => rotary(x, 2, table, input([2, 3], new Float32Array(6)))).toThrow(ShapeError);
  });
});
