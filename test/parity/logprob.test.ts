import { describe, expect, it } from 'vitest';
import { linearLogprob } from '../../src/ops/logprob.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { RandomStream } from '../../src/util/random.ts';
import {
  DIFFERENCE_TOLERANCE,
  dot,
  expectClose,
  finiteDifferences,
  gradients,
  guarded,
  openGpu,
  randomValues,
} from './harness.ts';
import { logprob, logprobGradient } from './reference/logprob.ts';
import { inputWeight, storeWeight, WEIGHT_KINDS } from './reference/stored-weight.ts';

// Logits are f32 sums of up to 64 products, and exp has an error of a few units in the last place.
const TOLERANCE = 3e-6;
// A gradient of the weight sums over rows as well.
const GRADIENT_TOLERANCE = 1e-5;

/** N rows, D inputs, V vocabulary: one, tails of 4 columns, of the parts of 512 and of a block of rows, several parts. */
const SHAPES = [
  [1, 4, 1],
  [3, 8, 7],
  [5, 16, 514],
  [65, 20, 1031],
  [130, 64, 512],
  [1100, 8, 520],
] as const;
/** Smaller than any scratch: slices of a single part. */
const SMALLEST = 1;

const device = openGpu();

function targets(N: number, V: number): Int32Array {
  const stream = new RandomStream(3, 'target', N, V);
  return Int32Array.from({ length: N }, () => stream.integer(V));
}

describe.each(WEIGHT_KINDS)('log-probability under a %s head', (format) => {
  it.each(SHAPES)('N=%i D=%i V=%i: outputs and gradients', async (N, D, V) => {
    const shape = [N, D, V] as const;
    const hidden = randomValues(N * D, 'hidden');
    const host = storeWeight(randomValues(V * D, 'weight'), [V, D], format);
    const target = targets(N, V);
    const dyValues = randomValues(N, 'dy');
    const head = { hidden, weight: host.exact, target, temperature: 0.8, shape };
    const expected = logprob(head);
    const gradient = logprobGradient(head, dyValues);
    await guarded(device.gpu, async ({ input, read }) => {
      const h = input([N, D], hidden);
      const weight = inputWeight({ input }, host);
      const target_N = input([N], target);
      const dy = input([N], dyValues);
      for (const scratchBytes of [SMALLEST, 2 ** 26]) {
        const run = () =>
          linearLogprob(h, weight, target_N, {
            temperature: 0.8,
            scratchBytes,
          });
        const { logprob_N, entropy_N } = run();
        expectClose(await read(logprob_N), expected.logprob, TOLERANCE, 'logprob');
        expectClose(await read(entropy_N), expected.entropy, TOLERANCE, 'entropy');
        const xs = format === 'f32' ? [h, weight.tensor] : [h];
        const [dh, dw] = gradients(() => run().logprob_N, xs, dy);
        expectClose(await read(dh!), gradient.hidden, GRADIENT_TOLERANCE, 'dhidden');
        if (dw) expectClose(await read(dw), gradient.weight, GRADIENT_TOLERANCE, 'dweight');
      }
    });
  });
});

it('gives a row the same bits whatever the other rows and the slices are', async () => {
  const [N, D, V] = [37, 32, 2100];
  const hidden = randomValues(N * D, 'hidden');
  const target = targets(N, V);
  await guarded(device.gpu, async ({ input, read }) => {
    const weight = { tensor: input([V, D], randomValues(V * D, 'w')), format: 'f32', shape: [V, D] } as const;
    const run = async (from: number, to: number, scratchBytes: number) => {
      const h = input([to - from, D], hidden.slice(from * D, to * D));
      const target_N = input([to - from], target.slice(from, to));
      const { logprob_N, entropy_N } = linearLogprob(h, weight, target_N, { temperature: 0.7, scratchBytes });
      return [await read(logprob_N), await read(entropy_N)] as const;
    };
    const [logprobs, entropies] = await run(0, N, 2 ** 26);
    expect(await run(0, N, SMALLEST)).toEqual([logprobs, entropies]);
    for (const n of [0, 13, 36]) {
      expect(await run(n, n + 1, 2 ** 26)).toEqual([logprobs.slice(n, n + 1), entropies.slice(n, n + 1)]);
    }
  });
});

it('survives large logits: a certain token has log-probability 0 and entropy 0', async () => {
  const [D, V] = [4, 600];
  const weight = new Float32Array(V * D);
  weight[550 * D] = 1000;
  await guarded(device.gpu, async ({ input, read }) => {
    const h = input([2, D], Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0));
    const w = { tensor: input([V, D], weight), format: 'f32', shape: [V, D] } as const;
    const { logprob_N, entropy_N } = linearLogprob(h, w, input([2], Int32Array.of(550, 3)), {
      temperature: 1,
    });
    expect([...(await read(logprob_N))]).toEqual([0, -1000]);
    expect([...(await read(entropy_N))]).toEqual([0, 0]);
  });
});

it('yields NaN for a target outside the vocabulary, and refuses what it cannot compute', async () => {
  await guarded(device.gpu, async ({ input, read }) => {
    const h = input([3, 4], randomValues(12, 'h'));
    const w = { tensor: input([5, 4], randomValues(20, 'w')), format: 'f32', shape: [5, 4] } as const;
    const target = input([3], Int32Array.of(5, -1, 0));
    const values = await read(linearLogprob(h, w, target, { temperature: 1 }).logprob_N);
    expect([...values].map(Number.isNaN)).toEqual([true, true, false]);
    expect(() => linearLogprob(h, w, target, { temperature: 0 })).toThrow(ShapeError);
    const short = input([2], Int32Array.of(0, 0));
    expect(() => linearLogprob(h, w, short, { temperature: 1 })).toThrow(/target_N/);
  });
});

it('has float64 gradients that agree with finite differences', () => {
  const shape = [3, 4, 9] as const;
  const hidden = new Float64Array(randomValues(12, 'hidden'));
  const weight = new Float64Array(randomValues(36, 'weight'));
  const head = { hidden, weight, target: Int32Array.of(0, 8, 4), temperature: 0.8, shape };
  const dy = randomValues(3, 'dy');
  const loss = () => dot(logprob(head).logprob, dy);
  const expected = logprobGradient(head, dy);
  expectClose(expected.hidden, finiteDifferences(loss, hidden), DIFFERENCE_TOLERANCE, 'dhidden');
  expectClose(expected.weight, finiteDifferences(loss, weight), DIFFERENCE_TOLERANCE, 'dweight');
});
