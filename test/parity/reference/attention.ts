/** Float64 reference of attention over ranges. Shapes as in `src/ops/attention.ts`. */

export interface AttentionCase {
  /** Query rows. */
  N: number;
  /** Key rows. */
  M: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  scale: number;
  /** [N, 4] */
  ranges: ArrayLike<number>;
}

/** The key rows that query row n sees, in order. */
function keysOf({ ranges }: AttentionCase, n: number): number[] {
  const keys: number[] = [];
  for (let m = ranges[4 * n]!; m < ranges[4 * n + 1]!; m++) keys.push(m);
  for (let m = ranges[4 * n + 2]!; m < ranges[4 * n + 3]!; m++) keys.push(m);
  return keys;
}

/** Σ_e a[at + e] · b[bt + e]. */
function product(a: ArrayLike<number>, at: number, b: ArrayLike<number>, bt: number, length: number): number {
  let sum = 0;
  for (let e = 0; e < length; e++) sum += a[at + e]! * b[bt + e]!;
  return sum;
}

/** Calls `visit` for each row and head with its keys' offsets and probabilities. */
function eachSoftmax(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  c: AttentionCase,
  visit: (qAt: number, keyAts: number[], p: number[]) => void,
): void {
  for (let n = 0; n < c.N; n++) {
    const keys = keysOf(c, n);
    for (let h = 0; h < c.heads; h++) {
      const qAt = (n * c.heads + h) * c.headDim;
      const kvHead = Math.floor(h / (c.heads / c.kvHeads));
      const keyAts = keys.map((m) => (m * c.kvHeads + kvHead) * c.headDim);
      const scores = keyAts.map((at) => product(q, qAt, k, at, c.headDim) * c.scale);
      const high = Math.max(...scores);
      const exps = scores.map((score) => Math.exp(score - high));
      const sum = exps.reduce((total, value) => total + value, 0);
      visit(
        qAt,
        keyAts,
        exps.map((value) => value / sum),
      );
    }
  }
}

export function attention(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  c: AttentionCase,
): Float64Array {
  const out = new Float64Array(q.length);
  eachSoftmax(q, k, c, (qAt, keyAts, p) => {
    keyAts.forEach((at, i) => {
      for (let e = 0; e < c.headDim; e++) out[qAt + e]! += p[i]! * v[at + e]!;
    });
  });
  return out;
}

/** Gradients of Σ attention(q, k, v) · dy. */
export function attentionGradients(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  dy: ArrayLike<number>,
  c: AttentionCase,
): { dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  eachSoftmax(q, k, c, (qAt, keyAts, p) => {
    const dp = keyAts.map((at) => product(dy, qAt, v, at, c.headDim));
    const mean = product(p, 0, dp, 0, p.length);
    keyAts.forEach((at, i) => {
      const dScore = p[i]! * (dp[i]! - mean) * c.scale;
      for (let e = 0; e < c.headDim; e++) {
        dq[qAt + e]! += dScore * k[at + e]!;
        dk[at + e]! += dScore * q[qAt + e]!;
        dv[at + e]! += p[i]! * dy[qAt + e]!;
      }
    });
  });
  return { dq, dk, dv };
}
