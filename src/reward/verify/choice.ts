/**
 * Multiple choice: the right letter in any usual dress ("B", "(B)", "B.", "Option B", "B. seven") or the
 * text of the right option. Naming several options, or a letter with another option's text, is wrong.
 */
import { narrow, optionByText, type Options, readOptions } from './options.ts';
import { plainText, stripMarkup } from './plain-text.ts';
import { readQuantity } from './quantity.ts';
import { equal } from './rational.ts';
import { withoutLead } from './text.ts';
import { badGold, RIGHT, type Verifier, wrong } from './verdict.ts';

const LEADING =
  /^(?:the )?(?:correct )?(?:final )?(?:answer|option|choice)?(?: is)?:? ?(?:option |choice )?(?:\(([A-Z]|[IV]{1,4}|\d{1,2})\)|\[([A-Z]|\d{1,2})\]|([A-Z]|[IV]{1,4}|\d{1,2})(?![\p{L}\p{N}'’]|[.,]\d))[.):,;、]? ?/iu;
/** Letters without options to confirm them. */
const USUAL = /^[A-J]$/;
/** Several letters as one answer: "ACD", "A, C", "A and C", "(A)(C)". */
const SEVERAL = /^\(?[A-J]\)?(?:(?: ?[,;/&、] ?| and | )?(?:and )?\(?[A-J]\)?){1,9}$/;

/** Judges the chosen option; where the gold answer names several, the same ones in any order. */
export const verifyChoice: Verifier = (extracted, gold, context) => {
  const options = readOptions(context.problem);
  const right = chosenLetter(gold, options);
  if (right === undefined || right === 'several') {
    const set = chosenSet(gold, options);
    if (set === undefined) throw badGold(context, 'choice', 'a letter or an option of the problem', gold);
    const found = chosenSet(extracted, options) ?? 'no set of options';
    return found === set ? RIGHT : wrong(`chose ${found}`);
  }
  const chosen = chosenLetter(extracted, options);
  if (chosen === undefined) return wrong('no option named');
  if (chosen === 'several') return wrong('several options named');
  return chosen === right ? RIGHT : wrong(`chose ${chosen}`);
};

/**
 * The mark of the option that an answer stands for.
 * @param options the problem's options; may be empty.
 * @returns undefined when it names none, "several" when it names more than one.
 */
export function chosenLetter(answer: string, options: Options): string | undefined {
  const text = withoutLead(narrow(stripMarkup(answer)))
    .replace(/\s+/g, ' ')
    .replace(/^["'“”‘’]|["'“”‘’]$/g, '')
    .trim();
  const byText = optionByContent(text, options);
  const match = LEADING.exec(text);
  const letter = (match?.[1] ?? match?.[2] ?? match?.[3])?.toUpperCase();
  if (match === null || letter === undefined) return byText;
  if (options.size > 0 ? !options.has(letter) : !USUAL.test(letter)) return byText;
  const rest = text.slice(match[0].length).trim();
  if (rest === '' || plainText(rest) === plainText(options.get(letter) ?? '')) return letter;
  // A small letter, "A" and "I" before a word, and a number may be part of a sentence.
  const written = match[3];
  const isWord = written !== undefined && !/[.):,;、] ?$/.test(match[0]);
  if (
    isWord &&
    (written !== letter || /^(?:[AI]|\d+)$/.test(letter)) &&
    !/^(?:[(=]|is (?:the )?(?:correct|right|answer)\b)/.test(rest)
  )
    return byText;
  if (/^is (?:not|wrong|incorrect|false)\b/i.test(rest)) return undefined;
  const other = optionByText(rest.replace(/^(?:or|and|maybe|\/)\s/i, ''), options);
  return other !== undefined || namesAnother(rest, letter) ? 'several' : letter;
}

/** By the option's text, or by its number: "9.0" is the option "9 cm". */
function optionByContent(text: string, options: Options): string | undefined {
  const byText = optionByText(text, options);
  if (byText !== undefined || options.size === 0) return byText;
  const quantity = readQuantity(text);
  if (typeof quantity === 'string' || !quantity.bare) return undefined;
  const same = [...options].filter(([, option]) => {
    const offered = readQuantity(option);
    if (typeof offered === 'string' || !offered.bare || !equal(offered.value, quantity.value)) return false;
    return offered.unit === quantity.unit || offered.unit === '' || quantity.unit === '';
  });
  return same.length === 1 ? same[0]?.[0] : undefined;
}

/** Whether the text after a letter names one more: "(C)", a capital alone, or "or a". */
function namesAnother(rest: string, letter: string): boolean {
  const named = [
    ...rest.matchAll(
      /\(([A-J])\)|(?<![\p{L}\p{N}'’])([B-HJ]|[AI](?= ?(?:$|[.,;:)!?/]|or\b|and\b)))(?![\p{L}\p{N}'’])/gu,
    ),
  ];
  if (named.some((match) => (match[1] ?? match[2]) !== letter)) return true;
  return /^(?:or|and|&|\/|,)? ?\(?[A-J]\)?[.]?$/i.test(rest);
}

/** The letters of an answer that names several, sorted; undefined when it does not name at least two. */
function chosenSet(answer: string, options: Options): string | undefined {
  const text = withoutLead(narrow(stripMarkup(answer)))
    .replace(/\s+/g, ' ')
    .replace(/[.\s]{1,20}$/, '')
    .trim();
  const letters = SEVERAL.test(text)
    ? text
        .replaceAll('and', '')
        .split('')
        .filter((sign) => /[A-J]/.test(sign))
    : itemLetters(text, options);
  const different = [...new Set(letters)].sort();
  const known = options.size === 0 || different.every((letter) => options.has(letter));
  return known && different.length > 1 && different.length === letters?.length
    ? different.join('')
    : undefined;
}

/** "A. cat, C. dog": every item names one option. */
function itemLetters(text: string, options: Options): string[] | undefined {
  const items = text.split(/[,;\n]| and /).map((item) => item.trim());
  if (items.length > 10) return undefined;
  const letters = items.filter((item) => item !== '').map((item) => chosenLetter(item, options));
  return letters.filter((letter) => letter !== undefined && letter !== 'several').length === letters.length
    ? letters.filter((letter) => letter !== undefined)
    : undefined;
}
