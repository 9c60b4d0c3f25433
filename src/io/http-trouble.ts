/** What the answers and failures of HTTP endpoints say, in words for the user, and whether to try again. */
import { messageOf } from '../util/errors.ts';
import { field, parseJson } from './json.ts';

/** Longest excerpt of what an endpoint says. */
const MAX_WORDS = 300;
/** Longest wait that an endpoint may ask for, in milliseconds; a longer one is cut to this. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Statuses after which the same request may succeed: time-out, conflict, rate limit; and all from 500 on. */
const RETRYABLE_STATUSES = new Set([408, 409, 429]);

export function isRetryable(status: number): boolean {
  return status >= 500 || RETRYABLE_STATUSES.has(status);
}

/** What an error body says: the message of one of the usual shapes, else the body itself. */
export function endpointWords(text: string): string {
  const body = parseJson(text);
  for (const candidate of [
    field(field(body, 'error'), 'message'),
    field(body, 'error'),
    field(body, 'message'),
  ]) {
    if (typeof candidate === 'string' && candidate !== '') return candidate;
  }
  const detail = field(body, 'detail') ?? field(body, 'error');
  if (detail !== undefined) return typeof detail === 'string' ? detail : JSON.stringify(detail);
  return text.trim() === '' ? '(no words)' : text;
}

/** One line of bounded length. */
export function shorten(text: string, limit = MAX_WORDS): string {
  const line = text
    .slice(0, 4 * limit)
    .replaceAll(/\s+/g, ' ')
    .trim();
  return line.length > limit ? `${line.slice(0, limit)}…` : line;
}

/** `retry-after-ms`, or `Retry-After` in seconds or as a date; 0 where there is none. */
export function retryAfterMs(headers: Headers): number {
  const exact = headers.get('retry-after-ms');
  const rough = headers.get('retry-after');
  const seconds = Number(rough);
  const wait =
    exact !== null
      ? Number(exact)
      : rough === null
        ? 0
        : seconds >= 0
          ? 1000 * seconds
          : Date.parse(rough) - Date.now();
  return wait > 0 ? Math.min(wait, MAX_RETRY_AFTER_MS) : 0;
}

/** The innermost words: fetch itself says no more than "fetch failed" or "terminated". */
export function connectionTrouble(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = field(cause, 'code');
  const words = messageOf(cause);
  return typeof code === 'string' && !words.includes(code) ? shorten(`${words} (${code})`) : shorten(words);
}
