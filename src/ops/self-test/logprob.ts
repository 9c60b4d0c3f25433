import { linearLogprob } from '../logprob.ts';
import { checkDifferentiable, hostTensor, type KernelTest, upload, uploadInts } from './case.ts';
import { product } from './linear.ts';

/** More columns than one part (512). */
const [N, D, V] = [2, 4, 519];
const TARGETS = [300, 518];
const TEMPERATURE = 0.7;

/** The rounding of sums of 519 exponentials. */
const TOLERANCE = 1e-5;

export const logprobTest: KernelTest = {
  name: 'logprob',
  kernels: ['logprob/logprob_parts', 'logprob/logprob_finish', 'logprob/logits_bwd'],
  tolerance: TOLERANCE,
  launch: () => {
    const hidden = hostTensor([N, D], 1);
    const table = hostTensor([V, D], 2);
    const target = uploadInts([N], TARGETS);
    const weight = (tensor: ReturnType<typeof upload>) => ({ tensor, format: 'f32', shape: [V, D] }) as const;
    const options = { temperature: TEMPERATURE };
    return [
      ...checkDifferentiable({
        label: 'logprob',
        inputs: [hidden, table],
        run: ([h, w]) => linearLogprob(h!, weight(w!), target, options).logprob_N,
        reference: ([h, w]) => distributions(h!, w!).map((p, n) => Math.log(p[TARGETS[n]!]!)),
      }),
      {
        label: 'entropy',
        actual: linearLogprob(upload(hidden), weight(upload(table)), target, options).entropy_N,
        expected: distributions(hidden.values, table.values).map((p) =>
          p.reduce((sum, value) => sum - value * Math.log(value), 0),
        ),
      },
    ];
  },
};

/** softmax(h Wᵀ / temperature) of each row. */
function distributions(h: ArrayLike<number>, w: ArrayLike<number>): Float64Array[] {
  const weights = product(h, w, undefined, D).map((logit) => Math.exp(logit / TEMPERATURE));
  return Array.from({ length: N }, (_, n) => {
    const row = weights.subarray(n * V, (n + 1) * V);
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((weight) => weight / sum);
  });
}
