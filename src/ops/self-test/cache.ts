import { writeRows } from '../cache.ts';
import { hostTensor, type KernelTest, upload, uploadInts } from './case.ts';

const [CACHE_ROWS, C] = [4, 8];
/** The second slot has no row. */
const ROWS = [2, -1, 0];

/** A copy. */
const TOLERANCE = 0;

export const cacheTest: KernelTest = {
  name: 'cache',
  kernels: ['cache/write_rows'],
  tolerance: TOLERANCE,
  launch: () => {
    const cache = hostTensor([CACHE_ROWS, C], 1);
    const values = hostTensor([ROWS.length, C], 2);
    const actual = upload(cache);
    writeRows(actual, uploadInts([ROWS.length], ROWS), upload(values));
    const expected = cache.values.map((old, i) => {
      const from = ROWS.indexOf(Math.floor(i / C));
      return from === -1 ? old : values.values[from * C + (i % C)]!;
    });
    return [{ label: 'written rows', actual, expected }];
  },
};
