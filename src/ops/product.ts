/**
 * Launchers of matrix products with a weight or its gradient. `nt` is x wᵀ, `nn` dy w, `tn` dyᵀ x: what a linear
 * layer and its backward pass are made of.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import type { Dispatch, Operand } from '../gpu/operands.ts';
import type { RowRange } from './rows.ts';
import { FORMATS, type WeightFormat, type WeightSlice, VALUES_OF_16_BYTES } from './weight.ts';

/** A matrix, or some of its rows. */
type Matrix = tf.TensorInfo | RowRange;

function operandOf(matrix: Matrix): Operand {
  return 'operand' in matrix ? matrix.operand : matrix;
}

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
 * Rows up to which a GPU splits their sums among the threads of a workgroup. The bits are those of shared tiles; where
 * these become the faster form has not been measured on a card.
 */
const FEW_ROWS = 256;

type Tiling = Required<Pick<Dispatch, 'constants' | 'grid'>>;

/** Constants and grid of a tall tile. */
function tallTile(rows: number, columns: number): Tiling {
  const HEIGHT = rows > 8 ? 16 : 8;
  return { constants: { HEIGHT }, grid: [Math.ceil(columns / 64), Math.ceil(rows / HEIGHT)] };
}

/** Of the tiles that the threads of a workgroup share. */
const TILE_COLUMNS = 64;

/** Workgroups that keep a large GPU busy: two for each of its 132 to 170 multiprocessors. */
const MANY_TILES = 256;

/** Tiles of rows that go along the columns together. */
const TILES_TOGETHER = 8;

/** Constants and grid of shared tiles of the result: higher ones read less, where enough of them are left. */
function sharedTile(rows: number, columns: number): Tiling {
  const across = Math.ceil(columns / TILE_COLUMNS);
  const TILE_ROWS = Math.ceil(rows / 64) * across < MANY_TILES ? 32 : 64;
  return {
    constants: { TILE_ROWS },
    grid: [TILES_TOGETHER, across, Math.ceil(rows / TILE_ROWS / TILES_TOGETHER)],
  };
}

function ntForm(rows: number, inner: number, columns: number, format: WeightFormat): NtForm {
  const gpu = currentGpu();
  const FORMAT = FORMATS.indexOf(format);
  if (gpu.sharesWork && (rows > FEW_ROWS || inner % VALUES_OF_16_BYTES[format] !== 0)) {
    const { constants, grid } = sharedTile(rows, columns);
    return { path: 'linear/linear_nt_tile', innerUnit: 4, constants: { ...constants, FORMAT }, grid };
  }
  if (gpu.sharesWork) {
    const ROWS = [1, 4].find((few) => rows <= few) ?? 8;
    const grid = [Math.ceil(rows / ROWS), Math.ceil(columns / 16)] as const;
    return { path: 'linear/linear_nt_split', innerUnit: 4, constants: { FORMAT, ROWS }, grid };
  }
  if (gpu.family === 'wide-cpu' && format === 'f32' && rows >= MANY_ROWS) {
    return { path: 'linear/linear_nt_tall', innerUnit: 1, ...tallTile(rows, columns) };
  }
  // A row costs nothing but its own reads where there are one or two.
  const ROWS = rows <= 2 ? 1 : rows <= 4 ? 4 : 8;
  const grid = [Math.ceil(columns / 32), Math.ceil(rows / ROWS)] as const;
  return { path: 'linear/linear_nt', innerUnit: 4, constants: { FORMAT, ROWS }, grid };
}

