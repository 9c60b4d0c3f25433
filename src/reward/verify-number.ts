/**
 * Numbers: 1,000 = 1000 = 1e3, 1/2 = \frac{1}{2} = 0.5 = 50%, "x = 5" and "5 cm" are 5. A text that holds
 * several different numbers, or mathematics beyond a plain number, is never right: guessing must not pay.
 */
import { DataError } from '../util/errors.ts';
import { add, divide, equal, negate, parseDecimal, type Rational, within } from './rational.ts';
import { stripMarkup } from './plain-text.ts';
import { RIGHT, type Verifier, wrong } from './verdict.ts';

export interface Quantity {
  value: Rational;
  /** The words after the number in the singular; units of measure by their short names. */
  words: readonly string[];
  /** Whether the text is the number alone, or with one word such as its unit after it. */
  bare: boolean;
}

const DECIMAL = String.raw`(?:\d{1,3}(?:,\d{3}){1,20}(?![\d])|\d{1,300})(?:\.\d{0,300})?|\.\d{1,300}`;
const TOKEN = new RegExp(
  // a sign, then a mixed number (1 1/2), a fraction (1/2) or a decimal with its exponent, then a percent sign
  String.raw`(?<![\p{L}\p{N}.])([+-]?)(?:(\d{1,300}) (?=\d{1,300}/))?(${DECIMAL})(?:/(${DECIMAL})|(?:[eE]|×10\^)(\(?[+-]?\d{1,4}\)?))?( ?%)?`,
  'gu',
);
/** Stands where a number was taken out of the text; a private-use character. */
const NUMBER_PLACE = '\uE000';
const WORD = /[\p{L}°€£]+[²³]?/gu;
const ATTACHED_LETTER = /\uE000(\p{L})(?!\p{L})/u;
/** What may not stay beside a number: it would change its value or make it a formula. */
const MATHEMATICS = /[\\^_*/+=<>≤≥≈√π∞±|×÷!~]|\d|(?<!\p{L})-|-(?!\p{L})/u;

/** Units of measure, each line one unit: its short name, then its other names in the singular. */
const UNITS: ReadonlyMap<string, string> = new Map(
  `mm millimeter millimetre
  cm centimeter centimetre
  m meter metre
  km kilometer kilometre
  in inch inche
  ft foot feet
  mg milligram
  g gram
  kg kilogram
  ml milliliter millilitre
  l liter litre
  s sec second
  min minute
  h hr hour
  deg degree °
  $ dollar usd
  € euro eur
  £ pound gbp`
    .split('\n')
    .map((line) => line.trim().split(' '))
    .flatMap((names) => names.map((name) => [name, names[0] ?? name])),
);

const MAX_WORDS = 4;
const WORDS: readonly string[] = (
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen ' +
  'seventeen eighteen nineteen twenty'
).split(' ');

/** Judges numbers with `number_tolerance`; where both carry words ("5 cm", "4 pm"), these must have one in common. */
export const verifyNumber: Verifier = (extracted, gold, row, { number_tolerance: tolerance }) => {
  const right = readQuantity(gold);
  if (typeof right === 'string') {
    throw new DataError({
      where: row.id,
      expected: 'a number as the answer, because the row goes to the verifier "number"',
      found: `${JSON.stringify(gold)} (${right})`,
      fix: 'correct the answer, or send the row elsewhere with reward.verifier_by_reward or verifier_by_category',
    });
  }
  const found = readQuantity(extracted);
  if (typeof found === 'string') return wrong(found);
  if (
    found.words.length > 0 &&
    right.words.length > 0 &&
    !found.words.some((word) => right.words.includes(word))
  ) {
    return wrong(`${found.words.join(' ')}, not ${right.words.join(' ')}`);
  }
  return within(found.value, right.value, tolerance) ? RIGHT : wrong();
};

