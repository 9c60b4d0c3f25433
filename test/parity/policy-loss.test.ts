import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { type LossFormula, policyLoss, type PolicyLossInput } from '../../src/ops/policy-loss.ts';
import { ShapeError } from '../../src/util/errors.ts';
import {
  DIFFERENCE_TOLERANCE,
  expectClose,
  finiteDifferences,
  gradients,
  type Guarded,
  guarded,
  openGpu,
  randomValues,
} from './harness.ts';
import * as reference from './reference/policy-loss.ts';

// A ratio is exp of a difference of f32 log-probabilities near -3, each with a rounding of 1e-7.
const TOLERANCE = 2e-6;

const FORMULA: LossFormula = {
  loss_type: 'grpo',
  importance_sampling_level: 'token',
  clip_ratio_low: 0.2,
  clip_ratio_high: 0.28,
  clip_ratio_dual: null,
  sapo_temperature_pos: 1,
  sapo_temperature_neg: 1.05,
  kl_penalty: 'k3',
};
const KINDS: Readonly<Record<string, Partial<LossFormula>>> = {
  clipped: {},
  'clipped, dual': { clip_ratio_dual: 1.6 },
  'clipped by sequence': {
    importance_sampling_level: 'sequence',
    clip_ratio_low: 0.05,
    clip_ratio_high: 0.06,
  },
  'clipped by sequence, dual': {
    importance_sampling_level: 'sequence',
    clip_ratio_low: 0.05,
    clip_ratio_high: 0.06,
    clip_ratio_dual: 1.1,
  },
  cispo: { loss_type: 'cispo' },
  sapo: { loss_type: 'sapo', sapo_temperature_neg: 1.5 },
  'sapo by sequence': { loss_type: 'sapo', importance_sampling_level: 'sequence' },
};
const PENALTIES = ['k1', 'k2', 'k3', 'abs'] as const;
const CASES = Object.entries(KINDS).flatMap(([kind, keys]) =>
  PENALTIES.map((kl_penalty) => ({
    name: `${kind}, ${kl_penalty}`,
    formula: { ...FORMULA, ...keys, kl_penalty },
  })),
);

const device = openGpu();

/** Responses of 1 to 40 tokens, together `count`. */
function lengthsOf(count: number): number[] {
  const lengths: number[] = [];
  for (let left = count, s = 0; left > 0; s++) {
    lengths.push(Math.min(left, 1 + ((7 * s) % 40)));
    left -= lengths.at(-1)!;
  }
  return lengths;
}

/** Ratios inside and outside the bounds on either side, with advantages of either sign. */
function lossCase(count: number, formula: LossFormula): reference.LossCase {
  const old = randomValues(count, 'old').map((x) => x - 3);
  const step = randomValues(count, 'step', 0.4);
  const drift = randomValues(count, 'ref', 0.3);
  const weights = randomValues(count, 'weight').map((x) => Math.abs(x) / count);
  return {
    logprob: Float64Array.from(old, (x, n) => Math.fround(x + step[n]!)),
    old,
    ref: old.map((x, n) => x + drift[n]!),
    advantage: randomValues(count, 'advantage'),
    // Some tokens have no policy term, as below an entropy.
    policyWeight: weights.map((weight, n) => (n % 5 === 2 ? 0 : weight)),
    klWeight: weights.map((weight) => 0.04 * weight),
    lengths: lengthsOf(count),
    formula,
  };
}

function inputsOf(c: reference.LossCase, input: Guarded['input']): PolicyLossInput {
  const count = c.logprob.length;
  const columns = [c.ref, c.advantage, c.policyWeight, c.klWeight];
  let first = 0;
  const responses = c.lengths.flatMap((length) => [(first += length) - length, length]);
  return {
    logprob_N: input([count], Float32Array.from(c.logprob)),
    oldLogprob_N: input([count], Float32Array.from(c.old)),
    token_N4: input(
      [count, 4],
      Float32Array.from({ length: 4 * count }, (_, i) => columns[i % 4]![i >> 2]!),
    ),
    responses_R2: input([c.lengths.length, 2], Int32Array.from(responses)),
  };
}

function gradientOf(inputs: PolicyLossInput, formula: LossFormula, dy: tf.Tensor): tf.Tensor {
  const loss = () => policyLoss(inputs, formula).loss;
  return gradients(loss, [inputs.logprob_N], dy)[0]!;
}

async function expectReference(c: reference.LossCase): Promise<void> {
  const expected = reference.policyLoss(c);
  await guarded(device.gpu, async ({ input, read }) => {
    const inputs = inputsOf(c, input);
    const { loss, terms_N4 } = policyLoss(inputs, c.formula);
    // The weights add up to about 1, and with them the magnitudes that the sum rounds; those of CISPO are log-probabilities.
    const size = c.formula.loss_type === 'cispo' ? 4 : 1;
    const [value] = await read(loss);
    expect(Math.abs(value! - expected.loss)).toBeLessThanOrEqual(TOLERANCE * size);
    const terms = await read(terms_N4);
    for (const [column, name] of ['policy', 'kl', 'ratio', 'side'].entries()) {
      // An estimate is a difference of terms near 1, and as exact as they are.
      const offset = name === 'kl' ? 1 : 0;
      const pick = (values: ArrayLike<number>) =>
        Array.from(values)
          .filter((_, i) => i % 4 === column)
          .map((value) => value + offset);
      expectClose(pick(terms), pick(expected.terms), TOLERANCE, name);
    }
    expectClose(
      await read(gradientOf(inputs, c.formula, input([], Float32Array.of(0.5)))),
      expected.gradient.map((g) => g / 2),
      TOLERANCE,
      'gradient',
    );
  });
}

