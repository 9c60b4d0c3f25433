import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChatClient, type ChatClientOptions } from '../../src/io/chat-client.ts';
import { ChatError, UnusableReply } from '../../src/io/chat-error.ts';
import { type Answer, ChatServer, completion, sendJson } from '../services/chat-server.ts';

const KEY = 'sk-test/0123456789';
const KEY_VARIABLE = 'CHAT_CLIENT_TEST_KEY';
const REQUEST = { body: { model: 'm', messages: [{ role: 'user', content: 'hello' }] } };
const WITH_SCHEMA = { ...REQUEST, schema: { name: 'verdict', schema: { type: 'object' } } };

const servers: ChatServer[] = [];

async function serve(answer: Answer): Promise<ChatServer> {
  const server = await ChatServer.start(answer);
  servers.push(server);
  return server;
}

function clientOf({ baseUrl }: ChatServer, options: Partial<ChatClientOptions> = {}): ChatClient {
  return new ChatClient({
    baseUrl,
    apiKeyEnv: KEY_VARIABLE,
    maxConcurrency: 4,
    timeoutS: 5,
    maxRetries: 2,
    firstWaitMs: 5,
    ...options,
  });
}

const ask = (client: ChatClient, request = REQUEST) => client.complete(request, ({ text }) => text);

async function failureOf(promise: Promise<unknown>): Promise<ChatError> {
  const error: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ChatError);
  return error as ChatError;
}

beforeEach(() => {
  process.env[KEY_VARIABLE] = KEY;
});
afterEach(async () => {
  delete process.env[KEY_VARIABLE];
  await Promise.allSettled(servers.splice(0).map((server) => server.close()));
});

describe('what is sent and read', () => {
  it('posts the body with the key and counts the tokens', async () => {
    const server = await serve((_received, response) => sendJson(response, 200, completion('hi')));
    const client = clientOf(server);
    expect(await ask(client)).toBe('hi');
    expect(server.received[0]).toMatchObject({
      path: '/v1/chat/completions',
      body: REQUEST.body,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    });
    expect(client.counters).toMatchObject({
      calls: 1,
      attempts: 1,
      retries: 0,
      failures: 0,
      failedAttempts: 0,
    });
    expect(client.counters).toMatchObject({ promptTokens: 100, completionTokens: 20 });
    expect(client.counters.secondsLongest).toBeGreaterThan(0);
    expect(client.counters.secondsTotal).toBe(client.counters.secondsLongest);
  });

  it('sends no key where the variable is not set', async () => {
    delete process.env[KEY_VARIABLE];
    const server = await serve((_received, response) => sendJson(response, 200, completion('hi')));
    await ask(clientOf(server));
    expect(server.received[0]?.headers).not.toHaveProperty('authorization');
  });

  it('reads content in parts, and a reply without content or usage', async () => {
    const replies = [
      completion([{ type: 'text', text: 'a' }, { type: 'image' }, { type: 'text', text: 'b' }]),
      { choices: [{ message: { content: null } }] },
    ];
    const server = await serve(({ index }, response) => sendJson(response, 200, replies[index]));
    const client = clientOf(server);
    expect(await ask(client)).toBe('ab');
    expect(await ask(client)).toBe('');
    expect(client.counters.promptTokens).toBe(100);
  });

  it('keeps the query of the base URL, and shows it in no error', async () => {
    const server = await serve((_received, response) => sendJson(response, 401, { error: 'no' }));
    const client = clientOf(server, { baseUrl: `${server.baseUrl}/?api-key=hidden` });
    expect((await failureOf(ask(client))).message).not.toContain('hidden');
    expect(server.received[0]?.path).toBe('/v1/chat/completions?api-key=hidden');
  });
});

