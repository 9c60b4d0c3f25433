/** Float64 reference of the advantages, as TRL computes them. */
import type { Scale } from '../../../src/ops/group-advantage.ts';

/** Shapes as in `src/ops/group-advantage.ts`. */
export function groupAdvantage(
  reward: ArrayLike<number>,
  known: ArrayLike<number>,
  group: number,
  scale: Scale,
): Float64Array {
  const advantage = new Float64Array(reward.length);
  const knownIn = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, g) => first + g).filter((i) => known[i] === 1);
  const batch = std(knownIn(0, reward.length).map((i) => reward[i]!));
  for (let first = 0; first < reward.length; first += group) {
    const places = knownIn(first, group);
    const rewards = places.map((i) => reward[i]!);
    const divisors = { none: 1, group: std(rewards) + 1e-4, batch: batch + 1e-4 };
    for (const i of places) advantage[i] = (reward[i]! - mean(rewards)) / divisors[scale];
  }
  return advantage;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function std(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const squares = values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
