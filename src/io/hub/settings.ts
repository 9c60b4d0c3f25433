/**
 * Where the hub is, where its files are kept and with which token they are asked for: from the environment
 * variables of Python's huggingface_hub, so that both share one cache and one log-in.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../../util/errors.ts';
import { readSecret } from '../secret.ts';

const DEFAULT_ENDPOINT = 'https://huggingface.co';
/** What counts as true in these variables, in any case. */
const TRUE = new Set(['1', 'ON', 'YES', 'TRUE']);
const FIRST_WAIT_MS = 500;
const STALL_MS = 30_000;

export interface HubSettings {
  /** Address without a slash at its end. */
  endpoint: string;
  /** Folder of all repositories. */
  cacheFolder: string;
  /** Sent to the endpoint and to nobody else. */
  token: string | null;
  /** Take what is in the cache, ask nobody. */
  offline: boolean;
  /** A request that brings nothing for so long has failed, in milliseconds. */
  stallMs: number;
  /** Wait before the second try in milliseconds, up to twice as long by chance; it doubles with each try. */
  firstWaitMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads HF_ENDPOINT, HF_HOME, HF_HUB_CACHE (HUGGINGFACE_HUB_CACHE), XDG_CACHE_HOME, HF_TOKEN
 * (HUGGING_FACE_HUB_TOKEN), HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HUB_OFFLINE and
 * TRANSFORMERS_OFFLINE. A variable that is set to nothing counts as not set.
 * @throws {ConfigError} for an endpoint that is no address, and a token that no header can carry
 */
export function hubSettings(environment: Environment = process.env): HubSettings {
  const get = (...names: string[]) => names.map((name) => environment[name]).find(Boolean);
  const path = (value: string) => expandPath(value, environment);
  const home = path(
    get('HF_HOME') ?? join(get('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface'),
  );
  return {
    endpoint: readEndpoint(get('HF_ENDPOINT') ?? DEFAULT_ENDPOINT),
    cacheFolder: path(get('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub')),
    token: isTrue(get('HF_HUB_DISABLE_IMPLICIT_TOKEN'))
      ? null
      : (readSecret(get('HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'), 'environment variable HF_TOKEN') ??
        readTokenFile(path(get('HF_TOKEN_PATH') ?? join(home, 'token')))),
    offline: isTrue(get('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE')),
    stallMs: STALL_MS,
    firstWaitMs: FIRST_WAIT_MS,
  };
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && TRUE.has(value.toUpperCase());
}

/** `~` at the start, `$NAME` and `${NAME}`, as Python expands them; unknown names stay as they are. */
function expandPath(path: string, environment: Environment): string {
  return path
    .replace(/^~(?=$|[/\\])/, homedir())
    .replaceAll(/\$(?:(\w+)|\{(\w+)\})/g, (whole, bare?: string, braced?: string) => {
      return environment[bare ?? braced ?? ''] ?? whole;
    });
}

function readEndpoint(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ConfigError({
      where: 'environment variable HF_ENDPOINT',
      expected: `an address such as ${DEFAULT_ENDPOINT}, without a name or password`,
      found: url === null ? 'no address' : `one with ${url.protocol}//${url.host}`,
    });
  }
  return text.replace(/\/+$/, '');
}

/** The token that `hf auth login` has written. */
function readTokenFile(path: string): string | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return null;
    }
    const expected = 'a readable file with a token of the Hugging Face hub';
    throw new ConfigError({ where: path, expected, found: messageOf(error) }, { cause: error });
  }
  return readSecret(text, path);
}
