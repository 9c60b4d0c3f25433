/**
 * Writes that a crash cannot leave half done: beside its place, synced, then renamed. Whoever reads sees the
 * old content or the new, never a part.
 */
import { type FileHandle, mkdir, open, readFile, readdir, rename, rm, truncate } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ConfigError } from '../util/errors.ts';

/**
 * Replaces a file.
 * @param content the bytes, or a function that writes them to the open file.
 * @throws ConfigError when the place cannot be written.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | ((file: FileHandle) => Promise<void>),
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp-${process.pid}`);
  const file = await openToWrite(temporary, 'w', path);
  try {
    try {
      await guard(path, () => (typeof content === 'function' ? content(file) : file.writeFile(content)));
      await guard(path, () => file.sync());
    } finally {
      await file.close();
    }
    await guard(path, () => rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Makes a folder whole: `fill` writes into a temporary one beside it, which is synced and takes the name. A
 * folder that has the name already is replaced.
 * @throws ConfigError when the place cannot be written.
 */
export async function writeFolderAtomic(
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const place = resolve(folder);
  // The names are fixed, so that what a killed process left behind is cleared by the next try.
  const temporary = `${place}.tmp`;
  const old = `${place}.old`;
  await guard(place, async () => {
    await rm(temporary, { recursive: true, force: true });
    await makeFolder(temporary);
  });
  try {
    await fill(temporary);
    await syncTree(temporary);
    await guard(place, async () => {
      await rm(old, { recursive: true, force: true });
      if (await exists(place)) await rename(place, old);
      await rename(temporary, place);
    });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await syncFolder(dirname(place));
  await rm(old, { recursive: true, force: true });
}

/**
 * Appends one line in one write. A torn last line (from a crash) is ended first, so that it cannot spoil
 * the new one.
 * @throws ConfigError when the file cannot be written.
 * @throws RangeError when the line holds a line break.
 */
export async function appendLine(path: string, line: string): Promise<void> {
  if (line.includes('\n')) throw new RangeError(`${path}: a line to append must not hold a line break`);
  const file = await openToWrite(path, 'a+', path);
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await file.read(last, 0, 1, size - 1);
    const start = size > 0 && last[0] !== 0x0a ? '\n' : '';
    await guard(path, () => file.appendFile(`${start}${line}\n`));
  } finally {
    await file.close();
  }
}

/** Removes a last line that a crash left without its end; a file that is not there is left alone. */
export async function cutTornLine(path: string): Promise<void> {
  if (!(await exists(path))) return;
  const bytes = await readFile(path);
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) await guard(path, () => truncate(path, end));
}

/**
 * Makes a folder if it is missing and proves that files can be written in it.
 * @throws ConfigError otherwise.
 */
export async function ensureWritableFolder(folder: string): Promise<void> {
  const probe = join(folder, `.write-test-${process.pid}`);
  await guard(folder, async () => {
    await makeFolder(folder);
    const file = await open(probe, 'w');
    await file.close();
    await rm(probe);
  });
}

/**
 * Makes a folder and its parents, one after the other: Node's own recursive mkdir never returns on file systems
 * that answer ENOENT for a new folder in one that exists, such as /proc.
 */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makeFolder(dirname(folder));
    await mkdir(folder);
  }
}

async function openToWrite(path: string, flags: string, place: string): Promise<FileHandle> {
  return guard(place, () => open(path, flags));
}

/** Runs a write; where the system refuses it, tells the user which place failed and what to do. */
async function guard<T>(place: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause && 'code' in cause)) throw cause;
    const fix =
      cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
        ? 'free some space, or choose another folder'
        : 'choose another folder (trainer.save_checkpoint_path, or the output argument), or change its permissions';
    const expected = 'a place that can be written';
    throw new ConfigError({ where: place, expected, found: cause.message, fix }, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  const names: readonly string[] = await readdir(dirname(path));
  return names.includes(basename(path));
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncPath(path, 'r+');
  }
  await syncFolder(folder);
}

/** A rename is on disk only when its folder is; Windows cannot sync folders and needs not. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await syncPath(folder, 'r');
}

async function syncPath(path: string, flags: string): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
