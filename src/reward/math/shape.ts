/** Whether a text looks like mathematics beyond a plain number; cheap, because it runs on the main thread. */
import { glyphsToLatex } from './glyphs.ts';

/** What a plain number may carry, with what it is for this purpose. */
const PLAIN_PARTS: readonly (readonly [RegExp, string])[] = [
  [/^\$+|\$+$/g, ''],
  [/\^ ?\{? ?\\circ ?\}?|\\degree/g, '° '],
  [/\\[dtc]?frac ?(?:\{\d{1,40}\}|\d) ?(?:\{\d{1,40}\}|\d)/g, ' 1/2 '],
  [/(\d) ?(?:\\times|\\cdot|[x*]) ?10 ?\^ ?(?:\{-?\d{1,4}\}|-?\d{1,4})/g, '$1'],
  [/(?<=\d)e[-+]?\d{1,3}$/gi, ''],
  [/\\(?:text|textbf|textit|mathrm|mbox) ?\{([^{}]{0,200})\}/g, '$1'],
  [/((?:mm|cm|km|m|ft|in|inches|feet|meters|units?)) ?\^ ?\{?[23]\}?/g, '$1'],
  [/\\(?:[,;:!% $]|left|right|quad)/g, ' '],
];
/** Commands and signs that only formulas have. */
const SIGN = /[\\^_=<>|]|\d!(?![!?])/;
/** sqrt(2), 2pi, x in (1, 2): mathematics typed as text. */
const TYPED =
  /(?<![a-zA-Z])(?:sqrt|cbrt|arcsin|arccos|arctan|sin|cos|tan|cot|ln|log|exp) ?\(|(?:^|[\d\s(*/+-])pi(?![a-zA-Z])|^[a-z] in [[({]/;
/** Several values in brackets or with commas between them; 1,000 is one number. */
const TUPLE = /^[([{][^()[\]{}]{1,200}[,;][^()[\]{}]{1,200}[)\]}]$/;
const LIST = /^[-+\d./\s]{1,40}(?:,\s|;|,(?!\d{3}(?!\d)))[-+\d./,;\s]{1,200}$/;
/** "8 and 12" */
const NUMBERS_IN_WORDS = /^[-+\d./]{1,20} (?:and|or) [-+\d./]{1,20}$/;
/** (0,0),(1,1) */
const POINTS = /^(?:[([][^()[\]]{0,80}\d[^()[\]]{0,80}[)\]](?: ?(?:,|;|and) ?|$)){2,20}$/;
/** 1:3 and 2:3:5, but not what a clock shows. */
const RATIO = /^(?!\d{1,2}:[0-5]\d$)\d{1,6}(?: ?: ?\d{1,6}){1,5}$/;
const PHRASE = /^(?:all real numbers|no (?:real |integer )?solutions?|(?:the )?empty set|-?infinity)$/i;
/** Letters alone or in pairs among digits and signs … */
const ALGEBRA = /^(?=.{0,200}$)(?:[\s\d+*/().,-]|(?<![a-zA-Z])[a-zA-Z]{1,3}(?![a-zA-Z]))+$/;
/** … with a sign between terms, a factor in front, or one bracket after another. */
const FORMULA =
  /[a-zA-Z)]\s*[+*]\s*[a-zA-Z(\d]|\d\s*[+*]\s*(?:[a-zA-Z(]|\d{1,6}[a-z](?![a-zA-Z]))|\d\s?-\s?\d{1,6}[a-z](?![a-zA-Z])|[a-z)]\s*-\s*[\d(]|[\d)a-z]\s+-\s+[a-zA-Z(\d]|(?<![a-zA-Z])[a-z]-[a-z](?![a-zA-Z])|(?<![a-zA-Z\d])\d{0,3}[abknpqrtxyz]{1,2}\/(?!a)(?:\d|[b-z](?![a-zA-Z]))|\d\/\([^()]*[a-z]|(?<![a-zA-Z\d.])\d{1,3}[abknpqrxyz](?![a-zA-Z])|[a-z)]\([^()]*[a-z]/;

/**
 * Whether a gold answer needs the mathematics verifier: LaTeX, powers, roots, intervals, sets, tuples, equations,
 * short formulas. Plain numbers, with a unit or not, names, dates and times do not. Linear in its length.
 */
export function looksLikeMath(text: string): boolean {
  const bare = PLAIN_PARTS.reduce(
    (rest, [pattern, replacement]) => rest.replace(pattern, replacement),
    glyphsToLatex(text.trim()),
  ).trim();
  if (SIGN.test(bare) || TYPED.test(bare) || RATIO.test(bare) || PHRASE.test(bare)) return true;
  if (NUMBERS_IN_WORDS.test(bare.replace(/\s+/g, ' ')) || POINTS.test(bare)) return true;
  if (/[a-zA-Z]{4}/.test(bare)) return false;
  // "(A, B)" names options.
  if (TUPLE.test(bare) || LIST.test(bare)) return !/^\W*[A-J](?:, ?[A-J])*\W*$/.test(bare);
  return ALGEBRA.test(bare) && /[a-zA-Z]/.test(bare) && FORMULA.test(bare);
}
