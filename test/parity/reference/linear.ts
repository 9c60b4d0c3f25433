/** Float64 references of the linear layer's products. Shapes as in `src/ops/linear.ts`. */

/** y_NM = x_NK · w_MKᵀ (+ bias_M). */
export function linearNt(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  [N, K, M]: readonly [number, number, number],
  bias?: ArrayLike<number>,
): Float64Array {
  const y = new Float64Array(N * M);
  for (let n = 0; n < N; n++) {
    for (let m = 0; m < M; m++) {
      let sum = bias?.[m] ?? 0;
      for (let k = 0; k < K; k++) sum += x[n * K + k]! * w[m * K + k]!;
      y[n * M + m] = sum;
    }
  }
  return y;
}

/** dx_NK = dy_NM · w_MK. */
export function linearNn(
  dy: ArrayLike<number>,
  w: ArrayLike<number>,
  [N, K, M]: readonly [number, number, number],
): Float64Array {
  const dx = new Float64Array(N * K);
  for (let n = 0; n < N; n++) {
    for (let m = 0; m < M; m++) {
      for (let k = 0; k < K; k++) dx[n * K + k]! += dy[n * M + m]! * w[m * K + k]!;
    }
  }
  return dx;
}

/** dw_MK = dy_NMᵀ · x_NK. */
export function linearTn(
  dy: ArrayLike<number>,
  x: ArrayLike<number>,
  [N, K, M]: readonly [number, number, number],
): Float64Array {
  const dw = new Float64Array(M * K);
  for (let n = 0; n < N; n++) {
    for (let m = 0; m < M; m++) {
      for (let k = 0; k < K; k++) dw[m * K + k]! += dy[n * M + m]! * x[n * K + k]!;
    }
  }
  return dw;
}

/** sum_M = Σ_n dy_NM. */
export function columnSum(dy: ArrayLike<number>, columns: number): Float64Array {
  const sum = new Float64Array(columns);
  for (let i = 0; i < dy.length; i++) sum[i % columns]! += dy[i]!;
  return sum;
}
