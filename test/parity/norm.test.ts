import { describe, expect, it } from 'vitest';
import { rmsNorm } from '../../src/ops/norm.ts';
import { ShapeError } from '../../src/util/errors.ts';
import {
  DIFFERENCE_TOLERANCE,
  dot,
  expectClose,
  finiteDifferences,
  gradients,
  guarded,
  openGpu,
  randomValues,
  useFamily,
} from './harness.ts';
import * as reference from './reference/norm.ts';

// A mean of up to 1280 squares in four lanes, a division and a square root: a few dozen roundings of 6e-8.
const TOLERANCE = 2e-6;
const EPS = 1e-6;

/** N rows of D: one, tails of the workgroup and of the blocks of the weight's gradient, larger. */
const SHAPES = [
  [1, 4],
  [3, 8],
  [33, 12],
  [65, 128],
  [200, 20],
  [70, 1280],
] as const;

const device = openGpu();

describe.each(['cpu', 'gpu'] as const)('kernels of the family %s', (family) => {
  useFamily(device, family);

  it.each(SHAPES)('rmsNorm [%i, %i]: output and gradients', async (N, D) => {
    const x = randomValues(N * D, 'x', 3);
    const weight = randomValues(D, 'weight');
    const dy = randomValues(N * D, 'dy');
    await guarded(device.gpu, async ({ input, read }) => {
      const xTensor = input([N, D], x);
      const weightTensor = input([D], weight);
      const y = rmsNorm(xTensor, weightTensor, EPS);
      expectClose(await read(y), reference.rmsNorm(x, weight, EPS), TOLERANCE, 'y');
      const [dx, dWeight] = gradients(
        () => rmsNorm(xTensor, weightTensor, EPS),
        [xTensor, weightTensor],
        input([N, D], dy),
      );
      const expected = reference.rmsNormGradients(x, weight, EPS, dy);
      expectClose(await read(dx!), expected.dx, TOLERANCE, 'dx');
      expectClose(await read(dWeight!), expected.dWeight, TOLERANCE, 'dWeight');
    });
  });

  it('keeps a row of zeros finite and honours epsilon', async () => {
    const x = new Float32Array(16);
    x.set(randomValues(8, 'x', 1e-3), 8);
    const weight = randomValues(8, 'weight');
    await guarded(device.gpu, async ({ input, read }) => {
      const y = rmsNorm(input([2, 8], x), input([8], weight), 1e-3);
      expectClose(await read(y), reference.rmsNorm(x, weight, 1e-3), TOLERANCE, 'y');
    });
  });

  it('gives a row the same bits in any batch', async () => {
    const x = randomValues(70 * 128, 'x');
    await guarded(device.gpu, async ({ input, read }) => {
      const weight = input([128], randomValues(128, 'weight'));
      const all = await read(rmsNorm(input([70, 128], x), weight, EPS));
      const one = await read(rmsNorm(input([1, 128], x.slice(66 * 128, 67 * 128)), weight, EPS));
      expect(one).toEqual(all.slice(66 * 128, 67 * 128));
    });
  });
});

it('has float64 gradients that agree with finite differences', () => {
  const x = new Float64Array(randomValues(3 * 8, 'x'));
  const weight = new Float64Array(randomValues(8, 'weight'));
  const dy = randomValues(3 * 8, 'dy');
  const loss = (): number => dot(reference.rmsNorm(x, weight, EPS), dy);
  const { dx, dWeight } = reference.rmsNormGradients(x, weight, EPS, dy);
  expectClose(dx, finiteDifferences(loss, x), DIFFERENCE_TOLERANCE, 'dx');
  expectClose(dWeight, finiteDifferences(loss, weight), DIFFERENCE_TOLERANCE, 'dWeight');
});

it('refuses shapes that disagree', async () => {
  await guarded(device.gpu, async ({ input }) => {
    const x = input([2, 6], new Float32Array(12));
    expect(() => rmsNorm(x, input([6], new Float32Array(6)), EPS)).toThrow(ShapeError);
    expect(() => rmsNorm(x, input([8], new Float32Array(8)), EPS)).toThrow(ShapeError);
  });
});
