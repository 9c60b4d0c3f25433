/** Does a response keep the form that the system prompt asks for? */

const THINK_OPEN = '<think>';
const THINK_CLOSE = '</think>';
const ANSWER_OPEN = '<answer>';
const ANSWER_CLOSE = '</answer>';
const TAGS = [THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE];

const CREDIT_PER_TAG = 0.25;
/** All four tags in the wrong order, or with text around them, are worth as much as three. */
const MOST_PARTIAL_CREDIT = 0.75;

/**
 * 1 when the response is exactly one `<think>…</think>` followed by exactly one `<answer>…</answer>` with
 * nothing but white space around and between them. Otherwise 0, or with partial credit a quarter for each of the
 * four tags that stands there exactly once, and 0.75 at most. Tags are matched to the letter. Runs in linear time.
 */
export function formatScore(response: string, partialCredit: boolean): number {
  const text = response.trim();
  const single = TAGS.filter((tag) => text.includes(tag) && text.indexOf(tag) === text.lastIndexOf(tag));
  if (single.length === TAGS.length && inOrder(text)) return 1;
  return partialCredit ? Math.min(MOST_PARTIAL_CREDIT, CREDIT_PER_TAG * single.length) : 0;
}

/** @param text with each tag once. */
function inOrder(text: string): boolean {
  if (!text.startsWith(THINK_OPEN) || !text.endsWith(ANSWER_CLOSE)) return false;
  const thinkEnd = text.indexOf(THINK_CLOSE);
  const answerStart = text.indexOf(ANSWER_OPEN);
  return thinkEnd < answerStart && text.slice(thinkEnd + THINK_CLOSE.length, answerStart).trim() === '';
}
