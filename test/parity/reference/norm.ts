/** Float64 reference of RMSNorm. Shapes as in `src/ops/norm.ts`. */

function inverseRms(x: ArrayLike<number>, n: number, D: number, eps: number): number {
  let squares = 0;
  for (let d = 0; d < D; d++) squares += x[n * D + d]! ** 2;
  return 1 / Math.sqrt(squares / D + eps);
}

export function rmsNorm(x: ArrayLike<number>, weight: ArrayLike<number>, eps: number): Float64Array {
  const D = weight.length;
  return Float64Array.from(
    x,
    (value, i) => value * inverseRms(x, Math.floor(i / D), D, eps) * weight[i % D]!,
  );
}

/** Gradients of Σ rmsNorm(x, weight) · dy. */
export function rmsNormGradients(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  eps: number,
  dy: ArrayLike<number>,
): { dx: Float64Array; dWeight: Float64Array } {
  const D = weight.length;
  const dx = new Float64Array(x.length);
  const dWeight = new Float64Array(D);
  for (let n = 0; n < x.length / D; n++) {
    const inverse = inverseRms(x, n, D, eps);
    let mean = 0;
    for (let d = 0; d < D; d++) mean += (weight[d]! * dy[n * D + d]! * x[n * D + d]!) / D;
    for (let d = 0; d < D; d++) {
      const i = n * D + d;
      dx[i] = inverse * (weight[d]! * dy[i]! - x[i]! * inverse ** 2 * mean);
      dWeight[d]! += dy[i]! * x[i]! * inverse;
    }
  }
  return { dx, dWeight };
}
