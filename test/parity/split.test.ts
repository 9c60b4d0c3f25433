import type * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { addScaled } from '../../src/ops/activation.ts';
import { splitColumns } from '../../src/ops/split.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { expectClose, gradients, guarded, openGpu, randomValues } from './harness.ts';

const device = openGpu();

/** Rows, columns, parts. */
const CASES = [
  [1, 1, 1],
  [3, 6, 3],
  [65, 33, 3],
  [20, 240, 2],
] as const;

/** Column block i of x. */
function block(x: Float32Array, columns: number, parts: number, i: number): Float32Array {
  const width = columns / parts;
  return x.filter((_, at) => Math.floor((at % columns) / width) === i);
}

it.each(CASES)('splitColumns [%i, %i] into %i: parts and gradient', async (N, M, parts) => {
  const x = randomValues(N * M, 'x');
  const weights = Array.from({ length: parts }, (_, i) => i + 1);
  await guarded(device.gpu, async ({ input, read }) => {
    const tensor = input([N, M], x);
    const found = splitColumns(tensor, parts);
    expect(found.length).toBe(parts);
    for (const [i, part] of found.entries()) {
      expect(part.shape).toEqual([N, M / parts]);
      expect(await read(part)).toEqual(block(x, M, parts, i));
    }
    // The sum of part i times (i + 1), so that every part has a gradient of its own.
    const zero = input([N, M / parts], new Float32Array((N * M) / parts));
    const dy = input([N, M / parts], randomValues((N * M) / parts, 'dy'));
    const [dx] = gradients(
      () =>
        splitColumns(tensor, parts).reduce(
          (sum: tf.Tensor, part, i) => addScaled(sum, part, weights[i]!),
          zero,
        ),
      [tensor],
      dy,
    );
    const dyValues = await read(dy);
    const width = M / parts;
    const expected = Float32Array.from(x, (_, at) => {
      const column = at % M;
      return dyValues[Math.floor(at / M) * width + (column % width)]! * weights[Math.floor(column / width)]!;
    });
    expectClose(await read(dx!), expected, 0, 'dx');
  });
});

it('gives zeros for the parts that the loss does not use', async () => {
  const x = randomValues(12, 'x');
  await guarded(device.gpu, async ({ input, read }) => {
    const tensor = input([2, 6], x);
    const dy = input([2, 2], new Float32Array([1, 2, 3, 4]));
    const [dx] = gradients(() => splitColumns(tensor, 3)[1]!, [tensor], dy);
    expect([...(await read(dx!))]).toEqual([0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 0, 0]);
  });
});

it('refuses parts that do not divide', async () => {
  await guarded(device.gpu, async ({ input }) => {
    expect(() => splitColumns(input([2, 7], new Float32Array(14)), 3)).toThrow(ShapeError);
  });
});
