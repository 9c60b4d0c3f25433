/**
 * A repository's files at a revision as a folder in the cache: what is missing there is downloaded first, so that
 * other programs (Python's huggingface_hub) find it too, and what those have downloaded is found here.
 */
import { log } from '../../util/log.ts';
import { RepositoryCache } from './cache.ts';
import { downloadFiles } from './download.ts';
import { HubError, whereOf } from './hub-error.ts';
import { type Listing, listFiles } from './listing.ts';
import { withLock } from './lock.ts';
import { listingUrl, type Repository, repositoryName } from './repository.ts';
import { RETRIES, retry } from './request.ts';
import type { HubSettings } from './settings.ts';

/** Where the cache can serve as well, the network gets less time to come back. */
const RETRIES_WITH_CACHE = 1;

/** Which files of a repository are wanted. */
export interface Selection {
  wants: (name: string) => boolean;
  /**
   * What these files lack to be of use; empty when they lack nothing.
   * @param folder where those lie that have been fetched
   */
  missing: (names: readonly string[], folder: string) => Promise<string[]>;
}

export interface Snapshot {
  folder: string;
  /** The commit that the revision means. */
  commit: string;
}

/** A client of one hub, with one cache. */
export class Hub {
  readonly #settings: HubSettings;
  readonly #listings = new Map<string, Listing>();

  constructor(settings: HubSettings) {
    this.#settings = settings;
  }

  /**
   * The hub is asked once which commit the revision means: a branch moves, but not for whoever holds this object.
   * Where the hub cannot be asked, and in offline mode, the commit of the last download serves, if that is whole.
   * @throws {HubError} when the repository cannot be read, or the cache is not enough without it
   * @throws {ConfigError} when the cache cannot be written, or has too little space
   */
  async snapshot(repository: Repository, selection: Selection): Promise<Snapshot> {
    const settings = this.#settings;
    const cache = new RepositoryCache(settings.cacheFolder, repository);
    const cached = await cachedSnapshot(cache, repository, selection);
    if (settings.offline) {
      if ('commit' in cached) return cached;
      throw offlineError(cache, repository, settings, cached.missing);
    }
    let listing: Listing;
    try {
      listing = await this.#list(repository, 'commit' in cached ? RETRIES_WITH_CACHE : RETRIES);
    } catch (error) {
      if (!('commit' in cached && error instanceof HubError)) throw error;
      log.warn(`${error.message}\nCommit ${cached.commit} is in the cache and is used.`);
      return cached;
    }
    const { commit } = listing;
    const names = listing.names.filter(selection.wants);
    const folder = cache.snapshot(commit);
    const requireWhole = async () => {
      const missing = await selection.missing(names, folder);
      if (missing.length === 0) return;
      const expected = `a repository with ${missing.join(', ')}`;
      throw new HubError({ where: whereOf(repository, settings), expected, found: 'one without' });
    };
    // Before gigabytes are fetched for nothing; and after that, because an index of weights names others.
    await requireWhole();
    await this.#complete(repository, cache, commit, names);
    await requireWhole();
    await cache.setRef(repository.revision, commit);
    return { folder, commit };
  }

  /** The files of a revision, the same for as long as this object lives. */
  async #list(repository: Repository, retries: number): Promise<Listing> {
    const key = listingUrl(this.#settings.endpoint, repository);
    const session = { repository, settings: this.#settings, signal: new AbortController().signal };
    const listing = this.#listings.get(key) ?? (await retry(session, retries, () => listFiles(session)));
    this.#listings.set(key, listing);
    return listing;
  }

  /** Downloads what a snapshot lacks. */
  async #complete(
    repository: Repository,
    cache: RepositoryCache,
    commit: string,
    names: readonly string[],
  ): Promise<void> {
    const absentNames = async () => {
      const there = new Set(await cache.files(commit));
      return names.filter((name) => !there.has(name));
    };
    if ((await absentNames()).length === 0) return;
    await cache.prepare();
    const onWait = () => log.info(`Waiting for another process that fetches ${repositoryName(repository)}`);
    await withLock(cache.lockFile, onWait, async () => {
      // The other process may have fetched them.
      const absent = await absentNames();
      if (absent.length > 0) await downloadFiles(repository, this.#settings, cache, commit, absent);
    });
  }
}

/** What the cache has of a revision: all that is needed, or what of it is missing. */
async function cachedSnapshot(
  cache: RepositoryCache,
  { revision }: Repository,
  selection: Selection,
): Promise<Snapshot | { missing: string[] }> {
  const commit = await cache.commitOf(revision);
  if (commit === null) return { missing: ['file of this revision'] };
  const folder = cache.snapshot(commit);
  const missing = await selection.missing(await cache.files(commit), folder);
  return missing.length === 0 ? { folder, commit } : { missing };
}

function offlineError(
  { folder }: RepositoryCache,
  repository: Repository,
  settings: HubSettings,
  missing: readonly string[],
): HubError {
  return new HubError({
    where: whereOf(repository, settings),
    expected: `its files in the cache (${folder}), because HF_HUB_OFFLINE is set`,
    found: `no ${missing.join(', no ')}`,
    fix: 'start once without HF_HUB_OFFLINE (and TRANSFORMERS_OFFLINE), or give the path of a folder',
  });
}
