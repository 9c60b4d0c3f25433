/** What a verifier gets and gives. Verifiers are pure, and run in a worker that can be stopped. */
import { DataError } from '../../util/errors.ts';

/** What a verifier may read beside the two answers; plain data, because it travels to the worker. */
export interface CheckContext {
  /** Where the row stands, for messages. */
  where: string;
  problem: string;
  /** Relative error up to which a number counts as right. */
  tolerance: number;
  /** Boxes count as right from this overlap on; null: the overlap is the score. */
  iouThreshold: number | null;
}

export interface Verdict {
  /** From 0 (wrong) to 1 (right). */
  score: number;
  /** Why, where the score alone does not say it. */
  note?: string;
}

/**
 * Judges an extracted answer (never empty, of bounded length) against the gold answer.
 * @throws DataError when the gold answer itself is not of the verifier's kind; never because of `extracted`.
 */
export type Verifier = (extracted: string, gold: string, context: CheckContext) => Verdict;

export const RIGHT: Verdict = { score: 1 };

export function wrong(note?: string): Verdict {
  return note === undefined ? { score: 0 } : { score: 0, note };
}

/** The error of a gold answer that its verifier cannot use. */
export function badGold(
  { where }: CheckContext,
  verifier: string,
  expected: string,
  gold: string,
  why?: string,
): DataError {
  return new DataError({
    where,
    expected: `${expected} as the answer, because the row goes to the verifier "${verifier}"`,
    found: why === undefined ? JSON.stringify(gold) : `${JSON.stringify(gold)} (${why})`,
    fix: 'correct the answer, or send the row elsewhere with reward.verifier_by_reward or verifier_by_category',
  });
}
