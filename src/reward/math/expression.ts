/** LaTeX of one number or formula as a MathJSON tree; the parser is compute-engine's, and nothing is evaluated by it. */
import { parse } from '@cortex-js/compute-engine/latex-syntax';
import { spend } from './budget.ts';
import { nestingDepth, tokenize } from './nesting.ts';

export type Tree = number | string | Numeral | Call;

/** A number as written, such as 0.1(6) or 50e-2. */
interface Numeral {
  num: string;
}

export interface Call {
  operator: string;
  operands: readonly Tree[];
}

export function isCall(tree: Tree | undefined): tree is Call {
  return typeof tree === 'object' && 'operator' in tree;
}

/** Deeper nesting, more bars or more symbols than this are no answer, and would make parsing slow. */
const MAX_DEPTH = 24;
const MAX_BARS = 8;
const MAX_LENGTH = 1200;
const MAX_NODES = 600;

/** What the parser would drop, or read as an instruction. */
const FOREIGN = /[^a-zA-Z0-9\s\\{}()[\]|+\-*/^_.,!'%=]|\\(?:begin|end|text)(?![a-z])|\d\s+\d|[_^]$|\.\s*\./;
/** Results of the parser that are not one value. */
const NOT_A_VALUE = new Set(
  'Error Sequence List Set Pair Triple Matrix Block Equal NotEqual Less Greater LessEqual GreaterEqual Element NotElement Measurement Colon Range Interval Union Intersection Nothing Not And Or Apply Function'.split(
    ' ',
  ),
);

/** The tree of a formula; undefined when any part of it is not readable as mathematics. */
export function parseFormula(latex: string): Tree | undefined {
  const text = latex.trim();
  if (text === '' || text.length > MAX_LENGTH || FOREIGN.test(text)) return undefined;
  if (nestingDepth(text) > MAX_DEPTH) return undefined;
  if (tokenize(text).filter((token) => token.text === '|').length > MAX_BARS) return undefined;
  spend(100 + text.length * 2);
  const budget = { nodes: MAX_NODES };
  return convert(parse(text), budget);
}

/** The parser's result without its notes on the source; undefined when it holds an error. */
function convert(node: unknown, budget: { nodes: number }): Tree | undefined {
  if (--budget.nodes < 0) return undefined;
  if (typeof node === 'number') return Number.isFinite(node) ? node : undefined;
  // A string in quotes is text, and a command alone is a function without its argument.
  if (typeof node === 'string') return /^['"]/.test(node) || FUNCTION_NAME.test(node) ? undefined : node;
  if (Array.isArray(node)) return convertCall(node, budget);
  if (typeof node !== 'object' || node === null) return undefined;
  if ('num' in node && typeof node.num === 'string') return { num: node.num };
  if ('fn' in node && Array.isArray(node.fn)) return convertCall(node.fn, budget);
  return undefined;
}

const FUNCTION_NAME = /^(?:Sqrt|Sin|Cos|Tan|Log|Ln|Exp|Root|Divide|Power|Max|Min|Abs|Factorial)$/;

function convertCall(call: readonly unknown[], budget: { nodes: number }): Tree | undefined {
  const [operator, ...rest] = call;
  if (typeof operator !== 'string' || NOT_A_VALUE.has(operator)) return undefined;
  if (operator === 'HorizontalSpacing') return undefined;
  // The second operand of a Delimiter says how it is written.
  const operands = operator === 'Delimiter' ? rest.slice(0, 1) : rest;
  if (operands.length === 0) return undefined;
  const converted: Tree[] = [];
  for (const operand of operands) {
    const tree = convert(operand, budget);
    if (tree === undefined) return undefined;
    converted.push(tree);
  }
  return { operator, operands: converted };
}
