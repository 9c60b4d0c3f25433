/**
 * Reads the one number that a text states, with its unit. A text that holds several different numbers, or
 * mathematics beyond a plain number, states none: guessing must not pay.
 */
import { type DecimalMark, DECIMAL, readDecimal } from './decimal.ts';
import { quantityText } from './quantity-text.ts';
import {
  add,
  divide,
  equal,
  fromInteger,
  multiply,
  negate,
  parseDecimal,
  type Rational,
  within,
} from './rational.ts';
import { CURRENCY_IN_FRONT, readUnit, unitName } from './units.ts';

export interface Quantity {
  /** 50 % is 0.5. */
  value: Rational;
  /** Whether it was written with a percent sign. */
  percent: boolean;
  /** Canonical unit; empty when there is none. */
  unit: string;
  /** The telling words after the number in the singular, units by their short names. */
  words: readonly string[];
  /** Whether the text is the number alone, or with its unit or one other word of small letters after it. */
  bare: boolean;
  /** Whether it was written with a decimal comma. */
  comma: boolean;
}

const MAGNITUDES: ReadonlyMap<string, number> = new Map([
  ['hundred', 1e2],
  ['thousand', 1e3],
  ['k', 1e3],
  ['K', 1e3],
  ['million', 1e6],
  ['mn', 1e6],
  ['mln', 1e6],
  ['M', 1e6],
  ['billion', 1e9],
  ['bn', 1e9],
  ['B', 1e9],
  ['trillion', 1e12],
  ['dozen', 12],
]);
const TOKEN = new RegExp(
  // a sign, a mixed number (1 1/2), a fraction (1/2) or a decimal, its exponent or magnitude, a percent sign
  String.raw`(?<![\p{L}\p{N}.,'’_^]|\^[{(]?-)([+-]?)(?:(\d{1,9})[ -](?=\d{1,300} ?/))?(${DECIMAL})` +
    String.raw`(?: ?/ ?(${DECIMAL})(?! ?/))?(?:[eE]([+-]?\d{1,4})(?![\p{L}\d])|×10\^([+-]?\d{1,4}))?` +
    String.raw`(?: ?(hundred|thousand|million|mn|mln|billion|bn|trillion|dozen)s?\b|([kKMB])(?![\p{L}\d^²³/]))?( ?%)?`,
  'gu',
);
/** Stands where a number was taken out of the text; a private-use character. */
const PLACE = '\uE000';
const WORD = /[\p{L}°]+/gu;
/** What may not stay beside a number: it would change its value or make it a formula. */
const MATHEMATICS = /[\\^_*/+=<>≤≥√π∞±|×÷!]|\d|\uE000 ?: ?\uE000|(?<!\p{L})-|-(?!\p{L})/u;
const FORMULA = new Set(
  'pi sqrt root log ln sin cos tan squared cubed factorial infinity plus minus over divided power'.split(' '),
);
/** "The value of x is 8" reads as x = 8. */
const IS = / (?:is|are|equals)(?: equal to| about| approximately| exactly)? (?=[+-]?[﹩€£¥]?[\d.])/g;
const PRODUCT = /\uE000 ?(?:times|by|x|of) ?\uE000/i;
const DECADE = /\b\d{3}0s\b/;
/** Takes back what the number after it says. */
const DENIAL =
  /\band ?\uE000|\b(?:not|never|isn['’]?t|aren['’]?t)\b[\p{L} ]{0,30}\uE000|\b(?:(?:more|less|fewer|greater|bigger|smaller|larger|other) than|over|under|above|below|nearly|almost) ?\uE000|\uE000[\p{L} ]{0,30}\b(?:(?:or|and) (?:more|less|fewer|above|up|over)|(?:is|are|was) (?:not|wrong|incorrect|false))\b/iu;
/** Words that tell nothing of what was counted. */
const EMPTY_WORDS = new Set(
  'a an the in of on at to is are was were be there here it its that this these those total all altogether i see can for and so we image picture figure'.split(
    ' ',
  ),
);
const MAX_EQUATIONS = 8;
/** How far a rounded value may be from the number before "≈". */
const ROUNDING = 0.05;

/** The one number a text states, or why it states none. Cheap for texts of bounded length only. */
export function readQuantity(source: string, mark: DecimalMark = '.'): Quantity | string {
  // 0.333... is not 0.333.
  if (/\d ?(?:\.\.\.|…|\\[lcd]?dots)/.test(source)) return 'a number with an ellipsis';
  const sides = quantityText(source).replace(IS, ' = ').split(/(=|≈)/);
  if (sides.length > 2 * MAX_EQUATIONS) return 'too many equations';
  const stated = readSide(sides.at(-1) ?? '', mark);
  if (typeof stated === 'string') return stated;
  // "7 = 8" and "x = 7, y = 8" name two numbers, "3 + 5 = 8" one.
  for (let i = 0; i < sides.length - 2; i += 2) {
    const side = readSide((sides[i] ?? '').split(/[,;] | or | and /, 1)[0] ?? '', mark);
    if (typeof side === 'string' || !side.bare || (side.unit !== '' && side.unit !== stated.unit)) continue;
    if (!within(side.value, stated.value, sides[i + 1] === '≈' ? ROUNDING : 0))
      return 'several different numbers';
  }
  return sides.length > 1 ? { ...stated, bare: false } : stated;
}

