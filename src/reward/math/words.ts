/** Answers in words: names, dates, "no". */
import { plainText } from '../verify/plain-text.ts';

/** What would be lost in a comparison of words. */
const SIGNS = /[\\^_+*/=<>[\]{}|]|-(?!\p{L}{2})/u;

/** Whether both are words, and the same ones. */
export function sameWords(gold: string, found: string): boolean {
  return isWords(gold) && isWords(found) && plainText(gold) === plainText(found);
}

function isWords(text: string): boolean {
  return /\p{L}{2}/u.test(text) && !SIGNS.test(text);
}
