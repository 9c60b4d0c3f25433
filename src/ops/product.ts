/**
 * Launchers of matrix products with a weight or its gradient. `nt` is x wᵀ, `nn` dy w, `tn` dyᵀ x: what a linear
 * layer and its backward pass are made of.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import type { Dispatch } from '../gpu/operands.ts';
import { FORMATS, type WeightFormat, type WeightSlice, VALUES_OF_16_BYTES } from './weight.ts';

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
  /** Writes silu(gate) · up of the first and the second half of the weight's rows, with none of the above but scale. */
  gated?: boolean;
}

/** A kernel of x wᵀ, and how it is tiled. */
interface NtForm {
  path: string;
  /** Values that it counts the inner dimension in. */
  innerUnit: number;
  constants: Readonly<Record<string, number>>;
  grid: Dispatch['grid'];
}

/** Rows from which on a thread of a tall tile has enough of them. */
const MANY_ROWS = 5;

/**
 * Rows up to which a GPU splits their sums among the threads of a workgroup. The bits are those of the other form;
 * where it becomes the faster one has not been measured on a card.
 */
const FEW_ROWS = 256;

/** Constants and grid of a tall tile. */
function tallTile(rows: number, columns: number): Required<Pick<Dispatch, 'constants' | 'grid'>> {
  const HEIGHT = rows > 8 ? 16 : 8;
  return { constants: { HEIGHT }, grid: [Math.ceil(columns / 64), Math.ceil(rows / HEIGHT)] };
}

function ntForm(rows: number, inner: number, columns: number, format: WeightFormat): NtForm {
  const gpu = currentGpu();
  const FORMAT = FORMATS.indexOf(format);
  if (gpu.sharesWork && rows <= FEW_ROWS && inner % VALUES_OF_16_BYTES[format] === 0) {
    const ROWS = [1, 4].find((few) => rows <= few) ?? 8;
    const grid = [Math.ceil(rows / ROWS), Math.ceil(columns / 16)] as const;
    return { path: 'linear/linear_nt_split', innerUnit: 4, constants: { FORMAT, ROWS }, grid };
  }
  if (gpu.family === 'wide-cpu' && format === 'f32' && rows >= MANY_ROWS) {
    return { path: 'linear/linear_nt_tall', innerUnit: 1, ...tallTile(rows, columns) };
  }
  // A row costs nothing but its own reads where there are one or two.
  const ROWS = rows <= 2 ? 1 : rows <= 4 ? 4 : 8;
  const LANES = gpu.isSoftware ? 8 : 64;
  const grid = [Math.ceil(columns / 4 / LANES), Math.ceil(rows / ROWS)] as const;
  return {
    path: 'linear/linear_nt',
    innerUnit: 4,
    constants: { FORMAT, ROWS, LANES, BLOCKED: gpu.sharesWork ? 1 : 0 },
    grid,
  };
}

/** Launches out[n, offset + m] (+)= scale · x_NK wᵀ (+ bias) (+ residual) for one slice of the weight's rows. */
export function launchProductNt(
  x: tf.TensorInfo,
  slice: WeightSlice,
  format: WeightFormat,
  out: tf.TensorInfo,
  { bias, residual, offset = 0, accumulate = false, scale = 1, gated = false }: ProductNtOptions = {},
): void {
  const [rows, inner] = x.shape as [number, number];
  const { path, innerUnit, constants, grid } = ntForm(rows, inner, slice.rows, format);
  currentGpu().dispatch(path, {
    operands: {
      x_NK: x,
      w_MK: slice.operand,
      // The kernel for f32 alone has none.
      ...('FORMAT' in constants && { scales_MG: slice.scales ?? x }),
      bias_Y: bias ?? x,
      residual_NY: residual ?? x,
      y_NY: out,
    },
    params: {
      rows,
      inner: inner / innerUnit,
      columns: gated ? slice.rows / 2 : slice.rows,
      y_stride: out.shape[1]!,
      y_offset: offset,
      scale,
    },
    constants: {
      ...constants,
      HAS_BIAS: bias ? 1 : 0,
      HAS_RESIDUAL: residual ? 1 : 0,
      ACCUMULATE: accumulate ? 1 : 0,
      GATED: gated ? 1 : 0,
    },
    grid,
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
  const gpu = currentGpu();
  const [rows, columns] = out.shape as [number, number];
  const params = {
    rows,
    inner: slice.rows,
    columns: columns / 4,
    accumulate: accumulate ? 1 : 0,
    scale,
  };
  const operands = { x_NM: dy, w_MK: slice.operand, y_NK: out };
  const stride = dy.shape[1]!;
  if (gpu.family === 'wide-cpu' && format === 'f32' && rows >= MANY_ROWS) {
    gpu.dispatch('linear/linear_nn_tall', {
      operands,
      params: { ...params, x_stride: stride, x_offset: offset },
      ...tallTile(rows, columns),
    });
    return;
  }
  gpu.dispatch('linear/linear_nn', {
    operands: { ...operands, scales_MG: slice.scales ?? dy },
    params: { ...params, x_stride: stride / 4, x_offset: offset / 4 },
    constants: { FORMAT: FORMATS.indexOf(format) },
    grid: [Math.ceil(columns / 32), Math.ceil(rows / 64)],
  });
}

/** Launches the rows of one slice of dw: dw[m, k] = Σ_n dy[n, offset + m] · x_NK. */
export function launchProductTn(dy: tf.TensorInfo, x: tf.TensorInfo, dw: WeightSlice, offset = 0): void {
  const gpu = currentGpu();
  const [inner, columns] = x.shape as [number, number];
  const operands = { dy_NM: dy, x_NK: x, dw_MK: dw.operand };
  const params = { inner, rows: dw.rows, columns: columns / 4 };
  const stride = dy.shape[1]!;
  if (gpu.family === 'wide-cpu') {
    gpu.dispatch('linear/linear_tn_tall', {
      operands,
      params: { ...params, dy_stride: stride, dy_offset: offset },
      ...tallTile(dw.rows, columns),
    });
    return;
  }
  gpu.dispatch('linear/linear_tn', {
    operands,
    params: { ...params, dy_stride: stride / 4, dy_offset: offset / 4 },
    grid: [Math.ceil(columns / 32), Math.ceil(dw.rows / 64)],
  });
}
