/** Does a response keep the form that the system prompt asks for? */

const THINK_OPEN = '<think>';
const THINK_CLOSE = '</think>';
const ANSWER_OPEN = '<answer>';
const ANSWER_CLOSE = '</answer>';

/**
 * 1 when the response is exactly one `<think>…</think>` followed by exactly one `<answer>…</answer>` with
 * nothing but white space around and between them, else 0. Tags are matched to the letter. Runs in linear time.
 */
export function formatScore(response: string): 0 | 1 {
  const text = response.trim();
  const tags = [THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE];
  if (tags.some((tag) => text.indexOf(tag) === -1 || text.indexOf(tag) !== text.lastIndexOf(tag))) return 0;
  if (!text.startsWith(THINK_OPEN) || !text.endsWith(ANSWER_CLOSE)) return 0;
  const thinkEnd = text.indexOf(THINK_CLOSE);
  const answerStart = text.indexOf(ANSWER_OPEN);
  if (thinkEnd > answerStart) return 0;
  return text.slice(thinkEnd + THINK_CLOSE.length, answerStart).trim() === '' ? 1 : 0;
}
