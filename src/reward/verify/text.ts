/** Any other answer: equal after normalisation. */
import { digitsForWords, ordinalsForWords } from './number-words.ts';
import { plainText } from './plain-text.ts';
import { RIGHT, type Verifier, wrong } from './verdict.ts';

/** What people say before an answer. */
const LEAD =
  /^\s{0,9}(?:(?:so|thus|therefore|hence),? )?(?:(?:(?:the |my )?(?:final |correct |right |best )?(?:answer|option|choice)(?: is|\s?[:=])[:\s]{0,9})|(?:(?:it|this|that) is|it['’]s|i (?:choose|pick|select)) )/i;

/**
 * Judges by equality of the plain texts: case, articles, punctuation and dress do not count, a number word is its
 * digits, a hyphen is a space or nothing. Accents and plurals count.
 */
export const verifyText: Verifier = (extracted, gold) =>
  sameText(withoutLead(extracted), gold) || sameText(extracted, gold) ? RIGHT : wrong();

const HOUR = /(\d) ?([ap]m)\b/g;

/** Takes "the answer is" off the front. */
export function withoutLead(text: string): string {
  return text.replace(LEAD, '');
}

/** Whether two texts are the same answer. */
export function sameText(a: string, b: string): boolean {
  const forms = comparedForms(b);
  return comparedForms(a).some((form) => forms.includes(form));
}

/** What texts are compared by: they are the same when one form is. "T-shirt" is "t shirt" and "tshirt". */
export function comparedForms(text: string): string[] {
  const joined = text.replace(/(?<=\p{L})-(?=\p{L})/gu, '');
  return [...new Set([text, joined])].map((form) =>
    ordinalsForWords(digitsForWords(plainText(form), true)).replace(HOUR, '$1 $2'),
  );
}
