/** Reads a cleaned text into a value: lists, brackets and relations by their signs, the rest as formulas. */
import { parseFormula } from './expression.ts';
import { enclosed, splitTop } from './nesting.ts';
import { splitUnit, type Unit } from './units.ts';
import type { Formula, Value } from './value.ts';

/** More items than this are compared as text only. */
const MAX_ITEMS = 60;
const MAX_SIGNS = 3;

const NONE =
  /^(?:\\emptyset|\\\{ ?\\\}|none|no (?:real |integer |such )?(?:solutions?|roots?|values?)(?: exists?)?|there (?:is|are) no (?:real )?solutions?|empty set)$/i;
const ALL_REALS = /^(?:\\mathbb ?\{? ?R ?\}?|(?:all|any|every|the) reals?(?: numbers?)?)$/i;
/** A statement about a parameter, and no answer of its own. */
const CONDITION =
  /^(?:\(?(?:where|for|with)?(?: all| any| some)? ?[a-zA-Z](?:_\{?\w\}?)?(?:, ?[a-zA-Z])? ?(?:\\in|is an?|are) ?(?:\\mathbb ?\{?[ZNQRC]\}?(?:\^\{?[+*]\}?|_\{?[+>\d]*\}?)?|(?:arbitrary |any |positive |non-negative )?(?:integers?|real(?: numbers?)?|constants?))\)?|(?:where|for) .{1,60}|\( ?[a-zA-Z] ?\\in ?\\mathbb ?\{?[ZN]\}?\))$/;
const INLINE_CONDITION =
  / ?\(? ?(?:(?:where|for|with)(?: (?:any|all|some))? )?(?:integers? )?[knmlt] ?\\in ?\\mathbb ?\{?[ZN]\}?(?:\^\{?[+*]\}?|_\{?[+>\d]*\}?)? ?\)?$|,? (?:where|for (?:any|all|some|every|integers?)) .{1,80}$/;
const BASED =
  /^\(?(?=[0-9A-F]*\d|[A-F]+_)([0-9A-F]{1,40})\)?(?:_ ?\{? ?(\d{1,2}|two|three|four|five|six|seven|eight|nine|ten|twelve|sixteen)(?:_[a-z]+)? ?\}?| \(?(?:in )?base (\d{1,2}|[a-z]{3,7})\)?)$/;
const BASES: readonly string[] = 'two three four five six seven eight nine ten eleven twelve'.split(' ');
const RELATIONS: ReadonlySet<string> = new Set(
  '= < > \\le \\ge \\ne \\in \\notin \\approx \\equiv \\sim \\cong'.split(' '),
);
const COMBINATIONS: ReadonlySet<string> = new Set(['\\cup', '\\cap', '\\setminus']);
const MATRIX = /^(.{0,60}?)\\begin\{([pbB]?matrix|smallmatrix|array)\}(.*)\\end\{\2\}$/s;

/** The value of a cleaned text. Never fails: what is no mathematics is text. */
export function readValue(source: string): Value {
  const text = source.replace(INLINE_CONDITION, '').trim() || source;
  if (NONE.test(text)) return { kind: 'set', text, items: [] };
  if (ALL_REALS.test(text)) return { kind: 'reals', text };
  // Open lists and residue classes are compared as they are written.
  if (/\\(?:ldots|vdots|pmod|equiv)/.test(text)) return { kind: 'text', text };
  return (
    readList(text) ??
    readRelation(text) ??
    readCombination(text) ??
    readMatrix(text) ??
    readBrackets(text) ??
    readSigns(text) ??
    readBased(text) ??
    readRatio(text) ??
    readFormula(text) ?? { kind: 'text', text }
  );
}

function readList(text: string): Value | undefined {
  const { parts, separators } = splitTop(text, (token) => /^(?:[,;&]|and|or|\\&|\\text)$/i.test(token));
  if (separators.length === 0) return undefined;
  const items = parts.filter((part) => part !== '');
  const kept = items.filter((part) => !CONDITION.test(part));
  const [only] = kept;
  if (only === undefined || items.length > MAX_ITEMS) return { kind: 'text', text };
  if (kept.length === 1) return only === text ? undefined : readValue(only);
  const words = separators.map((word) => word.toLowerCase());
  const joiner = words.includes('or') ? 'or' : words.includes('and') ? 'and' : ',';
  return { kind: 'list', text, items: kept.map(readValue), joiner };
}

