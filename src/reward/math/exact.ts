/** Exact arithmetic on fractions, bounded: what would grow too large has no result. */
import { spend } from './budget.ts';
import type { Rational } from '../verify/rational.ts';

/** Longer numbers are not computed; 3000! has 30,000 bits. */
const MAX_BITS = 40_000;
const MAX_REDUCED_BITS = 2000;
const MAX_FACTORIAL = 3000n;

export function whole(value: number | bigint): Rational {
  return { num: BigInt(value), den: 1n };
}

/**
 * num / den with a positive denominator, in lowest terms unless it is very long; undefined when den is 0 or a part
 * is too long.
 */
export function ratio(num: bigint, den: bigint): Rational | undefined {
  if (den === 0n || tooLong(num) || tooLong(den)) return undefined;
  const sign = den < 0n ? -1n : 1n;
  if (num % den === 0n) return whole(num / den);
  // Reducing takes time with the square of the length.
  spend(bitLength(den) / 100);
  const divisor = bitLength(den) > MAX_REDUCED_BITS ? sign : gcd(num, den) * sign;
  return { num: num / divisor, den: den / divisor };
}

export function sum(a: Rational, b: Rational): Rational | undefined {
  return ratio(a.num * b.den + b.num * a.den, a.den * b.den);
}

export function product(a: Rational, b: Rational): Rational | undefined {
  return ratio(a.num * b.num, a.den * b.den);
}

export function quotient(a: Rational, b: Rational): Rational | undefined {
  return ratio(a.num * b.den, a.den * b.num);
}

/** -1, 0 or 1. */
export function order(a: Rational, b: Rational): number {
  const difference = a.num * b.den - b.num * a.den;
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

/**
 * base^exponent where that is rational; for an even root the non-negative one, for an odd root the real one.
 * @returns undefined when it is not rational, not defined or too long.
 */
export function power(base: Rational, exponent: Rational): Rational | undefined {
  if (base.num === 0n) return exponent.num > 0n ? base : undefined;
  const rooted = exponent.den === 1n ? base : root(base, exponent.den);
  if (rooted === undefined) return undefined;
  const times = absolute(exponent.num);
  if (times * bits(rooted) > MAX_BITS && absolute(rooted.num) !== rooted.den) return undefined;
  // ±1 to a huge power needs its parity only.
  const count = absolute(rooted.num) === rooted.den ? times % 2n : times;
  spend(Number(times * bits(rooted)) / 100);
  const num = rooted.num ** count;
  const den = rooted.den ** count;
  return exponent.num < 0n ? ratio(den, num) : ratio(num, den);
}

/** The real n-th root where it is rational. */
export function root(value: Rational, degree: bigint): Rational | undefined {
  if (degree < 1n || degree > 60n || (value.num < 0n && degree % 2n === 0n)) return undefined;
  const num = wholeRoot(absolute(value.num), degree);
  const den = wholeRoot(value.den, degree);
  if (num === undefined || den === undefined) return undefined;
  return { num: value.num < 0n ? -num : num, den };
}

/** value! of a whole number that is not too large. */
export function factorial(value: Rational, step = 1n): Rational | undefined {
  if (value.den !== 1n || value.num < 0n || value.num > MAX_FACTORIAL) return undefined;
  spend(Number(value.num) / 2);
  let result = 1n;
  for (let factor = value.num; factor > 1n; factor -= step) result *= factor;
  return whole(result);
}

/** n over k for whole numbers with 0 <= k. */
export function binomial(n: Rational, k: Rational): Rational | undefined {
  if (n.den !== 1n || k.den !== 1n || k.num < 0n || k.num > MAX_FACTORIAL) return undefined;
  const smaller = n.num >= k.num && n.num - k.num < k.num ? n.num - k.num : k.num;
  spend(Number(smaller < MAX_FACTORIAL ? smaller : MAX_FACTORIAL));
  let result = 1n;
  for (let i = 1n; i <= smaller; i++) {
    result = (result * (n.num - smaller + i)) / i;
    if (tooLong(result)) return undefined;
  }
  return whole(result);
}

/** The largest whole number that is not above the value. */
export function floor({ num, den }: Rational): Rational {
  const cut = num / den;
  return whole(num < 0n && cut * den !== num ? cut - 1n : cut);
}

export function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [absolute(a), absolute(b)];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** The nearest double; undefined where that would be infinite or lose digits near 0. */
export function toDouble({ num, den }: Rational): number | undefined {
  if (num === 0n) return 0;
  const shift = bitLength(num) - bitLength(den) - 64;
  const scaled = shift >= 0 ? num / (den << BigInt(shift)) : (num << BigInt(-shift)) / den;
  // In two steps, because 2^shift alone may be out of range.
  const half = Math.trunc(shift / 2);
  const result = Number(scaled) * 2 ** half * 2 ** (shift - half);
  return Number.isFinite(result) && Math.abs(result) > 1e-290 ? result : undefined;
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** Length in bits, to within four. */
function bitLength(value: bigint): number {
  return absolute(value).toString(16).length * 4;
}

function bits({ num, den }: Rational): bigint {
  return BigInt(Math.max(bitLength(num), bitLength(den)));
}

function tooLong(value: bigint): boolean {
  return bitLength(value) > MAX_BITS;
}

/** The n-th root of a non-negative whole number where it is whole (Newton's method from above). */
function wholeRoot(value: bigint, degree: bigint): bigint | undefined {
  if (value < 2n) return value;
  spend(bitLength(value) / 20);
  let guess = 1n << BigInt(Math.ceil(bitLength(value) / Number(degree)));
  for (;;) {
    const next = ((degree - 1n) * guess + value / guess ** (degree - 1n)) / degree;
    if (next >= guess) break;
    guess = next;
  }
  return guess ** degree === value ? guess : undefined;
}
