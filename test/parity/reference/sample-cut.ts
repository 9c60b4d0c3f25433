/** Float64 reference of what penalties and truncation make of a row of logits. */

/** The options of `sampleTokens`, all given. */
export interface Restrictions {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
}

export const NO_RESTRICTIONS: Restrictions = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
};

/** Lowest value that can be chosen. */
const LOWEST = -3.4e38;

/** Penalised, scaled logits, rounded to f32 as the kernel does so that ties are the same; -Infinity: never. */
export function adjusted(
  logits: ArrayLike<number>,
  { temperature, repetitionPenalty }: Pick<Restrictions, 'temperature' | 'repetitionPenalty'>,
  seen: ReadonlySet<number>,
  forbidden: readonly number[],
): Float64Array {
  const penalty = Math.fround(repetitionPenalty);
  const scale = Math.fround(1 / temperature);
  const x = Float64Array.from(logits, (logit, v) => {
    const penalised = seen.has(v) ? Math.fround(logit < 0 ? logit * penalty : logit / penalty) : logit;
    const scaled = Math.fround(penalised * scale);
    return scaled > LOWEST ? scaled : -Infinity;
  });
  for (const v of forbidden) if (v < x.length) x[v] = -Infinity;
  return x;
}

/**
 * What top-k, top-p and min-p keep, as the definitions say it: with ties of the k-th, a token of top-p while
 * less than p lies strictly above it, min-p relative to the largest.
 * @param slack widens (or, below 0, narrows) the bounds of top-p and min-p, for what rounding decides
 */
export function kept(
  x: Float64Array,
  { topK, topP, minP }: Pick<Restrictions, 'topK' | 'topP' | 'minP'>,
  slack = 0,
): Set<number> {
  let ids = [...x.keys()].filter((v) => x[v]! > -Infinity).sort((a, b) => x[b]! - x[a]!);
  const top = x[ids[0]!]!;
  if (topK > 0 && topK < ids.length) ids = ids.filter((v) => x[v]! >= x[ids[topK - 1]!]!);
  if (topP < 1) {
    const total = ids.reduce((sum, v) => sum + Math.exp(x[v]! - top), 0);
    let above = 0;
    let sum = 0;
    ids = ids.filter((v, rank) => {
      if (rank > 0 && x[v] !== x[ids[rank - 1]!]) above = sum;
      sum += Math.exp(x[v]! - top);
      return x[v] === top || above / total < topP + slack;
    });
  }
  return new Set(ids.filter((v) => Math.exp(x[v]! - top) * (1 + slack) >= minP));
}

/** Probabilities of a draw among the ids kept. */
export function distribution(x: Float64Array, ids: ReadonlySet<number>): Float64Array {
  const top = [...ids].reduce((a, v) => Math.max(a, x[v]!), -Infinity);
  const weights = x.map((value, v) => (ids.has(v) ? Math.exp(value - top) : 0));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/**
 * Chance of a chi-square at least as large as that of `counts`. Bins with fewer than five draws expected are
 * taken together; a draw where none is expected makes it 0.
 */
export function chiSquareChance(counts: ArrayLike<number>, probabilities: Float64Array): number {
  const draws = Array.from(counts).reduce((a, b) => a + b, 0);
  const rest = { count: 0, expected: 0 };
  let bins = 0;
  let chiSquare = 0;
  probabilities.forEach((p, v) => {
    if (p === 0 && counts[v]! > 0) chiSquare = Infinity;
    if (p * draws < 5) {
      rest.count += counts[v]!;
      rest.expected += p * draws;
      return;
    }
    bins += 1;
    chiSquare += (counts[v]! - p * draws) ** 2 / (p * draws);
  });
  if (rest.expected > 0) {
    bins += 1;
    chiSquare += (rest.count - rest.expected) ** 2 / rest.expected;
  }
  return bins < 2 ? Number(chiSquare < Infinity) : 1 - lowerGamma((bins - 1) / 2, chiSquare / 2);
}

/** The regularised lower incomplete gamma function for a multiple a of 1/2, by its series. */
function lowerGamma(a: number, x: number): number {
  if (x === Infinity) return 1;
  // ln Γ(a + 1) from Γ(1) or Γ(1/2).
  let logGamma = a % 1 === 0 ? 0 : Math.log(Math.PI) / 2;
  for (let i = a % 1 === 0 ? 1 : 0.5; i <= a; i++) logGamma += Math.log(i);
  let term = Math.exp(a * Math.log(x) - x - logGamma);
  let sum = term;
  for (let n = 1; term > 1e-15 * sum; n++) sum += term *= x / (a + n);
  return sum;
}
