/** The reward of a response: weighted accuracy and format, as WeThink does it (0.7 and 0.3). */
import type { RewardConfig, VerifierName } from '../config/schema.ts';
import { type AnswerSource, extractAnswer } from './extract.ts';
import { formatScore } from './format.ts';
import { type RewardRow, type Verdict, wrong } from './verdict.ts';
import { chooseVerifier, VERIFIERS } from './verifier.ts';

export interface Score {
  /** accuracy_weight * accuracy + format_weight * format. */
  reward: number;
  /** Each from 0 to 1. */
  parts: { accuracy: number; format: number };
  /** The verifier that judged. */
  method: VerifierName;
  /** The answer as written; empty when there was none. */
  extracted: string;
  /** Where the answer was found. */
  source: AnswerSource;
  /** Why the accuracy is not 1, where that needs words. */
  note?: string;
}

/** A longer "answer" is no answer; the limit also bounds what the verifiers have to read. */
export const MAX_ANSWER_CHARS = 2000;

/**
 * Scores one response.
 * @param response the text that the model wrote, without the end-of-turn token.
 * @throws DataError when the row's own answer is not of its verifier's kind.
 */
export function scoreResponse(row: RewardRow, response: string, config: RewardConfig): Score {
  const { text: extracted, source } = extractAnswer(response);
  const method = chooseVerifier(row, config);
  const { score: accuracy, note } = judge(extracted, method, row, config);
  const format = formatScore(response);
  return {
    reward: config.accuracy_weight * accuracy + config.format_weight * format,
    parts: { accuracy, format },
    method,
    extracted,
    source,
    ...(note === undefined ? {} : { note }),
  };
}

function judge(extracted: string, method: VerifierName, row: RewardRow, config: RewardConfig): Verdict {
  if (extracted === '') return wrong('no answer');
  if (extracted.length > MAX_ANSWER_CHARS) return wrong(`answer of more than ${MAX_ANSWER_CHARS} characters`);
  return VERIFIERS[method](extracted, row.answer, row, config);
}
