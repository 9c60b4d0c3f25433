/**
 * A client of OpenAI-compatible chat completions: bounded concurrency, time-outs, retries with exponential
 * back-off, structured output as far as the endpoint has it, and counters that add up.
 */
import PQueue from 'p-queue';
import pRetry from 'p-retry';
import { ConfigError } from '../util/errors.ts';
import { ChatError, UnusableReply } from './chat-error.ts';
import { type ChatEndpoint, type ChatReply, closedError, postChat } from './chat-http.ts';
import { shorten } from './http-trouble.ts';
import { readSecret } from './secret.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** What the ways of asking for structured output are, the strictest first. */
const FORMATS = ['json_schema', 'json_object', 'text'] as const;
/** Statuses by which endpoints refuse a response_format that they do not have. */
const REFUSALS = new Set([400, 422]);

export interface ChatClientOptions {
  /** Address up to, and without, /chat/completions. */
  baseUrl: string;
  /** Environment variable that holds the key; where it is not set, no key is sent. */
  apiKeyEnv: string;
  /** Calls in flight at once. */
  maxConcurrency: number;
  /** Longest wait for one reply in seconds; fetch itself ends an attempt after 300 s without a header. */
  timeoutS: number;
  /** Further tries of a call that failed. */
  maxRetries: number;
  /** How requests with a schema ask for structured output; auto: as strictly as the endpoint allows. */
  responseFormat?: 'auto' | (typeof FORMATS)[number];
  /** Wait before the second try in milliseconds, up to twice as long by chance; it doubles with each try. */
  firstWaitMs?: number;
}

export interface ChatRequest {
  /** The request as the protocol has it, without response_format. */
  body: Readonly<Record<string, unknown>>;
  /** JSON Schema of the reply, with a name; none: plain text. */
  schema?: { name: string; schema: Readonly<Record<string, unknown>> };
}

/**
 * Running totals. attempts = calls + retries; a call ends in success or is one of `failures`, an attempt in
 * success or is one of `failedAttempts`, and the successes are the same.
 */
export interface ChatCounters {
  calls: number;
  attempts: number;
  retries: number;
  failedAttempts: number;
  failures: number;
  promptTokens: number;
  completionTokens: number;
  /** Time of all attempts together, without the waits between them. */
  secondsTotal: number;
  secondsLongest: number;
}

