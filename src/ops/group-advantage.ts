/** Advantages relative to the group. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { checkShape, defineOp } from './op.ts';

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
