/** Names of repositories on the Hugging Face hub, and the addresses of what is in them. */

/** As it stands in addresses and in names of cache folders. */
export type RepositoryKind = 'models' | 'datasets';

export interface Repository {
  kind: RepositoryKind;
  /** `owner/name` */
  id: string;
  /** Branch, tag or commit. */
  revision: string;
}

const DEFAULT_REVISION = 'main';
/** The full hash of a commit, which can never mean anything else tomorrow. */
export const COMMIT_HASH = /^[0-9a-f]{40}$/;

/** Letters, digits, "-", "_" and "." with a letter, digit or "_" at both ends; at most 96. */
const NAME = String.raw`\w(?:[\w.-]{0,94}\w)?`;
const REPOSITORY = new RegExp(`^(${NAME}/${NAME})(?:@(.+))?$`);

/** `owner/name` or `owner/name@revision`; null for anything else, such as a path. */
export function parseRepository(text: string, kind: RepositoryKind): Repository | null {
  const [, id, revision = DEFAULT_REVISION] = REPOSITORY.exec(text) ?? [];
  if (id === undefined || /--|\.\.|\.git$/.test(id)) return null;
  return isRelativePath(revision) ? { kind, id, revision } : null;
}

/** `owner/name@revision` for messages. */
export function repositoryName({ id, revision }: Repository): string {
  return revision === DEFAULT_REVISION ? id : `${id}@${revision}`;
}

/** Address of the JSON that lists the files of a revision. */
export function listingUrl(endpoint: string, { kind, id, revision }: Repository): string {
  return `${endpoint}/api/${kind}/${id}/revision/${encodeURIComponent(revision)}`;
}

/** Address of a file at a commit, which may redirect to where large files are kept. */
export function fileUrl(endpoint: string, { kind, id }: Repository, commit: string, name: string): string {
  const place = kind === 'models' ? id : `${kind}/${id}`;
  return `${endpoint}/${place}/resolve/${commit}/${name.split('/').map(encodeURIComponent).join('/')}`;
}

/** Whether a name from outside stays inside the folder that it is joined to. */
export function isRelativePath(name: string): boolean {
  return !name.includes('\\') && name.split('/').every((part) => !['', '.', '..'].includes(part));
}
