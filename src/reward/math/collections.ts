/** Lists, sets, tuples and vectors, item by item. */
import { sameFormula } from './formula.ts';
import { readAssignment } from './relation.ts';
import { readValue } from './read.ts';
import type { Tree } from './expression.ts';
import type { Value } from './value.ts';

type Same = (gold: Value, found: Value) => boolean;

/** Whether two collections hold the same; undefined when neither value is one that has items. */
export function compareLists(gold: Value, found: Value, same: Same): boolean | undefined {
  const [g, f] = [ordered(gold), ordered(found)];
  if (gold.kind === 'tuple' && found.kind === 'tuple') return sameTuple(gold, found, same);
  // (1, 2) against x = 1, y = 2, against a column vector, or against 1, 2.
  if ((gold.kind === 'tuple' || found.kind === 'tuple') && g && f) return sameItems(g, f, same);
  const [left, right] = [unordered(gold), unordered(found)];
  if (left && right) {
    if (gold.kind === 'list' && found.kind === 'list') return matched(left, right, same);
    return contained(left, right, same) && contained(right, left, (f_, g_) => same(g_, f_));
  }
  // A set or list of one item is that item.
  if (left?.length === 1 && !right) return same(left[0]!, found);
  if (right?.length === 1 && !left) return same(gold, right[0]!);
  return left || right || gold.kind === 'tuple' || found.kind === 'tuple' ? false : undefined;
}

export function sameItems<T>(
  gold: readonly T[],
  found: readonly T[],
  same: (gold: T, found: T) => boolean,
): boolean {
  return gold.length === found.length && gold.every((item, i) => same(item, found[i]!));
}

/** Whether found is gold times one factor: 3:4 is 6:8. Units must be the same. */
export function proportional(gold: readonly Value[], found: readonly Value[]): boolean {
  const [g, f] = [gold, found].map((items) =>
    items.map((item) => {
      const reading = item.kind === 'formula' ? item.readings[0] : undefined;
      return reading?.unit === undefined ? reading?.tree : undefined;
    }),
  );
  const [g0, f0] = [g?.[0], f?.[0]];
  if (!g || !f || g0 === undefined || f0 === undefined || g.length !== f.length) return false;
  return g.every((tree, i) => {
    const other = f[i];
    return tree !== undefined && other !== undefined && sameFormula(times(tree, f0), times(other, g0));
  });
}

function times(a: Tree, b: Tree): Tree {
  return { operator: 'Multiply', operands: [a, b] };
}

type Tuple = Extract<Value, { kind: 'tuple' }>;

function sameTuple(gold: Tuple, found: Tuple, same: Same): boolean {
  // The brackets of two items say whether the ends of an interval belong to it.
  const isPair = gold.items.length === 2 && !(gold.open + found.open).includes('langle');
  if (isPair && (gold.open !== found.open || gold.close !== found.close)) return false;
  return sameItems(gold.items, found.items, same);
}

/** The items in their order, where a value has one. */
function ordered(value: Value): readonly Value[] | undefined {
  if (value.kind === 'tuple') return value.items;
  if (value.kind === 'matrix') {
    const [row = []] = value.rows;
    if (value.rows.length === 1) return row;
    if (value.rows.every((cells) => cells.length === 1)) return value.rows.map((cells) => cells[0]!);
    return value.rows.map((items) => ({
      kind: 'tuple',
      text: items.map(({ text }) => text).join(','),
      open: '[',
      close: ']',
      items,
    }));
  }
  if (value.kind !== 'list') return undefined;
  const assignments = value.items.map((item) =>
    item.kind === 'relation' ? readAssignment(item) : undefined,
  );
  if (assignments.every((assignment) => assignment === undefined)) {
    return value.joiner === 'or' ? undefined : value.items;
  }
  // Coordinates by name, in the order of the alphabet.
  const named = assignments.flatMap((assignment) => assignment ?? []);
  if (named.length !== value.items.length) return undefined;
  return named
    .toSorted((a, b) => (letters(a.name) < letters(b.name) ? -1 : 1))
    .map((assignment) => readValue(assignment.value));
}

function letters(name: string): string {
  return name.replaceAll('\\', '');
}

function unordered(value: Value): readonly Value[] | undefined {
  if (value.kind === 'list') return value.items.flatMap((item) => unordered(item) ?? item);
  if (value.kind === 'set') return value.items.flatMap((item) => (item.kind === 'list' ? item.items : item));
  return undefined;
}

/** One to one, in any order. */
function matched(gold: readonly Value[], found: readonly Value[], same: Same): boolean {
  if (gold.length !== found.length) return false;
  const free = [...found];
  return gold.every((item, i) => {
    // Most answers keep the order, so that the item at the same place is the first to try.
    const straight = free[i];
    const index =
      straight !== undefined && same(item, straight) ? i : free.findIndex((other) => same(item, other));
    if (index === -1) return false;
    free.splice(index, 1, { kind: 'text', text: '\0' });
    return true;
  });
}

function contained(items: readonly Value[], others: readonly Value[], same: Same): boolean {
  return items.every((item) => others.some((other) => same(item, other)));
}
