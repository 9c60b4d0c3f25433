/** What rewards read, and what they give. */
import type { AssessorName, VerifierName } from '../config/reward-routes.ts';
import type { AnswerSource } from './extract.ts';

/** The part of a dataset row that rewards read. */
export interface RewardRow {
  /** Where the row stands, for messages. */
  id: string;
  problem: string;
  answer: string;
  category: string;
  /** How the dataset wants the row rewarded; may be empty. */
  reward: string;
  /** Paths of the images, in their order. */
  images: readonly string[];
  /** Every column of the row as the file has it. */
  columns: Readonly<Record<string, unknown>>;
}

/** A response to a row. */
export interface Sample {
  row: RewardRow;
  /** The text that the model wrote, without the end-of-turn token. */
  response: string;
  /** Tokens of the response; null where nobody knows. */
  responseTokens: number | null;
}

export interface Score {
  /**
   * The weighted sum of the parts; null when the assessment failed, because a sum that lacks the accuracy cannot
   * be compared with one that has it.
   */
  reward: number | null;
  /** accuracy and format from 0 to 1, then the terms and functions that are configured; null: not known. */
  parts: Readonly<Record<string, number | null>>;
  /** The verifier or model that judged the answer. */
  method: VerifierName | AssessorName;
  /** The answer as written; empty when there was none. */
  extracted: string;
  /** Where the answer was found. */
  source: AnswerSource;
  /** Why the accuracy is not 1, where that needs words. */
  note?: string;
}
