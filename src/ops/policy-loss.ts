/** The loss of a policy on sampled tokens: a clipped, capped (CISPO) or gated (SAPO) ratio, and a KL estimate. */
import * as tf from '@tensorflow/tfjs';
import type { AlgorithmConfig } from '../config/schema.ts';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { asTensor, checkShape, defineOp } from './op.ts';
import { launchSum } from './reduce.ts';

/** Values of LOSS in the kernels; the other types of loss are clipped and differ in the weights of tokens. */
const LOSSES: Readonly<Partial<Record<AlgorithmConfig['loss_type'], number>>> = { cispo: 1, sapo: 2 };
const CLIPPED = 0;

/** Values of KL in the kernels. */
const ESTIMATORS: Readonly<Record<AlgorithmConfig['kl_penalty'], number>> = { k1: 1, k2: 2, k3: 3, abs: 4 };

/** Beyond exp(20), the largest ratio. */
const NO_DUAL_CLIP = 1e9;

type LossInput = 'logprob' | 'logRatio' | 'token';

interface LossAttrs {
  [name: string]: number;
  loss: number;
  kl: number;
  low: number;
  high: number;
  dual: number;
  t_pos: number;
  t_neg: number;
}

const policyLossOp = defineOp<LossInput, LossAttrs>({
  name: 'WethinkPolicyLoss',
  saveInputs: ['logprob', 'logRatio', 'token'],
  forward({ logprob, logRatio, token }, attrs) {
    const gpu = currentGpu();
    const count = logprob.shape[0];
    const terms = gpu.empty([count, 4]);
    const perToken = gpu.empty([count]);
    gpu.dispatch('grpo/policy_loss_fwd', {
      operands: {
        new_N: logprob,
        log_ratio_N: logRatio,
        token_N4: token,
        terms_N4: terms,
        loss_N: perToken,
      },
      ...lossLaunch(count, attrs),
    });
    const loss = launchSum(perToken, count);
    gpu.release(perToken);
    return [loss, terms];
  },
  gradient([dy], [logprob, logRatio, token], attrs) {
    const gpu = currentGpu();
    const count = logprob!.shape[0];
    // Both at once, outside the thunks: one kernel makes them.
    const dlogprob = gpu.empty([count]);
    const dlogRatio = gpu.empty([count]);
    gpu.dispatch('grpo/policy_loss_bwd', {
      operands: {
        new_N: logprob!,
        log_ratio_N: logRatio!,
        token_N4: token!,
        dy: dy!,
        dnew_N: dlogprob,
        dlog_ratio_N: dlogRatio,
      },
      ...lossLaunch(count, attrs),
    });
    return { logprob: () => asTensor(dlogprob), logRatio: () => asTensor(dlogRatio) };
  },
});

function lossLaunch(count: number, { loss, kl, ...params }: LossAttrs) {
  return { params: { count, ...params }, constants: { LOSS: loss, KL: kl }, grid: gridFor(count, 64) };
}

const sequenceMeanOp = defineOp<'x' | 'responses', Record<string, never>>({
  name: 'WethinkSequenceMean',
  saveInputs: ['responses'],
  forward: ({ x, responses }) => [launchSequenceMean(x, responses)],
  gradient: ([dy], [responses]) => ({ x: () => asTensor(launchSequenceMean(dy!, responses!)) }),
});

function launchSequenceMean(x: tf.TensorInfo, responses: tf.TensorInfo): tf.TensorInfo {
  const gpu = currentGpu();
  const count = responses.shape[0]!;
  const mean = gpu.empty(x.shape);
  gpu.dispatch('grpo/sequence_mean', {
    operands: { x_N: x, responses_R2: responses, y_N: mean },
    params: { responses: count },
    grid: gridFor(count, 64),
  });
  return mean;
}

/** The keys of `algorithm` that a token's loss depends on, besides its weights. */
export type LossFormula = Pick<
  AlgorithmConfig,
  | 'loss_type'
  | 'importance_sampling_level'
  | 'clip_ratio_low'
  | 'clip_ratio_high'
  | 'clip_ratio_dual'
  | 'sapo_temperature_pos'
  | 'sapo_temperature_neg'
  | 'kl_penalty'
>;

export interface PolicyLossInput {
  /** f32 [N]: log-probabilities under the policy that is trained; the only input with a gradient. */
  logprob_N: tf.Tensor;
  /** f32 [N]: those under the policy that sampled. */
  oldLogprob_N: tf.Tensor;
  /**
   * f32 [N, 4]: log-probability under the reference policy, advantage, weight of the policy term, weight of the KL
   * term; the weights normalise, too.
   */
  token_N4: tf.Tensor;
  /** int32 [R, 2]: first token, and tokens, of each response, which cover all N; read at the level of sequences. */
  responses_R2: tf.Tensor;
}

/**
 * The weighted sum over tokens of a policy term and a KL estimate, by the formulas of docs/numerics.md. Differentiable
 * in `logprob_N` (subgradients as PyTorch).
 * @returns the loss, without dimensions, and per token [N, 4], without gradient: policy term, KL estimate, ratio, and
 * which bound holds the ratio (-1 low, +1 high or CISPO's cap, +2 dual, 0 none)
 * @throws {ShapeError} when the lengths disagree
 * @see TRL's GRPOTrainer `_compute_loss`
 */
export function policyLoss(
  { logprob_N, oldLogprob_N, token_N4, responses_R2 }: PolicyLossInput,
  formula: LossFormula,
): { loss: tf.Scalar; terms_N4: tf.Tensor2D } {
  checkShape('policyLoss.logprob_N', logprob_N.shape, [null]);
  const count = logprob_N.shape[0];
  checkShape('policyLoss.oldLogprob_N', oldLogprob_N.shape, [count]);
  checkShape('policyLoss.token_N4', token_N4.shape, [count, 4]);
  checkShape('policyLoss.responses_R2', responses_R2.shape, [null, 2]);
  const logRatio_N = tf.sub(logprob_N, oldLogprob_N);
  const [loss, terms] = policyLossOp(
    {
      logprob: logprob_N,
      logRatio:
        formula.importance_sampling_level === 'sequence'
          ? sequenceMeanOp({ x: logRatio_N, responses: responses_R2 }, {})[0]
          : logRatio_N,
      token: token_N4,
    },
    {
      loss: LOSSES[formula.loss_type] ?? CLIPPED,
      kl: ESTIMATORS[formula.kl_penalty],
      low: 1 - formula.clip_ratio_low,
      high: 1 + formula.clip_ratio_high,
      dual: formula.clip_ratio_dual ?? NO_DUAL_CLIP,
      t_pos: formula.sapo_temperature_pos,
      t_neg: formula.sapo_temperature_neg,
    },
  );
  return { loss: loss as tf.Scalar, terms_N4: terms as tf.Tensor2D };
}
