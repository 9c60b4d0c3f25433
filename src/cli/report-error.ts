/** Tells the user about an error in at most one screen, and chooses the exit code. */
import { WethinkError } from '../util/errors.ts';

/** A bug of this program. */
const EXIT_BUG = 1;

/**
 * Writes the error to standard error.
 * @returns the exit code: what the error says, 1 for a bug
 */
export function reportError(error: unknown): number {
  if (error instanceof WethinkError && error.exitCode !== EXIT_BUG) {
    process.stderr.write(`${error.name}: ${error.message}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`This is a bug in wethink; please report it with the following lines.\n${text}\n`);
  return EXIT_BUG;
}
