/** Float64 reference of the advantages, as TRL computes them. */

/** Shapes as in `src/ops/group-advantage.ts`. */
export function groupAdvantage(
  reward: ArrayLike<number>,
  known: ArrayLike<number>,
  group: number,
  scale: boolean,
): Float64Array {
  const advantage = new Float64Array(reward.length);
  for (let first = 0; first < reward.length; first += group) {
    const places = Array.from({ length: group }, (_, g) => first + g).filter((i) => known[i] === 1);
    const mean = places.reduce((sum, i) => sum + reward[i]!, 0) / places.length;
    const squares = places.reduce((sum, i) => sum + (reward[i]! - mean) ** 2, 0);
    const std = places.length > 1 ? Math.sqrt(squares / (places.length - 1)) : 0;
    for (const i of places) advantage[i] = (reward[i]! - mean) / (scale ? std + 1e-4 : 1);
  }
  return advantage;
}
