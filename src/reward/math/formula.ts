/** Whether two formulas are the same: exactly for rational ones, else by their values at fixed generic points. */
import type { Rational } from '../verify/rational.ts';
import { within } from '../verify/rational.ts';
import { indistinguishable, magnitude } from './approximate.ts';
import { asApproximate, type Value } from './arithmetic.ts';
import { evaluate, type Scope } from './evaluate.ts';
import { isCall, type Tree } from './expression.ts';
import { parseNumeral } from './numeral.ts';

/** Scale of the values at each point, from below 1 to many thousands, and which variables are negative there. */
const POINTS: readonly (readonly [num: bigint, den: bigint, signs: 'positive' | 'mixed' | 'negative'])[] = [
  [1n, 53n, 'positive'],
  [1n, 19n, 'positive'],
  [1n, 101n, 'positive'],
  [1n, 7n, 'positive'],
  [1n, 4n, 'positive'],
  [50n, 7n, 'positive'],
  [900n, 11n, 'positive'],
  [1n, 97n, 'mixed'],
  [1n, 23n, 'mixed'],
  [1n, 61n, 'negative'],
  [1n, 11n, 'negative'],
  [7000n, 3n, 'negative'],
];
/** Agreement at so many points decides; fewer points in the common domain do not. */
const ENOUGH = 3;
const MAX_NAMES = 60;
/** A decimal of so many places and significant digits stands for the number that rounds to it. */
const LONG = 6;

/** One number for each variable; formulas that are compared share it. */
class Point implements Scope {
  readonly bound: ReadonlyMap<string, Rational> = new Map();
  readonly logBase: 10 | 'e';
  /** Whether something could be computed at the first point, but is too large here. */
  overflowed = false;
  readonly #names: Map<string, number>;
  readonly #index: number;

  /** @param names the place of each variable in the order of appearance; grows at the first point. */
  constructor(index: number, names: Map<string, number>, logBase: 10 | 'e') {
    this.#index = index;
    this.#names = names;
    this.logBase = logBase;
  }

  valueOf(name: string): Rational {
    let position = this.#names.get(name);
    if (position === undefined) {
      this.overflowed ||= this.#index > 0;
      position = this.#names.size;
      if (this.#index === 0) this.#names.set(name, position);
    }
    // 37 is prime to 97, so that no two names have the same value at a point.
    const numerator = BigInt(1 + ((position * 37 + this.#index * 61 + 11) % 97));
    const [num, den, signs] = POINTS[this.#index]!;
    const isNegative = signs === 'negative' || (signs === 'mixed' && (position + this.#index) % 3 !== 0);
    return { num: isNegative ? -numerator * num : numerator * num, den };
  }
}

export interface Samples {
  /** The values of the formulas at each point where all could be computed. */
  points: readonly (readonly Value[])[];
  /** None of them has a variable, and there is one point. */
  isConstant: boolean;
}

/** The values of formulas at the same points. */
export function sample(trees: readonly Tree[], logBase: 10 | 'e' = 'e'): Samples {
  const names = new Map<string, number>();
  const points: Value[][] = [];
  for (let index = 0; index < POINTS.length; index++) {
    const point = new Point(index, names, logBase);
    const values = trees.map((tree) => evaluate(tree, point));
    if (names.size > MAX_NAMES) return { points: [], isConstant: false };
    if (!point.overflowed) points.push(values);
    if (names.size === 0) return { points, isConstant: true };
  }
  return { points, isConstant: false };
}

/**
 * Whether two formulas have the same value wherever both are real; complex values count only when there are too
 * few real ones. Constants are compared exactly where they are rational.
 */
export function sameFormula(a: Tree, b: Tree, tolerance = 0): boolean {
  if (sameValues(a, b, 'e', tolerance)) return true;
  return (mentionsLog(a) || mentionsLog(b)) && sameValues(a, b, 10, tolerance);
}

function sameValues(a: Tree, b: Tree, logBase: 10 | 'e', tolerance: number): boolean {
  const { points, isConstant } = sample([a, b], logBase);
  if (isConstant) {
    const [[x, y] = []] = points;
    return x !== undefined && y !== undefined && sameConstant(a, x, b, y, tolerance);
  }
  let real = 0;
  let complex = 0;
  let complexDiffers = false;
  for (const [x, y] of points) {
    if (x === undefined || y === undefined) return false;
    const agree = sameValue(x, y);
    if (leftReals(x) || leftReals(y)) {
      if (agree) complex++;
      else complexDiffers = true;
    } else if (agree) real++;
    else return false;
  }
  return real >= ENOUGH || (complex >= ENOUGH && !complexDiffers);
}

function sameConstant(a: Tree, x: Value, b: Tree, y: Value, tolerance: number): boolean {
  if (sameValue(x, y)) return true;
  if (tolerance > 0 && isNear(x, y, tolerance)) return true;
  return isRounding(a, y) || isRounding(b, x);
}

/** Whether two values are equal: exactly, or as far as rounding errors allow to say. */
export function sameValue(x: Value, y: Value): boolean {
  if ('num' in x && 'num' in y) return x.num * y.den === y.num * x.den;
  const [p, q] = [asApproximate(x), asApproximate(y)];
  return p !== undefined && q !== undefined && indistinguishable(p, q);
}

function leftReals(value: Value): boolean {
  return !('num' in value) && value.leftReals;
}

/** Whether y is within the relative tolerance of the gold value x. */
export function isNear(x: Value, y: Value, tolerance: number): boolean {
  if ('num' in x && 'num' in y) return within(y, x, tolerance);
  const [gold, found] = [asApproximate(x), asApproximate(y)];
  if (!gold || !found) return false;
  return Math.hypot(gold.re - found.re, gold.im - found.im) <= tolerance * magnitude(gold);
}

/** Whether a tree is a long decimal, and the value one that rounds (or is cut) to it but is no short decimal itself. */
function isRounding(tree: Tree, value: Value): boolean {
  const isNegated = isCall(tree) && tree.operator === 'Negate';
  const numeral = isNegated ? tree.operands[0] : tree;
  if (typeof numeral !== 'object' || isCall(numeral)) return false;
  const [, integer = '', decimals = ''] = /^(\d+)\.(\d+)$/.exec(numeral.num) ?? [];
  const digits = (integer + decimals).replace(/^0+/, '');
  if (decimals.length < LONG || digits.length < LONG) return false;
  if ('num' in value && isDecimal(value.den)) return false;
  const approximation = parseNumeral(numeral.num);
  const [found, written] = [asApproximate(value), approximation && asApproximate(approximation)];
  if (!found || !written || found.im !== 0) return false;
  const difference = Math.abs(found.re - (isNegated ? -written.re : written.re));
  return difference <= 1.000001 * 10 ** -decimals.length;
}

/** Whether a fraction with this denominator is a decimal number. */
function isDecimal(denominator: bigint): boolean {
  let rest = denominator;
  for (const prime of [2n, 5n]) while (rest % prime === 0n) rest /= prime;
  return rest === 1n;
}

function mentionsLog(tree: Tree): boolean {
  if (!isCall(tree)) return false;
  return (tree.operator === 'Log' && tree.operands.length === 1) || tree.operands.some(mentionsLog);
}

/** The value of a formula without variables. */
export function constantValue(tree: Tree): Value | undefined {
  const { points, isConstant } = sample([tree]);
  return isConstant ? points[0]?.[0] : undefined;
}
