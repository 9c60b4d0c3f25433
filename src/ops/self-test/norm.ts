import { rmsNorm } from '../norm.ts';
import { checkDifferentiable, hostTensor, type KernelTest } from './case.ts';

/** More rows than one block of the weight's gradient. */
const [N, D] = [35, 12];
const EPSILON = 1e-6;

/** The rounding of a mean of 12 squares, a square root, and sums over 35 rows. */
const TOLERANCE = 4e-6;

export const normTest: KernelTest = {
  name: 'norm',
  kernels: ['norm/rmsnorm_fwd', 'norm/rmsnorm_fwd_wide', 'norm/rmsnorm_bwd', 'norm/rmsnorm_bwd_weight'],
  tolerance: TOLERANCE,
  launch: () =>
    checkDifferentiable({
      label: 'rmsnorm',
      inputs: [hostTensor([N, D], 1), hostTensor([D], 2)],
      run: ([x, weight]) => rmsNorm(x!, weight!, EPSILON),
      reference: ([x, weight]) =>
        x!.map((value, i) => {
          const first = i - (i % D);
          const squares = x!.subarray(first, first + D).reduce((sum, v) => sum + v * v, 0);
          return (value / Math.sqrt(squares / D + EPSILON)) * weight![i % D]!;
        }),
    }),
};
