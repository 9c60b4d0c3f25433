/** Float64 reference of sampling. */
import { philox } from '../../../src/util/random.ts';

/** What the noise of one choice is drawn from. */
export interface NoiseKey {
  seed: number;
  step: number;
  promptId: number;
  responseId: number;
  position: number;
}

/** Gumbel noise of one id. */
export function gumbel({ seed, step, promptId, responseId, position }: NoiseKey, v: number): number {
  const words = philox([seed, step], [promptId, responseId, position, Math.floor(v / 4)]);
  const w = (words[v % 4]! + 0.5) / 2 ** 32;
  return -Math.log(-Math.log1p(-w));
}

/** x + noise for every id; without a key, x alone. Banned ids get -Infinity. */
export function scores(
  x: ArrayLike<number>,
  key: NoiseKey | undefined,
  banned: readonly number[],
): Float64Array {
  const result = Float64Array.from(x, (value, v) => value + (key ? gumbel(key, v) : 0));
  for (const v of banned) result[v] = -Infinity;
  return result;
}
