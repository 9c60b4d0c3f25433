/** Numbers as the LaTeX parser writes them: 12, 1.5, 50e-2, 0.1(6). */
import type { Rational } from '../verify/rational.ts';
import { ratio } from './exact.ts';

const NUMERAL = /^(-?)(\d{0,400})(?:\.(\d{0,400}))?(?:\((\d{1,40})\))?(?:e([+-]?\d{1,4}))?$/;

/** The exact value of a numeral; undefined when it is too long. Digits in parentheses repeat for ever. */
export function parseNumeral(text: string): Rational | undefined {
  const match = NUMERAL.exec(text);
  if (!match) return undefined;
  const [, sign = '', integer = '', fraction = '', period = '', exponent = '0'] = match;
  if (integer + fraction + period === '') return undefined;
  const start = BigInt(integer + fraction || '0');
  // 0.1(6) is (16 - 1) / 90.
  const [num, nines] =
    period === ''
      ? [start, 1n]
      : [BigInt(integer + fraction + period) - start, 10n ** BigInt(period.length) - 1n];
  const shift = Number(exponent) - fraction.length;
  const signed = sign === '-' ? -num : num;
  return shift >= 0
    ? ratio(signed * 10n ** BigInt(shift), nines)
    : ratio(signed, nines * 10n ** BigInt(-shift));
}
