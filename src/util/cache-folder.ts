/** Where the program keeps what it can make or fetch again. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The user's cache folder of this program, or a place in it; it may not exist yet. */
export function cacheFolder(...path: string[]): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'wethink-webgpu', ...path);
}
