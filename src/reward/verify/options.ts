/** Finds the options of a multiple-choice problem, however they are marked. */
import { plainText } from './plain-text.ts';

export type Options = ReadonlyMap<string, string>;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ROMAN = 'I II III IV V VI VII VIII'.split(' ');
const NUMBERS = Array.from({ length: 20 }, (_, i) => String(i + 1));
/** Problems are read up to here; options beyond are none. */
const MAX_PROBLEM = 20_000;
/** Marks that also number steps or parts of a problem count only where it speaks of choosing. */
const CHOOSING = /\b(?:options?|choices?|choose|select|pick|which|candidates)\b|选/i;

interface Style {
  pattern: RegExp;
  names: readonly string[];
  onlyWhenChoosing: boolean;
}

/** Before the mark: the start of the text, white space or an emphasis. After "A." and so on comes no further stop. */
const STYLES: readonly Style[] = [
  { pattern: /[([]([A-Z])[)\]]/g, names: LETTERS.split(''), onlyWhenChoosing: false },
  {
    pattern: /(?:^|[\s,;*])\*{0,2}([A-Z])(?:[.):、]|\*\*[.):]?)(?![.):])\*{0,2}/g,
    names: LETTERS.split(''),
    onlyWhenChoosing: false,
  },
  {
    pattern: /(?<![\p{L}\p{N}])\(([a-z])\)/gu,
    names: LETTERS.toLowerCase().split(''),
    onlyWhenChoosing: true,
  },
  {
    pattern: /(?:^|[\s,;])([a-z])[.)](?=\s)/g,
    names: LETTERS.toLowerCase().split(''),
    onlyWhenChoosing: true,
  },
  { pattern: /(?<![\p{L}\p{N}])\((\d{1,2})\)/gu, names: NUMBERS, onlyWhenChoosing: true },
  { pattern: /(?:^|[\s,;])(\d{1,2})[.)](?=\s)/g, names: NUMBERS, onlyWhenChoosing: true },
  {
    pattern: /(?<![\p{L}\p{N}])\((i{1,3}|i?v|vi{0,3})\)/gu,
    names: ROMAN.map((name) => name.toLowerCase()),
    onlyWhenChoosing: true,
  },
];

/**
 * The options of a problem by their marks: capital letters, numbers, or roman numbers. Options in a list
 * ("Choices: ['cat', 'dog']") are lettered in their order.
 * @returns an empty map when the problem has fewer than two that follow each other.
 */
export function readOptions(problem: string): Options {
  const text = narrow(problem.slice(0, MAX_PROBLEM));
  const choosing = CHOOSING.test(text);
  for (const { pattern, names, onlyWhenChoosing } of STYLES) {
    if (onlyWhenChoosing && !choosing) continue;
    const options = marked(text, pattern, names);
    if (options.size > 0) return options;
  }
  return choosing ? listed(text) : new Map();
}

interface Mark {
  name: string;
  start: number;
  end: number;
}

function marked(text: string, pattern: RegExp, names: readonly string[]): Options {
  const marks: Mark[] = [...text.matchAll(pattern)].map((match) => ({
    name: match[1] ?? '',
    start: match.index,
    end: match.index + match[0].length,
  }));
  const first = longestRun(marks, names);
  if (first === undefined) return new Map();
  const run = marks.slice(first.at, first.at + first.length);
  return new Map(
    run.map(({ name, end }, i) => [
      name.toUpperCase(),
      optionText(text.slice(end, marks[first.at + i + 1]?.start ?? text.length)),
    ]),
  );
}

/** The longest row of marks in their order; the first one of equals: a later one may be "answer (A) or (B)". */
function longestRun(
  marks: readonly Mark[],
  names: readonly string[],
): { at: number; length: number } | undefined {
  let best: { at: number; length: number } | undefined;
  let at = 0;
  while (at < marks.length) {
    let length = 0;
    while (marks[at + length]?.name === names[length] && length < names.length) length++;
    if (length >= 2 && (best === undefined || length > best.length)) best = { at, length };
    at += Math.max(length, 1);
  }
  return best;
}

/** An option ends with its line, or before the next mark. */
function optionText(text: string): string {
  return (text.trim().split('\n', 1)[0] ?? '').replace(/[\s,;.*]{1,10}$/, '');
}

/** Options as ['cat', 'dog'] after the word "options" or "choices". */
function listed(text: string): Options {
  const list = /\b(?:options?|choices?|candidates)\b[^[]{0,40}\[([^[\]\n]{1,2000})\]/i.exec(text)?.[1];
  const items = list === undefined ? [] : [...list.matchAll(/'([^']{1,300})'|"([^"]{1,300})"/g)];
  if (items.length < 2 || items.length > LETTERS.length) return new Map();
  return new Map(items.map((item, i) => [LETTERS[i] ?? '', optionText(item[1] ?? item[2] ?? '')]));
}

/** The only option with this text. */
export function optionByText(text: string, options: Options): string | undefined {
  const wanted = plainText(text);
  if (wanted === '') return undefined;
  const same = [...options].filter(([, option]) => plainText(option) === wanted);
  return same.length === 1 ? same[0]?.[0] : undefined;
}

/** Letters, digits and brackets of full width become those of ASCII. */
export function narrow(text: string): string {
  return text.replace(/[\uFF01-\uFF5E]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0));
}