export class ChatClient {
  readonly #endpoint: ChatEndpoint;
  readonly #options: ChatClientOptions;
  readonly #queue: PQueue;
  readonly #closing = new AbortController();
  readonly #counters: ChatCounters = {
    calls: 0,
    attempts: 0,
    retries: 0,
    failedAttempts: 0,
    failures: 0,
    promptTokens: 0,
    completionTokens: 0,
    secondsTotal: 0,
    secondsLongest: 0,
  };
  readonly #lastFormat: number;
  /** The strictest format that the endpoint is not known to refuse. */
  #format: number;

  /** @throws ConfigError for an address with credentials in it, or a key that no header can carry. */
  constructor(options: ChatClientOptions) {
    const { responseFormat = 'auto' } = options;
    this.#options = options;
    this.#endpoint = {
      ...completionsUrl(options.baseUrl),
      key: readSecret(process.env[options.apiKeyEnv], `environment variable ${options.apiKeyEnv}`),
      timeoutMs: 1000 * options.timeoutS,
    };
    this.#queue = new PQueue({ concurrency: options.maxConcurrency });
    this.#format = responseFormat === 'auto' ? 0 : FORMATS.indexOf(responseFormat);
    this.#lastFormat = responseFormat === 'auto' ? FORMATS.length - 1 : this.#format;
  }

  get counters(): Readonly<ChatCounters> {
    return this.#counters;
  }

  /**
   * One chat completion.
   * @param read turns the reply into what is wanted; UnusableReply from it asks for another try.
   * @throws ChatError when there was no usable reply, with the endpoint's own words.
   */
  async complete<T>(request: ChatRequest, read: (reply: ChatReply) => T): Promise<T> {
    const { signal } = this.#closing;
    if (signal.aborted) throw closedError(this.#endpoint.where);
    try {
      return await this.#queue.add(() => this.#call(request, read));
    } catch (error) {
      if (signal.aborted && !(error instanceof ChatError)) throw closedError(this.#endpoint.where);
      throw error;
    }
  }

  /** Cancels what waits or runs; returns when nothing does. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#queue.clear();
    await this.#queue.onIdle();
  }

  async #call<T>(request: ChatRequest, read: (reply: ChatReply) => T): Promise<T> {
    const { signal } = this.#closing;
    const attempts = { made: 0 };
    try {
      return await pRetry(() => this.#tryFormats(request, read, attempts), {
        retries: this.#options.maxRetries,
        minTimeout: this.#options.firstWaitMs ?? FIRST_WAIT_MS,
        maxTimeout: LONGEST_WAIT_MS,
        randomize: true,
        signal,
        shouldRetry: ({ error }) => error instanceof ChatError && error.retryable,
        onFailedAttempt: async ({ error, retriesLeft, retryDelay }) => {
          if (!(error instanceof ChatError) || !error.retryable || retriesLeft === 0) return;
          await wait(error.retryAfterMs - retryDelay, signal);
        },
      });
    } catch (error) {
      if (attempts.made > 0) this.#counters.failures++;
      throw error;
    }
  }

  /** An attempt; where the endpoint refuses the structured output, another one with a less strict format. */
  async #tryFormats<T>(
    request: ChatRequest,
    read: (reply: ChatReply) => T,
    attempts: { made: number },
  ): Promise<T> {
    for (let format = this.#format; ; format++) {
      if (attempts.made++ === 0) this.#counters.calls++;
      else this.#counters.retries++;
      try {
        const result = await this.#attempt(request, format, read);
        // Only now is it known that the format was what the endpoint refused.
        this.#format = Math.max(this.#format, format);
        return result;
      } catch (error) {
        const refused = error instanceof ChatError && REFUSALS.has(error.status ?? 0);
        if (!refused || request.schema === undefined || format >= this.#lastFormat) throw error;
      }
    }
  }

  async #attempt<T>(request: ChatRequest, format: number, read: (reply: ChatReply) => T): Promise<T> {
    const counters = this.#counters;
    const start = performance.now();
    counters.attempts++;
    try {
      const body = JSON.stringify({ ...request.body, ...responseFormat(request, format) });
      const reply = await postChat(this.#endpoint, body, this.#closing.signal);
      counters.promptTokens += reply.promptTokens;
      counters.completionTokens += reply.completionTokens;
      return read(reply);
    } catch (error) {
      counters.failedAttempts++;
      if (!(error instanceof UnusableReply)) throw error;
      const reason = shorten(`unusable reply: ${error.message}`);
      throw new ChatError(this.#endpoint.where, { reason, retryable: true }, { cause: error });
    } finally {
      const seconds = (performance.now() - start) / 1000;
      counters.secondsTotal += seconds;
      counters.secondsLongest = Math.max(counters.secondsLongest, seconds);
    }
  }
}

function responseFormat({ schema }: ChatRequest, format: number): Record<string, unknown> {
  const type = FORMATS[format];
  if (schema === undefined || type === 'text') return {};
  return {
    response_format: type === 'json_schema' ? { type, json_schema: { ...schema, strict: true } } : { type },
  };
}

function completionsUrl(baseUrl: string): { url: string; where: string } {
  const url = new URL(baseUrl);
  if (url.username !== '' || url.password !== '') {
    throw new ConfigError({
      where: `base_url with the host ${url.host}`,
      expected: 'an address without a name or password',
      found: 'one with them',
      fix: 'put the key into the environment variable that api_key_env names',
    });
  }
  url.pathname = `${url.pathname.replace(/\/$/, '')}/chat/completions`;
  return { url: url.href, where: url.origin + url.pathname };
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
