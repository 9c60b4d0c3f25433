/** Metrics of a step's episodes, by EasyR1's names. */
import { type Episode, netReward } from '../grpo/episode.ts';
import type { Metrics } from './run-folder.ts';

/** Groups whose rewards differ by less teach nothing: their advantages are zero. */
const ZERO_SPREAD = 1e-6;

/**
 * @param groups those that are trained on
 * @param generated those and what online filtering left out: rewards are reported of all of them, because those of
 *   a filtered choice say little about the policy
 */
export function episodeMetrics(groups: readonly Episode[][], generated: readonly Episode[][]): Metrics {
  const episodes = groups.flat();
  const lengths = episodes.map(({ tokens }) => tokens.length);
  const promptLengths = groups.map(([first]) => first!.prompt.tokens.length);
  return {
    ...rewardMetrics(generated.flat(), 'reward/overall', (part) => `reward/${part}`),
    'reward/unknown_frac': mean(generated.flat().map(({ reward }) => (reward.reward === null ? 1 : 0))),
    ...spread('critic/score', known(episodes.map(({ reward }) => reward.reward))),
    ...spread('critic/rewards', known(episodes.map(netReward))),
    ...spread(
      'critic/advantages',
      episodes.map(({ advantage }) => advantage),
    ),
    'critic/zero_spread_frac': mean(groups.map((group) => (hasSpread(group) ? 0 : 1))),
    ...spread('response_length', lengths),
    'response_length/clip_ratio': mean(episodes.map(({ end }) => (end === 'length' ? 1 : 0))),
    ...spread('prompt_length', promptLengths),
  };
}

/**
 * Means of the reward and of its parts, and of the accuracy by each verifier and model that judged it, such as
 * "reward/accuracy/number". What is not known stays out; what is known of no episode has no metric.
 */
export function rewardMetrics(
  episodes: readonly Episode[],
  overall: string,
  nameOf: (part: string) => string,
): Metrics {
  const parts = [...new Set(episodes.flatMap(({ reward }) => Object.keys(reward.parts)))];
  const byMethod = Map.groupBy(episodes, ({ reward }) => reward.method);
  return Object.fromEntries(
    [
      [overall, episodes.map(({ reward }) => reward.reward)] as const,
      ...parts.map(
        (part) => [nameOf(part), episodes.map(({ reward }) => reward.parts[part] ?? null)] as const,
      ),
      ...[...byMethod].map(
        ([method, judged]) =>
          [
            `${nameOf('accuracy')}/${method}`,
            judged.map(({ reward }) => reward.parts['accuracy'] ?? null),
          ] as const,
      ),
    ].flatMap(([name, values]) => {
      const numbers = known(values);
      return numbers.length === 0 ? [] : [[name, mean(numbers)]];
    }),
  );
}

function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

function hasSpread(group: readonly Episode[]): boolean {
  const rewards = known(group.map(netReward));
  return Math.max(...rewards) - Math.min(...rewards) > ZERO_SPREAD;
}

function spread(name: string, values: readonly number[]): Metrics {
  if (values.length === 0) return {};
  return {
    [`${name}/mean`]: mean(values),
    [`${name}/max`]: values.reduce((a, b) => Math.max(a, b), -Infinity),
    [`${name}/min`]: values.reduce((a, b) => Math.min(a, b), Infinity),
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
