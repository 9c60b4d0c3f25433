/** Float64 reference of the rotary embedding. Shapes as in `src/ops/rotary.ts`. */

export interface RotaryCase {
  N: number;
  heads: number;
  headDim: number;
  /** [positions, T, 2] */
  cosSin: ArrayLike<number>;
  tableColumns: number;
  /** [E/2, 2] */
  columns: ArrayLike<number>;
  /** [A, N] */
  positions: ArrayLike<number>;
}

/** The rotation of x [N, heads * E]; with direction -1 the one back. */
export function rotary(x: ArrayLike<number>, c: RotaryCase, direction: 1 | -1 = 1): Float64Array {
  const out = new Float64Array(x.length);
  const half = c.headDim / 2;
  for (let n = 0; n < c.N; n++) {
    for (let h = 0; h < c.heads; h++) {
      for (let d = 0; d < half; d++) {
        const position = c.positions[c.columns[2 * d]! * c.N + n]!;
        const at = (position * c.tableColumns + c.columns[2 * d + 1]!) * 2;
        const [cosine, sine] = [c.cosSin[at]!, c.cosSin[at + 1]! * direction];
        const low = (n * c.heads + h) * c.headDim + d;
        out[low] = x[low]! * cosine - x[low + half]! * sine;
        out[low + half] = x[low + half]! * cosine + x[low]! * sine;
      }
    }
  }
  return out;
}
