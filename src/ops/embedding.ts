/**
 * Gathering rows: token embeddings with image features in their places, and the rows of hidden states that
 * feed the head. The map of rows carries its inverse, so that the gradient of the table is a sum in a fixed
 * order instead of atomic additions.
 */
import * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { checkStored, FORMATS, weightSlices, type Weight } from './weight.ts';
import { asTensor, checkShape, defineOp } from './op.ts';

/** A quiet NaN: what an index outside the table and the features yields. */
const NAN_BITS = 0x7fc00000;

/** On the GPU. */
export interface RowMap {
  /** int32 [N]: row of the table, or -1 - f for row f of the features. */
  index_N: tf.Tensor;
  /** int32 [R + 1]: where each row's positions begin in `order`. Needed for the gradient of the table. */
  starts?: tf.Tensor;
  /** int32 [N']: the positions n that take a row of the table, sorted by row, then by n. */
  order?: tf.Tensor;
  /** int32 [F]: the n that takes feature f, or -1 when none does. Needed for the gradient of the features. */
  featureRow_F?: tf.Tensor;
}

/** A `RowMap` on the host. */
export interface HostRowMap {
  index: Int32Array;
  starts: Int32Array;
  order: Int32Array;
  featureRow: Int32Array;
}

/**
 * Inverts `index` by counting.
 * @param index [N], as `RowMap.index_N`
 * @param rows rows R of the table
 * @param features rows F of the features; 0 when there are none
 * @throws {ShapeError} when an index lies outside the table and the features, or a feature is taken twice
 */
export function buildRowMap(index: Int32Array, rows: number, features = 0): HostRowMap {
  const starts = new Int32Array(rows + 1);
  const featureRow = new Int32Array(features).fill(-1);
  index.forEach((row, n) => {
    if (row >= rows || -1 - row >= features) {
      throw new ShapeError({
        where: `buildRowMap.index[${n}]`,
        expected: `${-features} to ${rows - 1}`,
        found: String(row),
      });
    }
    if (row >= 0) starts[row + 1]! += 1;
    else if (featureRow[-1 - row] === -1) featureRow[-1 - row] = n;
    else {
      throw new ShapeError({
        where: `buildRowMap.index[${n}]`,
        expected: 'each feature at most once',
        found: `feature ${-1 - row} again`,
      });
    }
  });
  for (let row = 0; row < rows; row++) starts[row + 1]! += starts[row]!;
  const next = starts.slice();
  // A buffer needs at least one element; nothing reads it when no row is taken.
  const order = new Int32Array(Math.max(1, starts[rows]!));
  index.forEach((row, n) => {
    if (row >= 0) order[next[row]!++] = n;
  });
  return { index, starts, order, featureRow };
}

/** Uploads the map as tensors of TensorFlow.js (freed by tidy or dispose). Not inside a recorded plan. */
export function uploadRowMap({ index, starts, order, featureRow }: HostRowMap): Required<RowMap> {
  const upload = (values: Int32Array) => {
    const tensor = tf.tensor1d(values.length > 0 ? values : new Int32Array([-1]), 'int32');
    currentGpu().buffer(tensor);
    return tensor;
  };
  return {
    index_N: upload(index),
    starts: upload(starts),
    order: upload(order),
    featureRow_F: upload(featureRow),
  };
}

interface GatherAttrs {
  [name: string]: number | boolean | tf.TensorInfo | undefined;
  format: number;
  scales: tf.TensorInfo | undefined;
  tableRows: number;
  columns: number;
  /** Whether `starts` and `order`, and `featureRow`, are the map's own and not stand-ins. */
  hasInverse: boolean;
  hasFeatureRow: boolean;
}

type GatherInput = 'table' | 'features' | 'index' | 'starts' | 'order' | 'featureRow';

const gatherOp = defineOp<GatherInput, GatherAttrs>({
  name: 'WethinkGatherRows',
  saveInputs: ['starts', 'order', 'featureRow'],
  forward({ table, features, index }, { format, scales, tableRows, columns }) {
    const gpu = currentGpu();
    const rows = index.shape[0];
    const out = gpu.empty([rows, columns]);
    for (const slice of weightSlices(table, Infinity, scales)) {
      gpu.dispatch('embedding/gather_rows_fwd', {
        operands: {
          table_RD: slice.operand,
          scales_RG: slice.scales ?? slice.operand,
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
        constants: { FORMAT: format },
        grid: gridFor((rows * columns) / 4, 64),
      });
    }
    return [out];
  },
  gradient([dy], [starts, order, featureRow], { tableRows, columns, hasInverse, hasFeatureRow }) {
    return {
      table: () => {
        checkPresent('starts and map.order', hasInverse);
        return asTensor(tableGradient(dy!, starts!, order!, tableRows));
      },
      features: () => {
        checkPresent('featureRow_F', hasFeatureRow);
        return asTensor(featureGradient(dy!, featureRow!, columns));
      },
    };
  },
});

/** @throws {ShapeError} when a part of the map is absent */
function checkPresent(name: string, isPresent: boolean): void {
  if (isPresent) return;
  throw new ShapeError({
    where: `gatherRows.map.${name}`,
    expected: 'tensors, for the gradient',
    found: 'none',
  });
}

function tableGradient(
  dy: tf.TensorInfo,
  starts: tf.TensorInfo,
  order: tf.TensorInfo,
  tableRows: number,
): tf.TensorInfo {
  const gpu = currentGpu();
  const columns = dy.shape[1]!;
  const dtable = gpu.empty([tableRows, columns]);
  for (const { firstRow, rows, operand } of weightSlices(dtable)) {
    gpu.dispatch('embedding/gather_rows_bwd_table', {
      operands: { dy_ND: dy, starts, order, dtable_RD: operand },
      params: { first_row: firstRow, slice_rows: rows, columns: columns / 4 },
      grid: gridFor((rows * columns) / 4, 64),
    });
  }
  return dtable;
}

function featureGradient(dy: tf.TensorInfo, row: tf.TensorInfo, columns: number): tf.TensorInfo {
  const gpu = currentGpu();
  const rows = row.shape[0]!;
  const dfeatures = gpu.empty([rows, columns]);
  gpu.dispatch('embedding/gather_rows_bwd_features', {
    operands: { dy_ND: dy, row_F: row, dfeatures_FD: dfeatures },
    params: { rows, columns: columns / 4 },
    grid: gridFor((rows * columns) / 4, 64),
  });
  return dfeatures;
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
  if (features_FD && map.featureRow_F) {
    checkShape('gatherRows.map.featureRow_F', map.featureRow_F.shape, [features_FD.shape[0]]);
  }
  if (map.starts) checkShape('gatherRows.map.starts', map.starts.shape, [tableRows + 1]);
  const { index_N, starts, order, featureRow_F } = map;
  return gatherOp(
    {
      table: tensor,
      features: features_FD,
      index: index_N,
      // The tape saves all three, so an absent one needs a stand-in.
      starts: starts ?? index_N,
      order: order ?? index_N,
      featureRow: featureRow_F ?? index_N,
    },
    {
      format: FORMATS.indexOf(format),
      scales,
      tableRows,
      columns,
      hasInverse: starts !== undefined && order !== undefined,
      hasFeatureRow: featureRow_F !== undefined,
    },
  )[0] as tf.Tensor2D;
}
