/** When two quantities are the same answer. */
import type { Quantity } from './quantity.ts';
import { fromInteger, multiply, within } from './rational.ts';
import { sameUnit } from './units.ts';

const HUNDRED = fromInteger(100);

/**
 * Why `found` is not the gold quantity; undefined when it is.
 *
 * A gold answer of 45% takes a bare 45: the question asked for a percentage. A gold answer of 45 takes 45% only when
 * `percentAsked`, because elsewhere 45% is 0.45; and 0.45 is never 45.
 * @param tolerance allowed relative error.
 */
export function differenceOf(
  found: Quantity,
  gold: Quantity,
  tolerance: number,
  percentAsked: boolean,
): string | undefined {
  const unlike = unlikeWords(found, gold);
  if (unlike !== undefined) return unlike;
  const same = [found.value];
  if (gold.percent && !found.percent && found.unit === '')
    same.push({ num: found.value.num, den: found.value.den * 100n });
  if (found.percent && !gold.percent && percentAsked) same.push(multiply(found.value, HUNDRED));
  return same.some((value) => within(value, gold.value, tolerance)) ? undefined : 'another number';
}

/** A unit that is missing is right, another one is wrong; so are words that have none in common. */
function unlikeWords(found: Quantity, gold: Quantity): string | undefined {
  if (found.unit !== '' && gold.unit !== '') {
    return sameUnit(found.unit, gold.unit) ? undefined : `${found.unit}, not ${gold.unit}`;
  }
  if (found.words.length === 0 || gold.words.length === 0) return undefined;
  if (found.words.some((word) => gold.words.includes(word))) return undefined;
  return `${found.words.join(' ')}, not ${gold.words.join(' ')}`;
}

/** Whether a problem asks for a number of percents. */
export function asksForPercent(problem: string): boolean {
  return /\bpercent(?:age)?\b|\bper cent\b|\bin %/i.test(problem);
}
