/** Scores the episodes of a step. */
import type { RewardConfig } from '../config/schema.ts';
import type { Episode } from '../grpo/episode.ts';
import { scoreResponse } from '../reward/hybrid.ts';
import { RandomStream } from '../util/random.ts';

/**
 * Fills in the rewards of episodes that do not carry one already (replayed ones do). The control experiment
 * `reward.shuffle_in_group` deals the same rewards at random inside each group.
 */
export function addRewards(
  groups: readonly Episode[][],
  config: RewardConfig,
  step: number,
  seed: number,
): void {
  for (const episode of groups.flat()) {
    if (episode.reward.method === '') episode.reward = scoreResponse(episode.row, episode.text, config);
  }
  if (config.shuffle_in_group) {
    groups.forEach((group, g) => {
      const rewards = new RandomStream(seed, 'shuffle', step, g).shuffle(group.map(({ reward }) => reward));
      group.forEach((episode, i) => (episode.reward = rewards[i]!));
    });
  }
}
