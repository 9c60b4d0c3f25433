/** Float64 references of the head. Shapes as in `src/ops/logprob.ts`. */
import { linearNn, linearNt, linearTn } from './linear.ts';

export interface Head {
  hidden: ArrayLike<number>;
  weight: ArrayLike<number>;
  target: Int32Array;
  temperature: number;
  /** [N, D, V] */
  shape: readonly [number, number, number];
}

/** Log-probability of the targets, entropy, and the probabilities [N, V]. */
export function logprob({ hidden, weight, target, temperature, shape }: Head): {
  logprob: Float64Array;
  entropy: Float64Array;
  p: Float64Array;
} {
  const [N, , V] = shape;
  const x = linearNt(hidden, weight, shape).map((value) => value / temperature);
  const result = { logprob: new Float64Array(N), entropy: new Float64Array(N), p: new Float64Array(N * V) };
  for (let n = 0; n < N; n++) {
    const row = x.subarray(n * V, (n + 1) * V);
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const logsumexp = top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
    result.logprob[n] = row[target[n]!]! - logsumexp;
    row.forEach((value, v) => {
      const p = Math.exp(value - logsumexp);
      result.p[n * V + v] = p;
      result.entropy[n]! -= p * (value - logsumexp);
    });
  }
  return result;
}

/** Gradients of Σ dy · logprob. */
export function logprobGradient(
  head: Head,
  dy: ArrayLike<number>,
): { hidden: Float64Array; weight: Float64Array } {
  const { hidden, weight, target, temperature, shape } = head;
  const [N, , V] = shape;
  const dlogits = logprob(head).p.map((p, i) => (-p * dy[Math.floor(i / V)]!) / temperature);
  for (let n = 0; n < N; n++) dlogits[n * V + target[n]!]! += dy[n]! / temperature;
  return { hidden: linearNn(dlogits, weight, shape), weight: linearTn(dlogits, hidden, shape) };
}
