/** What a verifier gets and gives. */
import type { RewardConfig, VerifierName } from '../config/schema.ts';

/** The part of a dataset row that rewards read. */
export interface RewardRow {
  id: string;
  problem: string;
  answer: string;
  category: string;
  /** How the dataset wants the row rewarded; may be empty. */
  reward: string;
}

export interface Verdict {
  /** From 0 (wrong) to 1 (right). */
  score: number;
  /** Why, where the score alone does not say it. */
  note?: string;
}

/**
 * Judges an extracted answer against the gold answer.
 * @throws DataError when the gold answer itself is not of the verifier's kind.
 */
export type Verifier = (extracted: string, gold: string, row: RewardRow, options: RewardConfig) => Verdict;

export type VerifierTable = Readonly<Record<VerifierName, Verifier>>;

export const RIGHT: Verdict = { score: 1 };

export function wrong(note?: string): Verdict {
  return note === undefined ? { score: 0 } : { score: 0, note };
}
