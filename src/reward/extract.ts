/** Finds the final answer in a response. All searches run in linear time, whatever the response. */

export type AnswerSource = 'answer_tag' | 'boxed' | 'phrase' | 'none';

export interface Extraction {
  /** The answer as written, trimmed; empty when there is none. */
  text: string;
  /** Where it was found. */
  source: AnswerSource;
}

const ANSWER_OPEN = '<answer>';
const ANSWER_CLOSE = '</answer>';
const THINK_CLOSE = '</think>';
const BOX = /\\(?:boxed|fbox) ?\{/g;
/** TeX takes the one sign after `\boxed` where there are no braces; people mean the whole number. */
const BARE_BOX = /\\boxed ([+-]?\d[\d.,/]{0,50}|[^\s{}\\])/g;
/** GSM8K's mark, and what people write before an answer, with Markdown around it. */
const PHRASE =
  /#### ?|\b(?:answers?|correct (?:option|choice))(?:\*\*|__|")?(?: ?[:=：]| is| are| would be| should be| will be)(?:\*\*|__)? ?:?/gi;
const LONGEST_BOLD = 200;

/**
 * The answer: the last complete `<answer>…</answer>`, otherwise the last `\boxed{…}`, otherwise what follows the
 * last "the answer is" or `####`, otherwise the one bold text of the last line. All but the first are looked for
 * after `</think>` when the thinking was closed. A box inside the answer tag is opened.
 *
 * An `<answer>` that was never closed does not count as a tag: a response that was cut off may end inside a number,
 * and 1 of 15 must not earn what 1 earns. A whole box or phrase inside it still counts.
 */
export function extractAnswer(response: string): Extraction {
  const tagged = insideAnswerTag(response);
  if (tagged !== undefined) return { text: (lastBoxed(tagged) ?? tagged).trim(), source: 'answer_tag' };
  const thinkEnd = response.lastIndexOf(THINK_CLOSE);
  const rest = thinkEnd === -1 ? response : response.slice(thinkEnd + THINK_CLOSE.length);
  const boxed = lastBoxed(rest) ?? [...rest.matchAll(BARE_BOX)].at(-1)?.[1];
  if (boxed !== undefined) return { text: boxed.trim(), source: 'boxed' };
  const phrase = afterPhrase(rest) ?? boldInLastLine(rest);
  return phrase === undefined ? { text: '', source: 'none' } : { text: phrase, source: 'phrase' };
}

function insideAnswerTag(text: string): string | undefined {
  const close = text.lastIndexOf(ANSWER_CLOSE);
  if (close === -1) return undefined;
  const open = text.lastIndexOf(ANSWER_OPEN, close);
  return open === -1 ? undefined : text.slice(open + ANSWER_OPEN.length, close);
}

/** The content of the last box whose braces close. */
function lastBoxed(text: string): string | undefined {
  const starts = new Set([...text.matchAll(BOX)].map((match) => match.index + match[0].length - 1));
  if (starts.size === 0) return undefined;
  const open: number[] = [];
  let best: { start: number; end: number } | undefined;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '\\' && isBrace(text[i + 1])) i++;
    else if (character === '{') open.push(i);
    else if (character === '}') {
      const start = open.pop();
      if (start !== undefined && starts.has(start) && (best === undefined || start > best.start)) {
        best = { start, end: i };
      }
    }
  }
  return best && text.slice(best.start + 1, best.end);
}

function isBrace(character: string | undefined): boolean {
  return character === '{' || character === '}';
}

function afterPhrase(text: string): string | undefined {
  const last = [...text.matchAll(PHRASE)].at(-1);
  if (!last) return undefined;
  const rest = text.slice(last.index + last[0].length).trimStart();
  const displayed = /^(?:\\\[|\$\$)/.exec(rest);
  if (displayed) {
    const end = rest.indexOf(displayed[0] === '$$' ? '$$' : '\\]', 2);
    if (end !== -1) return clean(rest.slice(2, end));
  }
  const line = rest.split('\n', 1)[0] ?? '';
  // A sentence ends at a stop before a space; the stop inside "3.5" is none.
  return clean(line.split(/[.!?](?=\s|$)/, 1)[0] ?? '');
}

/** Emphasis says: this is it. Two of them say nothing. */
function boldInLastLine(text: string): string | undefined {
  const line = text.trimEnd().split('\n').at(-1) ?? '';
  const parts = line.split('**');
  const bold = parts[1] ?? '';
  return parts.length === 3 && bold.length <= LONGEST_BOLD && !bold.endsWith(':') ? clean(bold) : undefined;
}

function clean(text: string): string | undefined {
  const answer = text
    .replace(/\*\*|__/g, '')
    .replace(/^[\s:*$]{1,20}/, '')
    .replace(/[\s*$,;]{1,20}$/, '');
  return answer === '' ? undefined : answer;
}
