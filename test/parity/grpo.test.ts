import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { groupAdvantage, policyLoss } from '../../src/ops/grpo.ts';
import { ShapeError } from '../../src/util/errors.ts';
import {
  DIFFERENCE_TOLERANCE,
  expectClose,
  finiteDifferences,
  gradients,
  guarded,
  openGpu,
  randomValues,
} from './harness.ts';
import * as reference from './reference/grpo.ts';

// Rewards near 1 have a rounding of 6e-8, which a standard deviation of 0.1 enlarges tenfold.
const ADVANTAGE_TOLERANCE = 3e-6;
// A ratio is exp of a difference of f32 log-probabilities near -3, each with a rounding of 1e-7.
const LOSS_TOLERANCE = 2e-6;

const device = openGpu();

/** Ratios inside and outside the bounds on either side, with advantages of either sign. */
function lossCase(count: number): reference.LossCase {
  const old = randomValues(count, 'old').map((x) => x - 3);
  const step = randomValues(count, 'step', 0.4);
  const drift = randomValues(count, 'ref', 0.3);
  return {
    logprob: old.map((x, n) => x + step[n]!),
    old,
    ref: old.map((x, n) => x + drift[n]!),
    advantage: randomValues(count, 'advantage'),
    weight: randomValues(count, 'weight').map((x) => Math.abs(x) / count),
    clipLow: 0.2,
    clipHigh: 0.28,
    klCoef: 0.04,
  };
}

it.each([
  [1, 2],
  [3, 8],
  [5, 1],
  [70, 5],
])('advantage of %i groups of %i', async (B, G) => {
  const rewards = randomValues(B * G, 'rewards').map((x) => 0.7 * Math.round(x) + 0.3);
  const all = new Float32Array(B * G).fill(1);
  // Whole groups without a known reward are among these, and groups with one.
  const some = Float32Array.from(randomValues(B * G, 'known'), (x) => (x > 0.3 ? 1 : 0));
  await guarded(device.gpu, async ({ input, read }) => {
    for (const known of [all, some]) {
      const hidden = rewards.map((reward, i) => (known[i] === 1 ? reward : 1e30));
      const [reward_BG, known_BG] = [input([B, G], hidden), input([B, G], known)];
      for (const scale of [true, false]) {
        expectClose(
          await read(groupAdvantage(reward_BG, known_BG, scale)),
          reference.groupAdvantage(rewards, known, G, scale),
          ADVANTAGE_TOLERANCE,
          `scale ${scale}, ${known === all ? 'all' : 'some'} known`,
        );
      }
    }
  });
});

it('equal rewards have an advantage of exactly 0, so that their group can be left out', async () => {
  await guarded(device.gpu, async ({ input, read }) => {
    const reward_BG = input([2, 7], new Float32Array(14).fill(0.3, 0, 7).fill(1, 7).fill(9, 0, 1));
    const known_BG = input([2, 7], new Float32Array(14).fill(1).fill(0, 0, 1));
    const advantage = await read(groupAdvantage(reward_BG, known_BG, true));
    expect([...advantage]).toEqual(Array.from({ length: 14 }, () => 0));
  });
});

it.each([1, 63, 300, 70_001])('policy loss of %i tokens: loss, terms and gradient', async (N) => {
  const c = lossCase(N);
  const expected = reference.policyLoss(c);
  await guarded(device.gpu, async ({ input, read }) => {
    const tensor = (values: ArrayLike<number>) => input([N], Float32Array.from(values));
    const logprob_N = tensor(c.logprob);
    const rest = {
      oldLogprob_N: tensor(c.old),
      refLogprob_N: tensor(c.ref),
      advantage_N: tensor(c.advantage),
      weight_N: tensor(c.weight),
      clipLow: c.clipLow,
      clipHigh: c.clipHigh,
      klCoef: c.klCoef,
    };
    const { loss, terms_N4 } = policyLoss({ logprob_N, ...rest });
    // The weights add up to about 1, and with them the magnitudes that the sum rounds.
    const [value] = await read(loss);
    expect(Math.abs(value! - expected.loss)).toBeLessThanOrEqual(LOSS_TOLERANCE);
    const terms = await read(terms_N4);
    for (const [column, name] of ['policy', 'k3', 'ratio', 'clipped'].entries()) {
      // k3 is a difference of terms near 1, and as exact as they are.
      const offset = name === 'k3' ? 1 : 0;
      const pick = (values: ArrayLike<number>) =>
        Array.from(values)
          .filter((_, i) => i % 4 === column)
          .map((value) => value + offset);
      expectClose(pick(terms), pick(expected.terms), LOSS_TOLERANCE, name);
    }
    const dy = input([], Float32Array.of(0.5));
    const [gradient] = gradients(() => policyLoss({ logprob_N, ...rest }).loss, [logprob_N], dy);
    expectClose(
      await read(gradient!),
      expected.gradient.map((g) => g / 2),
      LOSS_TOLERANCE,
      'gradient',
    );
  });
});

