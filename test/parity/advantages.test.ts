/** Advantages of episodes whose rewards have parts, some of them not known, against float64. */
import { expect, it } from 'vitest';
import type { Episode } from '../../src/grpo/episode.ts';
import { addAdvantages } from '../../src/train/advantages.ts';
import { expectClose, openGpu, randomValues } from './harness.ts';
import type { Scale } from '../../src/ops/group-advantage.ts';
import * as reference from './reference/group-advantage.ts';

// Rewards near 1 have a rounding of 6e-8, which a standard deviation of 0.1 enlarges tenfold, twice in a row.
const TOLERANCE = 6e-6;
const [B, G] = [6, 5];
const WEIGHTS = { accuracy: 0.7, format: 0.3, length: -0.5 };

const device = openGpu();

/** A part is null where its random number is small. */
function part(name: string): (number | null)[] {
  const missing = randomValues(B * G, `${name} missing`);
  return Array.from(randomValues(B * G, name), (value, i) => (missing[i]! < -0.3 ? null : value));
}

function episodes(
  parts: Readonly<Record<string, (number | null)[]>>,
  penalties: ArrayLike<number> = new Float32Array(B * G),
): Episode[][] {
  return Array.from({ length: B }, (_, b) =>
    Array.from({ length: G }, (_, g) => {
      const own = Object.fromEntries(
        Object.entries(parts).map(([name, values]) => [name, values[b * G + g]!]),
      );
      const known = Object.entries(own).filter((entry): entry is [string, number] => entry[1] !== null);
      const sum = known.reduce(
        (total, [name, value]) => total + WEIGHTS[name as keyof typeof WEIGHTS] * value,
        0,
      );
      const reward = own['accuracy'] === null ? null : sum;
      const score = { reward, parts: own, method: 'judge', extracted: '' };
      return { reward: score, klPenalty: penalties[b * G + g]! } as unknown as Episode;
    }),
  );
}

function expected(values: readonly (number | null)[], group: number, scale: Scale): Float64Array {
  const known = values.map((value) => (value === null ? 0 : 1));
  return reference.groupAdvantage(
    values.map((value) => value ?? Number.NaN),
    known,
    group,
    scale,
  );
}

const parts = { accuracy: part('accuracy'), format: part('format'), length: part('length') };

it.each(['group', 'batch', 'none'] as const)(
  'of the sum less the KL penalty, scaled by %s: an unknown reward stays out and gets 0',
  async (scale) => {
    const penalties = randomValues(B * G, 'penalty', 0.2);
    const groups = episodes(parts, penalties);
    const algorithm = { scale_rewards: scale, multi_objective_aggregation: 'sum_then_normalize' } as const;
    await addAdvantages(device.gpu, groups, algorithm, WEIGHTS);
    const rewards = groups
      .flat()
      .map(({ reward: { reward } }, i) => (reward === null ? null : reward - penalties[i]!));
    expect(rewards.filter((reward) => reward === null).length).toBeGreaterThan(0);
    const advantages = groups.flat().map(({ advantage }) => advantage);
    expectClose(advantages, expected(rewards, G, scale), TOLERANCE, 'advantages');
    rewards.forEach((reward, i) => {
      if (reward === null) expect(advantages[i]).toBe(0);
    });
  },
);

it.each(['group', 'none'] as const)('of each part, then summed (GDPO), scaled by %s', async (scale) => {
  const groups = episodes(parts);
  const algorithm = { scale_rewards: scale, multi_objective_aggregation: 'normalize_then_sum' } as const;
  await addAdvantages(device.gpu, groups, algorithm, WEIGHTS);
  const normalised = Object.entries(WEIGHTS).map(([name, weight]) =>
    expected(parts[name as keyof typeof WEIGHTS], G, scale).map((value) => weight * value),
  );
  const sums = Array.from({ length: B * G }, (_, i) =>
    normalised.reduce((sum, values) => sum + values[i]!, 0),
  );
  expectClose(
    groups.flat().map(({ advantage }) => advantage),
    expected(sums, B * G, scale),
    TOLERANCE,
    'advantages',
  );
});
