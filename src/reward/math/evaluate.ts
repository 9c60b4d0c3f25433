/**
 * The value of a tree with a number for each variable: exact where all is rational, else approximate. What cannot
 * be computed (an unknown function, 9^9^9^9) counts as one more variable of its own, which keeps equality sound.
 */
import type { Rational } from '../verify/rational.ts';
import { type Approximate, approximate, magnitude, negative } from './approximate.ts';
import {
  add,
  applied,
  divide,
  extreme,
  finite,
  multiply,
  rounded,
  toPower,
  type Value,
  wholeResult,
} from './arithmetic.ts';
import { spend } from './budget.ts';
import { binomial, factorial, gcd, ratio, root, whole } from './exact.ts';
import { isCall, type Tree } from './expression.ts';
import { INVERSES } from './functions.ts';
import { parseNumeral } from './numeral.ts';

/** The numbers that variables stand for, and conventions. */
export interface Scope {
  /** The value of a variable; called with the JSON of what cannot be computed, too. */
  valueOf(name: string): Rational;
  /** The indices of the sums around this. */
  bound: ReadonlyMap<string, Rational>;
  /** Base of a logarithm without a base: some write \log for \ln. */
  logBase: 10 | 'e';
}

const CONSTANTS: ReadonlyMap<string, Approximate> = new Map([
  ['Pi', approximate(Math.PI)],
  ['e', approximate(Math.E)],
  ['ExponentialE', approximate(Math.E)],
  ['i', approximate(0, 1)],
  ['ImaginaryUnit', approximate(0, 1)],
]);
const DEGREE = approximate(Math.PI / 180);
const MAX_TERMS = 500;

/** The value of a tree. Never throws; whatever has no value takes one from the scope. */
export function evaluate(tree: Tree, scope: Scope): Value {
  spend(1);
  return compute(tree, scope) ?? unknown(tree, scope);
}

function unknown(tree: Tree, scope: Scope): Rational {
  const name = JSON.stringify(tree);
  spend(name.length / 50);
  return scope.valueOf(name);
}

function compute(tree: Tree, scope: Scope): Value | undefined {
  if (typeof tree === 'number') return parseNumeral(String(tree));
  if (typeof tree === 'string') return scope.bound.get(tree) ?? CONSTANTS.get(tree) ?? scope.valueOf(tree);
  if ('num' in tree) return parseNumeral(tree.num);
  const { operator, operands } = tree;
  const special = SPECIAL.get(operator);
  if (special) return finite(special(operands, scope));
  const [first, second] = operands;
  if (first === undefined) return undefined;
  const a = evaluate(first, scope);
  if (operands.length === 1) return finite(unary(operator, a));
  if (second === undefined || operands.length !== 2) return undefined;
  return finite(binary(operator, a, evaluate(second, scope)));
}

/** Forms whose operands are not simply evaluated one by one. */
const SPECIAL: ReadonlyMap<string, (operands: readonly Tree[], scope: Scope) => Value | undefined> = new Map([
  ['Add', (operands, scope) => fold(operands, scope, add)],
  ['Multiply', (operands, scope) => fold(operands, scope, multiply)],
  ['InvisibleOperator', juxtaposed],
  ['Power', raise],
  ['Log', logarithmOf],
  ['Sum', (operands, scope) => series(operands, scope, whole(0), add)],
  ['Product', (operands, scope) => series(operands, scope, whole(1), multiply)],
  ['Max', (operands, scope) => fold(operands, scope, (a, b) => extreme(a, b, 1))],
  ['Min', (operands, scope) => fold(operands, scope, (a, b) => extreme(a, b, -1))],
  ['GCD', (operands, scope) => fold(operands, scope, (a, b) => wholeResult(a, b, gcd))],
  [
    'LCM',
    (operands, scope) => fold(operands, scope, (a, b) => wholeResult(a, b, (x, y) => (x * y) / gcd(x, y))),
  ],
]);

function fold(
  operands: readonly Tree[],
  scope: Scope,
  combine: (a: Value, b: Value) => Value | undefined,
): Value | undefined {
  const [first, ...rest] = operands.map((operand) => evaluate(operand, scope));
  return rest.reduce<Value | undefined>((a, b) => a && combine(a, b), first);
}

/** Factors side by side; a whole number before a proper fraction is a mixed number. */
function juxtaposed(operands: readonly Tree[], scope: Scope): Value | undefined {
  const [first, second, ...rest] = operands;
  const isNegated = isCall(first) && first.operator === 'Negate';
  const lead = isNegated ? first.operands[0] : first;
  if (typeof lead !== 'number' || second === undefined || !isProperFraction(second)) {
    return fold(operands, scope, multiply);
  }
  const mixed: Tree = { operator: 'Add', operands: [lead, second] };
  return fold([isNegated ? { operator: 'Negate', operands: [mixed] } : mixed, ...rest], scope, multiply);
}

