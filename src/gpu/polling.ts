/**
 * Waiting for a software driver. While a promise of Dawn's is open, its Node binding polls for it with
 * `setImmediate`, which takes a whole core: the driver computes on the same cores and loses it (measured: a
 * training step of SwiftShader on two cores takes a third longer). During our waits the polls therefore come by
 * timer, a millisecond apart.
 */
let waits = 0;
let immediate: typeof globalThis.setImmediate | undefined;

/** Awaits a promise of Dawn's without polling at full speed. */
export async function waitGently<T>(promise: Promise<T>): Promise<T> {
  if (waits === 0) {
    immediate = globalThis.setImmediate;
    const byTimer = (callback: (...args: unknown[]) => void, ...args: unknown[]) =>
      setTimeout(callback, 1, ...args);
    globalThis.setImmediate = byTimer as unknown as typeof globalThis.setImmediate;
  }
  waits += 1;
  try {
    return await promise;
  } finally {
    waits -= 1;
    if (waits === 0) globalThis.setImmediate = immediate!;
  }
}
