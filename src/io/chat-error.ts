/** What goes wrong with a chat endpoint, in words for the user, and whether another try can help. */
import { ServiceError } from '../util/errors.ts';
import { endpointWords, isRetryable, retryAfterMs, shorten } from './http-trouble.ts';

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
