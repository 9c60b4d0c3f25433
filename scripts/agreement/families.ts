/** The families of answers. Every wrong answer differs in value, not in dress. */
import type { Draw } from './draw.ts';
import { ALGEBRA } from './families-algebra.ts';
import { CONSTANTS } from './families-constants.ts';
import { EQUATIONS } from './families-equations.ts';
import { MEASURES } from './families-measures.ts';
import { NUMBERS } from './families-numbers.ts';
import { SETS } from './families-sets.ts';
import { STRUCTURES } from './families-structures.ts';
import { TEXTS } from './families-texts.ts';

export type Family = (draw: Draw) => { gold: string; right: readonly string[]; wrong: readonly string[] };

export const FAMILIES: Readonly<Record<string, Family>> = {
  ...NUMBERS,
  ...CONSTANTS,
  ...MEASURES,
  ...ALGEBRA,
  ...EQUATIONS,
  ...SETS,
  ...STRUCTURES,
  ...TEXTS,
};
