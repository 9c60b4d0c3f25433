/**
 * Requests to the hub. Redirects are followed by hand, so that the token reaches the endpoint only and never the
 * host of a large file; an answer that stops coming fails instead of waiting for ever.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pRetry from 'p-retry';
import { connectionTrouble, shorten } from '../http-trouble.ts';
import { withoutSecret } from '../secret.ts';
import { HubError, statusError, whereOf } from './hub-error.ts';
import type { Repository } from './repository.ts';
import type { HubSettings } from './settings.ts';

/** Tries beyond the first, unless there is a reason for fewer. */
export const RETRIES = 5;
const MAX_REDIRECTS = 5;
const LONGEST_WAIT_MS = 30_000;
/** More than the longest list of files, and than any words about an error. */
const MAX_TEXT_BYTES = 50_000_000;

/** What all requests for one repository share. */
export interface HubSession {
  repository: Repository;
  settings: HubSettings;
  /** Ends all requests. */
  signal: AbortSignal;
}

export interface HubRequest {
  method: 'GET' | 'HEAD';
  url: string;
  /** The file that is asked for, for messages. */
  file?: string;
  /** First byte that is wanted. */
  from?: number;
}

export interface HubAnswer {
  status: number;
  headers: Headers;
  /** To be read to its end, or left by `break`. @throws {HubError} when the answer is cut or stalls */
  body: AsyncIterable<Uint8Array>;
}

/**
 * One try. A HEAD request stops at the redirect to a large file, whose size and checksum the endpoint tells.
 * @throws {HubError} when there is no answer, or its status is none of success
 */
export async function request(session: HubSession, wanted: HubRequest): Promise<HubAnswer> {
  const { repository, settings, signal } = session;
  const { method, from = 0 } = wanted;
  const where = whereOf(repository, settings, wanted.file);
  const headers = from > 0 ? { range: `bytes=${from}-` } : { 'accept-encoding': 'identity' };
  let url = new URL(wanted.url);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const watch = new StallWatch(where, settings, signal);
    const token = url.origin === new URL(settings.endpoint).origin ? settings.token : null;
    const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
    const response = await watch.guard(() =>
      fetch(url, {
        method,
        headers: { ...headers, ...authorization },
        redirect: 'manual',
        signal: watch.signal,
      }),
    );
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      if (method === 'HEAD' && response.headers.has('x-linked-etag')) return answerOf(response, watch);
      await response.body?.cancel();
      url = redirected(location, url, where);
      continue;
    }
    const answer = answerOf(response, watch);
    if (response.ok) return answer;
    const text = withoutSecret(await readText(answer, where), settings.token);
    const failed = { host: url.host, status: response.status, headers: response.headers, text };
    throw statusError(where, repository, settings, failed);
  }
  throw new HubError({ where, expected: 'a file', found: `more than ${MAX_REDIRECTS} redirects` });
}

/** A location may be signed, and is shown to nobody. */
function redirected(location: string, from: URL, where: string): URL {
  const to = URL.parse(location, from.href);
  if (to !== null && /^https?:$/.test(to.protocol)) return to;
  throw new HubError({ where, expected: 'a redirect to an address', found: 'one to something else' });
}

/** The body as text. @throws {HubError} when it is cut, stalls, or is no text of a hub by its length */
export async function readText({ body }: HubAnswer, where: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    parts.push(part);
    length += part.length;
    if (length > MAX_TEXT_BYTES) {
      const expected = `an answer of at most ${MAX_TEXT_BYTES} bytes`;
      throw new HubError({ where, expected, found: 'a longer one' });
    }
  }
  return Buffer.concat(parts).toString('utf8');
}

/**
 * Repeats what fails for a while, with growing pauses or those that the endpoint asks for.
 * @throws what the last try threw; HubErrors that are not to be retried at once
 */
export function retry<T>(
  { settings, signal }: HubSession,
  retries: number,
  attempt: () => Promise<T>,
): Promise<T> {
  return pRetry(attempt, {
    retries,
    minTimeout: settings.firstWaitMs,
    maxTimeout: LONGEST_WAIT_MS,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => error instanceof HubError && error.retryable,
    onFailedAttempt: async ({ error, retriesLeft, retryDelay }) => {
      if (!(error instanceof HubError) || !error.retryable || retriesLeft === 0) return;
      const wait = error.retryAfterMs - retryDelay;
      if (wait > 0) await pause(wait, undefined, { signal });
    },
  });
}

/** Ends a request that brings nothing for too long. */
class StallWatch {
  readonly #stop = new AbortController();
  readonly #where: string;
  readonly #settings: HubSettings;
  readonly #outer: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #stalled = false;

  constructor(where: string, settings: HubSettings, outer: AbortSignal) {
    this.#where = where;
    this.#settings = settings;
    this.#outer = outer;
  }

  get signal(): AbortSignal {
    return AbortSignal.any([this.#stop.signal, this.#outer]);
  }

  /** Waits for the network, and puts its failures into words. */
  async guard<T>(wait: () => Promise<T>): Promise<T> {
    this.#timer = setTimeout(() => {
      this.#stalled = true;
      this.#stop.abort();
    }, this.#settings.stallMs);
    try {
      return await wait();
    } catch (error) {
      this.#outer.throwIfAborted();
      const { endpoint, stallMs, token } = this.#settings;
      // Not given as the cause: it may hold the request with the token.
      throw new HubError({
        where: this.#where,
        expected: 'an answer of the hub',
        found: this.#stalled
          ? `nothing for ${stallMs / 1000} s`
          : shorten(withoutSecret(connectionTrouble(error), token)),
        fix: `check the network and that ${endpoint} can be reached (HF_ENDPOINT), and start again: what has come is kept`,
        retryable: true,
      });
    } finally {
      clearTimeout(this.#timer);
    }
  }
}

function answerOf({ status, headers, body }: Response, watch: StallWatch): HubAnswer {
  return { status, headers, body: watched(body, watch) };
}

/** The clock stands still while a part is written to the disk. */
async function* watched(body: Response['body'], watch: StallWatch): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const parts = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await watch.guard(() => parts.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Ends the connection where the reader has left.
    await parts.return?.().catch(() => undefined);
  }
}
