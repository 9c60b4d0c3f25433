/** Kinds of values that several keys of the configuration share. */
import { z } from 'zod';

const MAX_SEED = 2 ** 32 - 1;
const SAFE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

export const count = () => z.int().min(1);
export const fraction = () => z.number().min(0).max(1);
export const seed = () => z.int().min(0).max(MAX_SEED);
export const text = () => z.string().min(1);
export const folderName = () =>
  z.string().regex(SAFE_NAME, 'letters, digits, "-", "_" and "." only, and no "." at the start');
/** -1 for never, else a number of steps. */
export const everySteps = () =>
  z.int().refine((value) => value === -1 || value >= 1, {
    error: '-1 (never) or a number of steps of at least 1',
  });
export const files = () =>
  z
    .union([text(), z.array(text()).min(1)], { error: 'a path, or a list of paths' })
    .transform((value) => (typeof value === 'string' ? [value] : value));
export const pattern = () =>
  z.string().refine(isRegularExpression, { error: 'a regular expression that JavaScript can compile' });
/** A decay rate. */
export const beta = () => z.number().min(0).lt(1);

function isRegularExpression(source: string): boolean {
  try {
    return new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
}
