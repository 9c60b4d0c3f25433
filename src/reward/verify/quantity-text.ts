/** Brings the many ways to write a number to one: plain digits, `/`, `×10^`, `%`, unit names. */
import { digitsForWords } from './number-words.ts';
import { stripMarkup } from './plain-text.ts';

const UNICODE_FRACTION = /(\d)? ?([¼½¾⅐-⅞])/g;
const RAISED_DIGITS = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const RAISED = /(?<=10)([⁺⁻]?)([⁰¹²³⁴-⁹]{1,4})/g;

/** LaTeX's thousands marks: a comma that is braced, or spaced with \!, or a mere space. */
const THOUSANDS_COMMA = /(?<=\d)(?:\{,\}|,\\!)(?=\d{3})/g;
const THOUSANDS_SPACE = /(?<=\d)\\[,:; ](?=\d{3})/g;

type Rewrite = readonly [RegExp, string | ((...groups: string[]) => string)];

/** In this order; each is linear in the length of the text. */
const REWRITES: readonly Rewrite[] = [
  [/[\uFF01-\uFF5E]/g, (sign) => (sign ?? '').normalize('NFKC')],
  [UNICODE_FRACTION, (_, digit, sign = '') => `${digit === undefined ? '' : `${digit} `}${fraction(sign)}`],
  [/[\u2212\u2013\uFE63]/g, '-'],
  [/[\u00A0\u2009\u202F\u2007~]/g, ' '],
  [/\\%/g, '%'],
  [/(?<=\d) point (\d)(?: (\d))?(?: (\d))?(?![\d,.])/g, (_, a, b = '', c = '') => `.${a}${b}${c}`],
  [/(?<=\d) ?o['’]clock\b/gi, ''],
  [/\\(?:approx|simeq|thickapprox)(?![a-zA-Z])|≃/g, '≈'],
  [/\\(?:leq?|geq?|ne|neq|lt|gt)(?![a-zA-Z])|[<>!]=/g, '≤'],
  [/\\(?:times|cdot)(?![a-zA-Z])|×/g, '×'],
  [RAISED, (_, sign, digits = '') => `^${sign === '⁻' ? '-' : ''}${lower(digits)}`],
  [/(?<=\d) ?[×x*·] ?10 ?\^ ?[{(]? ?([+-]?\d{1,4}) ?[})]?/g, '×10^$1'],
  [/(?<![\d.^×,])10 ?\^ ?[{(]? ?([+-]?\d{1,4}) ?[})]?/g, '1×10^$1'],
  [/(\d) ?\\[dtc]?frac/g, '$1 \\frac'],
  [/\\[dtc]?frac ?(?:\{ ?([\d.,]{1,50}) ?\}|(\d)) ?(?:\{ ?([\d.,]{1,50}) ?\}|(\d))/g, '$1$2/$3$4'],
  [/\^ ?\{? ?\\circ ?\}?|\\degree(?![a-zA-Z])|º/g, '°'],
  [/\b(?:degrees?|deg)\.? (?=celsius|fahrenheit|centigrade)/gi, ''],
  [/(?:° ?|\bdegrees? )([CF])(?![\p{L}])/gu, ' °$1'],
  [/ ?\bper ?cent\b| ?\bpercentage points?\b/gi, '%'],
  [/\b([ap])\. ?m\.?(?![\p{L}])/giu, '$1m'],
  [/\b(?:minus|negative) (?=[\d.])/gi, '-'],
  [/(?<=\d) and (?=\d{1,3}\/\d)/g, ' '],
  [/ ?\^ ?\{ ?(-?\d) ?\}/g, '^$1'],
  [/[{}]/g, ' '],
  [/\s{2,}/g, ' '],
];

/** Rewrites a text that may hold a number; what is no number keeps its words. */
export function quantityText(source: string): string {
  const marked = source.replaceAll('\n', ' ; ').replace(THOUSANDS_COMMA, ',').replace(THOUSANDS_SPACE, '_');
  let text = stripMarkup(dollars(digitsForWords(marked)));
  for (const [pattern, by] of REWRITES) {
    text = typeof by === 'string' ? text.replace(pattern, by) : text.replace(pattern, by);
  }
  return text.replace(/^[\s*_'"“”‘’]{1,20}|[\s*_'"“”‘’.]{1,20}$/g, '');
}

/** A lone dollar sign, or an escaped one, is a currency; a pair of them encloses mathematics. */
function dollars(text: string): string {
  const escaped = text.replaceAll('\\$', '﹩');
  return escaped.split('$').length === 2 ? escaped.replace('$', '﹩') : escaped;
}

function fraction(sign: string): string {
  return sign.normalize('NFKC').replace('\u2044', '/');
}

function lower(digits: string): string {
  return digits
    .split('')
    .map((digit) => RAISED_DIGITS.indexOf(digit))
    .join('');
}
