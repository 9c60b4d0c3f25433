/** Brackets and separators of LaTeX text, in one pass each. */

import { spend } from './budget.ts';

/** One piece of LaTeX text that cannot be cut. */
export interface Token {
  text: string;
  /** Where it starts. */
  at: number;
  /** Brackets of any kind that are open around it. */
  depth: number;
}

const TOKEN = /\\(?:begin|end)\{[a-z]{1,20}\*?\}|\\(?:[a-zA-Z]+|[\s\S])|[a-zA-Z]+|\d+|\s+|[\s\S]/g;
const OPENING = /^(?:[([{]|\\[{(]|\\begin.*|\\langle|\\l(?:floor|ceil|vert))$/;
const CLOSING = /^(?:[)\]}]|\\[})]|\\end.*|\\rangle|\\r(?:floor|ceil|vert))$/;

/** The tokens of a text: commands, runs of letters, runs of digits, runs of space, single characters. */
export function tokenize(text: string): Token[] {
  spend(text.length / 8);
  let depth = 0;
  return Array.from(text.matchAll(TOKEN), (match) => {
    const [piece] = match;
    if (CLOSING.test(piece)) depth = Math.max(0, depth - 1);
    const token = { text: piece, at: match.index, depth };
    if (OPENING.test(piece)) depth++;
    return token;
  });
}

/** The parts between the tokens at depth 0 that `separates` picks, with those tokens. */
export function splitTop(
  text: string,
  separates: (token: string) => boolean,
): { parts: string[]; separators: string[] } {
  const parts: string[] = [];
  const separators: string[] = [];
  let start = 0;
  for (const token of tokenize(text)) {
    if (token.depth > 0 || !separates(token.text)) continue;
    parts.push(text.slice(start, token.at).trim());
    separators.push(token.text);
    start = token.at + token.text.length;
  }
  parts.push(text.slice(start).trim());
  return { parts, separators };
}

/** For each bracket of the given kind its partner's index; -1 elsewhere. Escaped brackets do not count. */
export function partners(text: string, open: string, close: string): Int32Array {
  const result = new Int32Array(text.length).fill(-1);
  const stack: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (letter === '\\') i++;
    else if (letter === open) stack.push(i);
    else if (letter === close) {
      const start = stack.pop();
      if (start === undefined) continue;
      result[start] = i;
      result[i] = start;
    }
  }
  return result;
}

/** The greatest number of brackets that are open at once. */
export function nestingDepth(text: string): number {
  return tokenize(text).reduce((deepest, { depth }) => Math.max(deepest, depth), 0);
}

/** The outermost brackets, when one pair of them (of mixed kinds, as in [0, 1)) encloses the whole text. */
export function enclosed(text: string): { open: string; inside: string; close: string } | undefined {
  const tokens = tokenize(text);
  const [first] = tokens;
  const last = tokens.at(-1);
  if (!first || !last || tokens.length < 2) return undefined;
  if (!OPENING.test(first.text) || !CLOSING.test(last.text) || last.depth !== 0) return undefined;
  if (tokens.slice(1, -1).some(({ depth }) => depth === 0)) return undefined;
  return { open: first.text, inside: text.slice(first.text.length, last.at).trim(), close: last.text };
}
