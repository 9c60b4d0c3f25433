/**
 * Numbers: 1,000 = 1000 = 1e3, 1/2 = \frac{1}{2} = 0.5 = 50%, "x = 5", "five" and "5 cm" are 5.
 */
import { asksForPercent, differenceOf } from './compare-quantities.ts';
import { readOrdinal } from './number-words.ts';
import { verifyMath } from './math.ts';
import { stripMarkup } from './plain-text.ts';
import { type Quantity, readQuantity } from './quantity.ts';
import { badGold, RIGHT, type Verifier, wrong } from './verdict.ts';

/** Judges numbers with the context's tolerance; another unit than the gold answer's is wrong, none is right. */
export const verifyNumber: Verifier = (extracted, gold, context) => {
  const cardinal = readQuantity(gold);
  const place =
    /\d ?(?:st|nd|rd|th)\b/i.test(gold) || typeof cardinal === 'string' ? readPlace(gold) : undefined;
  const right = place ?? cardinal;
  if (typeof right === 'string') throw badGold(context, 'number', 'a number', gold, right);
  // Where the gold answer has a decimal comma, "1,234" may be meant so as well.
  const readings = [
    ...(place ? [readPlace(extracted)] : []),
    readQuantity(extracted),
    ...(right.comma ? [readQuantity(extracted, ',')] : []),
  ].filter((reading) => reading !== undefined);
  const percentAsked = asksForPercent(context.problem);
  let note: string | undefined;
  for (const found of readings) {
    const difference =
      typeof found === 'string' ? found : differenceOf(found, right, context.tolerance, percentAsked);
    if (difference === undefined) return RIGHT;
    note = difference;
  }
  return isClosedForm(extracted) ? verifyMath(extracted, gold, context) : wrong(note);
};

const CLOSED_FORM = /\\(?:sqrt|[dtc]?frac|binom)|[\^√²³!]/;
/** A sign of arithmetic between two operands; the minus of an exponent and the mark of 3 × 10^4 are none. */
const COMPUTATION = /[\p{L}\p{N})}] ?(?:[+*×·÷−–-]|\\(?:times|cdot|div)(?![a-z])) ?[\p{L}\p{N}(\\]/u;

/**
 * Whether a text is one number in the notation of mathematics, such as 2^{10}, \sqrt{16} or 5!, which is worth its
 * value. A sum or product that is left to the reader is not: "3+5" must not earn what the work of adding earns.
 */
function isClosedForm(text: string): boolean {
  return CLOSED_FORM.test(text) && !COMPUTATION.test(text.slice(text.lastIndexOf('=') + 1));
}

/** "third" and "3rd"; only asked for where the gold answer is one, because "second" is a unit elsewhere. */
function readPlace(text: string): Quantity | undefined {
  const value = readOrdinal(stripMarkup(text));
  return value && { value, percent: false, unit: '', words: [], bare: false, comma: false };
}
