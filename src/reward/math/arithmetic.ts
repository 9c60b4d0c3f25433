/** Arithmetic that stays exact for as long as it can; every operation gives undefined where there is no result. */
import type { Rational } from '../verify/rational.ts';
import {
  type Approximate,
  fromExact,
  isNoise,
  magnitude,
  over,
  plus,
  raised,
  TINY,
  times,
} from './approximate.ts';
import { floor, order, power, product, quotient, sum, whole } from './exact.ts';
import { FUNCTIONS } from './functions.ts';

export type Value = Rational | Approximate;

export function add(a: Value, b: Value): Value | undefined {
  if ('num' in a && 'num' in b) return sum(a, b);
  return inBoth(a, b, plus);
}

export function multiply(a: Value, b: Value): Value | undefined {
  if ('num' in a && 'num' in b) return product(a, b);
  return inBoth(a, b, times);
}

export function divide(a: Value, b: Value): Value | undefined {
  if ('num' in a && 'num' in b) return quotient(a, b);
  return inBoth(a, b, over);
}

export function toPower(a: Value, b: Value): Value | undefined {
  if ('num' in b && b.num === 0n) return whole(1);
  if ('num' in a && 'num' in b) {
    const exact = power(a, b);
    if (exact) return exact;
    // The real root of a negative number, as \sqrt[3]{-2} means it.
    if (a.num < 0n && b.den % 2n === 1n && b.den > 1n) {
      const size = toPower({ num: -a.num, den: a.den }, b);
      return size && (b.num % 2n === 0n ? size : multiply(whole(-1), size));
    }
  }
  return inBoth(a, b, raised);
}

export function rounded(operator: 'Floor' | 'Ceil', a: Value): Value | undefined {
  if ('num' in a) {
    if (operator === 'Floor') return floor(a);
    return whole(-floor({ num: -a.num, den: a.den }).num);
  }
  // Too near to a whole number to know its side.
  if (a.im !== 0 || Math.abs(a.re - Math.round(a.re)) <= 8 * a.error || Math.abs(a.re) > 2 ** 50)
    return undefined;
  return whole(operator === 'Floor' ? Math.floor(a.re) : Math.ceil(a.re));
}

export function extreme(a: Value, b: Value, sign: 1 | -1): Value | undefined {
  if ('num' in a && 'num' in b) return order(a, b) === sign ? a : b;
  const [x, y] = [asApproximate(a), asApproximate(b)];
  if (!x || !y || x.im !== 0 || y.im !== 0) return undefined;
  return Math.sign(x.re - y.re) === sign ? a : b;
}

export function wholeResult(
  a: Value,
  b: Value,
  combine: (x: bigint, y: bigint) => bigint | undefined,
): Value | undefined {
  if (!('num' in a) || !('num' in b) || a.den !== 1n || b.den !== 1n) return undefined;
  if (a.num === 0n || b.num === 0n) return undefined;
  const result = combine(a.num, b.num);
  return result === undefined ? undefined : whole(result);
}

export function applied(name: string, a: Value): Value | undefined {
  const approximated = asApproximate(a);
  return approximated && FUNCTIONS.get(name)?.(approximated);
}

function inBoth(
  a: Value,
  b: Value,
  combine: (a: Approximate, b: Approximate) => Approximate | undefined,
): Value | undefined {
  const [x, y] = [asApproximate(a), asApproximate(b)];
  return x && y && combine(x, y);
}

/** undefined where a double cannot hold the number. */
export function asApproximate(value: Value): Approximate | undefined {
  return 'num' in value ? fromExact(value) : value;
}

export function finite(value: Value | undefined): Value | undefined {
  if (value === undefined || 'num' in value) return value;
  const size = magnitude(value);
  if (!Number.isFinite(size) || isNoise(value) || (size !== 0 && size < TINY)) return undefined;
  return value;
}
