/** Intervals, inequalities and sets of numbers as sets of real numbers. */
import { negative } from './approximate.ts';
import { constantValue } from './formula.ts';
import { readValue } from './read.ts';
import { isCall, type Tree } from './expression.ts';
import { ALL, complement, type End, intersection, interval, type RealSet, union } from './real-set.ts';
import type { Value } from './value.ts';

type Relation = Extract<Value, { kind: 'relation' }>;

const VARIABLE = /^(?:[a-zA-Z]|\\[a-z]{2,8})(?:_\{?\w{1,10}\}?)?$/;
const ABSOLUTE = /^\| ?([a-zA-Z]) ?\|$/;
const FLIPPED: Readonly<Record<string, string>> = { '<': '>', '>': '<', '\\le': '\\ge', '\\ge': '\\le' };

/** The set of numbers that a value describes; undefined when it describes none, or not with numbers alone. */
export function toRealSet(value: Value): RealSet | undefined {
  switch (value.kind) {
    case 'reals':
      return ALL;
    case 'tuple':
      return tupleInterval(value);
    case 'set':
      return joined(value.items.map(point), union);
    case 'combination':
      return joined(value.parts.map(toRealSet), COMBINE[value.operator]!);
    case 'relation':
      return solve(value);
    case 'list':
      return listSet(value);
    case 'formula':
      return point(value);
    default:
      return undefined;
  }
}

/** The variable of an inequality or of several; undefined where there is none or more than one. */
export function variableOf(value: Value): string | undefined {
  if (value.kind === 'list') {
    const names = new Set(value.items.map(variableOf).filter((name) => name !== undefined));
    return names.size === 1 ? [...names][0] : undefined;
  }
  if (value.kind !== 'relation') return undefined;
  const side = value.sides.find((text) => VARIABLE.test(text) || ABSOLUTE.test(text));
  return side?.replace(ABSOLUTE, '$1');
}

const COMBINE: Readonly<Record<string, (a: RealSet, b: RealSet) => RealSet>> = {
  '\\cup': union,
  '\\cap': intersection,
  '\\setminus': (a, b) => intersection(a, complement(b)),
};

function joined(
  sets: readonly (RealSet | undefined)[],
  combine: (a: RealSet, b: RealSet) => RealSet,
): RealSet | undefined {
  if (sets.length === 0) return [];
  return sets.reduce((a, b) => a && b && combine(a, b));
}

function tupleInterval({ items, open, close }: Extract<Value, { kind: 'tuple' }>): RealSet | undefined {
  const [from, to] = items.map(toEnd);
  if (items.length !== 2 || from === undefined || to === undefined) return undefined;
  if (!/^[([]$/.test(open) || !/^[)\]]$/.test(close)) return undefined;
  return interval(from, to, open === '[', close === ']');
}

function point(value: Value): RealSet | undefined {
  const end = toEnd(value);
  return end === undefined || typeof end === 'number' ? undefined : interval(end, end, true, true);
}

/** The real number, or infinity, that a value is. */
function toEnd(value: Value): End | undefined {
  const tree = value.kind === 'formula' ? value.readings[0]?.tree : undefined;
  if (tree === undefined) return undefined;
  if (isInfinity(tree)) return Infinity;
  if (isCall(tree) && tree.operator === 'Negate' && isInfinity(tree.operands[0])) return -Infinity;
  const constant = constantValue(tree);
  return constant === undefined || (!('num' in constant) && constant.im !== 0) ? undefined : constant;
}

function isInfinity(tree: Tree | undefined): boolean {
  return tree === 'PositiveInfinity';
}

/** Several inequalities: "or" joins, "and" and commas narrow down unless nothing would be left. */
function listSet({ items, joiner }: Extract<Value, { kind: 'list' }>): RealSet | undefined {
  // In "x \ne 0, 1" the sign holds for both.
  const [first] = items;
  const sets = items.map((item) =>
    item.kind === 'formula' && first?.kind === 'relation' && first.sides.length === 2
      ? solve({ ...first, sides: [first.sides[0]!, item.text] })
      : toRealSet(item),
  );
  const all = joined(sets, union);
  if (joiner === 'or' || !items.some((item) => item.kind === 'relation')) return all;
  const common = joined(sets, intersection);
  return common?.length === 0 ? all : common;
}

function solve({ sides, operators }: Relation): RealSet | undefined {
  if (sides.length === 3) {
    // a < x < b is a < x and x < b.
    const [low = '', middle = '', high = ''] = sides;
    const [first = '', second = ''] = operators;
    if (FLIPPED[first] === undefined || FLIPPED[second] === undefined) return undefined;
    if (/<|le/.test(first) !== /<|le/.test(second)) return undefined;
    const [a, b] = [half(low, first, middle), half(middle, second, high)];
    return a && b && intersection(a, b);
  }
  const [left = '', right = ''] = sides;
  return sides.length === 2 ? half(left, operators[0] ?? '', right) : undefined;
}

/** One inequality between a variable and a number, or a variable and the set that it is in. */
function half(left: string, operator: string, right: string): RealSet | undefined {
  const [, inBars] = ABSOLUTE.exec(left) ?? [];
  if (inBars !== undefined) return aroundZero(operator, toEnd(readValue(right)));
  if (!VARIABLE.test(left)) {
    const flipped = FLIPPED[operator] ?? (operator === '\\ne' ? operator : undefined);
    return VARIABLE.test(right) && flipped !== undefined ? half(right, flipped, left) : undefined;
  }
  const value = readValue(right);
  if (operator === '\\in') return toRealSet(value);
  if (operator === '\\notin') {
    const set = toRealSet(value);
    return set && complement(set);
  }
  if (operator === '\\ne') {
    // x \ne \pm 1 leaves out both.
    const set = toRealSet(value);
    return set && complement(set);
  }
  const end = toEnd(value);
  if (end === undefined) return undefined;
  const isClosed = operator === '\\le' || operator === '\\ge';
  if (operator === '<' || operator === '\\le') return interval(-Infinity, end, false, isClosed);
  if (operator === '>' || operator === '\\ge') return interval(end, Infinity, isClosed, false);
  return operator === '=' ? point(value) : undefined;
}

/** |x| < 2 is -2 < x < 2, |x| > 2 what is not in [-2, 2]. */
function aroundZero(operator: string, end: End | undefined): RealSet | undefined {
  if (end === undefined || typeof end === 'number' || FLIPPED[operator] === undefined) return undefined;
  const opposite: End = 'num' in end ? { num: -end.num, den: end.den } : negative(end);
  const isInside = operator === '<' || operator === '\\le';
  // The ends belong to "at most", and to what "more than" leaves out.
  const hasEnds = operator === '\\le' || operator === '>';
  const inside = interval(opposite, end, hasEnds, hasEnds);
  return isInside ? inside : complement(inside);
}
