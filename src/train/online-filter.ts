/**
 * Online filtering: groups that are all right or all wrong have nothing to compare, so they are left out, and
 * further prompts are sampled until the step has as many groups as it is to train on.
 *
 * @see DAPO (arXiv 2503.14476), "dynamic sampling"; the keys are EasyR1's
 */
import type { AlgorithmConfig, Config } from '../config/schema.ts';
import type { Episode } from '../grpo/episode.ts';
import { ConfigError, DataError } from '../util/errors.ts';
import { mean } from './episode-metrics.ts';
import type { Metrics } from './run-folder.ts';

/** The filter key of the weighted sum of all parts. */
const OVERALL = 'overall';

type Filter = Pick<AlgorithmConfig, 'filter_key' | 'filter_low' | 'filter_high'>;

export interface FilteredGroups {
  /** `data.rollout_batch_size` groups to train on, in the order in which their prompts were sampled. */
  groups: Episode[][];
  /** All groups that were generated for the step. */
  generated: Episode[][];
  /** What the filter counted; nothing where it is off. */
  filterMetrics: Metrics;
}

/**
 * @param generate samples and rewards `data.rollout_batch_size` groups; it is told the number of its first prompt,
 *   so that no try has the random numbers of another
 * @throws {DataError} when `trainer.max_try_make_batch` tries leave too few groups
 */
export async function filteredGroups(
  { algorithm, data, trainer }: Pick<Config, 'algorithm' | 'data' | 'trainer'>,
  step: number,
  generate: (firstPrompt: number) => Promise<Episode[][]>,
): Promise<FilteredGroups> {
  if (!algorithm.online_filtering) {
    const groups = await generate(0);
    return { groups, generated: groups, filterMetrics: {} };
  }
  const size = data.rollout_batch_size;
  const generated: Episode[][] = [];
  const kept: Episode[][] = [];
  let tries = 0;
  while (kept.length < size && tries < trainer.max_try_make_batch) {
    const groups = await generate(generated.length);
    generated.push(...groups);
    kept.push(...groups.filter((group) => sideOf(group, algorithm) === 'within'));
    tries += 1;
  }
  if (kept.length < size) throw tooFew(generated, step, size, { algorithm, trainer });
  const filterMetrics = {
    'filter/num_try_make_batch': tries,
    'filter/generated_groups': generated.length,
    'filter/kept_groups': kept.length,
  };
  return { groups: kept.slice(0, size), generated, filterMetrics };
}

/** @param weights of the parts of the reward, by their names @throws {ConfigError} for a key that is none of them */
export function checkFilterKey(
  { online_filtering: filters, filter_key: key }: Pick<AlgorithmConfig, 'online_filtering' | 'filter_key'>,
  weights: Readonly<Record<string, number>>,
): void {
  const keys = [OVERALL, ...Object.keys(weights)];
  if (!filters || keys.includes(key)) return;
  throw new ConfigError({
    where: 'algorithm.filter_key',
    expected: `one of ${keys.join(', ')}: the reward, or a part of it that is computed`,
    found: key,
  });
}

/**
 * Where the mean of the filter key lies. Responses of unknown reward stay out of it, as they stay out of the
 * advantages; a group of which nothing is known has no mean, and is left out like one that is beyond the bounds.
 */
function sideOf(group: readonly Episode[], filter: Filter): 'unknown' | 'low' | 'within' | 'high' {
  const { filter_key: key, filter_low: low, filter_high: high } = filter;
  const known = group
    .filter(({ reward }) => reward.reward !== null)
    .map(({ reward }) => (key === OVERALL ? reward.reward : (reward.parts[key] ?? null)))
    .filter((value) => value !== null);
  if (known.length === 0) return 'unknown';
  const average = mean(known);
  if (average <= low) return 'low';
  return average >= high ? 'high' : 'within';
}

function tooFew(
  generated: readonly Episode[][],
  step: number,
  size: number,
  { algorithm, trainer }: Pick<Config, 'algorithm' | 'trainer'>,
): DataError {
  const { filter_key: key, filter_low: low, filter_high: high } = algorithm;
  const count = (side: string) => generated.filter((group) => sideOf(group, algorithm) === side).length;
  return new DataError({
    where: `step ${step}: algorithm.online_filtering`,
    expected: `${size} groups with ${low} < mean ${key} < ${high} in at most ${trainer.max_try_make_batch} tries`,
    found:
      `${count('within')} of ${generated.length} groups; ${count('low')} too low, ${count('high')} too high, ` +
      `${count('unknown')} not known`,
    fix:
      'raise trainer.max_try_make_batch and continue with --resume; or start again on easier rows (too low) or ' +
      'harder ones (too high), with more responses in rollout.n, or with wider bounds',
  });
}
