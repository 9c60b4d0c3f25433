/** What the hub says of a repository: its commit with the names of its files, and a file's size and checksum. */
import { z } from 'zod';
import { parseJson } from '../json.ts';
import { HubError, whereOf } from './hub-error.ts';
import { COMMIT_HASH, fileUrl, isRelativePath, listingUrl } from './repository.ts';
import { type HubSession, readText, request } from './request.ts';

const listingSchema = z.object({
  sha: z.string().regex(COMMIT_HASH),
  siblings: z.array(
    z.object({ rfilename: z.string().refine(isRelativePath, 'a path that leaves its folder') }),
  ),
});

export interface Listing {
  commit: string;
  names: string[];
}

export interface RemoteFile {
  name: string;
  url: string;
  /** SHA-256 in hexadecimal for large files, the hash of git's blob (SHA-1) for others; names the blob. */
  etag: string;
  /** Bytes. */
  size: number;
}

/** @throws {HubError} */
export async function listFiles(session: HubSession): Promise<Listing> {
  const { repository, settings } = session;
  const where = whereOf(repository, settings);
  const answer = await request(session, { method: 'GET', url: listingUrl(settings.endpoint, repository) });
  const text = await readText(answer, where);
  const parsed = listingSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new HubError({
      where,
      expected: 'the list of a repository as the Hugging Face hub gives it',
      found: z.prettifyError(parsed.error),
      fix: 'check HF_ENDPOINT, and whether a proxy answers in its place',
    });
  }
  return { commit: parsed.data.sha, names: parsed.data.siblings.map(({ rfilename }) => rfilename) };
}

/** @throws {HubError} also where size or checksum are missing, so that nothing unchecked can be fetched */
export async function describeFile(session: HubSession, commit: string, name: string): Promise<RemoteFile> {
  const { repository, settings } = session;
  const url = fileUrl(settings.endpoint, repository, commit, name);
  const { status, headers } = await request(session, { method: 'HEAD', url, file: name });
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^(W\/)?"(.*)"$/, '$2');
  // A redirect's own length is not that of the file.
  const length = headers.get('x-linked-size') ?? (status < 300 ? headers.get('content-length') : null);
  const size = Number(length ?? NaN);
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) || !Number.isSafeInteger(size) || size < 0) {
    throw new HubError({
      where: whereOf(repository, settings, name),
      expected: 'size and checksum of the file (X-Linked-Size, X-Linked-ETag)',
      found: `size ${length ?? 'unknown'}, ETag ${etag === '' ? 'unknown' : etag}`,
      fix: 'check HF_ENDPOINT, and whether a proxy answers in its place',
    });
  }
  return { name, url, etag, size };
}
