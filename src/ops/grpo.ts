/** GRPO: advantages relative to the group, and the clipped policy loss with the k3 KL to a reference policy. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp } from './op.ts';
import { launchSum } from './reduce.ts';

const advantageOp = defineOp<'reward' | 'known', { scale: boolean }>({
  name: 'WethinkGroupAdvantage',
  forward({ reward, known }, { scale }) {
    const gpu = currentGpu();
    const [prompts, group] = reward.shape as [number, number];
    const advantage = gpu.empty(reward.shape);
    gpu.dispatch('grpo/group_advantage', {
      operands: { reward_BG: reward, known_BG: known, advantage_BG: advantage },
      params: { prompts, group },
      constants: { SCALE: scale ? 1 : 0 },
      grid: gridFor(prompts, 64),
    });
    return [advantage];
  },
});

/**
 * (reward - mean) / (std + 1e-4) within each group, with the sample standard deviation (divisor n - 1; 0 for a
 * group of one). No gradient.
 * @param reward_BG f32 [B, G]
 * @param known_BG f32 [B, G] of 1 and 0; a reward that is not known stays out of mean and std and gets 0
 * @param scale false leaves out the division
 * @see arXiv 2402.03300
 */
export function groupAdvantage(reward_BG: tf.Tensor, known_BG: tf.Tensor, scale: boolean): tf.Tensor2D {
  checkShape('groupAdvantage.reward_BG', reward_BG.shape, [null, null]);
  checkShape('groupAdvantage.known_BG', known_BG.shape, reward_BG.shape);
  return advantageOp({ reward: reward_BG, known: known_BG }, { scale })[0] as tf.Tensor2D;
}

type LossInput = 'logprob' | 'old' | 'ref' | 'advantage' | 'weight';

interface LossAttrs {
  [name: string]: number;
  low: number;
  high: number;
  klCoef: number;
}

const policyLossOp = defineOp<LossInput, LossAttrs>({
  name: 'WethinkPolicyLoss',
  saveInputs: ['logprob', 'old', 'ref', 'advantage', 'weight'],
  forward({ logprob, old, ref, advantage, weight }, attrs) {
    const gpu = currentGpu();
    const count = logprob.shape[0];
    const terms = gpu.empty([count, 4]);
    const perToken = gpu.empty([count]);
    gpu.dispatch('grpo/policy_loss_fwd', {
      operands: {
        new_N: logprob,
        old_N: old,
        ref_N: ref,
        advantage_N: advantage,
        weight_N: weight,
        terms_N4: terms,
        loss_N: perToken,
      },
      params: lossParams(count, attrs),
      grid: gridFor(count, 64),
    });
    const loss = launchSum(perToken, count);
    gpu.release(perToken);
    return [loss, terms];
  },
  gradient([dy], [logprob, old, ref, advantage, weight], attrs) {
    return {
      logprob: () => {
        const gpu = currentGpu();
        const count = logprob!.shape[0];
        const dlogprob = gpu.empty([count]);
        gpu.dispatch('grpo/policy_loss_bwd', {
          operands: {
            new_N: logprob!,
            old_N: old!,
            ref_N: ref!,
            advantage_N: advantage!,
            weight_N: weight!,
            dy: dy!,
            dnew_N: dlogprob,
          },
          params: lossParams(count, attrs),
          grid: gridFor(count, 64),
        });
        return asTensor(dlogprob);
      },
    };
  },
});

function lossParams(count: number, { low, high, klCoef }: LossAttrs) {
  return { count, low: 1 - low, high: 1 + high, kl_coef: klCoef };
}

export interface PolicyLossInput {
  /** f32 [N]: log-probabilities under the policy that is trained; the only input with a gradient. */
  logprob_N: tf.Tensor;
  /** f32 [N]: those under the policy that sampled; like all that follow, without a gradient. */
  oldLogprob_N: tf.Tensor;
  /** f32 [N]: those under the reference policy; left out, those that sampled take their place in k3. */
  refLogprob_N?: tf.Tensor | undefined;
  /** f32 [N] */
  advantage_N: tf.Tensor;
  /** f32 [N]: what a token counts, normalisation included. */
  weight_N: tf.Tensor;
  /** The ratio is clipped to [1 - clipLow, 1 + clipHigh]. */
  clipLow: number;
  clipHigh: number;
  klCoef: number;
}

/**
 * loss = Σ_n weight · (-min(ρ A, clip(ρ) A) + klCoef · k3), ρ = exp(new - old), k3 = exp(d) - d - 1 with
 * d = ref - new; both differences are clamped to ±20. Differentiable in `logprob_N` (subgradients as PyTorch).
 * @returns the loss, without dimensions, and per token [N, 4], without gradient: policy term, k3, ρ, and
 * whether it was clipped (-1 below, +1 above, 0 not)
 * @throws {ShapeError} when the lengths disagree, or klCoef is set without reference log-probabilities
 * @see TRL's GRPOTrainer, whose formula it is
 */
export function policyLoss(input: PolicyLossInput): { loss: tf.Scalar; terms_N4: tf.Tensor2D } {
  const { logprob_N, oldLogprob_N, refLogprob_N, advantage_N, weight_N, clipLow, clipHigh, klCoef } = input;
  const [count] = logprob_N.shape;
  for (const [name, tensor] of Object.entries({
    logprob_N,
    oldLogprob_N,
    refLogprob_N,
    advantage_N,
    weight_N,
  })) {
    if (tensor) checkShape(`policyLoss.${name}`, tensor.shape, [count]);
  }
  if (klCoef !== 0 && !refLogprob_N) {
    throw new ShapeError({
      where: 'policyLoss.refLogprob_N',
      expected: `[${count}], for a KL term`,
      found: 'none',
    });
  }
  const [loss, terms] = policyLossOp(
    {
      logprob: logprob_N,
      old: oldLogprob_N,
      // The sampling policy stands in where k3 counts nothing; its gradient is multiplied by 0.
      ref: refLogprob_N ?? oldLogprob_N,
      advantage: advantage_N,
      weight: weight_N,
    },
    { low: clipLow, high: clipHigh, klCoef },
  );
  return { loss: loss as tf.Scalar, terms_N4: terms as tf.Tensor2D };
}
