/** Metrics of a step's episodes, by EasyR1's names. */
import type { Episode } from '../grpo/episode.ts';
import type { Metrics } from './run-folder.ts';

/** Groups whose rewards differ by less teach nothing: their advantages are zero. */
const ZERO_SPREAD = 1e-6;

export function episodeMetrics(groups: readonly Episode[][]): Metrics {
  const episodes = groups.flat();
  const rewards = episodes.map(({ reward }) => reward.reward);
  const lengths = episodes.map(({ tokens }) => tokens.length);
  const promptLengths = groups.map(([first]) => first!.prompt.tokens.length);
  const parts = Object.keys(episodes[0]!.reward.parts);
  return {
    'reward/overall': mean(rewards),
    ...Object.fromEntries(
      parts.map((part) => [`reward/${part}`, mean(episodes.map(({ reward }) => reward.parts[part]!))]),
    ),
    ...spread('critic/score', rewards),
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

function hasSpread(group: readonly Episode[]): boolean {
  const rewards = group.map(({ reward }) => reward.reward);
  return Math.max(...rewards) - Math.min(...rewards) > ZERO_SPREAD;
}

function spread(name: string, values: readonly number[]): Metrics {
  return {
    [`${name}/mean`]: mean(values),
    [`${name}/max`]: values.reduce((a, b) => Math.max(a, b), -Infinity),
    [`${name}/min`]: values.reduce((a, b) => Math.min(a, b), Infinity),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
