/** Advantages relative to the group. */
import type * as tf from '@tensorflow/tfjs';
import type { AlgorithmConfig } from '../config/schema.ts';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { checkShape, defineOp } from './op.ts';

/** By what standard deviation advantages are divided. */
export type Scale = AlgorithmConfig['scale_rewards'];

/** Values of SCALE in the kernel. */
const SCALES: Readonly<Record<Scale, number>> = { none: 0, group: 1, batch: 2 };

const advantageOp = defineOp<'reward' | 'known', { scale: number }>({
  name: 'WethinkGroupAdvantage',
  forward({ reward, known }, { scale }) {
    const gpu = currentGpu();
    const [prompts, group] = reward.shape as [number, number];
    const advantage = gpu.empty(reward.shape);
    gpu.dispatch('grpo/group_advantage', {
      operands: { reward_BG: reward, known_BG: known, advantage_BG: advantage },
      params: { prompts, group },
      constants: { SCALE: scale },
      grid: gridFor(prompts, 64),
    });
    return [advantage];
  },
});

/**
 * (reward - mean) / (std + 1e-4), with the mean of the group and the sample standard deviation (divisor n - 1; 0 for
 * one reward) of the group or of the whole batch. No gradient.
 * @param reward_BG f32 [B, G]
 * @param known_BG f32 [B, G] of 1 and 0; a reward that is not known stays out of mean and std and gets 0
 * @param scale whose deviation; none leaves out the division
 * @see arXiv 2402.03300, and TRL's `scale_rewards`
 */
export function groupAdvantage(reward_BG: tf.Tensor, known_BG: tf.Tensor, scale: Scale): tf.Tensor2D {
  checkShape('groupAdvantage.reward_BG', reward_BG.shape, [null, null]);
  checkShape('groupAdvantage.known_BG', known_BG.shape, reward_BG.shape);
  return advantageOp({ reward: reward_BG, known: known_BG }, { scale: SCALES[scale] })[0] as tf.Tensor2D;
}
