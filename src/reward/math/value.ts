/** What an answer can be. */
import type { Tree } from './expression.ts';
import type { Unit } from './units.ts';

/** One reading of a number or formula. */
export interface Formula {
  tree: Tree;
  unit?: Unit;
}

export type Value =
  /** A number or formula; several readings where its notation allows them. */
  | { kind: 'formula'; text: string; readings: readonly Formula[] }
  /** Words, or what is not readable as mathematics. */
  | { kind: 'text'; text: string }
  /** 101_2 */
  | { kind: 'based'; text: string; digits: string; base: string }
  /** Values with "or", "and" or commas between them, without brackets; "\pm" makes one, too. */
  | { kind: 'list'; text: string; items: readonly Value[]; joiner: 'or' | 'and' | ',' }
  | { kind: 'set'; text: string; items: readonly Value[] }
  /** Ordered values in brackets; with two of them, an interval perhaps. */
  | { kind: 'tuple'; text: string; open: string; close: string; items: readonly Value[] }
  | { kind: 'ratio'; text: string; items: readonly Value[] }
  | { kind: 'matrix'; text: string; rows: readonly (readonly Value[])[] }
  /** left operator right, for "\cup", "\cap" and "\setminus". */
  | { kind: 'combination'; text: string; operator: string; parts: readonly Value[] }
  | { kind: 'reals'; text: string }
  /** A chain such as 1 < x \le 3 or y = 2x + 1. */
  | { kind: 'relation'; text: string; sides: readonly string[]; operators: readonly string[] };
