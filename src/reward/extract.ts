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
const BOX = /\\(?:boxed|fbox)\{/g;
const PHRASE = /\banswer(?: is| are|:)/gi;

/**
 * The answer: the last complete `<answer>…</answer>`, otherwise the last `\boxed{…}`, otherwise what follows the
 * last "the answer is". The latter two are looked for after `</think>` when the thinking was closed. A box inside
 * the answer tag is opened.
 */
export function extractAnswer(response: string): Extraction {
  const tagged = insideAnswerTag(response);
  if (tagged !== undefined) return { text: (lastBoxed(tagged) ?? tagged).trim(), source: 'answer_tag' };
  const thinkEnd = response.lastIndexOf(THINK_CLOSE);
  const rest = thinkEnd === -1 ? response : response.slice(thinkEnd + THINK_CLOSE.length);
  const boxed = lastBoxed(rest);
  if (boxed !== undefined) return { text: boxed.trim(), source: 'boxed' };
  const phrase = afterPhrase(rest);
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
  const line = text.slice(last.index + last[0].length).split('\n', 1)[0] ?? '';
  // A sentence ends at a stop before a space; the stop inside "3.5" is none.
  const sentence = line.split(/[.!?](?=\s|$)/, 1)[0] ?? '';
  const answer = sentence.replace(/^[\s:*$]{1,20}/, '').replace(/[\s*$,;]{1,20}$/, '');
  return answer === '' ? undefined : answer;
}
