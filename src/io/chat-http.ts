/** One attempt of a chat completion: a POST that ends in a reply or in a ChatError, within its time. */
import { ChatError, statusError } from './chat-error.ts';
import { connectionTrouble, endpointWords, isRetryable, shorten } from './http-trouble.ts';
import { field } from './json.ts';
import { withoutSecret } from './secret.ts';

/** A chat completion is text; a body beyond this is something else. */
const MAX_BODY_BYTES = 10_000_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface ChatEndpoint {
  /** Address of the chat completions. */
  url: string;
  /** The same for messages, without what may be secret in it. */
  where: string;
  key: string | null;
  /** Longest wait for a whole reply in milliseconds. */
  timeoutMs: number;
}

export interface ChatReply {
  /** What the model wrote; may be empty. */
  text: string;
  /** "stop", "length", ...; empty where the endpoint does not say. */
  finishReason: string;
  /** 0 where the endpoint does not say. */
  promptTokens: number;
  completionTokens: number;
}

/**
 * Sends a request. Redirects are not followed, so that the key reaches no other host.
 * @param signal cancels the attempt.
 * @throws ChatError for anything but a chat completion; the key is in none of its words.
 */
export async function postChat(
  endpoint: ChatEndpoint,
  body: string,
  signal: AbortSignal,
): Promise<ChatReply> {
  const { url, where, key, timeoutMs } = endpoint;
  const stop = new AbortController();
  const cancel = () => stop.abort();
  let timedOut = false;
  const timer = setTimeout(
    () => {
      timedOut = true;
      stop.abort();
    },
    Math.min(timeoutMs, MAX_TIMER_MS),
  );
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      },
      body,
      redirect: 'manual',
      signal: stop.signal,
    });
    const text = withoutSecret(await readBounded(response, where), key);
    if (!response.ok) throw statusError(where, response.status, response.headers, text);
    return readReply(text, where);
  } catch (error) {
    if (error instanceof ChatError) throw error;
    if (timedOut) {
      const reason = `no reply within ${timeoutMs / 1000} s`;
      throw new ChatError(where, {
        reason,
        retryable: true,
        fix: 'raise timeout_s, or lower max_concurrency',
      });
    }
    if (signal.aborted) throw closedError(where);
    // Not given as the cause: it may hold the request with the key.
    const reason = withoutSecret(`no answer: ${connectionTrouble(error)}`, key);
    throw new ChatError(where, { reason, retryable: true, fix: 'check base_url, and that the server runs' });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
  }
}

/** The error of requests that the end of the program cancels. */
export function closedError(where: string): ChatError {
  return new ChatError(where, { reason: 'cancelled, because the client was closed', retryable: false });
}

async function readBounded(response: Response, where: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the rest of the body.
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > MAX_BODY_BYTES) {
      const reason = `a reply of more than ${MAX_BODY_BYTES} bytes (HTTP ${response.status})`;
      throw new ChatError(where, { reason, retryable: false, fix: 'check base_url' });
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function readReply(text: string, where: string): ChatReply {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ChatError(where, { reason: `a reply that is not JSON: ${shorten(text)}`, retryable: true });
  }
  // Some gateways report the failure of the server behind them with status 200.
  const failure = field(body, 'error');
  if (failure !== undefined && failure !== null) {
    const code = Number(field(failure, 'code'));
    const status = code >= 400 && code < 600 ? code : null;
    const reason = `an error with status 200: ${shorten(endpointWords(text))}`;
    throw new ChatError(where, { reason, status, retryable: status === null || isRetryable(status) });
  }
  const choices = field(body, 'choices');
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const message = field(choice, 'message');
  if (typeof message !== 'object' || message === null) {
    throw new ChatError(where, { reason: `a reply without choices: ${shorten(text)}`, retryable: true });
  }
  const finish = field(choice, 'finish_reason');
  const usage = field(body, 'usage');
  return {
    text: contentText(field(message, 'content')),
    finishReason: typeof finish === 'string' ? finish : '',
    promptTokens: tokenCount(field(usage, 'prompt_tokens')),
    completionTokens: tokenCount(field(usage, 'completion_tokens')),
  };
}

/** The content is a text, or a list of parts of which some are texts, or missing. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) => field(part, 'text'))
    .filter((text) => typeof text === 'string')
    .join('');
}

function tokenCount(value: unknown): number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : 0;
}
