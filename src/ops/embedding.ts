/**
 * Gathering rows: token embeddings with image features in their places, and the rows of hidden states that
 * feed the head. The map of rows carries its inverse, so that the gradient of a row is a sum in a fixed order
 * instead of atomic additions.
 */
import * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { checkStored, FORMATS, weightSlices, type Scales, type Weight } from './weight.ts';
import { asTensor, checkShape, defineOp, NAN_BITS } from './op.ts';

/** On the GPU. */
export interface RowMap {
  /** int32 [N]: row of the table, or -1 - f for row f of the features. */
  index_N: tf.Tensor;
  /**
   * int32 [R + F + 1]: where the positions of each row of the table, then of each row of the features, begin in
   * `order`. Needed for gradients.
   */
  starts?: tf.Tensor;
  /** int32 [N]: the positions n, sorted by the row that they take, then by n. */
  order?: tf.Tensor;
}

/** A `RowMap` on the host. */
export interface HostRowMap {
  index: Int32Array;
  starts: Int32Array;
  order: Int32Array;
}

/**
 * Inverts `index` by counting.
 * @param index [N], as `RowMap.index_N`
 * @param rows rows R of the table
 * @param features rows F of the features; 0 when there are none
 * @throws {ShapeError} when an index lies outside the table and the features
 */
export function buildRowMap(index: Int32Array, rows: number, features = 0): HostRowMap {
  const starts = new Int32Array(rows + features + 1);
  const place = (row: number): number => (row >= 0 ? row : rows - 1 - row);
  index.forEach((row, n) => {
    if (row >= rows || -1 - row >= features) {
      throw new ShapeError({
        where: `buildRowMap.index[${n}]`,
        expected: `${-features} to ${rows - 1}`,
        found: String(row),
      });
    }
    starts[place(row) + 1]! += 1;
  });
  for (let at = 1; at < starts.length; at++) starts[at]! += starts[at - 1]!;
  const next = starts.slice();
  const order = new Int32Array(index.length);
  index.forEach((row, n) => (order[next[place(row)]!++] = n));
  return { index, starts, order };
}

/** Uploads the map as tensors of TensorFlow.js (freed by tidy or dispose). Not inside a recorded plan. */
export function uploadRowMap({ index, starts, order }: HostRowMap): Required<RowMap> {
  const upload = (values: Int32Array) => {
    // A buffer needs at least one element.
    const tensor = tf.tensor1d(values.length > 0 ? values : new Int32Array(1), 'int32');
    currentGpu().buffer(tensor);
    return tensor;
  };
  return { index_N: upload(index), starts: upload(starts), order: upload(order) };
}

interface GatherAttrs {
  [name: string]: number | boolean | Scales | undefined;
  format: number;
  scales: Scales | undefined;
  tableRows: number;
  columns: number;
  /** Whether `starts` and `order` are the map's own and not stand-ins. */
  hasInverse: boolean;
  features: number;
}

type GatherInput = 'table' | 'features' | 'index' | 'starts' | 'order';

const gatherOp = defineOp<GatherInput, GatherAttrs>({
  name: 'WethinkGatherRows',
  saveInputs: ['starts', 'order'],
  forward({ table, features, index }, { format, scales, tableRows, columns }) {
    const gpu = currentGpu();
    const rows = index.shape[0];
    const out = gpu.empty([rows, columns]);
    for (const slice of weightSlices(table, Infinity, scales)) {
      gpu.dispatch('embedding/gather_rows_fwd', {
        operands: {
          table_RD: slice.operand,
          scales_RG: slice.scales?.operand ?? slice.operand,
          features_FD: features ?? slice.operand,
          index_N: index,
          out_ND: out,
        },
        params: {
          rows,
          columns: columns / 4,
          first_row: slice.firstRow,
          slice_rows: slice.rows,
          table_rows: tableRows,
          feature_rows: features?.shape[0] ?? 0,
          nan_bits: NAN_BITS,
        },
        constants: { FORMAT: format, ...slice.scales?.constants },
        grid: gridFor((rows * columns) / 4, 64),
      });
    }
    return [out];
  },
  gradient([dy], [starts, order], { tableRows, columns, hasInverse, features }) {
    const gradient = (first: number, rows: number) => () => {
      if (hasInverse) return asTensor(rowGradient(dy!, starts!, order!, first, [rows, columns]));
      throw new ShapeError({
        where: 'gatherRows.map.starts and map.order',
        expected: 'tensors, for the gradient',
        found: 'none',
      });
    };
    return { table: gradient(0, tableRows), features: gradient(tableRows, features) };
  },
});

/** The gradient of the table's rows, or of the features', which follow from `first` on. */
function rowGradient(
  dy: tf.TensorInfo,
  starts: tf.TensorInfo,
  order: tf.TensorInfo,
  first: number,
  shape: readonly [number, number],
): tf.TensorInfo {
  const gpu = currentGpu();
  const [, columns] = shape;
  const gradient = gpu.empty(shape);
  for (const { firstRow, rows, operand } of weightSlices(gradient)) {
    gpu.dispatch('embedding/gather_rows_bwd', {
      operands: { dy_ND: dy, starts, order, drows_RD: operand },
      params: { first_row: first + firstRow, slice_rows: rows, columns: columns / 4 },
      grid: gridFor((rows * columns) / 4, 64),
    });
  }
  return gradient;
}

/**
 * out_ND[n] = table[index[n]], or a row of the features where the index is negative. An index outside both
 * yields NaN. Differentiable in an f32 table (dense: every row of the gradient is written) and in the features.
 * @param table [R, D]: a weight in any format, or an f32 tensor
 * @param features_FD f32 [F, D]
 * @throws {ShapeError} when the shapes disagree, D is not a multiple of 4, or the map lacks what a gradient needs
 */
export function gatherRows(table: Weight | tf.Tensor, map: RowMap, features_FD?: tf.Tensor): tf.Tensor2D {
  if (!('tensor' in table)) checkShape('gatherRows.table_RD', table.shape, [null, null]);
  const weight: Weight =
    'tensor' in table ? table : { tensor: table, format: 'f32', shape: table.shape as [number, number] };
  checkStored('gatherRows.table_RD', weight);
  const { tensor, format, scales, shape } = weight;
  const [tableRows, columns] = shape;
  if (columns % 4 !== 0) {
    throw new ShapeError({ where: 'gatherRows.table_RD', expected: 'columns in fours', found: `${columns}` });
  }
  if (features_FD) checkShape('gatherRows.features_FD', features_FD.shape, [null, columns]);
  const features = features_FD?.shape[0] ?? 0;
  if (map.starts) checkShape('gatherRows.map.starts', map.starts.shape, [tableRows + features + 1]);
  const { index_N, starts, order } = map;
  return gatherOp(
    {
      table: tensor,
      features: features_FD,
      index: index_N,
      // The tape saves both, so an absent one needs a stand-in.
      starts: starts ?? index_N,
      order: order ?? index_N,
    },
    {
      format: FORMATS.indexOf(format),
      scales,
      tableRows,
      columns,
      hasInverse: starts !== undefined && order !== undefined,
      features,
    },
  )[0] as tf.Tensor2D;
}
