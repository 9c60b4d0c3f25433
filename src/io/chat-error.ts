/** What goes wrong with a chat endpoint, in words for the user, and whether another try can help. */
import { ServiceError } from '../util/errors.ts';

/** Longest excerpt of what an endpoint says. */
const MAX_WORDS = 300;
/** Longest wait that an endpoint may ask for, in milliseconds; a longer one is cut to this. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Shorter keys are placeholders such as "EMPTY" and no secrets; hiding them would garble texts. */
const MIN_SECRET_CHARS = 6;

/** Statuses after which the same request may succeed: time-out, conflict, rate limit; and all from 500 on. */
const RETRYABLE_STATUSES = new Set([408, 409, 429]);

const FIXES: Readonly<Record<number, string>> = {
  400: 'ask for what the endpoint understands; the words above are its own',
  401: 'put a valid key into the environment variable that the configuration names (api_key_env)',
  403: 'put a key that may use this model into the environment variable that api_key_env names',
  404: 'check base_url (it mostly ends in /v1) and the name of the model',
  413: 'send less: shorter texts, fewer or smaller images',
  429: 'lower max_concurrency, or raise max_retries',
};

export interface ChatTrouble {
  /** One line: what happened. */
  reason: string;
  /** HTTP status; null where there was no answer or its content was at fault. */
  status?: number | null;
  retryable: boolean;
  /** How long the endpoint asks to wait, in milliseconds. */
  retryAfterMs?: number | null;
  fix?: string;
}

/** A chat request without a usable reply. */
export class ChatError extends ServiceError {
  readonly reason: string;
  readonly status: number | null;
  readonly retryable: boolean;
  readonly retryAfterMs: number;

  constructor(where: string, trouble: ChatTrouble, options?: ErrorOptions) {
    const fix = trouble.fix ?? FIXES[trouble.status ?? 0];
    const detail = { where, expected: 'a chat completion', found: trouble.reason };
    super(fix === undefined ? detail : { ...detail, fix }, options);
    this.reason = trouble.reason;
    this.status = trouble.status ?? null;
    this.retryable = trouble.retryable;
    this.retryAfterMs = trouble.retryAfterMs ?? 0;
  }
}

/** Thrown by whoever reads a reply, when its content is not what was asked for: worth another try. */
export class UnusableReply extends Error {}

/** The error of an answer with a status that is none of success. `text` is its body. */
export function statusError(where: string, status: number, headers: Headers, text: string): ChatError {
  const location = headers.get('location');
  if (status >= 300 && status < 400) {
    const reason = `HTTP ${status}, a redirect to ${shorten(location ?? 'nowhere')}, which is not followed`;
    return new ChatError(where, {
      reason,
      status,
      retryable: false,
      fix: 'give the final address as base_url',
    });
  }
  return new ChatError(where, {
    reason: `HTTP ${status}: ${shorten(endpointWords(text))}`,
    status,
    retryable: isRetryable(status),
    retryAfterMs: retryAfterMs(headers),
  });
}

export function isRetryable(status: number): boolean {
  return status >= 500 || RETRYABLE_STATUSES.has(status);
}

/** What an error body says: the message of one of the usual shapes, else the body itself. */
export function endpointWords(text: string): string {
  const body = parse(text);
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

/** The text, which may be JSON, without the key; endpoints like to repeat keys that they refuse. */
export function withoutKey(text: string, key: string | null): string {
  if (key === null || key.length < MIN_SECRET_CHARS) return text;
  return text.replaceAll(key, '***').replaceAll(key.replaceAll('/', String.raw`\/`), '***');
}

/** `retry-after-ms`, or `Retry-After` in seconds or as a date; 0 where there is none. */
function retryAfterMs(headers: Headers): number {
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A key of a value that may be no object at all. */
export function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
