/** A lock between processes, which the operating system takes back from those that die. */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigError, messageOf } from '../../util/errors.ts';

const POLL_MS = 200;
const SQLITE_BUSY = 5;

/**
 * Runs an action that no two processes may run at once for the same file. The lock is that of an empty SQLite
 * database, because Node has no lock on files of its own, and a file whose being there is the lock would have to
 * be judged stale by a guess.
 * @param onWait is called once, when another process has the lock
 * @throws {ConfigError} when the file cannot be made, or is something else
 */
export async function withLock<T>(file: string, onWait: () => void, action: () => Promise<T>): Promise<T> {
  const database = open(file);
  try {
    for (let waited = false; !lock(database, file); waited = true) {
      if (!waited) onWait();
      await pause(POLL_MS);
    }
    return await action();
  } finally {
    // Ends the transaction, which has written nothing.
    database.close();
  }
}

function open(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { timeout: 0 });
  } catch (cause) {
    throw lockError(file, cause);
  }
}

/** @returns whether the lock was free */
function lock(database: DatabaseSync, file: string): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === SQLITE_BUSY) return false;
    throw lockError(file, cause);
  }
}

function lockError(file: string, cause: unknown): ConfigError {
  const expected = 'a lock file that can be made and locked';
  const fix = 'delete it, change the permissions of its folder, or set HF_HUB_CACHE to another folder';
  return new ConfigError({ where: file, expected, found: messageOf(cause), fix }, { cause });
}
