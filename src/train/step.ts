/**
 * One training step, from rows to an updated policy. This is the page to read first:
 *
 *   rows -> prompts -> rollouts -> rewards -> reference -> advantages -> loss, gradients -> update -> metrics
 *
 * @see DeepSeekMath (arXiv 2402.03300) for GRPO, WeThink (arXiv 2506.07905) for the hybrid reward
 */
import type { Episode } from '../grpo/episode.ts';
import { addAdvantages } from './advantages.ts';
import { episodeMetrics } from './episode-metrics.ts';
import { addKlPenalty } from './kl-penalty.ts';
import { filteredGroups } from './online-filter.ts';
import { addReference, updatePolicy } from './policy-update.ts';
import { synchroniseReference } from './reference-sync.ts';
import { StepRewards } from './rewards.ts';
import type { EpisodeSource } from './rollouts.ts';
import type { Metrics } from './run-folder.ts';
import type { Run } from './run.ts';
import { Stopwatch } from './stopwatch.ts';

export interface StepResult {
  /** Episodes that were trained on, by group: `rollout.n` responses to each prompt. */
  groups: Episode[][];
  metrics: Metrics;
  /** Optimizer updates of the run after this step. */
  updates: number;
}

/**
 * @param step number of the step, from 1; with the seed it keys all randomness
 * @param updates optimizer updates of the run before this step
 */
export async function trainStep(
  run: Run,
  source: EpisodeSource,
  step: number,
  updates: number,
): Promise<StepResult> {
  const { algorithm } = run.config;
  const watch = new Stopwatch();
  const rewards = new StepRewards(run);

  // A group goes to its rewards as soon as it is whole; what is left of them when all are is waited for.
  const { groups, generated, filterMetrics } = await filteredGroups(run.config, step, async (firstPrompt) => {
    const groups = await watch.time('gen', () => source.collect(step, firstPrompt, rewards.start));
    await watch.time('reward', () => rewards.finish(groups, step));
    return groups;
  });
  if (algorithm.kl_coef > 0) await watch.time('ref', () => addReference(run, groups));
  if (!algorithm.use_kl_loss) addKlPenalty(groups, algorithm);
  await watch.time('adv', () => addAdvantages(run.gpu, groups, algorithm, run.reward.weights));
  const meter = await watch.time('update_actor', () => updatePolicy(run, groups, updates));
  synchroniseReference(run, step);

  const metrics = {
    step,
    ...filterMetrics,
    ...episodeMetrics(groups, generated),
    ...meter.metrics(),
    ...watch.metrics(groups.flat()),
    ...run.reward.takeCounters(),
    'perf/max_memory_allocated_gb': run.gpu.budget.peakBytes / 1e9,
  };
  return { groups, metrics, updates: updates + meter.updates };
}
