import { addScaled, gelu, swiglu } from '../activation.ts';
import { splitColumns } from '../split.ts';
import { checkDifferentiable, hostTensor, type KernelTest } from './case.ts';

/** A tail after groups of four. */
const SHAPE = [3, 7];
const SCALE = 0.25;

/** The device's exponential, and our error function. */
const TOLERANCE = 2e-6;

export const activationTest: KernelTest = {
  name: 'activation',
  kernels: [
    'activation/swiglu_fwd',
    'activation/swiglu_bwd',
    'activation/gelu_fwd',
    'activation/gelu_bwd',
    'activation/add_scaled_fwd',
    'activation/add_scaled_bwd',
    'activation/split_columns',
  ],
  tolerance: TOLERANCE,
  launch: () => {
    const [a, b] = [hostTensor(SHAPE, 1), hostTensor(SHAPE, 2)];
    return [
      ...checkDifferentiable({
        label: 'swiglu',
        inputs: [a, b],
        run: ([gate, up]) => swiglu(gate!, up!),
        reference: ([gate, up]) => gate!.map((x, i) => (x / (1 + Math.exp(-x))) * up![i]!),
      }),
      ...checkDifferentiable({
        label: 'gelu',
        inputs: [a],
        run: ([x]) => gelu(x!),
        reference: ([x]) => x!.map((value) => value * normalCdf(value)),
      }),
      ...checkDifferentiable({
        label: 'scaled addition',
        inputs: [a, b],
        run: ([x, y]) => addScaled(x!, y!, SCALE),
        reference: ([x, y]) => x!.map((value, i) => value + SCALE * y![i]!),
      }),
      ...checkDifferentiable({
        label: 'second of three column blocks',
        inputs: [hostTensor([2, 9], 3)],
        run: ([x]) => splitColumns(x!, 3)[1]!,
        reference: ([x]) => x!.filter((_, i) => Math.floor((i % 9) / 3) === 1),
      }),
    ];
  },
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
