/**
 * The Hugging Face hub in small: lists repositories, tells sizes and checksums, sends small files itself and
 * redirects to a second origin for large ones. The test says which requests fail and how, and reads what was sent.
 */
import { createHash } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  /** Which of the two origins was asked. */
  origin: 'hub' | 'storage';
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** What is asked for: a file's name, or `listing`. */
  name: string;
  /** How many requests of this method for this name came before. */
  before: number;
}

/** How a request fails; none: it is answered. */
export type Fault =
  | { status: number; headers?: Readonly<Record<string, string>> }
  /** The connection breaks after so many bytes of the body. */
  | { cutAfter: number }
  /** Nothing comes any more after so many bytes. */
  | { stallAfter: number }
  /** The last byte is wrong. */
  | { wrongByte: true }
  /** Everything is sent, whatever range was asked for. */
  | { ignoreRange: true };

export interface Content {
  bytes: Buffer;
  /** Kept by the second origin, under its SHA-256. */
  large: boolean;
}

/** One commit of a repository; of those of one path the first is its main branch. */
export interface TestRepository {
  /** `models/owner/name` or `datasets/owner/name` */
  path: string;
  commit: string;
  files: Readonly<Record<string, Content>>;
  /** Only for this token. */
  token?: string;
  gated?: boolean;
}

export class HubServer {
  readonly received: Received[] = [];
  readonly #hub: Server;
  readonly #storage: Server;
  readonly #repositories: readonly TestRepository[];
  /** Replaced by tests that want failures. */
  fault: (received: Received) => Fault | undefined = () => undefined;

  private constructor(repositories: readonly TestRepository[]) {
    this.#repositories = repositories;
    this.#hub = createServer((request, response) => this.#answer('hub', request, response));
    this.#storage = createServer((request, response) => this.#answer('storage', request, response));
  }

  static async start(...repositories: TestRepository[]): Promise<HubServer> {
    const hub = new HubServer(repositories);
    for (const server of [hub.#hub, hub.#storage]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return hub;
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  /** The requests for file contents, in order. */
  contentRequests(name?: string): Received[] {
    return this.received.filter((one) => {
      const answered = one.origin === 'storage' || this.#find(one.path)?.content?.large === false;
      return one.method === 'GET' && answered && (name === undefined || one.name === name);
    });
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #answer(origin: Received['origin'], request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '', headers } = request;
    const found = this.#find(path);
    const name = found?.name ?? '';
    const before = this.received.filter(
      (one) => one.origin === origin && one.method === method && one.name === name,
    ).length;
    const received = { origin, method, path, headers, name, before };
    this.received.push(received);
    const fault = this.fault(received);
    if (fault !== undefined && 'status' in fault) {
      response.writeHead(fault.status, fault.headers).end('scripted');
    } else if (found === null) {
      response.writeHead(401, { 'x-error-message': 'Invalid username or password.' }).end();
    } else if (origin === 'hub') this.#answerHub(found, request, response, fault);
    else sendContent(found.content!.bytes, request, response, fault);
  }

  #answerHub(found: Found, request: IncomingMessage, response: ServerResponse, fault?: Fault): void {
    const { repository, name, content, revision } = found;
    const { commit, files, token, gated = false } = repository;
    if (![commit, 'main', 'refs/pr/1'].includes(revision)) {
      response.writeHead(404, { 'x-error-code': 'RevisionNotFound', 'x-error-message': 'Invalid rev' }).end();
    } else if (name === 'listing') {
      const siblings = Object.keys(files).map((rfilename) => ({ rfilename }));
      sendJson(response, { id: repository.path, sha: commit, gated, siblings });
    } else if (name === 'tree') sendJson(response, Object.entries(files).map(treeEntry));
    else if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      const headers = { 'x-error-code': 'GatedRepo', 'x-error-message': 'Access is restricted.' };
      response.writeHead(401, headers).end();
    } else if (content === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    } else {
      const { bytes, large } = content;
      response.setHeader('x-repo-commit', commit);
      response.setHeader('etag', `"${large ? 'etag-of-the-redirect' : checksum(content)}"`);
      if (!large) return sendContent(bytes, request, response, fault);
      response.setHeader('x-linked-etag', `"${checksum(content)}"`);
      response.setHeader('x-linked-size', bytes.length);
      response.setHeader('location', `${addressOf(this.#storage)}/${checksum(content)}?signature=secret`);
      response.writeHead(302).end();
    }
  }

  #find(path: string): Found | null {
    const { pathname } = new URL(path, 'http://hub');
    for (const repository of this.#repositories) {
      const { files, commit } = repository;
      const [, kind, listed] =
        new RegExp(`^/api/${repository.path}/(revision|tree)/([^/]+)$`).exec(pathname) ?? [];
      const place = repository.path.replace(/^models\//, '');
      const [, revision, file] = new RegExp(`^/${place}/resolve/([^/]+)/(.+)$`).exec(pathname) ?? [];
      const stored = Object.entries(files).find(([, content]) => pathname === `/${checksum(content)}`);
      const found =
        listed !== undefined
          ? { revision: listed, name: kind === 'tree' ? kind : 'listing', content: undefined }
          : revision !== undefined && file !== undefined
            ? { revision, name: decodeURIComponent(file), content: files[decodeURIComponent(file)] }
            : stored && { revision: commit, name: stored[0], content: stored[1] };
      if (found === undefined) continue;
      const asked = decodeURIComponent(found.revision);
      const older = this.#repositories.find(
        (other) => other.path === repository.path && other.commit === asked,
      );
      return { ...found, repository: older ?? repository, revision: asked };
    }
    return null;
  }
}

interface Found {
  repository: TestRepository;
  name: string;
  content: Content | undefined;
  revision: string;
}

const checksums = new WeakMap<Content, string>();

/** As the hub names contents: SHA-256 of large files, git's hash of a blob for others. */
export function checksum(content: Content): string {
  const known = checksums.get(content);
  if (known !== undefined) return known;
  const { bytes, large } = content;
  const hash = large ? createHash('sha256') : createHash('sha1').update(`blob ${bytes.length}\0`);
  const sum = hash.update(bytes).digest('hex');
  checksums.set(content, sum);
  return sum;
}

function treeEntry([path, content]: [string, Content]): object {
  const entry = {
    type: 'file',
    path,
    size: content.bytes.length,
    oid: checksum({ ...content, large: false }),
  };
  const lfs = { oid: checksum(content), size: content.bytes.length, pointerSize: 134 };
  return content.large ? { ...entry, lfs } : entry;
}

function sendContent(bytes: Buffer, request: IncomingMessage, response: ServerResponse, fault?: Fault): void {
  const asked = fault !== undefined && 'ignoreRange' in fault ? undefined : request.headers.range;
  const from = Number(/^bytes=(\d+)-$/.exec(asked ?? '')?.[1] ?? 0);
  const body = Buffer.from(bytes.subarray(from));
  if (fault !== undefined && 'wrongByte' in fault) body[body.length - 1]! ^= 1;
  const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length, ...range });
  if (request.method === 'HEAD') response.end();
  else if (fault !== undefined && 'cutAfter' in fault) {
    response.write(body.subarray(0, fault.cutAfter), () => response.destroy());
  } else if (fault !== undefined && 'stallAfter' in fault) response.write(body.subarray(0, fault.stallAfter));
  else response.end(body);
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
