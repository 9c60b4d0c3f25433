import { gelu, swiglu } from '../activation.ts';
import { checkDifferentiable, hostTensor, type KernelTest } from './case.ts';

/** Rows and columns: a tail after groups of four. */
const [N, F] = [3, 7];

/** The device's exponential, and our error function. */
const TOLERANCE = 2e-6;

export const activationTest: KernelTest = {
  name: 'activation',
  kernels: ['activation/swiglu_fwd', 'activation/swiglu_bwd', 'activation/gelu_fwd', 'activation/gelu_bwd'],
  tolerance: TOLERANCE,
  launch: () => [
    ...checkDifferentiable({
      label: 'swiglu',
      inputs: [hostTensor([N, 2 * F], 1)],
      run: ([x]) => swiglu(x!),
      reference: ([x]) =>
        Float64Array.from({ length: N * F }, (_, i) => {
          const gate = x![i + Math.floor(i / F) * F]!;
          return (gate / (1 + Math.exp(-gate))) * x![i + Math.floor(i / F) * F + F]!;
        }),
    }),
    ...checkDifferentiable({
      label: 'gelu',
      inputs: [hostTensor([N, F], 1)],
      run: ([x]) => gelu(x!),
      reference: ([x]) => x!.map((value) => value * normalCdf(value)),
    }),
  ],
};

/** Φ by its series around 0, for |x| of a few units. */
function normalCdf(x: number): number {
  let term = x;
  let sum = x;
  for (let i = 3; Math.abs(term) > 1e-17; i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}
