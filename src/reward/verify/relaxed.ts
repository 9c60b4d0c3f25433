/**
 * ChartQA's relaxed accuracy (Masry et al. 2022, section 5): a number may be off by 5 % of the gold answer, a text
 * must be equal. Two departures: a year must be exact, because 5 % of it is a century; and "45" takes "45%".
 */
import { differenceOf } from './compare-quantities.ts';
import { splitList } from './list.ts';
import { type Quantity, readQuantity } from './quantity.ts';
import { sameText, withoutLead } from './text.ts';
import { RIGHT, type Verifier, wrong } from './verdict.ts';

const TOLERANCE = 0.05;

/** Judges with 5 %, or with the context's tolerance where it is above 0; a list `[a, b]` place by place. */
export const verifyRelaxed: Verifier = (extracted, gold, context) => {
  const tolerance = context.tolerance > 0 ? context.tolerance : TOLERANCE;
  if (!/^\s*\[.*\]\s*$/s.test(gold)) return relaxed(extracted, gold, context.problem, tolerance);
  const right = splitList(gold);
  const found = splitList(extracted);
  if (found.length !== right.length) return wrong(`${found.length} elements, not ${right.length}`);
  const at = found.findIndex(
    (item, i) => relaxed(item, right[i] ?? '', context.problem, tolerance).score !== 1,
  );
  return at === -1 ? RIGHT : wrong(`element ${at + 1}`);
};

function relaxed(extracted: string, gold: string, problem: string, tolerance: number) {
  if (sameText(withoutLead(extracted), gold)) return RIGHT;
  const right = readQuantity(gold);
  if (typeof right === 'string' || !right.bare) return wrong();
  const found = readQuantity(extracted);
  if (typeof found === 'string') return wrong(found);
  const difference = differenceOf(found, right, isYear(gold, right, problem) ? 0 : tolerance, true);
  return difference === undefined ? RIGHT : wrong(difference);
}

/**
 * A gold answer of four plain digits is a year from 1900 to 2100 unless the problem asks for an amount, and from
 * 1000 on where the problem asks for a year.
 */
function isYear(gold: string, { unit, words }: Quantity, problem: string): boolean {
  const digits = /^\s*(\d{4})\.?\s*$/.exec(gold)?.[1];
  if (digits === undefined || unit !== '' || words.length > 0) return false;
  const year = Number(digits);
  if (/\b(?:which|what|in what) years?\b|\bwhen\b/i.test(problem)) return year >= 1000 && year <= 2100;
  const amount =
    /\bhow (?:many|much)\b|\b(?:total|sum|average|mean|median|difference|number of|value)\b/i.test(problem);
  return year >= 1900 && year <= 2100 && !amount;
}