it.each([1, 63, 70_001])('loss, terms and gradient of %i tokens', async (count) => {
  await expectReference(lossCase(count, FORMULA));
  await expectReference(lossCase(count, { ...FORMULA, importance_sampling_level: 'sequence' }));
});

it.each(CASES)('loss, terms and gradient: $name', async ({ formula }) => {
  await expectReference(lossCase(300, formula));
});

it.each(CASES)('a float64 gradient that agrees with finite differences: $name', ({ formula }) => {
  const c = lossCase(60, formula);
  const start = c.logprob.slice();
  const expected = reference.policyLoss(c).gradient;
  const differences = finiteDifferences(() => reference.policyLoss(c, start).loss, c.logprob);
  expectClose(expected, differences, DIFFERENCE_TOLERANCE, 'dlogprob');
});

it.each([
  ['clipped', [-1, 0, 1]],
  ['clipped, dual', [-1, 0, 1, 2]],
  ['clipped by sequence', [-1, 0, 1]],
  ['clipped by sequence, dual', [-1, 0, 1, 2]],
  ['cispo', [0, 1]],
  ['sapo', [0]],
])('has cases held by every bound: %s', (kind, sides) => {
  const { terms } = reference.policyLoss(lossCase(300, { ...FORMULA, ...KINDS[kind] }));
  expect([...new Set(terms.filter((_, i) => i % 4 === 3))].sort((a, b) => a - b)).toEqual(sides);
});

/** Tokens of one response, given by columns of [new, old, ref, advantage]. */
function tokens(rows: readonly (readonly number[])[], klWeight: number, use: Guarded): PolicyLossInput {
  const values = (pick: (row: readonly number[]) => number[]) => Float32Array.from(rows.flatMap(pick));
  return {
    logprob_N: use.input(
      [rows.length],
      values(([fresh]) => [fresh!]),
    ),
    oldLogprob_N: use.input(
      [rows.length],
      values(([, old]) => [old!]),
    ),
    token_N4: use.input(
      [rows.length, 4],
      values(([, , ref, advantage]) => [ref!, advantage!, 1, klWeight]),
    ),
    responses_R2: use.input([1, 2], Int32Array.of(0, rows.length)),
  };
}

it('passes the full gradient where nothing has changed, as PyTorch does for equal arguments of min', async () => {
  await guarded(device.gpu, async (use) => {
    const inputs = tokens(
      [
        [-1.5, -1.5, -1.5, 2],
        [-2, -2, -2, -3],
      ],
      0,
      use,
    );
    expect([...(await use.read(gradientOf(inputs, FORMULA, tf.scalar(1))))]).toEqual([-2, 3]);
    const byCap = { ...FORMULA, clip_ratio_high: 0, clip_ratio_low: 0 };
    expect([...(await use.read(gradientOf(inputs, byCap, tf.scalar(1))))]).toEqual([-2, 3]);
  });
});

it('stops at differences of 20, and lets NaN through instead of clipping it', async () => {
  const rows = [
    [-1, -31, -1, -1],
    [-31, -1, -1, 1],
  ];
  const e20 = Math.exp(20);
  await guarded(device.gpu, async (use) => {
    const inputs = tokens(rows, 1, use);
    expectClose(
      await use.read(policyLoss(inputs, FORMULA).terms_N4),
      [e20, 0, e20, 0, -Math.exp(-20), e20 - 21, Math.exp(-20), 0],
      1e-6,
      'terms',
    );
    expect([...(await use.read(gradientOf(inputs, FORMULA, tf.scalar(1))))]).toEqual([0, 0]);
  });
});

it.each(CASES)('NaN stays NaN, in any of the log-probabilities: $name', async ({ formula }) => {
  for (const place of [0, 1, 2]) {
    const broken = [-1, -1.1, -1.2, 1].map((value, i) => (i === place ? Number.NaN : value));
    await guarded(device.gpu, async (use) => {
      const inputs = tokens([broken], 1, use);
      expect([...(await use.read(policyLoss(inputs, formula).loss))]).toEqual([NaN]);
      expect([...(await use.read(gradientOf(inputs, formula, tf.scalar(1))))]).toEqual([NaN]);
    });
  }
});

it('refuses lengths that disagree', async () => {
  await guarded(device.gpu, async (use) => {
    const inputs = tokens([[-1, -1, -1, 1]], 0, use);
    const two = use.input([2], new Float32Array(2));
    expect(() => policyLoss({ ...inputs, logprob_N: two }, FORMULA)).toThrow(ShapeError);
    expect(() => policyLoss({ ...inputs, oldLogprob_N: two }, FORMULA)).toThrow(/oldLogprob_N/);
    expect(() => policyLoss({ ...inputs, token_N4: two }, FORMULA)).toThrow(/token_N4/);
    expect(() => policyLoss({ ...inputs, responses_R2: two }, FORMULA)).toThrow(/responses_R2/);
  });
});
