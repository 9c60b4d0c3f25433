/**
 * A limit on the work of one comparison, counted in steps and not in time, so that a verdict is the same on every
 * machine. A step is about a microsecond.
 */

const MAX_STEPS = 60_000;

let left = MAX_STEPS;

/** Thrown when a comparison costs too much; never leaves the verifier. */
export class TooMuchWork extends Error {}

/** Runs one comparison with a full budget. */
export function withBudget<T>(compare: () => T): T {
  left = MAX_STEPS;
  return compare();
}

/** Takes steps off the budget. @throws TooMuchWork when it is used up. */
export function spend(steps: number): void {
  left -= steps;
  if (left < 0) throw new TooMuchWork();
}
