/**
 * Results that cost time or money, kept in an SQLite file by a hash of everything that they depend on. Several
 * processes may use one file at once, and a crash costs at most the last entries.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ConfigError, messageOf } from '../util/errors.ts';
import { ensureWritableFolder } from './atomic.ts';

/** Tells our files from other databases; kept in the file's header. */
const APPLICATION_ID = 0x77_65_74_68;
/** How long to wait for another process that writes, in milliseconds. */
const BUSY_TIMEOUT_MS = 10_000;
const SQLITE_BUSY = 5;
const SETUP_PAUSE_MS = 20;

export class ResultCache {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    this.#select = database.prepare('SELECT value FROM results WHERE key = ?');
    this.#insert = database.prepare('INSERT OR REPLACE INTO results (key, value) VALUES (?, ?)');
  }

  /**
   * Opens a file, or makes it with its folder.
   * @throws ConfigError for a place that cannot be written, and for a file that is no such cache.
   */
  static async open(path: string): Promise<ResultCache> {
    try {
      await ensureWritableFolder(dirname(path));
    } catch (cause) {
      throw cacheError(path, 'a folder that cannot be made or written', cause);
    }
    return guard(path, () => {
      const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
      try {
        setUp(database);
        return new ResultCache(path, database);
      } catch (error) {
        database.close();
        throw error;
      }
    });
  }

  /** The value of a key, or undefined. @throws ConfigError when the file cannot be read. */
  get(key: string): unknown {
    return guard(this.#path, (): unknown => {
      const value = this.#select.get(key)?.['value'];
      return typeof value === 'string' ? JSON.parse(value) : undefined;
    });
  }

  /** Keeps a value that JSON can hold. @throws ConfigError when the file cannot be written. */
  set(key: string, value: unknown): void {
    guard(this.#path, () => this.#insert.run(key, JSON.stringify(value)));
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function guard<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw cacheError(path, messageOf(cause), cause);
  }
}

function cacheError(path: string, found: string, cause: unknown): ConfigError {
  const expected = 'a cache of results (an SQLite file of this program) in a place that can be written';
  const fix = 'move the file away or delete it, name another one, or turn the cache off with null';
  return new ConfigError({ where: path, expected, found, fix }, { cause });
}

/** The hash of a value: SHA-256 of its JSON, in hexadecimal. */
export function cacheKey(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

function setUp(database: DatabaseSync): void {
  // First of all, because whatever follows writes.
  const isNew = !isOurs(database);
  // SQLite does not wait its time-out for this switch when several processes make it at once.
  const deadline = performance.now() + BUSY_TIMEOUT_MS;
  while (!tryWriteAheadLog(database)) {
    if (performance.now() > deadline) throw new Error('the file is locked by another process');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETUP_PAUSE_MS);
  }
  database.exec('PRAGMA synchronous = NORMAL');
  if (!isNew) return;
  database.exec('BEGIN IMMEDIATE');
  if (!isOurs(database)) {
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec('CREATE TABLE results (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID');
  }
  database.exec('COMMIT');
}

/** False for an empty file. */
function isOurs(database: DatabaseSync): boolean {
  if (database.prepare('PRAGMA application_id').get()?.['application_id'] === APPLICATION_ID) return true;
  const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'];
  if (tables !== 0) throw new Error('a database of another program');
  return false;
}

/** False while another process holds the file. File systems without shared memory keep their own journal. */
function tryWriteAheadLog(database: DatabaseSync): boolean {
  try {
    database.exec('PRAGMA journal_mode = WAL');
    return true;
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