/** The one number a text states, or why it states none. Cheap for texts of bounded length only. */
export function readQuantity(source: string): Quantity | string {
  const prepared = prepare(source);
  const text = prepared.slice(prepared.lastIndexOf('=') + 1).replace(/^([ ]*[+-]) +(?=[\d.])/, '$1');
  const values: Rational[] = [];
  let rest = '';
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const value = tokenValue(match);
    if (value === undefined) return 'not a number';
    values.push(value);
    rest += `${text.slice(end, match.index)}${NUMBER_PLACE}`;
    end = match.index + match[0].length;
  }
  rest += text.slice(end);
  const [first, ...others] = values.length > 0 ? values : wordValue(rest);
  if (first === undefined) return 'no number';
  if (others.some((value) => !equal(value, first))) return 'several different numbers';
  // "2x" is a formula, "2m" a length.
  const [, attached = ''] = ATTACHED_LETTER.exec(rest) ?? [];
  const factor = attached !== '' && !UNITS.has(attached.toLowerCase());
  if (factor || MATHEMATICS.test(rest)) return 'more than a plain number';
  const [before = '', ...after] = rest.split(NUMBER_PLACE);
  const words = (after.at(-1)?.match(WORD) ?? []).map(canonicalWord);
  const wordsBefore = before.match(WORD)?.length ?? 0;
  return { value: first, words, bare: words.length <= 1 && wordsBefore === (values.length > 0 ? 0 : 1) };
}

/** One spelling for signs, spaces and LaTeX fractions; `=` and what is left of it is for the caller. */
function prepare(source: string): string {
  return stripMarkup(source.replace(/(\d)\\,(?=\d{3})/g, '$1'))
    .replace(/[\uFF10-\uFF19]/g, (digit) => digit.normalize('NFKC'))
    .replace(/[<>!]=/g, '≤')
    .replace(/ ?percent\b/gi, '%')
    .replace(/\{,\}/g, ',')
    .replace(/\\%/g, '%')
    .replace(/\\(?:times|cdot) ?10/g, '×10')
    .replace(/(\d) ?[×x*] ?10 ?\^ ?\{? ?([+-]?\d{1,4}) ?\}?/g, '$1×10^$2')
    .replace(/(\d) ?\\[dtc]?frac/g, '$1 \\frac')
    .replace(/\\[dtc]?frac ?(?:\{ ?([\d.]{1,50}) ?\}|(\d)) ?(?:\{ ?([\d.]{1,50}) ?\}|(\d))/g, '$1$2/$3$4')
    .replace(/\^ ?\{? ?\\circ ?\}?|\\degree/g, '°')
    .replace(
      /(\p{L})(?:\^ ?\{?([23])\}?|([²³]))/gu,
      (_, letter: string, plain?: string, raised?: string) =>
        `${letter}${plain === '2' || raised === '²' ? '²' : '³'}`,
    )
    .replace(/[\u2212\u2013]/g, '-')
    .replace(/[\u00A0\u2009\u202F]/g, ' ')
    .replace(/½/g, '1/2')
    .replace(/[{}]/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
}

function tokenValue(match: RegExpMatchArray): Rational | undefined {
  const [, sign, mixed, first = '', second, power, percent] = match;
  let value = parseDecimal(power === undefined ? first : `${first}e${power.replace(/[()]/g, '')}`);
  if (value && second !== undefined) {
    const denominator = parseDecimal(second);
    value = denominator && divide(value, denominator);
  }
  if (value && mixed !== undefined) value = add({ num: BigInt(mixed), den: 1n }, value);
  if (value && percent !== undefined) value = { num: value.num, den: value.den * 100n };
  return value && sign === '-' ? negate(value) : value;
}

/** The value of a number word that opens or ends a short text; "no one knows" has none. */
function wordValue(text: string): Rational[] {
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  if (words.length > MAX_WORDS) return [];
  const ends = [...new Set([words.at(0) ?? '', words.at(-1) ?? ''])];
  return ends
    .map((word) => WORDS.indexOf(word))
    .filter((index) => index !== -1)
    .map((index) => ({ num: BigInt(index), den: 1n }));
}

function canonicalWord(word: string): string {
  const lower = word.toLowerCase();
  const singular = lower.replace(/s$/, '');
  return UNITS.get(lower) ?? UNITS.get(singular) ?? singular;
}
