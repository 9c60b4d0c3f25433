/** Keys and tokens of services: taken from the environment, sent in headers, shown to nobody. */
import { ConfigError } from '../util/errors.ts';

/** What an HTTP header can hold; fetch would quote anything else in its error. */
const HEADER_VALUE = /^[\x21-\x7e]+$/;
/** Shorter keys are placeholders such as "EMPTY" and no secrets; hiding them would garble texts. */
const MIN_SECRET_CHARS = 6;

/**
 * A secret as a header can carry it, or null where there is none.
 * @param where what holds it, for the message: a variable's or a file's name
 * @throws {ConfigError} for a value that no header can carry; the value is not shown
 */
export function readSecret(value: string | undefined, where: string): string | null {
  const secret = value?.trim() ?? '';
  if (secret === '') return null;
  if (!HEADER_VALUE.test(secret)) {
    throw new ConfigError({
      where,
      expected: 'a key of printable ASCII characters without spaces',
      found: 'other characters (not shown)',
    });
  }
  return secret;
}

/** The text, which may be JSON, without the secret; endpoints like to repeat keys that they refuse. */
export function withoutSecret(text: string, secret: string | null): string {
  if (secret === null || secret.length < MIN_SECRET_CHARS) return text;
  return text.replaceAll(secret, '***').replaceAll(secret.replaceAll('/', String.raw`\/`), '***');
}
