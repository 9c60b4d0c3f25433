/** Numbers written as words: "twenty-one", "one hundred and five", "two thirds", "a dozen", "three and a half". */
import { add, divide, fromInteger, multiply, type Rational } from './rational.ts';

const ONES = table(
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen ' +
    'seventeen eighteen nineteen',
  (i) => i,
);
const TENS = table('twenty thirty forty fifty sixty seventy eighty ninety', (i) => 10 * (i + 2));
const SCALES: ReadonlyMap<string, number> = new Map([
  ['thousand', 1e3],
  ['million', 1e6],
  ['billion', 1e9],
]);
/** Parts by their names in the singular; the plural has an s, but "halves". */
const PARTS: ReadonlyMap<string, number> = new Map([
  ['half', 2],
  ['third', 3],
  ['quarter', 4],
  ...'fourth fifth sixth seventh eighth ninth tenth'
    .split(' ')
    .map((name, i): [string, number] => [name, i + 4]),
  ['hundredth', 100],
]);
const ORDINALS = new Map<string, number>([
  ...table(
    'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth ' +
      'fifteenth sixteenth seventeenth eighteenth nineteenth',
    (i) => i + 1,
  ),
  ...table(
    'twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth',
    (i) => 10 * (i + 2),
  ),
]);

const PART_NAMES = [...PARTS.keys()].flatMap((name) => [name, name === 'half' ? 'halves' : `${name}s`]);
const NAMES = [
  ...ONES.keys(),
  ...TENS.keys(),
  ...SCALES.keys(),
  ...PART_NAMES,
  ...ORDINALS.keys(),
  'hundred',
  'dozen',
];
/** "a" and "an" belong to a number only here: "a dozen", "a half". */
const ARTICLE = `an? (?=(?:hundred|thousand|million|billion|dozen|${PART_NAMES.join('|')})\\b)`;
const NAME = `(?:${ARTICLE})?(?:${[...new Set(NAMES)].sort((a, b) => b.length - a.length).join('|')})\\b`;
/** Number words in a row; the joints differ from the words, so that there is one way to read a text. */
const RUN = new RegExp(`(?<![\\p{L}\\p{N}'’-])${NAME}(?:(?:-| and | )${NAME}){0,30}(?![\\p{L}'’])`, 'giu');
const ORDINAL_WORDS = new RegExp(
  `\\b(?:(?:${[...TENS.keys()].join('|')}) )?(?:${[...ORDINALS.keys()].join('|')})\\b`,
  'g',
);
const SUFFIXES: readonly string[] = ['th', 'st', 'nd', 'rd'];
/** "the red one", "no one" and "one of them" name no number. */
const NUMBER_ONE_FOLLOWS =
  /(?:^|[:=(,;]|\b(?:is|are|was|were|be|equals?|exactly|only|just|see|count|has|have|about|minus|negative)) ?$/i;

/**
 * Replaces number words by digits: "two thirds" becomes "2/3", "three and a half" "3 1/2".
 * @param everyOne whether a pronoun "one" may become 1 as well; harmless where both sides are treated alike.
 */
export function digitsForWords(text: string, everyOne = false): string {
  return text.replace(RUN, (run: string, offset: number) => {
    const before = text.slice(Math.max(0, offset - 12), offset);
    const after = text.slice(offset + run.length, offset + run.length + 4);
    if (!everyOne && run.toLowerCase() === 'one') {
      if (!NUMBER_ONE_FOLLOWS.test(before) || /^ of\b/i.test(after)) return run;
    }
    // "the two lines cross 3 times" states one number.
    if (!everyOne && /\b(?:the|these|those|both) $/i.test(before) && !/\bis the $/i.test(before)) return run;
    return readRun(run);
  });
}

/** The place of a text such as "third", "the twenty-first" or "2nd"; undefined for any other text. */
export function readOrdinal(text: string): Rational | undefined {
  const plain = text
    .trim()
    .toLowerCase()
    .replace(/^(?:the|it is|it's) /, '')
    .replace(/[.!]$/, '');
  const digits = /^(\d{1,9}) ?(?:st|nd|rd|th)(?: \p{L}{1,20}){0,3}$/u.exec(plain);
  if (digits?.[1] !== undefined) return fromInteger(Number(digits[1]));
  const [head = '', second] = plain.split(/[ -]/, 3);
  const tens = TENS.get(head);
  const last = tens === undefined ? ORDINALS.get(head) : ORDINALS.get(second ?? '');
  if (last === undefined || (tens !== undefined && last > 9)) return undefined;
  const rest = plain.split(/[ -]/).length - (tens === undefined ? 1 : 2);
  return rest <= 2 ? fromInteger((tens ?? 0) + last) : undefined;
}

/** Replaces "third" by "3rd" and so on, in a text of small letters without hyphens. */
export function ordinalsForWords(text: string): string {
  return text.replace(ORDINAL_WORDS, (words: string) => {
    const value = readOrdinal(words)?.num;
    return value === undefined
      ? words
      : `${value}${SUFFIXES[value % 100n > 10n && value % 100n < 14n ? 0 : Number(value % 10n)] ?? 'th'}`;
  });
}

/** Every number of a run, each as digits; what is no number stays. */
function readRun(run: string): string {
  const words = run.toLowerCase().split(/[ -]/);
  const original = run.split(/[ -]/);
  const out: string[] = [];
  for (let i = 0; i < words.length;) {
    const found = readFrom(words, i);
    if (found) out.push(asText(found.value));
    else out.push(original[i] ?? '');
    i = found?.next ?? i + 1;
  }
  return out.join(' ');
}

interface Found {
  value: Rational;
  next: number;
}

function readFrom(words: readonly string[], start: number): Found | undefined {
  const whole = readWhole(words, start);
  if (!whole) return readParts(words, start, undefined);
  const parts = readParts(words, whole.next, whole.value);
  if (parts) return parts;
  // "twenty third" is a place, not a number.
  if (ORDINALS.has(words[whole.next] ?? '')) return undefined;
  if (words[whole.next] !== 'and') return whole;
  const rest = readFraction(words, whole.next + 1);
  return rest ? { value: add(whole.value, rest.value), next: rest.next } : whole;
}

/** "a half", "three quarters" */
function readFraction(words: readonly string[], start: number): Found | undefined {
  const count = readWhole(words, start);
  return readParts(words, count?.next ?? start, count?.value);
}

/** The parts at `start`, `count` of them; without a count "half" and "a third". */
function readParts(words: readonly string[], start: number, count: Rational | undefined): Found | undefined {
  const article = words[start] === 'a' || words[start] === 'an';
  if (article && count !== undefined) return undefined;
  const at = article ? start + 1 : start;
  const name = words[at] ?? '';
  const singular = name === 'halves' ? 'half' : PARTS.has(name) ? name : name.replace(/s$/, '');
  const size = PARTS.get(singular);
  if (size === undefined || (count === undefined && !article && name !== 'half')) return undefined;
  const one = fromInteger(1);
  const isOne = count === undefined || (count.num === 1n && count.den === 1n);
  if (isOne !== (name === singular)) return undefined;
  const value = divide(count ?? one, fromInteger(size));
  return value && { value, next: at + 1 };
}

/** A whole number below a trillion: the scales come in falling order. */
function readWhole(words: readonly string[], start: number): Found | undefined {
  let total = fromInteger(0);
  let next = start;
  let limit = Infinity;
  for (;;) {
    const from: number = next > start && words[next] === 'and' ? next + 1 : next;
    const group = readGroup(words, from);
    if (!group) break;
    const scale = SCALES.get(words[group.next] ?? '');
    if (scale !== undefined && scale >= limit) break;
    if (scale === undefined && next > start && limit === Infinity) break;
    total = add(total, multiply(fromInteger(group.value), fromInteger(scale ?? 1)));
    next = scale === undefined ? group.next : group.next + 1;
    if (scale === undefined) break;
    limit = scale;
  }
  return next === start ? undefined : { value: total, next };
}

/** A number below 1000 that `start` begins, or a few dozens. */
function readGroup(words: readonly string[], start: number): { value: number; next: number } | undefined {
  const small = readBelowHundred(words, start);
  const article = words[start] === 'a' || words[start] === 'an';
  const next = small?.next ?? (article ? start + 1 : start);
  const count = small?.value ?? (article ? 1 : undefined);
  if (count === undefined) return undefined;
  if (words[next] === 'dozen') return { value: 12 * count, next: next + 1 };
  if (words[next] === 'hundred') {
    const rest = readBelowHundred(words, words[next + 1] === 'and' ? next + 2 : next + 1);
    return rest
      ? { value: 100 * count + rest.value, next: rest.next }
      : { value: 100 * count, next: next + 1 };
  }
  const years = small && count > 10 && count <= 20 ? readBelowHundred(words, next) : undefined;
  // "nineteen eighty-four"
  if (years && years.value > 9) return { value: 100 * count + years.value, next: years.next };
  return small ?? (article && SCALES.has(words[next] ?? '') ? { value: 1, next } : undefined);
}

function readBelowHundred(
  words: readonly string[],
  start: number,
): { value: number; next: number } | undefined {
  const tens = TENS.get(words[start] ?? '');
  if (tens === undefined) {
    const value = ONES.get(words[start] ?? '');
    return value === undefined ? undefined : { value, next: start + 1 };
  }
  const ones = ONES.get(words[start + 1] ?? '');
  return ones !== undefined && ones > 0 && ones < 10
    ? { value: tens + ones, next: start + 2 }
    : { value: tens, next: start + 1 };
}

function asText({ num, den }: Rational): string {
  if (num % den === 0n) return String(num / den);
  const whole = num / den;
  return whole === 0n ? `${num}/${den}` : `${whole} ${num % den}/${den}`;
}

function table(names: string, value: (index: number) => number): ReadonlyMap<string, number> {
  return new Map(names.split(' ').map((name, i) => [name, value(i)]));
}
