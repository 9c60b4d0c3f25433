import { describe, expect, it } from 'vitest';
import { buildRowMap, gatherRows, uploadRowMap } from '../../src/ops/embedding.ts';
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
import { gather, scatter } from './reference/embedding.ts';
import { inputWeight, storeWeight, WEIGHT_KINDS } from './reference/stored-weight.ts';

/** Copies are exact; a sum of up to 40 repeats rounds 40 times at most. */
const SUM_TOLERANCE = 3e-6;

/** N positions, R table rows, F features, D columns; repeats, rows and features that nobody takes. */
const SHAPES = [
  [1, 1, 0, 4],
  [7, 5, 3, 12],
  [65, 4, 9, 20],
  [300, 150, 64, 68],
] as const;

const device = openGpu();

/** Random rows; about every third position takes a feature, of which two remain untaken. */
function randomIndex(N: number, R: number, F: number): Int32Array {
  const stream = new RandomStream(7, 'index', N, R, F);
  return Int32Array.from({ length: N }, () => {
    if (F > 2 && stream.integer(3) === 0) return -1 - stream.integer(F - 2);
    return stream.integer(R);
  });
}

describe.each(WEIGHT_KINDS)('gathering from a %s table', (format) => {
  it.each(SHAPES)('N=%i R=%i F=%i D=%i: output and gradients', async (N, R, F, D) => {
    const index = randomIndex(N, R, F);
    const host = storeWeight(randomValues(R * D, 'table'), [R, D], format);
    const featureValues = randomValues(F * D, 'features');
    const dyValues = randomValues(N * D, 'dy');
    await guarded(device.gpu, async ({ input, read }) => {
      const table = inputWeight({ input }, host);
      const features = F > 0 ? input([F, D], featureValues) : undefined;
      const map = uploadRowMap(buildRowMap(index, R, F));
      const run = () => gatherRows(table, map, features);
      expectClose(await read(run()), gather(host.exact, featureValues, index, D), 0, 'out');

      const xs = [...(features ? [features] : []), ...(format === 'f32' ? [table.tensor] : [])];
      if (xs.length === 0) return;
      const grads = gradients(run, xs, input([N, D], dyValues));
      const expected = scatter(dyValues, index, [R, F, D]);
      if (features) expectClose(await read(grads.shift()!), expected.features, SUM_TOLERANCE, 'dfeatures');
      if (format === 'f32') expectClose(await read(grads.shift()!), expected.table, SUM_TOLERANCE, 'dtable');
    });
  });
});

it.each(['f32', 'int4/64/f16'] as const)('walks a %s table that is larger than a binding', async (format) => {
  const [N, R, D] = [50, 200, 40];
  const index = randomIndex(N, R, 0);
  const host = storeWeight(randomValues(R * D, 'table'), [R, D], format);
  const dyValues = randomValues(N * D, 'dy');
  const { gpu } = device;
  // 64 rows to a binding: four slices, the last of 8 rows.
  const { limits } = gpu.device;
  const small = { maxStorageBufferBindingSize: 64 * 4 * (host.stored.length / R) };
  Object.defineProperty(gpu.device, 'limits', { value: small, configurable: true });
  try {
    await guarded(gpu, async ({ input, read }) => {
      const table = inputWeight({ input }, host);
      const map = uploadRowMap(buildRowMap(index, R));
      const run = () => gatherRows(table, map);
      expectClose(await read(run()), gather(host.exact, [], index, D), 0, 'out');
      if (format !== 'f32') return;
      const [dtable] = gradients(run, [table.tensor], input([N, D], dyValues));
      expectClose(await read(dtable!), scatter(dyValues, index, [R, 0, D]).table, SUM_TOLERANCE, 'dtable');
    });
  } finally {
    Object.defineProperty(gpu.device, 'limits', { value: limits, configurable: true });
  }
});

it('yields NaN, not a neighbour, for an index outside table and features', async () => {
  await guarded(device.gpu, async ({ input, read }) => {
    const table = input([2, 4], new Float32Array(8).fill(1));
    const features = input([1, 4], new Float32Array(4).fill(2));
    const index_N = input([4], Int32Array.of(1, 2, -1, -2));
    const out = await read(gatherRows(table, { index_N }, features));
    expect([...out]).toEqual([1, 1, 1, 1, NaN, NaN, NaN, NaN, 2, 2, 2, 2, NaN, NaN, NaN, NaN]);
  });
});

it('has float64 gradients that agree with finite differences', () => {
  const [N, R, F, D] = [9, 3, 4, 4];
  const index = randomIndex(N, R, F);
  const table = new Float64Array(randomValues(R * D, 'table'));
  const features = new Float64Array(randomValues(F * D, 'features'));
  const dy = randomValues(N * D, 'dy');
  const loss = () => dot(gather(table, features, index, D), dy);
  const expected = scatter(dy, index, [R, F, D]);
  expectClose(expected.table, finiteDifferences(loss, table), DIFFERENCE_TOLERANCE, 'dtable');
  expectClose(expected.features, finiteDifferences(loss, features), DIFFERENCE_TOLERANCE, 'dfeatures');
});

it('refuses what it cannot gather or differentiate', async () => {
  expect(() => buildRowMap(Int32Array.of(0, 3), 3)).toThrow(ShapeError);
  expect(() => buildRowMap(Int32Array.of(-2), 3, 1)).toThrow(ShapeError);
  await guarded(device.gpu, async ({ input }) => {
    const index_N = input([1], Int32Array.of(0));
    expect(() => gatherRows(input([2, 6], new Float32Array(12)), { index_N })).toThrow(ShapeError);
    const table = input([2, 4], new Float32Array(8));
    const dy = input([1, 4], new Float32Array(4));
    expect(() => gradients(() => gatherRows(table, { index_N }), [table], dy)).toThrow(/map\.starts/);
  });
});
