/** Exact numbers as people write them, so that 0.1 is a tenth and nothing is lost in floating point. */

export interface Rational {
  num: bigint;
  /** Above 0. */
  den: bigint;
}

/** More digits than this are no answer; the limits keep arithmetic on hostile input cheap. */
const MAX_DIGITS = 300;
const MAX_EXPONENT = 300;

/**
 * A decimal number: digits with or without thousands commas, a point, an exponent of ten.
 * @returns undefined when the text is anything else, or too long.
 */
export function parseDecimal(text: string): Rational | undefined {
  const match = /^([+-]?)(\d{1,3}(?:,\d{3})+|\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/i.exec(text);
  if (!match || text.length > MAX_DIGITS) return undefined;
  const [, sign = '', whole = '', part = '', power = '0'] = match;
  const digits = whole.replaceAll(',', '') + part;
  const exponent = Number(power) - part.length;
  if (digits === '' || Math.abs(exponent) > MAX_EXPONENT) return undefined;
  const magnitude = BigInt(digits) * (sign === '-' ? -1n : 1n);
  return exponent >= 0
    ? { num: magnitude * 10n ** BigInt(exponent), den: 1n }
    : { num: magnitude, den: 10n ** BigInt(-exponent) };
}

/** a / b, or undefined when b is 0. */
export function divide(a: Rational, b: Rational): Rational | undefined {
  if (b.num === 0n) return undefined;
  const sign = b.num < 0n ? -1n : 1n;
  return { num: sign * a.num * b.den, den: sign * a.den * b.num };
}

export function add(a: Rational, b: Rational): Rational {
  return { num: a.num * b.den + b.num * a.den, den: a.den * b.den };
}

export function multiply(a: Rational, b: Rational): Rational {
  return { num: a.num * b.num, den: a.den * b.den };
}

/** @param value a safe integer. */
export function fromInteger(value: number): Rational {
  return { num: BigInt(value), den: 1n };
}

export function negate(a: Rational): Rational {
  return { num: -a.num, den: a.den };
}

export function equal(a: Rational, b: Rational): boolean {
  return a.num * b.den === b.num * a.den;
}

/** Whether |a - gold| is at most `tolerance` times |gold|; `tolerance` 0 asks for equality. */
export function within(a: Rational, gold: Rational, tolerance: number): boolean {
  if (equal(a, gold)) return true;
  if (tolerance === 0) return false;
  const scale = 10n ** 15n;
  const allowed = BigInt(Math.round(tolerance * Number(scale)));
  const error = absolute(a.num * gold.den - gold.num * a.den);
  return error * scale <= allowed * absolute(gold.num * a.den);
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}
