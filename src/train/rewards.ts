/** Scores the episodes of a step, group by group, while the policy still samples the others. */
import type { Episode } from '../grpo/episode.ts';
import { RandomStream } from '../util/random.ts';
import type { Run } from './run.ts';

export class StepRewards {
  readonly #run: Pick<Run, 'config' | 'reward'>;
  readonly #pending: Promise<void>[] = [];

  constructor(run: Pick<Run, 'config' | 'reward'>) {
    this.#run = run;
  }

  /** Begins to score a group; its episodes have their rewards when `finish` is through. */
  readonly start = (group: readonly Episode[]): void => {
    const scored = this.#score(group.filter(({ reward }) => reward.method === ''));
    // Whatever fails is thrown by `finish`.
    scored.catch(() => {});
    this.#pending.push(scored);
  };

  /**
   * Waits for all groups that have begun; `groups` are those that came since the last call. The control experiment `reward.shuffle_in_group` then deals the same rewards at random
   * inside each group.
   * @throws {DataError} {ServiceError} what scoring a group has thrown
   */
  async finish(groups: readonly Episode[][], step: number): Promise<void> {
    await Promise.all(this.#pending);
    this.#run.reward.checkFailures();
    const { reward, trainer } = this.#run.config;
    if (!reward.shuffle_in_group) return;
    groups.forEach((group) => {
      const random = new RandomStream(trainer.seed, 'shuffle', step, group[0]!.promptIndex);
      const rewards = random.shuffle(group.map((episode) => episode.reward));
      group.forEach((episode, i) => (episode.reward = rewards[i]!));
    });
  }

  /** Replayed episodes carry their rewards already. */
  async #score(episodes: readonly Episode[]): Promise<void> {
    if (episodes.length === 0) return;
    const scores = await this.#run.reward.score(
      episodes.map(({ row, text, tokens }) => ({ row, response: text, responseTokens: tokens.length })),
    );
    episodes.forEach((episode, i) => (episode.reward = scores[i]!));
  }
}