describe('retries', () => {
  const faults: [string, Answer][] = [
    ...[408, 409, 429, 500, 502, 503].map((status): [string, Answer] => [
      `status ${status}`,
      (_received, response) => sendJson(response, status, { error: { message: 'later' } }),
    ]),
    ['a reset connection', (_received, response) => response.destroy()],
    [
      'a cut body',
      (_received, response) => {
        response.writeHead(200, { 'content-length': '500' });
        response.write('{"choices"', () => response.destroy());
      },
    ],
    ['malformed JSON', (_received, response) => sendJson(response, 200, '{"choices": [')],
    ['no choices', (_received, response) => sendJson(response, 200, { id: 1 })],
    ['an error with status 200', (_received, response) => sendJson(response, 200, { error: { code: 503 } })],
  ];
  it.each(faults)('tries again after %s', async (_name, fault) => {
    const server = await serve((received, response) =>
      received.index === 0 ? fault(received, response) : sendJson(response, 200, completion('hi')),
    );
    const client = clientOf(server);
    expect(await ask(client)).toBe('hi');
    expect(client.counters).toMatchObject({
      calls: 1,
      attempts: 2,
      retries: 1,
      failedAttempts: 1,
      failures: 0,
    });
  });

  it('tries again after a time-out and frees the connection', async () => {
    let closed = false;
    const server = await serve(({ index }, response) => {
      if (index === 0) response.on('close', () => (closed = true));
      else sendJson(response, 200, completion('hi'));
    });
    expect(await ask(clientOf(server, { timeoutS: 0.1 }))).toBe('hi');
    expect(closed).toBe(true);
  });

  it.each([400, 401, 403, 404, 413, 422])('gives up at once at status %d, in its words', async (status) => {
    const words = `Incorrect key: ${KEY}`;
    // Written as some servers do, with escaped slashes.
    const body = JSON.stringify({ error: { message: words } }).replace('/', String.raw`\/`);
    const server = await serve((_received, response) => sendJson(response, status, body));
    const client = clientOf(server);
    const error = await failureOf(ask(client));
    expect(error.reason).toBe(`HTTP ${status}: Incorrect key: ***`);
    expect(error.message).toContain(`${server.baseUrl}/chat/completions`);
    expect(`${error.stack}${JSON.stringify(error)}`).not.toContain(KEY);
    expect(server.received).toHaveLength(1);
    expect(client.counters).toMatchObject({ calls: 1, attempts: 1, failedAttempts: 1, failures: 1 });
  });

  it('gives up after the configured tries with the last reason', async () => {
    const server = await serve((_received, response) => sendJson(response, 500, { detail: 'out of memory' }));
    const client = clientOf(server, { maxRetries: 3 });
    expect((await failureOf(ask(client))).reason).toBe('HTTP 500: out of memory');
    expect(client.counters).toMatchObject({
      calls: 1,
      attempts: 4,
      retries: 3,
      failedAttempts: 4,
      failures: 1,
    });
  });

  it('tries again when the reader asks for it', async () => {
    const server = await serve(({ index }, response) =>
      sendJson(response, 200, completion(`reply ${index}`)),
    );
    const client = clientOf(server);
    const reply = await client.complete(REQUEST, ({ text }) => {
      if (text === 'reply 0') throw new UnusableReply('the first one');
      return text;
    });
    expect(reply).toBe('reply 1');
    // Both cost tokens.
    expect(client.counters).toMatchObject({ attempts: 2, failedAttempts: 1, failures: 0, promptTokens: 200 });
  });

  it.each([
    ['retry-after-ms', () => '400', 400],
    ['Retry-After in seconds', () => '1', 1000],
    // Dates have whole seconds.
    ['Retry-After as a date', () => new Date(Date.now() + 2000).toUTCString(), 1000],
  ])('waits as long as %s says', async (name, value, milliseconds) => {
    const header = name.split(' ')[0] ?? '';
    const server = await serve(({ index }, response) =>
      index === 0
        ? sendJson(response, 429, { error: 'slow' }, { [header]: value() })
        : sendJson(response, 200, completion('hi')),
    );
    await ask(clientOf(server));
    const [first, second] = server.received.map(({ time }) => time);
    // Timers may fire a little early.
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(milliseconds - 20);
  });

  it('doubles its wait', async () => {
    const server = await serve((_received, response) => sendJson(response, 500, ''));
    await failureOf(ask(clientOf(server, { firstWaitMs: 100 })));
    const [first = 0, second = 0, third = 0] = server.received.map(({ time }) => time);
    expect(second - first).toBeGreaterThan(95);
    expect(third - second).toBeGreaterThan(195);
  });
});

