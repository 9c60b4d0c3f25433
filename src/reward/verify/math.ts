/**
 * Mathematics in LaTeX or as people type it: numbers, formulas, units, intervals, sets, tuples, matrices, equations
 * and inequalities. An answer is right when it has the gold answer's value, however it is written.
 */
import { TooMuchWork, withBudget } from '../math/budget.ts';
import { clean } from '../math/clean.ts';
import { sameAnswer, type Rules } from '../math/compare.ts';
import { alignParameters } from '../math/parameter.ts';
import { stripProse } from '../math/prose.ts';
import { readValue } from '../math/read.ts';
import type { Value } from '../math/value.ts';
import { sameWords } from '../math/words.ts';
import { digitsForWords } from './number-words.ts';
import { badGold, type CheckContext, RIGHT, type Verdict, type Verifier, wrong } from './verdict.ts';

/** Longer answers are no mathematics; the verifier's work grows with the length. */
const MAX_CHARS = 2000;
const THOUSANDS = /(?<![\d.,])(\d{1,3})((?:,\d{3}){1,10})(?![\d,])/g;
/** Brackets that do not close, or a sign or command that lacks its operand. */
const UNFINISHED = /^$|[+\-*/^_=<>\\]$|\\(?:frac|sqrt|cdot|times|le|ge|ne|in|cup)$|\{ ?\}$/;

/** Judges mathematics. Constants are compared exactly, or with the context's relative tolerance. */
export const verifyMath: Verifier = (extracted, gold, context) => {
  if (extracted.length > MAX_CHARS) return wrong(`answer of more than ${MAX_CHARS} characters`);
  try {
    return withBudget(() => judge(extracted, gold, context));
  } catch (error) {
    if (error instanceof TooMuchWork) return wrong('too much to compute');
    throw error;
  }
};

function judge(extracted: string, gold: string, context: CheckContext): Verdict {
  const goldText = clean(gold);
  if (!isFinished(goldText) || gold.length > MAX_CHARS) {
    throw badGold(context, 'math', 'a number, formula or other mathematics', gold);
  }
  const whole = clean(extracted);
  const answerText = stripProse(whole);
  if (sameWords(goldText, whole) || sameWords(goldText, answerText)) return RIGHT;
  const rules: Rules = {
    tolerance: context.tolerance,
    wantsPercent: /percent|%/i.test(context.problem),
    problem: context.problem,
  };
  const aligned = alignParameters(digitsForWords(goldText), digitsForWords(answerText));
  const [golds, answers] = aligned.map(readings) as [Value[], Value[]];
  if (golds.some((g) => answers.some((answer) => sameAnswer(g, answer, rules)))) return RIGHT;
  const isUnreadable =
    answers.every(({ kind }) => kind === 'text') && golds.every(({ kind }) => kind !== 'text');
  return isUnreadable ? wrong('not readable as mathematics') : wrong();
}

/** With commas as thousands marks first, then as separators: 100,200 may be either. */
function readings(text: string): Value[] {
  const joined = text.replace(
    THOUSANDS,
    (_, lead: string, groups: string) => lead + groups.replaceAll(',', ''),
  );
  return (joined === text ? [text] : [joined, text]).map(readValue);
}

function isFinished(text: string): boolean {
  if (UNFINISHED.test(text)) return false;
  const open = text.match(/(?<!\\)\{/g)?.length ?? 0;
  const close = text.match(/(?<!\\)\}/g)?.length ?? 0;
  return open === close;
}
