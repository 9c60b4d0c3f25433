/** Lists: separated by commas, semicolons, lines or "and", in any brackets, as JSON, or with bullets or numbers. */
import { differenceOf } from './compare-quantities.ts';
import { stripMarkup } from './plain-text.ts';
import { readQuantity } from './quantity.ts';
import { comparedForms, withoutLead } from './text.ts';
import { badGold, type CheckContext, RIGHT, type Verdict, type Verifier, wrong } from './verdict.ts';

/** More elements are no answer; the limit bounds the comparisons. */
const MAX_ELEMENTS = 200;
const DOTS = /\.\.\.|\\[lcd]?dots/g;
const ELLIPSIS = /\.\.\.|…|\\[lcd]?dots|\betc\b/;
const BULLET = /^\s*(?:[-*•‣–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+/;
const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}', '"': '"', '“': '”' };
const EMPTY =
  /^(?:\[\s*\]|\{\s*\}|\\\{\s*\\\}|\\(?:emptyset|varnothing)|∅|none|empty|nothing|(?:the )?empty (?:list|set))\.?$/i;

/** Judges a list whose order does not matter; an element counts as often as it stands there. */
export const verifyList: Verifier = (extracted, gold, context) =>
  verify(extracted, gold, context, 'list', sameMultiset);

/** Judges a list whose order matters. */
export const verifyOrderedList: Verifier = (extracted, gold, context) =>
  verify(extracted, gold, context, 'ordered_list', (found, right, same) =>
    found.every((item, i) => same(item, right[i] ?? '')),
  );

type Same = (a: string, b: string) => boolean;
type SameList = (found: readonly string[], right: readonly string[], same: Same) => boolean;

function verify(
  extracted: string,
  gold: string,
  context: CheckContext,
  name: string,
  sameList: SameList,
): Verdict {
  if (gold.trim() === '') throw badGold(context, name, 'a list', gold);
  // What the dots stand for is anybody's guess.
  if (ELLIPSIS.test(gold) || ELLIPSIS.test(extracted)) {
    return squeeze(withoutLead(extracted)) === squeeze(gold)
      ? RIGHT
      : wrong('equal to the same text only, for its ellipsis');
  }
  const golds = listReadings(gold);
  if (golds.some(({ length }) => length > MAX_ELEMENTS)) {
    throw badGold(context, name, `a list of at most ${MAX_ELEMENTS} elements`, gold);
  }
  if (golds[0]?.length === 0 && !EMPTY.test(gold.trim())) throw badGold(context, name, 'a list', gold);
  const founds = listReadings(withoutLead(extracted));
  const same = sameElement(context.tolerance);
  for (const right of golds) {
    for (const found of founds) {
      if (found.length === right.length && sameList(found, right, same)) return RIGHT;
    }
  }
  const [found] = founds;
  const [right] = golds;
  return wrong(
    found?.length === right?.length ? undefined : `${found?.length} elements, not ${right?.length}`,
  );
}

/** A text without spaces, brackets around it, and with one sign for dots. */
function squeeze(text: string): string {
  const dotted = stripMarkup(text).replace(DOTS, '…').replace(/\s+/g, '').toLowerCase();
  return withoutBrackets(dotted).replace(/\.$/, '');
}

/** The elements of a list, read in the most likely way. */
export function splitList(text: string): string[] {
  return listReadings(text)[0] ?? [];
}

/** The ways to read a list: whether "1,000" is one element or two, and whether "and" divides. */
function listReadings(source: string): string[][] {
  const text = stripMarkup(source.replace(/^```(?:json)?|```$/g, '')).trim();
  if (EMPTY.test(text)) return [[]];
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length > 1 && lines.every((line) => BULLET.test(line))) {
    return [lines.map((line) => tidy(line.replace(BULLET, '')))];
  }
  const inner = withoutBrackets(text).replaceAll('\n', lines.length > 1 && !text.includes(',') ? ';' : ' ');
  const semicolons = splitAt(inner, ';').filter((item) => item.trim() !== '');
  if (semicolons.length > 1) return [unnumbered(semicolons.map(tidy))];
  const spaced = /,\s/.test(inner);
  const readings: string[][] = [];
  for (const thousands of [spaced, !spaced]) {
    const items = splitAt(inner, ',', thousands);
    readings.push(
      items.flatMap((item) => item.replace(/\s+/g, ' ').split(/^ ?(?:and|&) | (?:and|&) /i)),
      items,
    );
  }
  const tidied = readings.map((items) => unnumbered(items.map(tidy).filter((item) => item !== '')));
  const seen = new Set<string>();
  return tidied.filter((items) => {
    const key = JSON.stringify(items);
    return !seen.has(key) && seen.add(key);
  });
}

