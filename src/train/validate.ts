/** Accuracy on held-out rows. */
import type { Episode } from '../grpo/episode.ts';
import { addRewards } from './rewards.ts';
import { episodeOf, rolloutRow } from './rollouts.ts';
import type { Metrics } from './run-folder.ts';
import type { Run } from './run.ts';

/** Rows whose prompts and responses are in flight at once. */
const ROWS_AT_ONCE = 512;

/** Answers every held-out row once, scores the answers and writes them to the run's folder. */
export async function validate(run: Run, step: number): Promise<Metrics> {
  const { config, valRows, rollouts, prompts } = run;
  const start = performance.now();
  const episodes: Episode[] = [];
  for (let first = 0; first < valRows.length; first += ROWS_AT_ONCE) {
    const rows = valRows.slice(first, first + ROWS_AT_ONCE);
    const requests = await Promise.all(
      rows.map(async (row) => ({ prompt: await prompts.of(row), count: 1 })),
    );
    const groups = await rollouts.generate(requests, {
      temperature: config.rollout.val_temperature,
      maxTokens: config.data.max_response_length,
      seed: config.trainer.seed,
      step,
    });
    groups.forEach(([response], i) =>
      episodes.push(episodeOf(rows[i]!, requests[i]!.prompt, response!, first + i, 0)),
    );
  }
  const groups = episodes.map((episode) => [episode]);
  addRewards(groups, { ...config.reward, shuffle_in_group: false }, step, config.trainer.seed);
  await run.folder.writeRollouts(
    'val',
    step,
    groups.map((group) => rolloutRow(group, step)),
  );
  const mean = (value: (episode: Episode) => number) =>
    episodes.reduce((sum, e) => sum + value(e), 0) / episodes.length;
  const parts = Object.keys(episodes[0]!.reward.parts);
  return {
    'val/reward_score': mean(({ reward }) => reward.reward),
    ...Object.fromEntries(
      parts.map((part) => [`val/${part}_reward`, mean(({ reward }) => reward.parts[part]!)]),
    ),
    'val_response_length/mean': mean(({ tokens }) => tokens.length),
    'timing_s/validation': (performance.now() - start) / 1000,
  };
}