/** Launches out[n, offset + m] (+)= scale · x_NK wᵀ (+ bias) (+ residual) for one slice of the weight's rows. */
export function launchProductNt(
  x: Matrix,
  slice: WeightSlice,
  format: WeightFormat,
  out: tf.TensorInfo,
  { bias, residual, offset = 0, accumulate = false, scale = 1, gated = false }: ProductNtOptions = {},
): void {
  const [rows, inner] = x.shape as [number, number];
  const { path, innerUnit, constants, grid } = ntForm(rows, inner, slice.rows, format);
  const x_NK = operandOf(x);
  currentGpu().dispatch(path, {
    operands: {
      x_NK,
      w_MK: slice.operand,
      // The kernel for f32 alone has none.
      ...('FORMAT' in constants && { scales_MG: slice.scales?.operand ?? x_NK }),
      bias_Y: bias ?? x_NK,
      residual_NY: residual ?? x_NK,
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
      ...slice.scales?.constants,
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
  out: Matrix,
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
  const operands = { x_NM: dy, w_MK: slice.operand, y_NK: operandOf(out) };
  const stride = dy.shape[1]!;
  if (gpu.family === 'wide-cpu' && format === 'f32' && rows >= MANY_ROWS) {
    gpu.dispatch('linear/linear_nn_tall', {
      operands,
      params: { ...params, x_stride: stride, x_offset: offset },
      ...tallTile(rows, columns),
    });
    return;
  }
  const constants = { FORMAT: FORMATS.indexOf(format), ...slice.scales?.constants };
  const dispatch = {
    operands: { ...operands, scales_MG: slice.scales?.operand ?? dy },
    params: { ...params, x_stride: stride / 4, x_offset: offset / 4 },
  };
  if (gpu.sharesWork) {
    const tile = sharedTile(rows, columns);
    gpu.dispatch('linear/linear_nn_tile', {
      ...dispatch,
      ...tile,
      constants: { ...constants, ...tile.constants },
    });
    return;
  }
  gpu.dispatch('linear/linear_nn', {
    ...dispatch,
    constants,
    grid: [Math.ceil(columns / 32), Math.ceil(rows / 64)],
  });
}

/** Terms that a piece of a long sum has at least, so that adding up the pieces stays small beside them. */
const PIECE = 256;

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
  const inFours = { ...params, dy_stride: stride / 4, dy_offset: offset / 4 };
  if (gpu.sharesWork) {
    launchTnTile(operands, inFours);
    return;
  }
  gpu.dispatch('linear/linear_tn', {
    operands,
    params: inFours,
    grid: [Math.ceil(columns / 32), Math.ceil(dw.rows / 64)],
  });
}

/** In pieces of the sum where the result has too few tiles, such as that of an adapter; they are added in order. */
function launchTnTile(
  operands: Record<'dy_NM' | 'x_NK' | 'dw_MK', Operand>,
  params: Record<'inner' | 'rows' | 'columns' | 'dy_stride' | 'dy_offset', number>,
): void {
  const gpu = currentGpu();
  const { inner, rows, columns } = params;
  const TILE_ROWS = rows > 32 ? 64 : 32;
  const [across, down] = [Math.ceil((columns * 4) / TILE_COLUMNS), Math.ceil(rows / TILE_ROWS)];
  const most = Math.min(Math.floor(MANY_TILES / (across * down)), Math.floor(inner / PIECE));
  const piece = Math.ceil(inner / Math.max(1, most));
  const pieces = Math.ceil(inner / piece);
  const sums = pieces > 1 ? gpu.empty([pieces, rows * columns * 4]) : undefined;
  gpu.dispatch('linear/linear_tn_tile', {
    operands: { ...operands, dw_MK: sums ?? operands.dw_MK },
    params: { ...params, piece },
    constants: { TILE_ROWS },
    grid: [across, down, pieces],
  });
  if (!sums) return;
  launchColumnSum(sums, operands.dw_MK);
  gpu.release(sums);
}

/** Launches sum_M = Σ_n x_NM. */
export function launchColumnSum(x: tf.TensorInfo, sum: Operand): void {
  const [rows, columns] = x.shape as [number, number];
  currentGpu().dispatch('linear/column_sum', {
    operands: { dy_NM: x, sum_M: sum },
    params: { rows, columns },
    grid: [Math.ceil(columns / 64)],
  });
}