/** Takes off "1." and "x =" where every element has it. */
function unnumbered(items: string[]): string[] {
  if (items.length > 1 && items.every((item) => BULLET.test(item)))
    return items.map((item) => item.replace(BULLET, ''));
  const [name] = /^\p{L} ?=/u.exec(items[0] ?? '') ?? [];
  return name !== undefined && items.every((item) => item.startsWith(name))
    ? items.map((item) => item.slice(name.length).trim())
    : items;
}

/** Takes off brackets that enclose the whole list. */
function withoutBrackets(text: string): string {
  const inner = text.replace(
    /^\\?([[({])([^]*?)\\?([\])}])\.?$/,
    (whole, open: string, content: string, close: string) =>
      PAIRS[open] === close && isBalanced(content) ? content : whole,
  );
  return inner.trim();
}

/** Whether no bracket of the text closes what it did not open: "1), (2" is not inside one pair. */
function isBalanced(text: string): boolean {
  let depth = 0;
  for (const sign of text) {
    if ('([{'.includes(sign)) depth++;
    else if (')]}'.includes(sign) && --depth < 0) return false;
  }
  return depth === 0;
}

/** Splits where no bracket or quotation mark is open; with `thousands` the comma of "1,000" stays. */
function splitAt(text: string, separator: string, thousands = false): string[] {
  const parts: string[] = [];
  const closers: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const sign = text[i] ?? '';
    if (closers.length > 0 && sign === closers.at(-1)) closers.pop();
    else if (PAIRS[sign] !== undefined) closers.push(PAIRS[sign]);
    else if (sign === separator && closers.length === 0) {
      if (thousands && /\d/.test(text[i - 1] ?? '') && /^\d{3}(?!\d)/.test(text.slice(i + 1, i + 5)))
        continue;
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function tidy(item: string): string {
  return item
    .trim()
    .replace(/^["'“”‘’]|["'“”‘’][.,]?$/g, '')
    .replace(/[.,;]$/, '')
    .trim();
}

/** Equality of elements, with every element read once. */
function sameElement(tolerance: number): Same {
  const read = once((text) => ({ quantity: readQuantity(text), forms: comparedForms(text) }));
  return (a, b) => {
    if (a === b) return true;
    const [{ quantity: left, forms }, { quantity: right, forms: otherForms }] = [read(a), read(b)];
    if (typeof left !== 'string' && typeof right !== 'string' && left.bare && right.bare) {
      return differenceOf(left, right, tolerance, false) === undefined;
    }
    return forms.some((form) => otherForms.includes(form));
  };
}

function once<T extends object>(compute: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const value = known.get(text) ?? compute(text);
    known.set(text, value);
    return value;
  };
}

/** Every element of the one has its own partner in the other. */
function sameMultiset(found: readonly string[], right: readonly string[], same: Same): boolean {
  const left = [...found];
  return right.every((item) => {
    const at = left.findIndex((candidate) => same(candidate, item));
    if (at === -1) return false;
    left.splice(at, 1);
    return true;
  });
}
