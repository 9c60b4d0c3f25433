/**
 * A repository's folder in the cache, laid out as Python's huggingface_hub has it: `blobs/<checksum>` hold the
 * bytes, `snapshots/<commit>/<name>` are relative links to them, `refs/<revision>` hold a commit.
 */
import { link, mkdir, readdir, readFile, rename, rm, stat, statfs, symlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { ConfigError } from '../../util/errors.ts';
import { gigabytes } from '../../util/gigabytes.ts';
import { writeFileAtomic } from '../atomic.ts';
import { COMMIT_HASH, type Repository } from './repository.ts';

export class RepositoryCache {
  readonly folder: string;
  /** To be locked by whoever changes the folder; Python's own locks lie beside it. */
  readonly lockFile: string;

  constructor(cacheFolder: string, { kind, id }: Repository) {
    const name = [kind, ...id.split('/')].join('--');
    this.folder = join(cacheFolder, name);
    this.lockFile = join(cacheFolder, '.locks', name, 'wethink.lock');
  }

  /** The commit that a revision meant when it was fetched last; null where it never was. */
  async commitOf(revision: string): Promise<string | null> {
    if (COMMIT_HASH.test(revision)) return revision;
    const commit = await readFile(this.#ref(revision), 'utf8').catch(() => '');
    return COMMIT_HASH.test(commit.trim()) ? commit.trim() : null;
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag);
  }

  /** Names of the files that a snapshot has; a link that leads nowhere is none. */
  async files(commit: string): Promise<string[]> {
    const folder = this.snapshot(commit);
    const paths = await readdir(folder, { recursive: true }).catch((): string[] => []);
    const sizes = await Promise.all(paths.map((path) => fileSize(join(folder, path))));
    return paths.filter((_, i) => sizes[i] !== null).map((path) => path.replaceAll(sep, '/'));
  }

  /** Makes the folders. @throws {ConfigError} where they cannot be written */
  async prepare(): Promise<void> {
    for (const folder of [join(this.folder, 'blobs'), dirname(this.lockFile)]) {
      await onDisk(folder, () => mkdir(folder, { recursive: true }));
    }
  }

  /** @throws {ConfigError} when fewer bytes are free than are to come */
  async requireSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await onDisk(this.folder, () => statfs(this.folder));
    if (bavail * bsize >= bytes) return;
    throw new ConfigError({
      where: this.folder,
      expected: `${gigabytes(bytes)} of free space for what is to be downloaded`,
      found: gigabytes(bavail * bsize),
      fix: 'free some space, or set HF_HUB_CACHE to a folder on another disk',
    });
  }

  /** Puts a blob into a snapshot under a name; what has the name is replaced. */
  async link(commit: string, name: string, etag: string): Promise<void> {
    const place = join(this.snapshot(commit), name);
    const temporary = `${place}.tmp-${process.pid}`;
    await onDisk(place, async () => {
      await mkdir(dirname(place), { recursive: true });
      await rm(temporary, { force: true });
      try {
        await symlink(relative(dirname(place), this.blob(etag)), temporary);
      } catch (error) {
        // Windows lets only some users make symbolic links.
        if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error;
        await link(this.blob(etag), temporary);
      }
      await rename(temporary, place);
    });
  }

  /** Notes which commit a branch or tag means. */
  async setRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const file = this.#ref(revision);
    await onDisk(file, () => mkdir(dirname(file), { recursive: true }));
    await writeFileAtomic(file, commit);
  }

  #ref(revision: string): string {
    return join(this.folder, 'refs', ...revision.split('/'));
  }
}

/** Bytes of a file, following links; null where there is none. */
export async function fileSize(path: string): Promise<number | null> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() === true ? found.size : null;
}

/** Runs what reads or writes the cache. @throws {ConfigError} naming the place, where the system refuses it */
export async function onDisk<T>(place: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    const expected = 'a cache folder that can be written';
    const fix = 'free some space or change its permissions, or set HF_HUB_CACHE to another folder';
    throw new ConfigError({ where: place, expected, found: cause.message, fix }, { cause });
  }
}
