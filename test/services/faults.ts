/** A plan by which a scripted chat endpoint fails, the same for the same seed. */
import type { ServerResponse } from 'node:http';
import { philox } from '../../src/util/random.ts';
import { completion, sendJson, sendVerdict, USAGE } from './chat-server.ts';

type Fault = (response: ServerResponse) => void;

/** Ways to fail, in turn; those of the second list cost tokens all the same. */
const UNANSWERED: Readonly<Record<string, Fault>> = {
  'rate limit, seconds': (response) => sendJson(response, 429, error('slow down'), { 'retry-after': '0.1' }),
  'rate limit, milliseconds': (response) =>
    sendJson(response, 429, error('slow'), { 'retry-after-ms': '80' }),
  'rate limit, date': (response) =>
    sendJson(response, 429, error('slow'), { 'retry-after': new Date(Date.now() + 500).toUTCString() }),
  'server error': (response) => sendJson(response, 500, error('out of memory')),
  'bad gateway': (response) => sendJson(response, 502, '<html>bad gateway</html>'),
  hang: () => undefined,
  'cut header': (response) => response.destroy(),
  'cut body': (response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"choices": [{"mess', () => response.destroy());
  },
  'cut body without a length': (response) => {
    response.writeHead(200, { connection: 'close' });
    response.end('{"choices": [{"message": {"content": "{\\"score\\": 1');
  },
  'no JSON': (response) => sendJson(response, 200, 'score: 1'),
  'no choices': (response) => sendJson(response, 200, { choices: [] }),
  'error with status 200': (response) => sendJson(response, 200, error('provider is down')),
};
const UNUSABLE: Readonly<Record<string, Fault>> = {
  'score between the tiers': (response) => sendVerdict(response, 0.6),
  'score beyond the tiers': (response) => sendVerdict(response, 10),
  'no score': (response) => sendJson(response, 200, completion('I like this answer.')),
  'two scores': (response) => sendJson(response, 200, completion('{"score": 1} no, {"score": 0}')),
  nothing: (response) => sendJson(response, 200, completion(null)),
  'cut verdict': (response) => sendJson(response, 200, completion('{"reason": "so', 'length')),
};
const FAULTS = { ...UNANSWERED, ...UNUSABLE };

/** Which requests fail, and what they cost. */
export class FaultPlan {
  readonly #share: number;
  readonly #seed: number;
  #drawn = 0;
  /** Names of the faults that happened. */
  readonly happened: string[] = [];
  promptTokens = 0;

  constructor(share: number, seed: number) {
    this.#share = share;
    this.#seed = seed;
  }

  /** Fails the request if it is its turn; otherwise it is the caller's to answer. */
  fails(response: ServerResponse): boolean {
    if (this.#random() >= this.#share) {
      this.promptTokens += USAGE.prompt_tokens;
      return false;
    }
    const names = Object.keys(FAULTS);
    const name = names[Math.floor(this.#random() * names.length)] ?? '';
    this.happened.push(name);
    if (name in UNUSABLE) this.promptTokens += USAGE.prompt_tokens;
    FAULTS[name]?.(response);
    return true;
  }

  get kinds(): number {
    return Object.keys(FAULTS).length;
  }

  /** From 0 to 1. */
  #random(): number {
    const [word] = philox([this.#seed, 0], [this.#drawn++, 0, 0, 0]);
    return word / 2 ** 32;
  }
}

function error(message: string) {
  return { error: { message, type: 'scripted' } };
}
