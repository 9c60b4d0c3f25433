/** What several rounds of a measurement come to. */
import { ShapeError } from '../util/errors.ts';

export interface Rounds {
  median: number;
  /** Every round, in order. */
  rounds: number[];
}

/** @throws {ShapeError} when there are no values, or one is not a finite number above 0 */
export function roundsOf(values: readonly number[]): Rounds {
  if (values.length === 0 || !values.every((value) => value > 0 && Number.isFinite(value))) {
    throw new ShapeError({
      where: 'a measurement',
      expected: 'finite numbers above 0',
      found: `[${values.join(', ')}]`,
    });
  }
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return { median: (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2, rounds: [...values] };
}
