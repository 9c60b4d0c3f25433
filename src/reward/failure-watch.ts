/** Stops a run whose judge or reward model fails too often. */
import { ServiceError } from '../util/errors.ts';
import type { Assessment } from './assessor.ts';

/** Assessments that the share is taken of: long runs notice an outage, a single failure is no outage. */
const WINDOW = 200;
const MIN_ASSESSMENTS = 40;

export class FailureWatch {
  readonly #allowed: number;
  readonly #latest: Assessment[] = [];

  /** @param allowed share of the latest assessments that may fail */
  constructor(allowed: number) {
    this.#allowed = allowed;
  }

  /** @throws ServiceError once enough assessments are known and too many of them failed */
  add(assessments: readonly Assessment[]): void {
    this.#latest.push(...assessments);
    this.#latest.splice(0, this.#latest.length - WINDOW);
    if (this.#latest.length >= MIN_ASSESSMENTS) this.check();
  }

  /** @throws ServiceError when too many of the latest assessments failed, with the reason of the last one */
  check(): void {
    const failed = this.#latest.filter(({ score }) => score === null);
    if (failed.length <= this.#allowed * this.#latest.length) return;
    throw new ServiceError({
      where: 'reward: assessment by a model',
      expected: `at most ${this.#allowed} of the latest ${this.#latest.length} to fail (reward.max_failed_fraction)`,
      found: `${failed.length} failed; the last one: ${failed.at(-1)?.note ?? 'no reason given'}`,
      fix: 'see to the endpoint or the model, then continue with --resume; or raise reward.max_failed_fraction',
    });
  }
}
