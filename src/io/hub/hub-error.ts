/** What goes wrong with a repository on the hub, and what the user can do about it. */
import { ServiceError } from '../../util/errors.ts';
import { endpointWords, isRetryable, retryAfterMs, shorten } from '../http-trouble.ts';
import { type Repository, repositoryName } from './repository.ts';
import type { HubSettings } from './settings.ts';

export interface HubTrouble {
  where: string;
  expected: string;
  found: string;
  fix?: string;
  /** Whether the same request may succeed later. */
  retryable?: boolean;
  /** How long the endpoint asks to wait, in milliseconds. */
  retryAfterMs?: number;
}

/** The hub did not give what was asked for. */
export class HubError extends ServiceError {
  readonly retryable: boolean;
  readonly retryAfterMs: number;

  constructor({ retryable = false, retryAfterMs: wait = 0, ...detail }: HubTrouble) {
    super(detail);
    this.retryable = retryable;
    this.retryAfterMs = wait;
  }
}

/** The file or listing that was asked for, for messages. */
export function whereOf(repository: Repository, { endpoint }: HubSettings, file?: string): string {
  const what = file === undefined ? '' : `: ${file}`;
  return `${repositoryName(repository)}${what} (${new URL(endpoint).host})`;
}

/** What answered, of which a message may name the host only: signed addresses are secrets. */
export interface FailedAnswer {
  host: string;
  status: number;
  headers: Headers;
  /** Body, without the token. */
  text: string;
}

/** The error of an answer with a status that is none of success. */
export function statusError(
  where: string,
  repository: Repository,
  settings: HubSettings,
  { host, status, headers, text }: FailedAnswer,
): HubError {
  const said = shorten(headers.get('x-error-message') ?? endpointWords(text));
  const detail = {
    where,
    expected: 'a file of the hub',
    found: `HTTP ${status} from ${host}: ${said}`,
    retryable: isRetryable(status),
    retryAfterMs: retryAfterMs(headers),
  };
  // Files that have moved elsewhere are asked for without the token: the repository is not at fault there.
  if (host !== new URL(settings.endpoint).host) return new HubError(detail);
  const code = headers.get('x-error-code');
  if (code === 'GatedRepo') return new HubError({ ...detail, ...gated(repository, settings) });
  if (code === 'RevisionNotFound') {
    const expected = `a branch, tag or commit ${repository.revision} of ${repository.id}`;
    return new HubError({ ...detail, expected, fix: 'correct what follows the @' });
  }
  if (status === 401 || status === 403 || (status === 404 && code !== 'EntryNotFound')) {
    return new HubError({ ...detail, ...unknown(repository, settings) });
  }
  return new HubError(detail);
}

function gated(
  { kind, id }: Repository,
  { endpoint, token }: HubSettings,
): { expected: string; fix: string } {
  const page = `${endpoint}/${kind === 'models' ? '' : `${kind}/`}${id}`;
  const account =
    token === null ? 'set HF_TOKEN to a token of that account' : 'with the account of the token';
  return {
    expected: 'leave to read a gated repository',
    fix: `accept its licence at ${page}${token === null ? ' and' : ''} ${account}`,
  };
}

/** The hub says the same (401) of repositories that are private and of those that do not exist. */
function unknown({ id }: Repository, { token }: HubSettings): { expected: string; fix: string } {
  const access = token === null ? 'set HF_TOKEN' : 'use a token that may read it';
  return {
    expected: `a repository ${id} that can be read`,
    fix: `correct the name; where it is private or gated, ${access}; a folder ${id} is not here either`,
  };
}
