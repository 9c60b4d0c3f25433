import { groupAdvantage } from '../group-advantage.ts';
import { type LossFormula, policyLoss } from '../policy-loss.ts';
import { type Check, checkDifferentiable, hostTensor, type KernelTest, upload, uploadInts } from './case.ts';

const [B, G] = [3, 4];
const N = 70;
/** Tokens of the first of two responses. */
const FIRST_RESPONSE = 23;
/** Keeps a standard deviation of 0 from dividing, as in TRL. */
const STD_EPSILON = 1e-4;

/** A standard deviation, and exponentials of a few units. */
const TOLERANCE = 4e-6;

export const grpoTest: KernelTest = {
  name: 'grpo',
  kernels: ['grpo/group_advantage', 'grpo/policy_loss_fwd', 'grpo/policy_loss_bwd', 'grpo/sequence_mean'],
  tolerance: TOLERANCE,
  launch: () => [...advantages(), ...losses()],
};

function advantages(): Check[] {
  const rewards = hostTensor([B, G], 1);
  const known = { ...rewards, values: rewards.values.map(() => 1) };
  const centred = [...rewards.values].map((reward, i, all) => reward - mean(group(all, i)));
  return [
    {
      label: 'centred rewards',
      actual: groupAdvantage(upload(rewards), upload(known), 'none'),
      expected: centred,
    },
    {
      label: 'advantages',
      actual: groupAdvantage(upload(rewards), upload(known), 'group'),
      expected: centred.map((value, i) => {
        const squares = group(centred, i).reduce((sum, v) => sum + v * v, 0);
        return value / (Math.sqrt(squares / (G - 1)) + STD_EPSILON);
      }),
    },
  ];
}

function group(values: readonly number[], i: number): readonly number[] {
  const first = i - (i % G);
  return values.slice(first, first + G);
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

const CLIPPED: LossFormula = {
  loss_type: 'grpo',
  importance_sampling_level: 'token',
  clip_ratio_low: 0.2,
  clip_ratio_high: 0.3,
  clip_ratio_dual: null,
  sapo_temperature_pos: 1,
  sapo_temperature_neg: 1,
  kl_penalty: 'k3',
};
const SOFT: LossFormula = { ...CLIPPED, loss_type: 'sapo', importance_sampling_level: 'sequence' };

function losses(): Check[] {
  const [fresh, old, token] = [hostTensor([N], 1), hostTensor([N], 2), hostTensor([N, 4], 3)];
  const responses = uploadInts([2, 2], [0, FIRST_RESPONSE, FIRST_RESPONSE, N - FIRST_RESPONSE]);
  const given = { oldLogprob_N: upload(old), token_N4: upload(token), responses_R2: responses };
  const column = (n: number, c: number): number => token.values[4 * n + c]!;
  /** Policy term, and the side of the bound that holds the ratio. */
  const clipped = (logRatio: number, n: number): [number, number] => {
    const [ratio, a] = [Math.exp(logRatio), column(n, 1)];
    const bounded = Math.min(Math.max(ratio, 0.8), 1.3);
    return [-Math.min(ratio * a, bounded * a), ratio * a > bounded * a ? Math.sign(a) : 0];
  };
  const soft = (logRatio: number, n: number): [number, number] => [
    (-4 * column(n, 1)) / (1 + Math.exp(1 - Math.exp(logRatio))),
    0,
  ];
  const k3 = (logprob: number, n: number): number => {
    const d = column(n, 0) - logprob;
    return Math.exp(d) - d - 1;
  };
  const byToken = (logprob: ArrayLike<number>): number[] =>
    Array.from(logprob, (value, n) => value - old.values[n]!);
  const byResponse = (logprob: ArrayLike<number>): number[] => {
    const ratios = byToken(logprob);
    const means = [mean(ratios.slice(0, FIRST_RESPONSE)), mean(ratios.slice(FIRST_RESPONSE))];
    return ratios.map((_, n) => means[n < FIRST_RESPONSE ? 0 : 1]!);
  };
  return [
    { label: 'clipped loss', formula: CLIPPED, logRatios: byToken, policy: clipped },
    { label: 'soft loss by sequence', formula: SOFT, logRatios: byResponse, policy: soft },
  ].flatMap(({ label, formula, logRatios, policy }) => [
    ...checkDifferentiable({
      label,
      inputs: [fresh],
      run: ([logprob_N]) => policyLoss({ logprob_N: logprob_N!, ...given }, formula).loss,
      reference: ([logprob]) => [
        logRatios(logprob!).reduce(
          (sum, logRatio, n) =>
            sum + column(n, 2) * policy(logRatio, n)[0] + column(n, 3) * k3(logprob![n]!, n),
          0,
        ),
      ],
    }),
    {
      label: `terms of the ${label}`,
      actual: policyLoss({ logprob_N: upload(fresh), ...given }, formula).terms_N4,
      expected: logRatios(fresh.values).flatMap((logRatio, n) => {
        const [value, side] = policy(logRatio, n);
        return [value, k3(fresh.values[n]!, n), Math.exp(logRatio), side];
      }),
    },
  ]);
}
