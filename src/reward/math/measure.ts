/** Numbers and formulas with their units. */
import { whole } from './exact.ts';
import type { Rational } from '../verify/rational.ts';
import type { Rules } from './compare.ts';
import type { Tree } from './expression.ts';
import { sameFormula } from './formula.ts';
import { unitsAgree } from './units.ts';
import type { Formula } from './value.ts';

const PERCENT = 'percent^1';
const DEGREE = 'angle^1';
const RADIAN = 'radian^1';
const HUNDREDTH: Rational = { num: 1n, den: 100n };
const RADIANS_OF_A_DEGREE: Tree = { operator: 'Divide', operands: ['Pi', 180] };

/**
 * Whether two measured formulas agree. A unit may be missing on either side; "50%" as gold accepts 0.5 and, as
 * math-verify does, 50.
 */
export function measuresAgree(gold: Formula, found: Formula, rules: Rules): boolean {
  const [g, f] = [gold, found].map(multiplied) as [Tree, Tree];
  const same = (a: Tree, b: Tree): boolean => sameFormula(a, b, rules.tolerance);
  const [goldUnit, foundUnit] = [gold.unit, found.unit];
  const [goldKind, foundKind] = [goldUnit?.dimension, foundUnit?.dimension];
  if (goldKind === PERCENT && foundKind !== PERCENT) {
    return (
      (foundUnit === undefined && same(scaled(g, HUNDREDTH), f)) || (foundUnit === undefined && same(g, f))
    );
  }
  if (foundKind === PERCENT && goldKind !== PERCENT) {
    return (goldUnit === undefined && same(g, scaled(f, HUNDREDTH))) || (rules.wantsPercent && same(g, f));
  }
  if (goldKind === DEGREE && foundKind !== DEGREE) {
    // \frac{\pi}{6} is 30 degrees; a bare 30 is, too.
    if (foundUnit === undefined && same(g, f)) return true;
    const mayBeRadians = foundKind === RADIAN || (foundUnit === undefined && mentionsPi(f));
    return mayBeRadians && same(times(g, RADIANS_OF_A_DEGREE), f);
  }
  if (foundKind === DEGREE && goldUnit === undefined && mentionsPi(g))
    return same(g, times(f, RADIANS_OF_A_DEGREE));
  if (goldKind === RADIAN && foundKind === DEGREE) return same(g, times(f, RADIANS_OF_A_DEGREE));
  if (!unitsAgree(goldUnit, foundUnit)) return false;
  if (goldUnit === undefined || foundUnit === undefined || goldKind !== foundKind) return same(g, f);
  return sameScale(goldUnit.scale, foundUnit.scale)
    ? same(g, f)
    : same(scaled(g, goldUnit.scale), scaled(f, foundUnit.scale));
}

function mentionsPi(tree: Tree): boolean {
  return JSON.stringify(tree).includes('"Pi"');
}

function multiplied({ tree, unit }: Formula): Tree {
  return unit === undefined || sameScale(unit.multiple, whole(1)) ? tree : scaled(tree, unit.multiple);
}

function scaled(tree: Tree, { num, den }: Rational): Tree {
  return times(tree, { operator: 'Divide', operands: [{ num: String(num) }, { num: String(den) }] });
}

function times(a: Tree, b: Tree): Tree {
  return { operator: 'Multiply', operands: [a, b] };
}

function sameScale(a: Rational, b: Rational): boolean {
  return a.num * b.den === b.num * a.den;
}