describe('limits', () => {
  it('keeps to the concurrency', async () => {
    const server = await serve((_received, response) => {
      setTimeout(() => sendJson(response, 200, completion('hi')), 20);
    });
    const client = clientOf(server, { maxConcurrency: 3 });
    await Promise.all(Array.from({ length: 12 }, () => ask(client)));
    expect(server.mostOpen).toBe(3);
  });

  it('refuses an endless body', async () => {
    let sent = 0;
    const server = await serve((_received, response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1 << 20, 'x');
      const more = () => {
        do sent += chunk.length;
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    });
    const client = clientOf(server);
    expect((await failureOf(ask(client))).reason).toContain('more than 10000000 bytes');
    expect(client.counters.attempts).toBe(1);
    // What lay in the buffers of both ends may have been more than the limit.
    expect(sent).toBeLessThan(100_000_000);
  });

  it('takes the key to no other host', async () => {
    const other = await serve((_received, response) => sendJson(response, 200, completion('stolen')));
    const server = await serve((_received, response) =>
      sendJson(response, 307, '', { location: `${other.baseUrl}/chat/completions` }),
    );
    expect((await failureOf(ask(clientOf(server)))).reason).toContain(
      `HTTP 307, a redirect to ${other.baseUrl}`,
    );
    expect(other.received).toHaveLength(0);
  });

  it('says when nobody listens', async () => {
    const server = await serve(() => undefined);
    const client = clientOf(server);
    await server.close();
    expect((await failureOf(ask(client))).reason).toContain('ECONNREFUSED');
  });

  it('cancels what runs and what waits when it is closed', async () => {
    const server = await serve(() => undefined);
    const client = clientOf(server, { maxConcurrency: 2 });
    const failures = Promise.all(Array.from({ length: 5 }, () => failureOf(ask(client))));
    while (server.received.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await client.close();
    for (const { reason } of await failures) expect(reason).toContain('closed');
    expect((await failureOf(ask(client))).reason).toContain('closed');
    expect(server.received).toHaveLength(2);
    expect(client.counters).toMatchObject({ calls: 2, attempts: 2, failures: 2, failedAttempts: 2 });
  });

  it('cancels a wait between two tries when it is closed', async () => {
    const server = await serve((_received, response) => sendJson(response, 429, '', { 'retry-after': '30' }));
    const client = clientOf(server);
    const failure = failureOf(ask(client));
    while (client.counters.failedAttempts === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await client.close();
    expect((await failure).reason).toContain('closed');
  });
});

describe('what cannot be used', () => {
  it('refuses an address with a password in it, without showing it', () => {
    const open = () => clientOf({ baseUrl: 'http://me:secret@host/v1' } as ChatServer);
    expect(open).toThrow('host');
    expect(open).not.toThrow('secret');
  });

  it('refuses a key that no header can carry, without showing it', () => {
    process.env[KEY_VARIABLE] = 'sk-tést';
    const open = () => clientOf({ baseUrl: 'http://host/v1' } as ChatServer);
    expect(open).toThrow(KEY_VARIABLE);
    expect(open).not.toThrow('sk-t');
  });
});

describe('structured output', () => {
  const formatOf = (body: Readonly<Record<string, unknown>>) =>
    (body['response_format'] as { type: string } | undefined)?.type ?? 'text';
  const refusing = (...formats: string[]): Answer => {
    return ({ body }, response) =>
      formats.includes(formatOf(body))
        ? sendJson(response, 400, { error: { message: 'response_format is not supported' } })
        : sendJson(response, 200, completion(formatOf(body)));
  };

  it('asks for the schema where the endpoint has it', async () => {
    const server = await serve(refusing());
    expect(await ask(clientOf(server), WITH_SCHEMA)).toBe('json_schema');
    expect(server.received[0]?.body['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'verdict', schema: { type: 'object' }, strict: true },
    });
    expect(await ask(clientOf(server))).toBe('text');
  });

  it.each([
    ['json_object', ['json_schema'], 2],
    ['text', ['json_schema', 'json_object'], 3],
  ] as const)('falls back to %s and remembers it', async (format, refused, attempts) => {
    const server = await serve(refusing(...refused));
    const client = clientOf(server, { maxRetries: 0 });
    expect(await ask(client, WITH_SCHEMA)).toBe(format);
    expect(server.received).toHaveLength(attempts);
    expect(await ask(client, WITH_SCHEMA)).toBe(format);
    expect(server.received).toHaveLength(attempts + 1);
    expect(client.counters).toMatchObject({
      calls: 2,
      failures: 0,
      attempts: attempts + 1,
      retries: attempts - 1,
    });
  });

  it('does not blame the format for a request that is refused anyway', async () => {
    const server = await serve(({ body, index }, response) =>
      index < 3 ? sendJson(response, 400, 'too long') : sendJson(response, 200, completion(formatOf(body))),
    );
    const client = clientOf(server);
    expect((await failureOf(ask(client, WITH_SCHEMA))).reason).toBe('HTTP 400: too long');
    expect(await ask(client, WITH_SCHEMA)).toBe('json_schema');
  });

  it('does not fall back from a format that was asked for', async () => {
    const server = await serve(refusing('json_object'));
    const client = clientOf(server, { responseFormat: 'json_object' });
    expect((await failureOf(ask(client, WITH_SCHEMA))).status).toBe(400);
    expect(server.received).toHaveLength(1);
  });
});
