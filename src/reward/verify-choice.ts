/**
 * Multiple choice: the right letter in any usual dress ("B", "(B)", "B.", "Option B", "B. seven") or the
 * text of the right option. Naming several options, or a letter with another option's text, is wrong.
 */
import { DataError } from '../util/errors.ts';
import { plainText, stripMarkup } from './plain-text.ts';
import { RIGHT, type Verifier, wrong } from './verdict.ts';

const LETTERS = 'ABCDEFGHIJ';
/** "(A) text": the mark may follow anything. */
const BRACKETED = /\(([A-J])\)/g;
/** "A. text", "A) text", "A: text": the mark opens a line or follows a space. */
const DOTTED = /(?:^|[\s,;])([A-J])[.):](?![.):])/g;
const LEADING =
  /^(?:the )?(?:correct )?(?:final )?(?:answer|option|choice)?(?: is)?:? ?(?:option |choice )?(?:\(([A-J])\)|\[([A-J])\]|([A-J])(?![\p{L}\p{N}]))[.):,;]? ?/iu;

/** Judges the chosen option. */
export const verifyChoice: Verifier = (extracted, gold, row) => {
  const options = readOptions(row.problem);
  const right = chosenLetter(gold, options);
  if (right === undefined || right === 'several') {
    throw new DataError({
      where: row.id,
      expected: `a letter or an option of the problem as the answer, because the row goes to the verifier "choice"`,
      found: JSON.stringify(gold),
      fix: 'correct the answer, or send the row elsewhere with reward.verifier_by_reward or verifier_by_category',
    });
  }
  const chosen = chosenLetter(extracted, options);
  if (chosen === undefined) return wrong('no option named');
  if (chosen === 'several') return wrong('several options named');
  return chosen === right ? RIGHT : wrong(`chose ${chosen}`);
};

/** The options in a problem by their letters; empty when it has fewer than two that follow each other. */
export function readOptions(problem: string): ReadonlyMap<string, string> {
  for (const pattern of [BRACKETED, DOTTED]) {
    const marks: Mark[] = [...problem.matchAll(pattern)].map((match) => ({
      letter: match[1]!,
      start: match.index,
      end: match.index + match[0].length,
    }));
    const list = longestRun(marks);
    if (list.length < 2) continue;
    const next = marks[marks.indexOf(list.at(-1)!) + 1];
    return new Map(
      list.map(({ letter, end }, i) => {
        const stop = list[i + 1]?.start ?? next?.start ?? problem.length;
        return [letter, optionText(problem.slice(end, stop))];
      }),
    );
  }
  return new Map();
}

interface Mark {
  letter: string;
  start: number;
  end: number;
}

/** The longest list A, B, C … of marks, the first one of equals: a later one may be "answer (A) or (B)". */
function longestRun(marks: readonly Mark[]): readonly Mark[] {
  let best: readonly Mark[] = [];
  for (const [start, { letter }] of marks.entries()) {
    if (letter !== 'A') continue;
    const wrongAt = marks.slice(start).findIndex((mark, i) => mark.letter !== LETTERS[i]);
    const run = wrongAt === -1 ? marks.slice(start) : marks.slice(start, start + wrongAt);
    if (run.length > best.length) best = run;
  }
  return best;
}

/** An option ends with its line, or before the next mark. */
function optionText(text: string): string {
  return (text.trim().split('\n', 1)[0] ?? '').replace(/[\s,;.]{1,10}$/, '');
}

/**
 * The letter that an answer stands for.
 * @param options the problem's options; may be empty.
 * @returns undefined when it names none, "several" when it names more than one.
 */
export function chosenLetter(answer: string, options: ReadonlyMap<string, string>): string | undefined {
  const text = stripMarkup(answer)
    .replace(/\s+/g, ' ')
    .replace(/^["'“”‘’]|["'“”‘’]$/g, '')
    .trim();
  const byText = optionByText(text, options);
  const match = LEADING.exec(text);
  const letter = (match?.[1] ?? match?.[2] ?? match?.[3])?.toUpperCase();
  if (match === null || letter === undefined) return byText;
  const rest = text.slice(match[0].length).trim();
  if (options.size > 0 && !options.has(letter)) return byText;
  if (rest === '' || plainText(rest) === plainText(options.get(letter) ?? '')) return letter;
  // A small letter, and "A" and "I" before a word, may be part of a sentence.
  const written = match[3];
  const isWord = written !== undefined && !/[.):,;] ?$/.test(match[0]);
  if (isWord && (written !== letter || letter === 'A' || letter === 'I')) return byText;
  const other = optionByText(rest, options);
  return other !== undefined || namesAnother(rest, letter) ? 'several' : letter;
}

/** The only option with this text. */
function optionByText(text: string, options: ReadonlyMap<string, string>): string | undefined {
  const wanted = plainText(text);
  const same = [...options].filter(([, option]) => plainText(option) === wanted && wanted !== '');
  return same.length === 1 ? same[0]?.[0] : undefined;
}

/** Whether the text after a letter names one more: "(C)", a capital alone, or "or a". */
function namesAnother(rest: string, letter: string): boolean {
  const named = [...rest.matchAll(/\(([A-J])\)|(?<![\p{L}\p{N}'])([B-HJ])(?![\p{L}\p{N}'])/gu)];
  if (named.some((match) => (match[1] ?? match[2]) !== letter)) return true;
  return /^(?:or|and|&|\/|,)? ?\(?[A-J]\)?[.]?$/i.test(rest);
}
