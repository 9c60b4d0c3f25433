import { buildRowMap, gatherRows, uploadRowMap } from '../embedding.ts';
import type { IntegerLayout } from '../weight.ts';
import { type Check, checkDifferentiable, hostTensor, type KernelTest } from './case.ts';
import { INTEGER_COLUMNS, INTEGER_LAYOUTS, integerWeight } from './integers.ts';

const [ROWS, FEATURES, D] = [5, 3, 8];
/** A row and a feature twice, features in another order, and one feature that nobody takes. */
const INDEX = Int32Array.from([3, -3, 0, 3, -1, 4, -3]);

/** Copies, and sums of two. */
const TOLERANCE = 1e-6;

export const embeddingTest: KernelTest = {
  name: 'embedding',
  kernels: ['embedding/gather_rows_fwd', 'embedding/gather_rows_bwd'],
  tolerance: TOLERANCE,
  launch: () => {
    const map = uploadRowMap(buildRowMap(INDEX, ROWS, FEATURES));
    const checks = checkDifferentiable({
      label: 'gather of a table and features',
      inputs: [hostTensor([ROWS, D], 1), hostTensor([FEATURES, D], 2)],
      run: ([table, features]) => gatherRows(table!, map, features),
      reference: ([table, features]) =>
        Float64Array.from({ length: INDEX.length * D }, (_, i) => {
          const row = INDEX[Math.floor(i / D)]!;
          return row >= 0 ? table![row * D + (i % D)]! : features![(-1 - row) * D + (i % D)]!;
        }),
    });
    return [...checks, ...INTEGER_LAYOUTS.map(integers)];
  },
};

function integers(layout: IntegerLayout): Check {
  const columns = INTEGER_COLUMNS;
  const { weight, values } = integerWeight(layout, [ROWS, columns]);
  const rows = INDEX.map((row) => Math.max(0, row));
  return {
    label: `gather of an ${layout.format} table in groups of ${layout.group}, ${layout.scales} scales`,
    actual: gatherRows(weight, uploadRowMap(buildRowMap(rows, ROWS))),
    expected: Float64Array.from(
      { length: rows.length * columns },
      (_, i) => values[rows[Math.floor(i / columns)]! * columns + (i % columns)]!,
    ),
  };
}