function isProperFraction(tree: Tree): boolean {
  if (!isCall(tree) || tree.operator !== 'Divide') return false;
  const [top, bottom] = tree.operands;
  return typeof top === 'number' && typeof bottom === 'number' && top > 0 && top < bottom;
}

function raise([base, exponent]: readonly Tree[], scope: Scope): Value | undefined {
  if (base === undefined || exponent === undefined) return undefined;
  const inverse = isCall(base) ? INVERSES.get(base.operator) : undefined;
  const argument = isCall(base) ? base.operands[0] : undefined;
  // sin^-1 is the inverse function; (sin x)^-1 has a Delimiter in between.
  if (inverse !== undefined && argument !== undefined && isMinusOne(exponent)) {
    return applied(inverse, evaluate(argument, scope));
  }
  return toPower(evaluate(base, scope), evaluate(exponent, scope));
}

function isMinusOne(tree: Tree): boolean {
  return tree === -1 || (isCall(tree) && tree.operator === 'Negate' && tree.operands[0] === 1);
}

function logarithmOf([argument, base]: readonly Tree[], scope: Scope): Value | undefined {
  if (argument === undefined) return undefined;
  const value = unary('Ln', evaluate(argument, scope));
  if (base === undefined && scope.logBase === 'e') return value;
  const divisor = unary('Ln', base === undefined ? whole(10) : evaluate(base, scope));
  return value && divisor && divide(value, divisor);
}

/** A sum or product over a short range of whole numbers. */
function series(
  [body, range]: readonly Tree[],
  scope: Scope,
  empty: Rational,
  combine: (a: Value, b: Value) => Value | undefined,
): Value | undefined {
  if (body === undefined || !isCall(range)) return undefined;
  const [index, from, to] = range.operands;
  if (typeof index !== 'string' || from === undefined || to === undefined) return undefined;
  const [start, end] = [evaluate(from, scope), evaluate(to, scope)];
  if (!('num' in start) || !('num' in end) || start.den !== 1n || end.den !== 1n) return undefined;
  if (end.num - start.num > MAX_TERMS) return undefined;
  let isKnown = true;
  // A term that cannot be computed may depend on the index.
  const valueOf = (name: string): Rational => {
    if (name.startsWith('{')) isKnown = false;
    return scope.valueOf(name);
  };
  let result: Value | undefined = empty;
  for (let i = start.num; i <= end.num && result; i++) {
    const bound = new Map([...scope.bound, [index, whole(i)] as const]);
    result = combine(result, evaluate(body, { ...scope, valueOf, bound }));
    if (!isKnown) return undefined;
  }
  return result;
}

function unary(operator: string, a: Value): Value | undefined {
  switch (operator) {
    case 'Delimiter':
      return a;
    case 'Negate':
      return 'num' in a ? { num: -a.num, den: a.den } : negative(a);
    case 'Abs':
      if ('num' in a) return { num: a.num < 0n ? -a.num : a.num, den: a.den };
      return { ...approximate(magnitude(a)), error: a.error, leftReals: a.leftReals };
    case 'Floor':
    case 'Ceil':
      return rounded(operator, a);
    case 'Degrees':
      return multiply(a, DEGREE);
    case 'Lb':
      return divide(unary('Ln', a) ?? a, unary('Ln', whole(2))!);
    case 'Factorial2':
      return 'num' in a ? factorial(a, 2n) : undefined;
    case 'Sqrt':
      return ('num' in a ? root(a, 2n) : undefined) ?? applied(operator, a);
    case 'Factorial':
      return ('num' in a ? factorial(a) : undefined) ?? applied(operator, a);
    default:
      return applied(operator, a);
  }
}

function binary(operator: string, a: Value, b: Value): Value | undefined {
  switch (operator) {
    case 'Subtract':
      return add(a, 'num' in b ? { num: -b.num, den: b.den } : negative(b));
    case 'Divide':
    case 'Rational':
      return divide(a, b);
    case 'Root':
      return 'num' in b && b.num !== 0n ? toPower(a, ratio(b.den, b.num)!) : undefined;
    case 'Binomial':
    case 'C':
      return 'num' in a && 'num' in b ? (binomial(a, b) ?? combinations(a, b)) : undefined;
    case 'Mod':
      return wholeResult(a, b, (x, y) => (y === 0n ? undefined : ((x % y) + y) % y));
    default:
      return undefined;
  }
}

function combinations(n: Value, k: Value): Value | undefined {
  const rest = binary('Subtract', n, k);
  const [top, left, right] = [n, k, rest].map((value) => value && unary('Factorial', value));
  const bottom = left && right && multiply(left, right);
  return top && bottom && divide(top, bottom);
}
