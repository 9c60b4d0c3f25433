/** Sets of real numbers as sorted, disjoint intervals with numbers as ends. */
import { asApproximate, type Value as Numeric } from './arithmetic.ts';
import { order } from './exact.ts';
import { sameValue } from './formula.ts';

/** A number, or ±Infinity. */
export type End = Numeric | number;

interface Interval {
  from: End;
  to: End;
  /** Whether the ends belong to it; never for infinite ones. */
  fromClosed: boolean;
  toClosed: boolean;
}

export type RealSet = readonly Interval[];

export const ALL: RealSet = [{ from: -Infinity, to: Infinity, fromClosed: false, toClosed: false }];

/** The interval; empty where its ends leave nothing between them. */
export function interval(from: End, to: End, fromClosed: boolean, toClosed: boolean): RealSet {
  const sign = compareEnds(from, to);
  if (sign > 0 || (sign === 0 && !(fromClosed && toClosed))) return [];
  return [{ from, to, fromClosed: fromClosed && from !== -Infinity, toClosed: toClosed && to !== Infinity }];
}

export function union(a: RealSet, b: RealSet): RealSet {
  const sorted = [...a, ...b].sort(
    (p, q) => compareEnds(p.from, q.from) || Number(q.fromClosed) - Number(p.fromClosed),
  );
  const result: Interval[] = [];
  for (const next of sorted) {
    const last = result.at(-1);
    const gap = last === undefined ? 1 : compareEnds(next.from, last.to);
    if (last === undefined || gap > 0 || (gap === 0 && !next.fromClosed && !last.toClosed)) {
      result.push(next);
      continue;
    }
    const beyond = compareEnds(next.to, last.to);
    const toClosed = beyond > 0 ? next.toClosed : last.toClosed || (beyond === 0 && next.toClosed);
    result[result.length - 1] = { ...last, to: beyond > 0 ? next.to : last.to, toClosed };
  }
  return result;
}

export function complement(set: RealSet): RealSet {
  const result: Interval[] = [];
  let from: End = -Infinity;
  let fromClosed = false;
  for (const piece of union(set, [])) {
    result.push(...interval(from, piece.from, fromClosed, !piece.fromClosed && piece.from !== -Infinity));
    from = piece.to;
    fromClosed = !piece.toClosed;
  }
  if (from !== Infinity) result.push(...interval(from, Infinity, fromClosed, false));
  return result;
}

export function intersection(a: RealSet, b: RealSet): RealSet {
  return complement(union(complement(a), complement(b)));
}

export function sameRealSet(a: RealSet, b: RealSet): boolean {
  const [p, q] = [union(a, []), union(b, [])];
  return (
    p.length === q.length &&
    p.every((piece, i) => {
      const other = q[i]!;
      return (
        compareEnds(piece.from, other.from) === 0 &&
        compareEnds(piece.to, other.to) === 0 &&
        piece.fromClosed === other.fromClosed &&
        piece.toClosed === other.toClosed
      );
    })
  );
}

/** Negative, 0 or positive, as a is below, at or above b. */
function compareEnds(a: End, b: End): number {
  if (typeof a === 'number') return a === b ? 0 : a;
  if (typeof b === 'number') return -b;
  if (sameValue(a, b)) return 0;
  if ('num' in a && 'num' in b) return order(a, b);
  return (asApproximate(a)?.re ?? 0) < (asApproximate(b)?.re ?? 0) ? -1 : 1;
}