function readRelation(text: string): Value | undefined {
  const { parts, separators } = splitTop(text, (token) => RELATIONS.has(token));
  if (separators.length === 0) return undefined;
  if (separators.length > MAX_SIGNS + 3) return { kind: 'text', text };
  // "= 5" and "\approx 5" only lead to a value.
  if (parts[0] === '' && separators.length === 1 && /=|approx/.test(separators[0]!))
    return readValue(parts[1] ?? '');
  if (parts.includes('')) return { kind: 'text', text };
  return { kind: 'relation', text, sides: parts, operators: separators };
}

function readCombination(text: string): Value | undefined {
  const spelled = text.replace(/(\\mathbb ?\{?R\}?) ?(?:-|\\backslash|\/) ?(?=\\\{)/, '$1\\setminus ');
  const { parts, separators } = splitTop(spelled, (token) => COMBINATIONS.has(token));
  const [operator] = separators;
  if (operator === undefined || separators.length > MAX_ITEMS) return undefined;
  if (separators.some((other) => other !== operator) || parts.includes('')) return { kind: 'text', text };
  return { kind: 'combination', text, operator, parts: parts.map(readValue) };
}

function readMatrix(text: string): Value | undefined {
  const [, factor = '', , body] = MATRIX.exec(text) ?? [];
  if (body === undefined || body.length > 1000) return undefined;
  const inner = body.replace(/^ ?(?:\{[clr| ]{1,20}\}|\[[a-z]\])/, '').replace(/\\hline/g, ' ');
  const rows = splitTop(inner, (token) => token === '\\\\').parts.map((row) =>
    splitTop(row, (token) => token === '&').parts.map((cell) =>
      readValue(factor.trim() === '' ? cell : `${factor}(${cell})`),
    ),
  );
  const filled = rows.filter((row) => row.some((cell) => cell.text !== ''));
  return filled.length === 0 ? undefined : { kind: 'matrix', text, rows: filled };
}

function readBrackets(text: string): Value | undefined {
  // ]0, 1[ is how some write an open interval.
  const opened = /^\][^\][]{1,80}\[$/.test(text) ? `(${text.slice(1, -1)})` : text;
  // "P(3, 4)" and "point (3, 4)" are the point's coordinates.
  const spelled = opened.replace(/^(?:the )?(?:point ?)?[ABD-Z]?'? ?(?=\([^()]{1,100},[^()]{1,100}\)$)/i, '');
  const brackets = enclosed(spelled);
  if (brackets === undefined) return undefined;
  const { open, inside, close } = brackets;
  if (open === '\\{') return readSet(text, inside);
  if (open === '{') return /[|:]/.test(inside) ? readSet(text, inside) : readValue(inside);
  if (open !== '(' && open !== '[' && open !== '\\langle') return undefined;
  const { parts } = splitTop(inside, (token) => token === ',' || token === ';');
  if (parts.length === 1) return open === '\\langle' ? undefined : readValue(inside);
  if (parts.length > MAX_ITEMS || parts.includes('')) return { kind: 'text', text };
  // (\pm 1, 0) is two points.
  if (/\\[pm]{2}(?![a-zA-Z])/.test(inside)) return readSigns(spelled);
  return { kind: 'tuple', text, open, close, items: parts.map(readValue) };
}

function readSet(text: string, inside: string): Value {
  const { parts, separators } = splitTop(inside, (token) => token === '|' || token === ':');
  // \{x | x > 3\}; with the bars of absolute values in it, it stays text.
  if (separators.length === 1 && parts.length === 2) {
    const [element = '', condition = ''] = parts;
    if (/^[a-zA-Z](?: ?\\in ?\\mathbb ?\{?R\}?)?$/.test(element)) return readValue(condition);
    return CONDITION.test(condition) ? readValue(element) : { kind: 'text', text };
  }
  const list = splitTop(inside, (token) => token === ',' || token === ';').parts.filter(
    (part) => part !== '',
  );
  if (list.length > MAX_ITEMS) return { kind: 'text', text };
  return { kind: 'set', text, items: list.map(readValue) };
}

/** a \pm b is a + b and a - b; several signs are independent, unless \mp ties them. */
function readSigns(text: string): Value | undefined {
  const signs = text.match(/\\[pm]{2}(?![a-zA-Z])/g);
  if (signs === null) return undefined;
  if (signs.length > MAX_SIGNS) return { kind: 'text', text };
  const tied = signs.includes('\\mp');
  const choices = tied ? 2 : 2 ** signs.length;
  const { value, unit } = splitUnitKeeping(text);
  const items = Array.from({ length: choices }, (_, choice) => {
    let position = 0;
    const signed = value.replace(/\\([pm])[pm](?![a-zA-Z]) ?/g, (_all, first: string) => {
      const isPlus = ((choice >> (tied ? 0 : position++)) & 1) === 0;
      return isPlus === (first === 'p') ? '+' : '-';
    });
    return readValue(`${signed.replace(/^\+/, '')}${unit}`);
  });
  return { kind: 'list', text, items, joiner: 'or' };
}

function splitUnitKeeping(text: string): { value: string; unit: string } {
  const { value } = splitUnit(text);
  return text.startsWith(value) ? { value, unit: text.slice(value.length) } : { value: text, unit: '' };
}

function readBased(text: string): Value | undefined {
  const [, digits, subscript, word] = BASED.exec(text) ?? [];
  const name = subscript ?? word;
  if (digits === undefined || name === undefined) return undefined;
  const index = BASES.indexOf(name);
  const base = name === 'sixteen' ? '16' : index === -1 ? name : String(index + 2);
  return { kind: 'based', text, digits, base };
}

function readRatio(text: string): Value | undefined {
  const spelled = text.replace(/^(\d{1,20}) to (?=\d{1,20}$)/, '$1:');
  const { parts, separators } = splitTop(spelled, (token) => token === ':');
  if (separators.length === 0 || separators.length > 5) return undefined;
  const items = parts.map((part) => readFormula(part) ?? { kind: 'text' as const, text: part });
  if (items.some((item) => item.kind === 'text')) return { kind: 'text', text };
  return { kind: 'ratio', text, items };
}

/** A number or formula with its unit. */
export function readFormula(text: string): Extract<Value, { kind: 'formula' }> | undefined {
  const { value, unit, doubtful } = splitUnit(text);
  const measured = parseReadings(withoutDegrees(value, unit), unit);
  const readings = doubtful ? [...parseReadings(text, undefined), ...measured] : measured;
  return readings.length === 0 ? undefined : { kind: 'formula', text, readings };
}

/** 180^\circ - x: degrees are left out where no function needs them. */
function withoutDegrees(value: string, unit: Unit | undefined): string {
  const hasFunction = /\\(?:sin|cos|tan|cot|sec|csc)/.test(value);
  return hasFunction && unit === undefined ? value : value.replace(/\^ ?\{ ?\\circ ?\}/g, '');
}

function parseReadings(value: string, unit: Unit | undefined): Formula[] {
  if (hasProse(value)) return [];
  // 1/2x is x/2 to some and 1/(2x) to others.
  const loose = value.replace(
    /(?<![\w)}\]^.\\] ?)(\d{1,20}) ?\/ ?(\d{1,20})(?= ?(?:[a-zA-Z(]|\\(?:pi|sqrt|[a-z]{4,7})(?![a-z])))/g,
    '\\frac{$1}{$2}',
  );
  const texts = loose === value ? [value] : [loose, value];
  return texts.flatMap((text) => {
    const tree = parseFormula(text);
    return tree === undefined ? [] : [unit === undefined ? { tree } : { tree, unit }];
  });
}

/** Whether words stand in a formula; letters side by side are factors up to three. */
function hasProse(text: string): boolean {
  return /(?<![\\a-zA-Z_{])[a-zA-Z]{4,}|(?:^|[ \d])(?:is|are|the|of|and|or|not?|yes|in|on|at|to|for|by|an|cat)(?![a-zA-Z])/i.test(
    text.replace(/\\(?:mathrm|operatorname) ?\{[a-zA-Z]{1,40}\}|_ ?\{[^{}]{0,40}\}/g, ''),
  );
}
