/** What the hybrid reward asks of a model: a score for each answer, or null where there is none to be had. */
import type { AssessorName } from '../config/reward-routes.ts';
import type { RewardRow } from './sample.ts';

export interface AssessmentRequest {
  row: RewardRow;
  response: string;
  /** The answer in the response; never empty. */
  extracted: string;
}

export interface Assessment {
  /** From 0 to 1; null when the assessment failed. */
  score: number | null;
  /** Why it failed, or what the model said of it. */
  note?: string;
}

export interface Assessor {
  readonly name: AssessorName;
  /** One assessment for each request, in their order; a failure is a null, never an exception. */
  assess(requests: readonly AssessmentRequest[]): Promise<Assessment[]>;
  /** Running sums by name, such as judge/calls; the metrics of a step are their changes. */
  readonly counters: Readonly<Record<string, number>>;
  close(): Promise<void>;
}
