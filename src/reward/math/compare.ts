/** Whether a found value is the gold value. */
import type { Tree } from './expression.ts';
import { compareLists, proportional, sameItems } from './collections.ts';
import { measuresAgree } from './measure.ts';
import { readValue } from './read.ts';
import { sameRealSet } from './real-set.ts';
import {
  type Assignment,
  statedValues,
  isName,
  namesAgree,
  readAssignment,
  sameRelation,
} from './relation.ts';
import { sameWords } from './words.ts';
import { toRealSet, variableOf } from './solution-set.ts';
import type { Value } from './value.ts';

/** What a comparison knows beside the two answers. */
export interface Rules {
  /** Relative error up to which constants are the same. */
  tolerance: number;
  /** The problem asks for percents, so that "50%" answers 50. */
  wantsPercent: boolean;
  /** The cleaned problem, to look up what it asks for. */
  problem: string;
}

/** Whether the found value is the gold value; the two are not interchangeable. */
export function sameAnswer(gold: Value, found: Value, rules: Rules): boolean {
  if (squeeze(gold.text) === squeeze(found.text)) return true;
  const [g, f] = [gold, found].map(withoutNames) as [Value, Value];
  if (g !== gold || f !== found) {
    return namesFit(gold, found) && sameAnswer(g, f, rules);
  }
  if (describesSet(g) || describesSet(f)) {
    const verdict = sameSet(g, f);
    if (verdict !== undefined) return verdict;
  }
  if (g.kind === 'relation' || f.kind === 'relation') return sameStatement(g, f, rules);
  return sameKind(g, f, rules);
}

function squeeze(text: string): string {
  return text.replace(/(?<!\d)\s|\s(?!\d)/g, '');
}

/** x_1 = 1, x_2 = 2 is the list 1, 2; x \in S is S. */
function withoutNames(value: Value): Value {
  if (value.kind === 'list') {
    const named = value.items.map((item) => (item.kind === 'relation' ? readAssignment(item) : undefined));
    const [first] = named;
    if (first === undefined) return value;
    const name = baseName(first);
    const fits = value.items.every((item, i) => {
      const assignment = named[i];
      return assignment === undefined ? item.kind !== 'relation' : baseName(assignment) === name;
    });
    if (!fits) return value;
    const items = value.items.map((item, i) => (named[i] === undefined ? item : readValue(named[i].value)));
    return { ...value, text: items.map(({ text }) => text).join(','), items };
  }
  return value;
}

function baseName({ name }: Assignment): string {
  return name.replace(/_.*$/, '').trim();
}

function namesFit(gold: Value, found: Value): boolean {
  const [g, f] = [gold, found].map((value) => {
    const item = value.kind === 'list' ? value.items[0] : value;
    const assignment = item?.kind === 'relation' ? readAssignment(item) : undefined;
    return assignment && baseName(assignment);
  });
  return g === undefined || f === undefined || namesAgree(g, f);
}

/** Whether a value can only be read as a set of real numbers. */
function describesSet(value: Value): boolean {
  if (value.kind === 'combination' || value.kind === 'reals') return true;
  if (value.kind === 'relation')
    return value.operators.some((operator) => operator !== '=' && operator !== '\\approx');
  return value.kind === 'list' && value.items.some(describesSet);
}

/** undefined where one of them is no set of numbers. */
function sameSet(gold: Value, found: Value): boolean | undefined {
  const [g, f] = [toRealSet(gold), toRealSet(found)];
  if (g === undefined || f === undefined) return undefined;
  const [x, y] = [variableOf(gold), variableOf(found)];
  return (x === undefined || y === undefined || x === y) && sameRealSet(g, f);
}

/** Where at least one side is an equation or inequality. */
function sameStatement(gold: Value, found: Value, rules: Rules): boolean {
  if (gold.kind === 'relation' && found.kind === 'relation') {
    const [g, f] = [readAssignment(gold), readAssignment(found)];
    if (g && f && namesAgree(g.name, f.name) && sameAssigned(g, f, rules)) return true;
    return sameRelation(gold, found);
  }
  if (gold.kind === 'relation') {
    const assignment = readAssignment(gold);
    return assignment !== undefined && assigned(assignment).some((value) => sameAnswer(value, found, rules));
  }
  if (found.kind !== 'relation') return false;
  const assignment = readAssignment(found);
  if (assignment) return assigned(assignment).some((value) => sameAnswer(gold, value, rules));
  const asked = askedFor(found.sides, found.operators, rules);
  const stated = asked === undefined ? statedValues(found) : [asked];
  return stated.some((text) => sameAnswer(gold, readValue(text), rules));
}

function assigned({ value, approximation }: Assignment): Value[] {
  return [value, ...(approximation === undefined ? [] : [approximation])].map(readValue);
}

function sameAssigned(gold: Assignment, found: Assignment, rules: Rules): boolean {
  return assigned(gold).some((g) => assigned(found).some((f) => sameAnswer(g, f, rules)));
}

/** "x + y = 7" answers a problem that asks for x + y. */
function askedFor(
  sides: readonly string[],
  operators: readonly string[],
  { problem }: Rules,
): string | undefined {
  const [left = '', right] = sides;
  if (sides.length !== 2 || operators[0] !== '=' || isName(left)) return undefined;
  return squeeze(problem).includes(squeeze(left)) ? right : undefined;
}

/** Where neither side is an equation, an inequality or a set of reals. */
function sameKind(gold: Value, found: Value, rules: Rules): boolean {
  const same = (g: Value, f: Value): boolean => sameAnswer(g, f, rules);
  const collected = compareLists(gold, found, same);
  if (collected !== undefined) return collected;
  if (gold.kind === 'formula' && found.kind === 'formula') {
    return gold.readings.some((g) => found.readings.some((f) => measuresAgree(g, f, rules)));
  }
  if (gold.kind === 'ratio' || found.kind === 'ratio') return sameRatio(gold, found, same);
  if (gold.kind === 'based') {
    if (found.kind === 'based') return gold.digits === found.digits && gold.base === found.base;
    return squeeze(found.text) === gold.digits;
  }
  if (gold.kind === 'matrix' && found.kind === 'matrix') {
    return sameItems(gold.rows, found.rows, (p, q) => sameItems(p, q, same));
  }
  return gold.kind === 'text' && found.kind === 'text' && sameWords(gold.text, found.text);
}

function sameRatio(gold: Value, found: Value, same: (g: Value, f: Value) => boolean): boolean {
  if (gold.kind === 'ratio' && found.kind === 'ratio') {
    return sameItems(gold.items, found.items, same) || proportional(gold.items, found.items);
  }
  const [ratio, single] = gold.kind === 'ratio' ? [gold, found] : [found, gold];
  if (ratio.kind !== 'ratio' || single.kind !== 'formula' || ratio.items.length !== 2) return false;
  const tree = single.readings[0]?.tree;
  return tree !== undefined && proportional(ratio.items, [single, one()]);
}

function one(): Value {
  const tree: Tree = 1;
  return { kind: 'formula', text: '1', readings: [{ tree }] };
}
