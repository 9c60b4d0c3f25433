/** Written numbers in the two conventions: 1,234.56 and 1.234,56, with any usual mark between the thousands. */
import { parseDecimal, type Rational } from './rational.ts';

/** Which sign divides whole from part where a text leaves it open, as "1,234" does. */
export type DecimalMark = '.' | ',';

// Every alternative ends where no further digit can follow, so that "1,2,3" is no number at all.
const END = String.raw`(?![\d]|[.,'’_]\d)`;

/** Source of a regular expression for one number without its sign. */
export const DECIMAL = [
  String.raw`\d{1,3}(?:,\d{3}){1,20}(?:\.\d{0,300})?${END}`,
  String.raw`\d{1,3}(?:\.\d{3}){1,20}(?:,\d{1,300})?${END}`,
  String.raw`\d{1,3}(?:[ '’_]\d{3}){1,20}(?:[.,]\d{1,300})?${END}`,
  String.raw`\d{1,300}(?:[.,]\d{0,300})?${END}`,
  String.raw`\.\d{1,300}${END}`,
].join('|');

/**
 * The value of a number that matches {@link DECIMAL}.
 * @param mark decides where one mark before three digits could be either.
 * @returns undefined when the text is no number or too long; `comma` tells that only a decimal comma makes sense.
 */
export function readDecimal(
  text: string,
  mark: DecimalMark,
): { value: Rational; comma: boolean } | undefined {
  const digits = text.replace(/[ '’_]/g, '');
  const separated = digits !== text;
  const commas = digits.split(',').length - 1;
  const points = digits.split('.').length - 1;
  const both = commas > 0 && points > 0;
  const lastIsComma = digits.lastIndexOf(',') > digits.lastIndexOf('.');
  const open = !separated && /^[1-9]\d{0,2}[.,]\d{3}$/.test(digits);
  let comma = lastIsComma;
  if (!both) {
    if (open) comma = mark === ',';
    else if (lastIsComma) comma = commas === 1;
    else comma = points > 1;
  }
  const plain = comma ? digits.replaceAll('.', '').replace(',', '.') : digits.replaceAll(',', '');
  const value = parseDecimal(plain);
  return value && { value, comma: comma && !open };
}
