import { describe, expect, it } from 'vitest';
import { splitRotary } from '../../src/ops/rotary.ts';
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
  type Guarded,
  openGpu,
  randomValues,
} from './harness.ts';
import * as reference from './reference/rotary.ts';

/** Two products and a sum in f32, 6e-8 each. */
const TOLERANCE = 2e-7;

interface Case {
  N: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** M-RoPE section; none for the vision tower. */
  section?: readonly number[];
}

const CASES: readonly Case[] = [
  { N: 1, heads: 1, kvHeads: 1, headDim: 4 },
  { N: 5, heads: 3, kvHeads: 3, headDim: 20 },
  { N: 67, heads: 4, kvHeads: 4, headDim: 80 },
  { N: 1, heads: 2, kvHeads: 1, headDim: 16, section: [2, 3, 3] },
  { N: 33, heads: 6, kvHeads: 2, headDim: 20, section: [4, 3, 3] },
  { N: 130, heads: 2, kvHeads: 2, headDim: 128, section: [16, 24, 24] },
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

/** Columns [from, to) of a matrix. */
function columnsOf(x: ArrayLike<number>, width: number, from: number, to: number): Float64Array {
  return Float64Array.from(x).filter((_, i) => i % width >= from && i % width < to);
}

/** Matrices of N rows, side by side. */
function joined(N: number, parts: readonly ArrayLike<number>[]): Float64Array {
  const row = (part: ArrayLike<number>, n: number) =>
    Array.from(part).slice((n * part.length) / N, ((n + 1) * part.length) / N);
  return Float64Array.from(Array.from({ length: N }, (_, n) => parts.flatMap((part) => row(part, n))).flat());
}

describe.each(CASES)('N=$N heads=$heads kvHeads=$kvHeads E=$headDim section=$section', (shape) => {
  const { N, heads, kvHeads, headDim } = shape;
  const c = make(shape);
  const width = (heads + 2 * kvHeads) * headDim;
  const [keyAt, valueAt] = [heads * headDim, (heads + kvHeads) * headDim];
  const qkv = randomValues(N * width, 'qkv');
  const expected = {
    q: reference.rotary(columnsOf(qkv, width, 0, keyAt), c),
    k: reference.rotary(columnsOf(qkv, width, keyAt, valueAt), { ...c, heads: kvHeads }),
    v: columnsOf(qkv, width, valueAt, width),
  };
  const upload = (input: Guarded['input']) => ({
    table: {
      cosSin: input([MAX_POSITION + 1, c.tableColumns, 2], Float32Array.from(c.cosSin)),
      columns: input([headDim / 2, 2], Int32Array.from(c.columns)),
    },
    positions: input([c.axes, N], Int32Array.from(c.positions)),
    tensor: input([N, width], qkv),
  });

  it('queries, keys and values, and the gradient of each', async () => {
    const dys = { q: expected.q.length, k: expected.k.length, v: expected.v.length };
    await guarded(device.gpu, async ({ input, read }) => {
      const { table, positions, tensor } = upload(input);
      const split = () => splitRotary(tensor, { heads, kvHeads }, table, positions);
      const found = split();
      expectClose(await read(found.q), expected.q, TOLERANCE, 'q');
      expectClose(await read(found.k), expected.k, TOLERANCE, 'k');
      expectClose(await read(found.v), expected.v, 0, 'v');
      for (const name of ['q', 'k', 'v'] as const) {
        const dy = randomValues(dys[name], `d${name}`);
        const [dqkv] = gradients(() => split()[name], [tensor], input(found[name].shape, dy));
        const zeros = (part: 'q' | 'k' | 'v') => new Float64Array(dys[part]);
        const parts = {
          q: name === 'q' ? reference.rotary(dy, c, -1) : zeros('q'),
          k: name === 'k' ? reference.rotary(dy, { ...c, heads: kvHeads }, -1) : zeros('k'),
          v: name === 'v' ? dy : zeros('v'),
        };
        expectClose(await read(dqkv!), joined(N, [parts.q, parts.k, parts.v]), TOLERANCE, `d${name}`);
      }
    });
  });

  it('writes keys and values into rows of a cache, with the same bits', async () => {
    const size = kvHeads * headDim;
    // Every row to another place, the last nowhere where there are several.
    const rows = Int32Array.from({ length: N }, (_, n) =>
      n > 0 && n === N - 1 ? -1 : (n * 7 + 3) % (N + 2),
    );
    const unique = new Set(rows).size === N ? rows : rows.map((row, n) => (row < 0 ? row : n + 1));
    await guarded(device.gpu, async ({ input, read }) => {
      const { table, positions, tensor } = upload(input);
      const fresh = splitRotary(tensor, { heads, kvHeads }, table, positions);
      const before = randomValues((N + 2) * size, 'cache');
      const [k, v] = [input([N + 2, size], before), input([N + 2, size], before)];
      const into = { k, v, rows_N: input([N], unique) };
      const { q } = splitRotary(tensor, { heads, kvHeads }, table, positions, into);
      expect(await read(q)).toEqual(await read(fresh.q));
      for (const [cache, own] of [
        [k, await read(fresh.k)],
        [v, await read(fresh.v)],
      ] as const) {
        const after = before.slice();
        unique.forEach((row, n) => {
          if (row >= 0) after.set(own.subarray(n * size, (n + 1) * size), row * size);
        });
        expect(await read(cache)).toEqual(after);
      }
    });
  });
});

it('has a float64 gradient that agrees with finite differences', () => {
  const c = make({ N: 3, heads: 2, kvHeads: 2, headDim: 8, section: [2, 1, 1] });
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
    const x = input([3, 32], new Float32Array(96));
    const positions = input([2, 3], new Int32Array(6));
    const heads = { heads: 2, kvHeads: 1 };
    expect(() => splitRotary(x, { heads: 3, kvHeads: 1 }, table, positions)).toThrow(ShapeError);
    expect(() => splitRotary(x, heads, table, input([2, 4], new Int32Array(8)))).toThrow(ShapeError);
    expect(() => splitRotary(x, heads, table, input([2, 3], new Float32Array(6)))).toThrow(ShapeError);
    const cache = input([5, 8], new Float32Array(40));
    const into = { k: cache, v: cache, rows_N: input([2], new Int32Array(2)) };
    expect(() => splitRotary(x, heads, table, positions, into)).toThrow(ShapeError);
  });
});
