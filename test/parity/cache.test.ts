import { expect, it } from 'vitest';
import { writeRows } from '../../src/ops/cache.ts';
import { guarded, openGpu, randomValues } from './harness.ts';

const device = openGpu();

it.each([
  [1, 1, 4],
  [40, 7, 12],
  [300, 65, 132],
])('writes rows of [%i, C] from [%i, C], C=%i, and leaves the others', async (M, B, C) => {
  const before = randomValues(M * C, 'cache');
  const values = randomValues(B * C, 'values');
  // Every third row from the end; some lie outside the cache and are skipped.
  const rows = Int32Array.from({ length: B }, (_, b) => (b % 5 === 3 ? [-1, M][b % 2]! : M - 1 - 3 * b));
  const expected = before.slice();
  rows.forEach((row, b) => {
    if (row >= 0 && row < M) expected.set(values.subarray(b * C, (b + 1) * C), row * C);
  });
  await guarded(device.gpu, async ({ input, read }) => {
    const cache = input([M, C], before);
    writeRows(cache, input([B], rows), input([B, C], values));
    expect(await read(cache)).toEqual(expected);
  });
});

it('refuses values of another width', async () => {
  await guarded(device.gpu, async ({ input }) => {
    const cache = input([4, 8], new Float32Array(32));
    const rows = input([2], Int32Array.of(0, 1));
    expect(() => writeRows(cache, rows, input([2, 4], new Float32Array(8)))).toThrow(/values_BC/);
  });
});
