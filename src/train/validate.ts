/** Accuracy on held-out rows. */
import type { Episode } from '../grpo/episode.ts';
import { mean, rewardMetrics } from './episode-metrics.ts';
import { StepRewards } from './rewards.ts';
import { episodeOf, rolloutRow } from './rollouts.ts';
import type { Metrics } from './run-folder.ts';
import type { Run } from './run.ts';
import { samplingOf } from './sampling.ts';

/** Rows whose prompts and responses are in flight at once. */
const ROWS_AT_ONCE = 512;

/** Answers every held-out row once, scores the answers and writes them to the run's folder. */
export async function validate(run: Run, step: number): Promise<Metrics> {
  const { config, valRows, rollouts, prompts } = run;
  const start = performance.now();
  const episodes: Episode[] = [];
  const rewards = new StepRewards(run);
  for (let first = 0; first < valRows.length; first += ROWS_AT_ONCE) {
    const rows = valRows.slice(first, first + ROWS_AT_ONCE);
    const requests = await Promise.all(
      rows.map(async (row, i) => ({ prompt: await prompts.of(row), count: 1, id: first + i })),
    );
    const sampling = samplingOf(config, config.rollout.val_temperature, step);
    await rollouts.generate(requests, sampling, (i, [response]) => {
      const episode = episodeOf(rows[i]!, requests[i]!.prompt, response!, first + i, 0);
      episodes[first + i] = episode;
      rewards.start([episode]);
    });
  }
  const groups = episodes.map((episode) => [episode]);
  await rewards.finish(groups, step);
  await run.folder.writeRollouts(
    'val',
    step,
    groups.map((group) => rolloutRow(group, step)),
  );
  return {
    ...rewardMetrics(episodes, 'val/reward_score', (part) => `val/${part}_reward`),
    'val_response_length/mean': mean(episodes.map(({ tokens }) => tokens.length)),
    'timing_s/validation': (performance.now() - start) / 1000,
  };
}
