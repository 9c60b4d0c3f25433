/** Terms that depend on the length and the wording of a response, not on its answer. */
import type { RewardConfig } from '../config/schema.ts';

/**
 * DAPO's soft punishment: 0 up to `buffer` tokens before the limit, then falling to -1 at the limit.
 * @see DAPO (arXiv 2503.14476), equation 13
 */
export function overlongTerm(tokens: number, limit: number, buffer: number): number {
  const start = limit - buffer;
  if (tokens <= start) return 0;
  return Math.max((start - tokens) / buffer, -1);
}

/** From 0 to -1: minus the share of runs of `ngram` words that have come before in the response. */
export function repetitionTerm(response: string, ngram: number): number {
  const words = response.toLowerCase().match(/\S+/g) ?? [];
  const total = words.length - ngram + 1;
  if (total < 2) return 0;
  const seen = new Set<string>();
  for (let i = 0; i < total; i++) seen.add(words.slice(i, i + ngram).join(' '));
  const share = 1 - seen.size / total;
  return share === 0 ? 0 : -share;
}

/**
 * Along half a cosine from the value for no tokens to that for the limit; right and wrong answers have their own
 * pair, and what lies between them is mixed by the accuracy.
 * @see Demystifying Long Chain-of-Thought Reasoning (arXiv 2502.03373)
 */
export function cosineTerm(
  accuracy: number,
  tokens: number,
  limit: number,
  { right, wrong }: Pick<RewardConfig['cosine'], 'right' | 'wrong'>,
): number {
  const progress = (1 - Math.cos(Math.PI * Math.min(tokens / limit, 1))) / 2;
  const along = ([first, last]: readonly [number, number]): number => first + (last - first) * progress;
  return accuracy * along(right) + (1 - accuracy) * along(wrong);
}
