/**
 * Launchers of matrix products with a weight or its gradient. `nt` is x wᵀ, `nn` dy w, `tn` dyᵀ x: what a linear
 * layer and its backward pass are made of.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { FORMATS, type WeightFormat, type WeightSlice } from './weight.ts';

export interface ProductNtOptions {
  /** f32, as long as a row of `out`. */
  bias?: tf.TensorInfo | undefined;
  /** f32, of the shape of `out`, added to it. */
  residual?: tf.TensorInfo | undefined;
  /** Where the slice's columns start in a row of `out`. */
  offset?: number;
  /** Adds to what `out` holds. */
  accumulate?: boolean;
  /** Of the product. */
  scale?: number;
}

/** Rows that a thread computes: as many as there are, where each costs a read of its own. */
function rowsPerThread(rows: number): number {
  if (rows <= 2) return 1;
  return rows <= 4 ? 4 : 8;
}

/** Launches out[n, offset + m] (+)= scale · x_NK wᵀ (+ bias) (+ residual) for one slice of the weight's rows. */
export function launchProductNt(
  x: tf.TensorInfo,
  slice: WeightSlice,
  format: WeightFormat,
  out: tf.TensorInfo,
  { bias, residual, offset = 0, accumulate = false, scale = 1 }: ProductNtOptions = {},
): void {
  const [rows, inner] = x.shape as [number, number];
  const tileRows = rowsPerThread(rows);
  currentGpu().dispatch('linear/linear_nt', {
    operands: {
      x_NK: x,
      w_MK: slice.operand,
      scales_MG: slice.scales ?? x,
      bias_Y: bias ?? x,
      residual_NY: residual ?? x,
      y_NY: out,
    },
    params: {
      rows,
      inner: inner / 4,
      columns: slice.rows,
      y_stride: out.shape[1]!,
      y_offset: offset,
      scale,
    },
    constants: {
      FORMAT: FORMATS.indexOf(format),
      ROWS: tileRows,
      HAS_BIAS: bias ? 1 : 0,
      HAS_RESIDUAL: residual ? 1 : 0,
      ACCUMULATE: accumulate ? 1 : 0,
    },
    grid: [Math.ceil(slice.rows / 32), Math.ceil(rows / tileRows)],
  });
}

export type ProductNnOptions = Pick<ProductNtOptions, 'offset' | 'accumulate' | 'scale'>;

/**
 * Launches out_NK (+)= scale · dy[n, offset + m] w for one slice. Columns of dy past the slice's rows, up to the
 * next multiple of 4, must hold zeros.
 */
export function launchProductNn(
  dy: tf.TensorInfo,
  slice: WeightSlice,
  format: WeightFormat,
  out: tf.TensorInfo,
  { offset = 0, accumulate = false, scale = 1 }: ProductNnOptions = {},
): void {
  const [rows, columns] = out.shape as [number, number];
  currentGpu().dispatch('linear/linear_nn', {
    operands: { x_NM: dy, w_MK: slice.operand, scales_MG: slice.scales ?? dy, y_NK: out },
    params: {
      rows,
      inner: slice.rows,
      columns: columns / 4,
      x_stride: dy.shape[1]! / 4,
      x_offset: offset / 4,
      accumulate: accumulate ? 1 : 0,
      scale,
    },
    constants: { FORMAT: FORMATS.indexOf(format) },
    grid: [Math.ceil(columns / 32), Math.ceil(rows / 64)],
  });
}

/** Launches the rows of one slice of dw: dw[m, k] = Σ_n dy[n, offset + m] · x_NK. */
export function launchProductTn(dy: tf.TensorInfo, x: tf.TensorInfo, dw: WeightSlice, offset = 0): void {
  const [inner, columns] = x.shape as [number, number];
  currentGpu().dispatch('linear/linear_tn', {
    operands: { dy_NM: dy, x_NK: x, dw_MK: dw.operand },
    params: {
      inner,
      rows: dw.rows,
      columns: columns / 4,
      dy_stride: dy.shape[1]! / 4,
      dy_offset: offset / 4,
    },
    grid: [Math.ceil(columns / 32), Math.ceil(dw.rows / 64)],
  });
}
