/** Float64 references of gathering rows. Shapes as in `src/ops/embedding.ts`. */

/** out[n] = table[index[n]], or features[-1 - index[n]]. */
export function gather(
  table: ArrayLike<number>,
  features: ArrayLike<number>,
  index: Int32Array,
  columns: number,
): Float64Array {
  const out = new Float64Array(index.length * columns);
  index.forEach((row, n) => {
    const [source, at] = row >= 0 ? [table, row] : [features, -1 - row];
    for (let d = 0; d < columns; d++) out[n * columns + d] = source[at * columns + d]!;
  });
  return out;
}

/** Adds every dy[n] to the row that n took: gradients of the table [R, D] and of the features [F, D]. */
export function scatter(
  dy: ArrayLike<number>,
  index: Int32Array,
  [rows, features, columns]: readonly [number, number, number],
): { table: Float64Array; features: Float64Array } {
  const result = {
    table: new Float64Array(rows * columns),
    features: new Float64Array(features * columns),
  };
  index.forEach((row, n) => {
    const [target, at] = row >= 0 ? [result.table, row] : [result.features, -1 - row];
    for (let d = 0; d < columns; d++) target[at * columns + d]! += dy[n * columns + d]!;
  });
  return result;
}
