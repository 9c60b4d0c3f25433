/** Yes or no, true or false. The word must open or close the answer, and its opposite must not be there. */
import { DataError } from '../util/errors.ts';
import { plainText } from './plain-text.ts';
import { RIGHT, type Verifier, wrong } from './verdict.ts';

const MEANING: Readonly<Record<string, boolean>> = { yes: true, true: true, no: false, false: false };
const NEGATIONS = new Set([
  'not',
  'never',
  'neither',
  'nor',
  'isnt',
  'arent',
  'cannot',
  'cant',
  'doesnt',
  'untrue',
]);

/** Judges a yes or a no; "true" counts as yes, "false" as no. */
export const verifyYesNo: Verifier = (extracted, gold, row) => {
  const right = readYesNo(gold);
  if (right === undefined) {
    throw new DataError({
      where: row.id,
      expected: 'yes, no, true or false as the answer, because the row goes to the verifier "yes_no"',
      found: JSON.stringify(gold),
      fix: 'correct the answer, or send the row elsewhere with reward.verifier_by_reward or verifier_by_category',
    });
  }
  const found = readYesNo(extracted);
  if (found === undefined) return wrong('neither a clear yes nor a clear no');
  return found === right ? RIGHT : wrong();
};

/** True for yes, false for no, undefined when the text is neither or both. */
export function readYesNo(text: string): boolean | undefined {
  const words = plainText(text).split(' ');
  const meanings = new Set(words.filter((word) => Object.hasOwn(MEANING, word)).map((word) => MEANING[word]));
  if (meanings.size !== 1) return undefined;
  const first = words[0] ?? '';
  if (Object.hasOwn(MEANING, first)) return MEANING[first];
  const last = words.at(-1) ?? '';
  // "The statement is not true" ends in "true" but denies it.
  if (!Object.hasOwn(MEANING, last) || words.some((word) => NEGATIONS.has(word))) return undefined;
  return MEANING[last];
}
