/** Yes or no, true or false. The word must open or close the answer, and its opposite must not be there. */
import { plainText } from './plain-text.ts';
import { withoutLead } from './text.ts';
import { badGold, RIGHT, type Verifier, wrong } from './verdict.ts';

const MEANING = words({ yes: true, true: true, no: false, false: false, untrue: false });
/** Words with other meanings beside: they count only where nothing else but a lead stands with them. */
const WEAK = words({
  correct: true,
  right: true,
  incorrect: false,
  wrong: false,
  yeah: true,
  yep: true,
  nope: false,
  '✓': true,
  '✔': true,
  '☑': true,
  '✅': true,
  '✗': false,
  '✘': false,
  '❌': false,
  是: true,
  对: true,
  否: false,
  不是: false,
  不对: false,
});
/** Letters count only where the gold answer is of their kind. */
const LETTERS: Readonly<Record<string, ReadonlyMap<string, boolean>>> = {
  yes: words({ y: true, n: false }),
  true: words({ t: true, f: false }),
};
const KIND: Readonly<Record<string, string>> = {
  yes: 'yes',
  no: 'yes',
  y: 'yes',
  n: 'yes',
  true: 'true',
  false: 'true',
  t: 'true',
  f: 'true',
};
const NEGATIONS = new Set(
  'not never neither nor isnt arent cannot cant doesnt dont wasnt werent hardly'.split(' '),
);
/** After "no" these make another thing of it: "no doubt", "no idea". */
const IDIOMS = new Set('doubt question problem idea clue answer way information matter one'.split(' '));
const LEAD_WORDS = new Set('statement claim this that it is its answer option sentence'.split(' '));

/** Judges a yes or a no; "true" counts as yes, "false" as no. */
export const verifyYesNo: Verifier = (extracted, gold, context) => {
  const kind = KIND[plainText(gold)];
  const letters = kind === undefined ? undefined : LETTERS[kind];
  const right = letters?.get(plainText(gold)) ?? readYesNo(gold);
  if (right === undefined) throw badGold(context, 'yes_no', 'yes, no, true or false', gold);
  const found = letters?.get(plainText(withoutLead(extracted))) ?? readYesNo(extracted);
  if (found === undefined) return wrong('neither a clear yes nor a clear no');
  return found === right ? RIGHT : wrong();
};

/** True for yes, false for no, undefined when the text is neither or both. */
export function readYesNo(text: string): boolean | undefined {
  const all = plainText(withoutLead(text)).replaceAll('\uFE0F', '').split(' ');
  const weak = readWeak(all);
  if (weak !== undefined) return weak;
  // "not true" is false, and no longer a denial of what is around it.
  const said = all.flatMap((word, i) => {
    const next = all[i + 1] ?? '';
    if ((word === 'not' || word === 'isnt') && (next === 'true' || next === 'false')) return [];
    const denied = all[i - 1] === 'not' || all[i - 1] === 'isnt';
    if (denied && (word === 'true' || word === 'false')) return [word === 'true' ? 'false' : 'true'];
    return [word];
  });
  const meanings = new Set(said.map((word) => MEANING.get(word)).filter((meaning) => meaning !== undefined));
  if (meanings.size !== 1) return undefined;
  const clauses = text.split(/[,:;.]\s|\b(?:so|therefore)\b/i).filter((part) => part.trim() !== '');
  const closing = MEANING.get(plainText(clauses.at(-1) ?? ''));
  if (closing !== undefined) return closing;
  const opened = said.findIndex((word) => !LEAD_WORDS.has(word));
  const first = said[opened] ?? '';
  const next = said[opened + 1] ?? '';
  if (next === 'or' || (first === 'no' && IDIOMS.has(next))) return undefined;
  const opening = MEANING.get(first);
  if (opening !== undefined) return opening;
  // "I doubt it is ever not so, yes": another denial makes the last word doubtful.
  return said.some((word) => NEGATIONS.has(word)) ? undefined : MEANING.get(said.at(-1) ?? '');
}

/** "Correct", "✓", "the statement is wrong", "not correct" */
function readWeak(all: readonly string[]): boolean | undefined {
  const meaning = WEAK.get(all.at(-1) ?? '');
  if (meaning === undefined) return undefined;
  const before = all.slice(0, -1);
  const denied = before.at(-1) === 'not' || before.at(-1) === 'isnt';
  const lead = denied ? before.slice(0, -1) : before;
  return lead.every((word) => LEAD_WORDS.has(word)) ? meaning !== denied : undefined;
}

function words(meanings: Readonly<Record<string, boolean>>): ReadonlyMap<string, boolean> {
  return new Map(Object.entries(meanings));
}
