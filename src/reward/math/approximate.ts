/**
 * Complex numbers in double precision that carry a bound on their own rounding error, so that "equal" means "not
 * told apart by this arithmetic" instead of a tolerance that fits no magnitude. What is too large or too near to 0
 * for a double is NaN.
 */
import { toDouble } from './exact.ts';
import type { Rational } from '../verify/rational.ts';

export interface Approximate {
  re: number;
  im: number;
  /** Bound on the absolute error. */
  error: number;
  /** A real operand gave a complex result on the way, as the root of -1 does. */
  leftReals: boolean;
}

const EPSILON = Number.EPSILON;
/** Smaller numbers lose digits soon. */
export const TINY = 1e-290;

/** A value whose parts are correct to the last bits. */
export function approximate(re: number, im = 0, leftReals = false): Approximate {
  return { re, im, error: 2 * EPSILON * Math.hypot(re, im), leftReals };
}

export function fromExact(value: Rational): Approximate | undefined {
  const re = toDouble(value);
  return re === undefined ? undefined : approximate(re);
}

export function magnitude({ re, im }: Approximate): number {
  return Math.hypot(re, im);
}

/** Whether the rounding errors explain the difference. */
export function indistinguishable(a: Approximate, b: Approximate): boolean {
  return Math.hypot(a.re - b.re, a.im - b.im) <= 4 * (a.error + b.error);
}

/** Whether so few digits are left that comparing says nothing. */
export function isNoise(value: Approximate): boolean {
  return !(value.error <= 1e-8 * Math.max(1, magnitude(value)));
}

export function plus(a: Approximate, b: Approximate): Approximate {
  return result(a.re + b.re, a.im + b.im, a.error + b.error, a, b);
}

export function negative(a: Approximate): Approximate {
  return { ...a, re: -a.re, im: -a.im };
}

export function times(a: Approximate, b: Approximate): Approximate {
  const carried = magnitude(a) * b.error + magnitude(b) * a.error + a.error * b.error;
  const isTooSmall = (a.re || a.im) && (b.re || b.im) && magnitude(a) * magnitude(b) < TINY;
  if (isTooSmall) return { ...a, re: NaN };
  return result(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re, carried, a, b);
}

/** undefined where the divisor may be 0. */
export function over(a: Approximate, b: Approximate): Approximate | undefined {
  const size = magnitude(b);
  if (size <= 4 * b.error || size < 1e-150 || size > 1e150) return undefined;
  const norm = size * size;
  const re = (a.re * b.re + a.im * b.im) / norm;
  const im = (a.im * b.re - a.re * b.im) / norm;
  return result(re, im, (a.error + Math.hypot(re, im) * b.error) / size, a, b);
}

export function exponential(z: Approximate): Approximate {
  const size = Math.exp(z.re) || NaN;
  const re = z.im === 0 ? size : size * Math.cos(z.im);
  const im = z.im === 0 ? 0 : size * Math.sin(z.im);
  return result(re, im, size * (z.error + EPSILON * magnitude(z)), z);
}

/** The principal branch; undefined at 0. */
export function logarithm(z: Approximate): Approximate | undefined {
  const size = magnitude(z);
  if (size <= 4 * z.error) return undefined;
  const im = z.im === 0 ? (z.re < 0 ? Math.PI : 0) : Math.atan2(z.im, z.re);
  const value = result(Math.log(size), im, z.error / size, z);
  return { ...value, leftReals: value.leftReals || (z.im === 0 && z.re < 0) };
}

/** The principal root. */
export function squareRoot(z: Approximate): Approximate {
  if (z.im === 0) {
    const size = Math.sqrt(Math.abs(z.re));
    const carried = size === 0 ? Math.sqrt(z.error) : z.error / size;
    const negativeRadicand = z.re < 0;
    const value = result(negativeRadicand ? 0 : size, negativeRadicand ? size : 0, carried, z);
    return { ...value, leftReals: value.leftReals || negativeRadicand };
  }
  const size = magnitude(z);
  const re = Math.sqrt((size + Math.abs(z.re)) / 2);
  const im = Math.abs(z.im) / (2 * re);
  const carried = z.error / Math.sqrt(size);
  return z.re >= 0
    ? result(re, Math.sign(z.im) * im, carried, z)
    : result(im, Math.sign(z.im) * re, carried, z);
}

/** a^b by the principal logarithm; undefined for a = 0. */
export function raised(a: Approximate, b: Approximate): Approximate | undefined {
  if (b.im === 0 && a.im === 0 && (a.re > 0 || Number.isInteger(b.re)) && a.re !== 0) {
    const value = a.re ** b.re || NaN;
    const size = Math.abs(value);
    const log = Math.abs(Math.log(Math.abs(a.re)));
    const carried = size * ((Math.abs(b.re) * a.error) / Math.abs(a.re) + log * b.error);
    // A whole exponent of a negative base must be known exactly.
    if (a.re > 0 || b.error <= 4 * EPSILON * Math.abs(b.re)) return result(value, 0, carried, a, b);
  }
  const log = logarithm(a);
  return log && exponential(times(log, b));
}

/** A value with the error that its operands carry into it, and a few last bits of its own. */
function result(re: number, im: number, carried: number, a: Approximate, b: Approximate = a): Approximate {
  const error = carried + 4 * EPSILON * Math.hypot(re, im);
  return { re, im, error, leftReals: a.leftReals || b.leftReals };
}