function readSide(side: string, mark: DecimalMark): Quantity | string {
  const currency = CURRENCY_IN_FRONT.exec(side);
  const text = (
    currency ? `${side.slice(0, currency.index)} ${side.slice(currency.index + currency[0].length)}` : side
  )
    .replace(/(^|[\s(])([+-]) +(?=[\d.])/, '$1$2')
    .trim();
  const values: Rational[] = [];
  let rest = '';
  let end = 0;
  let percent = false;
  let comma = false;
  for (const match of text.matchAll(TOKEN)) {
    const token = readToken(match, mark);
    if (token === undefined) return 'not a number';
    values.push(token.value);
    comma ||= token.comma;
    percent ||= match[9] !== undefined;
    rest += `${text.slice(end, match.index)}${PLACE}`;
    end = match.index + match[0].length;
  }
  const [first, ...others] = values;
  if (first === undefined) return 'no number';
  if (others.some((value) => !equal(value, first))) return 'several different numbers';
  if (DECADE.test(text) || (others.length > 0 && PRODUCT.test(rest))) return 'more than a plain number';
  const tail = text.slice(end);
  // The unit of "$5/h" is on both sides of the number.
  const after = currency
    ? `${currency[1]}${/^ ?(?:\/|per )/.test(tail) ? '' : ' '}${tail}`
    : tail.replace(/^ /, '');
  const unit = readUnit(after);
  const remainder = unit ? after.slice(unit.end) : after;
  const attached =
    !currency && !unit && /^\p{L}{1,2}(?!\p{L})/u.test(tail) && !/^(?:st|nd|rd|th)/i.test(tail);
  const around = `${rest}${PLACE}${remainder}`.replace(PLACE + PLACE, PLACE);
  if (attached || isFormula(around) || (comma && /[([]/.test(rest))) return 'more than a plain number';
  if (DENIAL.test(around)) return 'a number that is denied or only bounded';
  // "8 square units" leaves open which.
  const named = unit === undefined || unit.unit.startsWith('unit') ? '' : unit.unit;
  const words = telling(remainder);
  const before = rest.split(PLACE, 1)[0] ?? '';
  return {
    value: first,
    percent,
    unit: named,
    words: named !== '' && unit ? [...telling(after.slice(0, unit.end)), ...words] : words,
    bare:
      !comma &&
      !/\p{L}/u.test(before) &&
      values.length === 1 &&
      (unit ? /^[^\p{L}]*$/u : /^[^\p{L}]*(?:\p{Ll}+[^\p{L}]*)?$/u).test(remainder),
    comma,
  };
}

function readToken(
  match: RegExpMatchArray,
  mark: DecimalMark,
): { value: Rational; comma: boolean } | undefined {
  const [, sign, mixed, first = '', second, e, power, word, letter, percent] = match;
  const read = readDecimal(first, mark);
  if (!read) return undefined;
  let { value } = read;
  if (second !== undefined) {
    const under = readDecimal(second, mark);
    const quotient = under && divide(value, under.value);
    if (!quotient) return undefined;
    value = quotient;
  }
  if (mixed !== undefined) value = add(fromInteger(Number(mixed)), value);
  const exponent = e ?? power;
  if (exponent !== undefined) {
    const scale = parseDecimal(`1e${exponent}`);
    if (!scale) return undefined;
    value = multiply(value, scale);
  }
  value = multiply(value, fromInteger(MAGNITUDES.get(word ?? letter ?? '') ?? 1));
  if (percent !== undefined) value = { num: value.num, den: value.den * 100n };
  return { value: sign === '-' ? negate(value) : value, comma: read.comma };
}

/** Signs, words and lone letters that make more than a number of it. */
function isFormula(around: string): boolean {
  if (MATHEMATICS.test(around)) return true;
  const words = around.match(WORD) ?? [];
  return words.some(
    (word) => FORMULA.has(word) || (word.length === 1 && !/[aI°]/.test(word) && /[a-z]/i.test(word)),
  );
}

function telling(text: string): string[] {
  return (text.match(WORD) ?? [])
    .filter((word) => !EMPTY_WORDS.has(word.toLowerCase()))
    .map((word) => unitName(word) ?? singular(word.toLowerCase()));
}

const IRREGULAR: ReadonlyMap<string, string> = new Map([
  ['people', 'person'],
  ['children', 'child'],
  ['men', 'man'],
  ['women', 'woman'],
  ['mice', 'mouse'],
  ['teeth', 'tooth'],
]);

function singular(word: string): string {
  return (
    IRREGULAR.get(word) ??
    word
      .replace(/ies$/, 'y')
      .replace(/(?<=x|ch|sh|ss)es$/, '')
      .replace(/(?<=[^s])s$/, '')
  );
}
