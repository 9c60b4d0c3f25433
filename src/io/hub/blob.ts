/** Fetches one file into the cache: goes on where an earlier try ended, and takes nothing that it has not checked. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { fileSize, onDisk } from './cache.ts';
import { HubError, whereOf } from './hub-error.ts';
import type { RemoteFile } from './listing.ts';
import { type HubSession, request, retry, RETRIES } from './request.ts';

/** After a try that brings as much, counting starts anew: a large file survives any number of cut connections. */
const MIN_PROGRESS_BYTES = 1 << 20;
const READ_BYTES = 1 << 20;

/** Bytes of a file that an earlier try has left. */
export async function bytesKept(blob: string): Promise<number> {
  return (await fileSize(partOf(blob))) ?? 0;
}

/**
 * Fetches a file to `blob`, by way of `blob.incomplete`, which stays where this fails and is continued by the next.
 * @param onBytes is told how many bytes came, or (negative) how many were of no use
 * @throws {HubError} when the hub gives no whole file, or twice one with another checksum
 * @throws {ConfigError} when the cache cannot be written
 */
export async function fetchBlob(
  session: HubSession,
  file: RemoteFile,
  blob: string,
  onBytes: (count: number) => void,
): Promise<void> {
  const part = await PartialFile.open(partOf(blob), file, onBytes);
  try {
    await fetchRest(session, file, part);
    if (!part.isRight()) {
      await part.clear();
      await fetchRest(session, file, part);
    }
    if (!part.isRight()) {
      const found = part.checksum();
      await part.clear();
      throw new HubError({
        where: whereOf(session.repository, session.settings, file.name),
        expected: `content with the checksum ${file.etag}`,
        found: `${found}, twice`,
        fix: 'start again later; if it stays so, something between here and the hub changes files',
      });
    }
    await part.sync();
  } finally {
    await part.close();
  }
  await onDisk(blob, () => rename(partOf(blob), blob));
}

/** Asks for what is missing until it is there. */
async function fetchRest(session: HubSession, file: RemoteFile, part: PartialFile): Promise<void> {
  const attempt = async () => {
    const start = part.length;
    try {
      await fetchOnce(session, file, part);
    } catch (error) {
      if (part.length - start < MIN_PROGRESS_BYTES || !(error instanceof HubError)) throw error;
    }
  };
  while (part.length < file.size) await retry(session, RETRIES, attempt);
}

async function fetchOnce(session: HubSession, file: RemoteFile, part: PartialFile): Promise<void> {
  const { url, name, size } = file;
  const from = part.length;
  const { status, headers, body } = await request(session, { method: 'GET', url, file: name, from });
  // A server that does not know ranges sends everything.
  if (from > 0 && status !== 206) await part.clear();
  const range = headers.get('content-range');
  const where = whereOf(session.repository, session.settings, name);
  if (part.length > 0 && !range?.startsWith(`bytes ${from}-`)) {
    const found = `the range ${range ?? 'unknown'}`;
    throw new HubError({ where, expected: `bytes from ${from} on`, found, retryable: true });
  }
  for await (const chunk of body) {
    if (part.length + chunk.length > size) {
      await part.clear();
      throw new HubError({ where, expected: `${size} bytes`, found: 'more', retryable: true });
    }
    await part.append(chunk);
  }
  if (part.length < size) {
    const found = `an end after ${part.length}`;
    throw new HubError({ where, expected: `${size} bytes`, found, retryable: true });
  }
}

/** A file that grows at its end, hashed as it grows. */
class PartialFile {
  readonly #path: string;
  readonly #wanted: RemoteFile;
  readonly #handle: FileHandle;
  readonly #onBytes: (count: number) => void;
  #hash: Hash;
  #length = 0;

  private constructor(
    path: string,
    wanted: RemoteFile,
    handle: FileHandle,
    onBytes: (count: number) => void,
  ) {
    this.#path = path;
    this.#wanted = wanted;
    this.#handle = handle;
    this.#onBytes = onBytes;
    this.#hash = newHash(wanted);
  }

  /** Opens the file and reads what it holds through the hash. */
  static async open(
    path: string,
    wanted: RemoteFile,
    onBytes: (count: number) => void,
  ): Promise<PartialFile> {
    return onDisk(path, async () => {
      const part = new PartialFile(path, wanted, await open(path, 'a'), onBytes);
      for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
        const bytes = chunk as Buffer;
        part.#hash.update(bytes);
        part.#length += bytes.length;
      }
      return part;
    });
  }

  get length(): number {
    return this.#length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await onDisk(this.#path, () => this.#handle.appendFile(bytes));
    this.#hash.update(bytes);
    this.#length += bytes.length;
    this.#onBytes(bytes.length);
  }

  async clear(): Promise<void> {
    await onDisk(this.#path, () => this.#handle.truncate(0));
    this.#onBytes(-this.#length);
    this.#hash = newHash(this.#wanted);
    this.#length = 0;
  }

  checksum(): string {
    return this.#hash.copy().digest('hex');
  }

  isRight(): boolean {
    return this.checksum() === this.#wanted.etag;
  }

  async sync(): Promise<void> {
    await onDisk(this.#path, () => this.#handle.sync());
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Large files are named by their SHA-256, others as git names blobs: SHA-1 with a header of the size. */
function newHash({ etag, size }: RemoteFile): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

function partOf(blob: string): string {
  return `${blob}.incomplete`;
}
