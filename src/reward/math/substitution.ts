/** Whether an equation, solved for one of its variables, is another one: xy = 1 and y = 1/x. */
import { isCall, type Tree } from './expression.ts';
import { sameFormula } from './formula.ts';

/**
 * Whether `left - right = 0` has exactly the solution variable = value: it holds there, and it is linear in the
 * variable.
 */
export function isSolution(variable: string, value: Tree, difference: Tree): boolean {
  // xy = 0 has y = 0 as one of two solutions.
  if (contains(value, variable) || !contains(difference, variable) || sameFormula(value, 0)) return false;
  const shifted = (by: number): Tree =>
    replaced(difference, variable, { operator: 'Add', operands: [variable, by] });
  const slope = minus(shifted(1), difference);
  const isLinear = sameFormula(slope, minus(shifted(2), shifted(1))) && !sameFormula(slope, 0);
  return isLinear && sameFormula(replaced(difference, variable, value), 0);
}

function minus(a: Tree, b: Tree): Tree {
  return { operator: 'Subtract', operands: [a, b] };
}

function contains(tree: Tree, variable: string): boolean {
  return isCall(tree) ? tree.operands.some((operand) => contains(operand, variable)) : tree === variable;
}

function replaced(tree: Tree, variable: string, value: Tree): Tree {
  if (tree === variable) return value;
  if (!isCall(tree)) return tree;
  return { ...tree, operands: tree.operands.map((operand) => replaced(operand, variable, value)) };
}
