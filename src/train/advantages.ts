/** Group-relative advantages of the episodes of a step, computed by kernels/grpo. */
import * as tf from '@tensorflow/tfjs';
import type { AlgorithmConfig } from '../config/schema.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Episode } from '../grpo/episode.ts';
import { groupAdvantage } from '../ops/grpo.ts';

/** Fills in `advantage`: (r - mean) / (std + 1e-4) inside each group. Groups must be of one size. */
export async function addAdvantages(
  gpu: Gpu,
  groups: readonly Episode[][],
  { scale_rewards }: Pick<AlgorithmConfig, 'scale_rewards'>,
): Promise<void> {
  const size = groups[0]!.length;
  const rewards = Float32Array.from(groups.flat(), ({ reward }) => reward.reward);
  const advantages = tf.tidy(() =>
    groupAdvantage(tf.tensor2d(rewards, [groups.length, size]), scale_rewards === 'group'),
  );
  const values = await gpu.read(advantages);
  advantages.dispose();
  groups.flat().forEach((episode, i) => {
    episode.advantage = values[i]!;
  });
}
