/** Any other answer: equal after normalisation. */
import { plainText } from './plain-text.ts';
import { RIGHT, type Verifier, wrong } from './verdict.ts';

/** Judges by equality of the plain texts: case, articles, punctuation and dress do not count. */
export const verifyText: Verifier = (extracted, gold) =>
  plainText(extracted) === plainText(gold) ? RIGHT : wrong();
