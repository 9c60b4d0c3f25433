/** Stops a run whose judge or reward model fails too often. */
import { ServiceError } from '../util/errors.ts';
import type { Assessment } from './assessor.ts';

/** Assessments that the share is taken of: long runs notice an outage, and forget one that is over. */
const WINDOW = 200;
/** Of fewer no share can be taken: they stop a run only when every one of them failed. */
const LEAST_FOR_SHARE = 40;
const LEAST_IN_A_ROW = 5;

export class FailureWatch {
  readonly #allowed: number;
  readonly #latest: Assessment[] = [];

  /** @param allowed share of the latest assessments that may fail; 1: all */
  constructor(allowed: number) {
    this.#allowed = allowed;
  }

  /** @throws ServiceError when too many of the latest assessments failed */
  add(assessments: readonly Assessment[]): void {
    this.#latest.push(...assessments);
    this.#latest.splice(0, this.#latest.length - WINDOW);
    this.#check(LEAST_IN_A_ROW);
  }

  /** @throws ServiceError also when there were only a few assessments, and every one failed */
  finish(): void {
    this.#check(1);
  }

  #check(leastInARow: number): void {
    const count = this.#latest.length;
    const failed = this.#latest.filter(({ score }) => score === null);
    const isTooMany =
      count < LEAST_FOR_SHARE
        ? count >= leastInARow && failed.length === count && this.#allowed < 1
        : failed.length > this.#allowed * count;
    if (!isTooMany) return;
    throw new ServiceError({
      where: 'reward: assessment by a model',
      expected: `at most ${this.#allowed} of the latest ${count} to fail (reward.max_failed_fraction)`,
      found: `${failed.length} failed; the last one: ${failed.at(-1)!.note ?? 'no reason given'}`,
      fix: 'see to the endpoint or the model, then continue with --resume; or raise reward.max_failed_fraction',
    });
  }
}
