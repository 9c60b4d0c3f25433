/** Downloads files of a repository into its cache, several at a time. */
import PQueue from 'p-queue';
import { bytesKept, fetchBlob } from './blob.ts';
import { fileSize, type RepositoryCache } from './cache.ts';
import { describeFile, type RemoteFile } from './listing.ts';
import { DownloadProgress } from './progress.ts';
import { type Repository, repositoryName } from './repository.ts';
import { type HubSession, retry, RETRIES } from './request.ts';
import type { HubSettings } from './settings.ts';

const PARALLEL_FILES = 4;

/**
 * The files appear in the snapshot when all of them are there, so that a download that is cut short leaves none
 * that looks whole. The caller holds the cache's lock.
 * @throws {HubError} when one of them cannot be had
 * @throws {ConfigError} when the cache cannot be written, or has too little space
 */
export async function downloadFiles(
  repository: Repository,
  settings: HubSettings,
  cache: RepositoryCache,
  commit: string,
  names: readonly string[],
): Promise<void> {
  const stop = new AbortController();
  const session: HubSession = { repository, settings, signal: stop.signal };
  const files = await inParallel(names, stop, (name) =>
    retry(session, RETRIES, () => describeFile(session, commit, name)),
  );
  const wanted = await missingBlobs(cache, files);
  const bytes = sum(wanted.map(({ size }) => size));
  const kept = sum(await Promise.all(wanted.map(({ etag }) => bytesKept(cache.blob(etag)))));
  await cache.requireSpace(bytes - kept);
  const progress = new DownloadProgress(repositoryName(repository), wanted.length, bytes, kept);
  try {
    await inParallel(wanted, stop, async (file) => {
      await fetchBlob(session, file, cache.blob(file.etag), (count) => progress.addBytes(count));
      progress.addFile();
    });
  } finally {
    progress.stop();
  }
  for (const { name, etag } of files) await cache.link(commit, name, etag);
}

/** Each content once; another snapshot may have it already. */
async function missingBlobs(cache: RepositoryCache, files: readonly RemoteFile[]): Promise<RemoteFile[]> {
  const unique = [...new Map(files.map((file) => [file.etag, file])).values()];
  const sizes = await Promise.all(unique.map(({ etag }) => fileSize(cache.blob(etag))));
  return unique.filter(({ size }, i) => sizes[i] !== size);
}

/** Runs an action on each item. The first failure stops the others, and is thrown when they have ended. */
async function inParallel<T, R>(
  items: readonly T[],
  stop: AbortController,
  action: (item: T) => Promise<R>,
): Promise<R[]> {
  const queue = new PQueue({ concurrency: PARALLEL_FILES });
  try {
    return await Promise.all(items.map((item) => queue.add(() => action(item))));
  } catch (error) {
    stop.abort(error);
    queue.clear();
    await queue.onIdle();
    throw error;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
