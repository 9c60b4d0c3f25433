import { groupAdvantage, policyLoss } from '../grpo.ts';
import { type Check, checkDifferentiable, hostTensor, type KernelTest, upload } from './case.ts';

const [B, G] = [3, 4];
const N = 70;
const [CLIP_LOW, CLIP_HIGH, KL_COEF] = [0.2, 0.3, 0.1];
/** Keeps a standard deviation of 0 from dividing, as in TRL. */
const STD_EPSILON = 1e-4;

/** A standard deviation, and exponentials of a few units. */
const TOLERANCE = 4e-6;

export const grpoTest: KernelTest = {
  name: 'grpo',
  kernels: ['grpo/group_advantage', 'grpo/policy_loss_fwd', 'grpo/policy_loss_bwd'],
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
      actual: groupAdvantage(upload(rewards), upload(known), false),
      expected: centred,
    },
    {
      label: 'advantages',
      actual: groupAdvantage(upload(rewards), upload(known), true),
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

function losses(): Check[] {
  const [fresh, old, ref, advantage, weight] = [1, 2, 3, 4, 5].map((phase) => hostTensor([N], phase));
  const given = {
    oldLogprob_N: upload(old!),
    refLogprob_N: upload(ref!),
    advantage_N: upload(advantage!),
    weight_N: upload(weight!),
    clipLow: CLIP_LOW,
    clipHigh: CLIP_HIGH,
    klCoef: KL_COEF,
  };
  /** Policy term, k3, ratio, and whether it is clipped. */
  const terms = (logprob: number, n: number): [number, number, number, number] => {
    const ratio = Math.exp(logprob - old!.values[n]!);
    const d = ref!.values[n]! - logprob;
    const a = advantage!.values[n]!;
    const bounded = Math.min(Math.max(ratio, 1 - CLIP_LOW), 1 + CLIP_HIGH);
    const clipped = ratio * a > bounded * a ? Math.sign(a) : 0;
    return [-Math.min(ratio * a, bounded * a), Math.exp(d) - d - 1, ratio, clipped];
  };
  return [
    ...checkDifferentiable({
      label: 'policy loss',
      inputs: [fresh!],
      run: ([logprob_N]) => policyLoss({ logprob_N: logprob_N!, ...given }).loss,
      reference: ([logprob]) => [
        logprob!.reduce((sum, value, n) => {
          const [policy, k3] = terms(value, n);
          return sum + weight!.values[n]! * (policy + KL_COEF * k3);
        }, 0),
      ],
    }),
    {
      label: 'terms of the policy loss',
      actual: policyLoss({ logprob_N: upload(fresh!), ...given }).terms_N4,
      expected: [...fresh!.values].flatMap(terms),
    },
  ];
}
