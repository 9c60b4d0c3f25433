/** Group-relative advantages of the episodes of a step, computed by kernels/grpo. */
import * as tf from '@tensorflow/tfjs';
import type { AlgorithmConfig } from '../config/schema.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Episode, netReward } from '../grpo/episode.ts';
import { groupAdvantage, type Scale } from '../ops/group-advantage.ts';

type Value = (episode: Episode) => number | null;

/**
 * Fills in `advantage`: (r - mean) / (std + 1e-4) inside each group, where r is the weighted sum of the parts less the
 * KL penalty, and std that of the group or, with `scale_rewards: batch`, of the batch. With
 * `normalize_then_sum` every part is normalised inside the group by itself, and their weighted sum once more over
 * the batch (GDPO, arXiv 2601.05242). What is null stays out of its mean and deviation. Groups must be of one size.
 * @param weights of the parts, by their names
 */
export async function addAdvantages(
  gpu: Gpu,
  groups: readonly Episode[][],
  algorithm: Pick<AlgorithmConfig, 'scale_rewards' | 'multi_objective_aggregation'>,
  weights: Readonly<Record<string, number>>,
): Promise<void> {
  const { scale_rewards: scale } = algorithm;
  const advantages = tf.tidy(() =>
    algorithm.multi_objective_aggregation === 'sum_then_normalize'
      ? normalised(groups, netReward, scale)
      : normalisedThenSummed(groups, weights, scale),
  );
  const values = await gpu.read(advantages);
  advantages.dispose();
  groups.flat().forEach((episode, i) => {
    episode.advantage = values[i]!;
  });
}

/** [B, G] */
function normalised(groups: readonly Episode[][], value: Value, scale: Scale): tf.Tensor2D {
  const values = groups.flat().map(value);
  const shape: [number, number] = [groups.length, groups[0]!.length];
  const reward_BG = tf.tensor2d(
    Float32Array.from(values, (known) => known ?? 0),
    shape,
  );
  const known_BG = tf.tensor2d(
    Float32Array.from(values, (known) => (known === null ? 0 : 1)),
    shape,
  );
  return groupAdvantage(reward_BG, known_BG, scale);
}

/** [B, G] */
function normalisedThenSummed(
  groups: readonly Episode[][],
  weights: Readonly<Record<string, number>>,
  scale: Scale,
): tf.Tensor2D {
  const parts = Object.entries(weights).map(([name, weight]) =>
    tf.mul(
      normalised(groups, ({ reward }) => reward.parts[name] ?? null, scale),
      weight,
    ),
  );
  const sum = tf.addN(parts);
  const batch: [number, number] = [1, sum.size];
  return groupAdvantage(sum.reshape(batch), tf.ones(batch), scale).reshape([
    groups.length,
    groups[0]!.length,
  ]);
}
