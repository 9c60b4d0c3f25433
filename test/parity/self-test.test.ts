import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import type { Dispatch } from '../../src/gpu/operands.ts';
import { KERNEL_TESTS, selfTest } from '../../src/ops/self-test.ts';
import { guarded, openGpu } from './harness.ts';

const device = openGpu();

/** Runs `body` with `before` called ahead of every dispatch; false leaves the dispatch out. */
async function watched<T>(
  before: (path: string, dispatch: Dispatch) => boolean,
  body: () => Promise<T>,
): Promise<T> {
  const { gpu } = device;
  const dispatch = gpu.dispatch.bind(gpu);
  // An own property shadows the method of the class until it is deleted.
  gpu.dispatch = (path, details) => {
    if (before(path, details)) dispatch(path, details);
  };
  try {
    return await body();
  } finally {
    Reflect.deleteProperty(gpu, 'dispatch');
  }
}

it('passes, and runs every kernel that it names', async () => {
  const ran = new Set<string>();
  const results = await watched(
    (path) => ran.add(path).has(path),
    () => selfTest(device.gpu),
  );
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
  const named = KERNEL_TESTS.flatMap(({ kernels }) => kernels);
  expect(named.filter((path) => !ran.has(path))).toEqual([]);
});

it('keeps no memory', async () => {
  await selfTest(device.gpu);
  const { numTensors } = tf.memory();
  const { totalBytes } = device.gpu.budget;
  await selfTest(device.gpu);
  expect(tf.memory().numTensors).toBe(numTensors);
  expect(device.gpu.budget.totalBytes).toBe(totalBytes);
});

it.each(KERNEL_TESTS.flatMap((test) => test.kernels.map((path) => ({ path, test }))))(
  'fails when $path does nothing',
  async ({ path, test }) => {
    const results = await watched(
      (ran) => ran !== path,
      () =>
        // Outputs start as NaN, not as what an earlier run has left in the pool.
        guarded(device.gpu, () => selfTest(device.gpu, [test])),
    );
    expect(results.map(({ ok }) => ok)).toEqual([false]);
  },
);
