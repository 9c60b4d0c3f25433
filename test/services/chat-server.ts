/** A scripted chat endpoint: the test says how each request is answered, and reads what was really sent. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const USAGE = { prompt_tokens: 100, completion_tokens: 20 };

export interface Received {
  /** From 0, in the order of arrival. */
  index: number;
  path: string;
  headers: IncomingHttpHeaders;
  body: Readonly<Record<string, unknown>>;
  /** The text of the last message. */
  user: string;
  /** When it came, in milliseconds. */
  time: number;
}

export type Answer = (received: Received, response: ServerResponse) => void;

export class ChatServer {
  readonly received: Received[] = [];
  /** Most requests that were open at once. */
  mostOpen = 0;
  #open = 0;
  readonly #server: Server;

  private constructor(answer: Answer) {
    this.#server = createServer((request, response) => {
      this.mostOpen = Math.max(this.mostOpen, ++this.#open);
      response.on('close', () => this.#open--);
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(parts).toString() || '{}') as Record<string, unknown>;
        const { url: path = '', headers } = request;
        const index = this.received.length;
        const received = { index, path, headers, body, user: lastText(body), time: performance.now() };
        this.received.push(received);
        answer(received, response);
      });
    });
  }

  static async start(answer: Answer): Promise<ChatServer> {
    const server = new ChatServer(answer);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

export function completion(content: unknown, finishReason = 'stop') {
  return {
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finishReason }],
    usage: USAGE,
  };
}

/** Answers with a verdict, as a judge would. */
export function sendVerdict(response: ServerResponse, score: unknown, reason = 'because'): void {
  sendJson(response, 200, completion(JSON.stringify({ reason, score })));
}

function lastText(body: Readonly<Record<string, unknown>>): string {
  const messages = body['messages'] as { content: string | { text?: string }[] }[] | undefined;
  const content = messages?.at(-1)?.content ?? '';
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('');
}