it('has cases clipped on both sides', () => {
  const { terms } = reference.policyLoss(lossCase(300));
  expect(new Set(terms.filter((_, i) => i % 4 === 3))).toEqual(new Set([-1, 0, 1]));
});

it('passes the full gradient where nothing has changed, as PyTorch does for equal arguments of min', async () => {
  await guarded(device.gpu, async ({ input, read }) => {
    const logprob_N = input([2], Float32Array.of(-1.5, -2));
    const [gradient] = gradients(
      () =>
        policyLoss({
          logprob_N,
          oldLogprob_N: input([2], Float32Array.of(-1.5, -2)),
          advantage_N: input([2], Float32Array.of(2, -3)),
          weight_N: input([2], Float32Array.of(1, 0.5)),
          clipLow: 0.2,
          clipHigh: 0.2,
          klCoef: 0,
        }).loss,
      [logprob_N],
      tf.scalar(1),
    );
    expect([...(await read(gradient!))]).toEqual([-2, 1.5]);
  });
});

it('stops at differences of 20, and lets NaN through instead of clipping it', async () => {
  await guarded(device.gpu, async ({ input, read }) => {
    const logprob_N = input([3], Float32Array.of(-1, -60, NaN));
    const run = () =>
      policyLoss({
        logprob_N,
        oldLogprob_N: input([3], Float32Array.of(-31, -1, -1)),
        refLogprob_N: input([3], Float32Array.of(-1, -1, -1)),
        advantage_N: input([3], Float32Array.of(-1, 1, 1)),
        weight_N: input([3], Float32Array.of(1, 1, 1)),
        clipLow: 0.2,
        clipHigh: 0.2,
        klCoef: 1,
      });
    const terms = await read(run().terms_N4);
    const e20 = Math.exp(20);
    expectClose(
      terms.slice(0, 8),
      [e20, 0, e20, 0, -Math.exp(-20), e20 - 21, Math.exp(-20), 0],
      1e-6,
      'terms',
    );
    expect(Array.from(terms.slice(8, 11))).toEqual([NaN, NaN, NaN]);
    expect([...(await read(run().loss))]).toEqual([NaN]);
    const [gradient] = gradients(() => run().loss, [logprob_N], tf.scalar(1));
    expect([...(await read(gradient!))]).toEqual([0, 0, NaN]);
  });
});

it('has a float64 gradient that agrees with finite differences', () => {
  const c = { ...lossCase(40), logprob: new Float64Array(lossCase(40).logprob) };
  const expected = reference.policyLoss(c).gradient;
  const differences = finiteDifferences(() => reference.policyLoss(c).loss, c.logprob);
  expectClose(expected, differences, DIFFERENCE_TOLERANCE, 'dlogprob');
});

it('refuses lengths that disagree and a KL term without a reference', async () => {
  await guarded(device.gpu, async ({ input }) => {
    const two = input([2], new Float32Array(2));
    const rest = { oldLogprob_N: two, advantage_N: two, weight_N: two, clipLow: 0.2, clipHigh: 0.2 };
    expect(() => policyLoss({ logprob_N: two, ...rest, klCoef: 0.1 })).toThrow(/refLogprob_N/);
    const three = input([3], new Float32Array(3));
    expect(() => policyLoss({ logprob_N: three, ...rest, klCoef: 0 })).toThrow(ShapeError);
  });
});
