/** Equations and inequalities: the same when one is a multiple of the other, whichever way round they stand. */
import { constantValue, isNear, sample, sameValue } from './formula.ts';
import type { Tree } from './expression.ts';
import { multiply, type Value as Numeric } from './arithmetic.ts';
import { readFormula } from './read.ts';
import { isSolution } from './substitution.ts';
import type { Value } from './value.ts';

type Relation = Extract<Value, { kind: 'relation' }>;

/** What may stand left of "=" as the mere name of a value: x, f(x), x_1, (x, y), \angle ABC, Area. */
const NAME =
  /^(?=.{0,80}$)(?:[a-zA-Z\\ '|[\]{}]|_ ?(?:\{\w{1,10}\}|\w)|\^\{-1\}|\([a-zA-Z0-9,\\ ]{0,20}\))+$/;
const OPERATION = /\\(?:frac|sqrt|cdot|times|int|sum|prod|binom|pm|infty|pi)(?![a-z])/;
const DERIVATIVE = /^\\frac\{ ?(?:d|\\partial) ?[a-zA-Z]? ?\}\{ ?(?:d|\\partial) ?[a-zA-Z] ?\}$/;
const ENOUGH = 3;
/** What "\\approx" may stand for, as a relative error. */
const MAX_ROUNDING = 0.05;
const REVERSED: Readonly<Record<string, string>> = {
  '<': '>',
  '>': '<',
  '\\le': '\\ge',
  '\\ge': '\\le',
  '=': '=',
  '\\ne': '\\ne',
};

export interface Assignment {
  name: string;
  /** What the name stands for, as text; an approximation after it is left out. */
  value: string;
  /** The approximation after it. */
  approximation?: string;
}

/** The parts of "x = … = 5"; undefined when it does not begin with the name of a value. */
export function readAssignment({ sides, operators }: Relation): Assignment | undefined {
  const [name = '', ...rest] = sides;
  if (!isName(name) || rest.length === 0) return undefined;
  if (operators[0] === '\\in' && operators.length === 1) return { name, value: rest[0]! };
  if (operators.some((operator) => operator !== '=' && operator !== '\\approx')) return undefined;
  if (!isConsistent(rest, operators.slice(1))) return undefined;
  const firstApproximation = operators.indexOf('\\approx');
  if (firstApproximation <= 0) return { name, value: rest.at(-1)! };
  return { name, value: sides[firstApproximation]!, approximation: rest.at(-1)! };
}

export function isName(text: string): boolean {
  if (DERIVATIVE.test(text)) return true;
  return /[a-zA-Z]/.test(text) && NAME.test(text) && !OPERATION.test(text);
}

/** Whether two names can stand for the same value; single letters and products of them are what they are. */
export function namesAgree(a: string, b: string): boolean {
  const [p, q] = [a, b].map((name) => name.replaceAll(' ', '')) as [string, string];
  return p === q || (![p, q].some((name) => /^[a-z]{2,3}$/.test(name)) && (p.length > 1 || q.length > 1));
}

/**
 * The values that a chain of equal numbers states: 8 for "3 + 5 = 8" and "a + b = 3 + 5 = 8", both for
 * "\\sqrt{2} \\approx 1.41". Empty when the numbers differ, or are none.
 */
export function statedValues({ sides, operators }: Relation): string[] {
  if (operators.some((operator) => operator !== '=' && operator !== '\\approx')) return [];
  const end = operators.indexOf('\\approx');
  const exact = end === -1 ? sides : sides.slice(0, end + 1);
  const isNumber = (side: string): boolean => constantOf(side) !== undefined;
  // Only the first side of a longer chain may be a formula.
  if (!sides.slice(exact.length > 2 ? 1 : 0).every(isNumber) || !isConsistent(sides, operators)) return [];
  return [exact.at(-1)!, ...(end === -1 ? [] : sides.slice(-1))];
}

/** Whether neighbouring numbers of a chain are equal, or near each other where it says so. */
function isConsistent(sides: readonly string[], operators: readonly string[]): boolean {
  const values = sides.map(constantOf);
  return operators.every((operator, i) => {
    const [a, b] = [values[i], values[i + 1]];
    if (a === undefined || b === undefined) return true;
    return operator === '\\approx' ? isNear(a, b, MAX_ROUNDING) : sameValue(a, b);
  });
}

function constantOf(side: string): Numeric | undefined {
  const [reading] = readFormula(side)?.readings ?? [];
  if (reading === undefined) return undefined;
  const isPercent = reading.unit?.dimension === 'percent^1';
  return constantValue(isPercent ? { operator: 'Divide', operands: [reading.tree, 100] } : reading.tree);
}

/** Whether two relations hold for the same values of their variables, as far as multiples can tell. */
export function sameRelation(a: Relation, b: Relation): boolean {
  if (a.sides.length !== b.sides.length) return false;
  if (a.sides.length > 2) return sameChain(a, b) || sameChain(a, reversed(b));
  const [operator = ''] = a.operators;
  const difference = [toDifference(a), toDifference(b)] as const;
  if (difference[0] === undefined || difference[1] === undefined) return false;
  const factor = constantRatio(difference[0], difference[1]);
  if (factor === undefined) return solves(a, difference[1], b) || solves(b, difference[0], a);
  if (REVERSED[operator] === undefined) return false;
  if (operator === '=' || operator === '\\ne') return b.operators[0] === operator;
  return b.operators[0] === (factor > 0 ? operator : REVERSED[operator]);
}

/** Whether one of two equations gives a variable that the other defines. */
function solves(explicit: Relation, difference: Tree, implicit: Relation): boolean {
  if (explicit.operators[0] !== '=' || implicit.operators[0] !== '=') return false;
  const [left, right] = explicit.sides.map((side) => readFormula(side)?.readings[0]?.tree);
  return typeof left === 'string' && right !== undefined && isSolution(left, right, difference);
}

function reversed({ kind, text, sides, operators }: Relation): Relation {
  return {
    kind,
    text,
    sides: sides.toReversed(),
    operators: operators.toReversed().map((operator) => REVERSED[operator] ?? operator),
  };
}

/** a < b < c: every neighbouring pair is the same relation. */
function sameChain(a: Relation, b: Relation): boolean {
  return a.operators.every((operator, i) => {
    const pair = ({ sides, operators }: Relation): Relation => ({
      kind: 'relation',
      text: '',
      sides: sides.slice(i, i + 2),
      operators: operators.slice(i, i + 1),
    });
    return operator === b.operators[i] && sameRelation(pair(a), pair(b));
  });
}

function toDifference({ sides }: Relation): Tree | undefined {
  const [left, right] = sides.map((side) => readFormula(side)?.readings[0]?.tree);
  return left === undefined || right === undefined
    ? undefined
    : { operator: 'Subtract', operands: [left, right] };
}

/** The sign of b / a where that is the same number everywhere; undefined otherwise. */
function constantRatio(a: Tree, b: Tree): number | undefined {
  let first: readonly [Numeric, Numeric] | undefined;
  let agreeing = 0;
  for (const [x, y] of sample([a, b]).points) {
    if (x === undefined || y === undefined) return undefined;
    // Where both leave the reals, a point says little.
    if (isComplex(x) || isComplex(y)) continue;
    if (isZero(x) || isZero(y)) return undefined;
    first ??= [x, y];
    const [left, right] = [multiply(x, first[1]), multiply(y, first[0])];
    if (left === undefined || right === undefined || !sameValue(left, right)) return undefined;
    agreeing++;
  }
  if (first === undefined || agreeing < ENOUGH) return undefined;
  return signOf(first[0]) * signOf(first[1]);
}

function isComplex(value: Numeric): boolean {
  return !('num' in value) && value.im !== 0;
}

function isZero(value: Numeric): boolean {
  return 'num' in value ? value.num === 0n : Math.abs(value.re) <= 4 * value.error;
}

function signOf(value: Numeric): number {
  return 'num' in value ? (value.num > 0n ? 1 : -1) : Math.sign(value.re);
}
