/**
 * Attention of many rows on GPUs, and its gradients: a workgroup for the queries of a few rows, which share the keys
 * and values that it reads; in the gradients of keys and values one for some keys, which share the queries.
 */
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor, type Dispatch } from '../gpu/operands.ts';
import type {
  AttentionGradientInputs,
  AttentionGradients,
  AttentionInputs,
  AttentionOutputs,
  AttentionShape,
} from './attention-shape.ts';
import { CHUNK } from './attention-split.ts';

/** Queries, or keys, of a workgroup. */
const TILE = 32;
/** Threads among which the quads of a query, or of a key, are spread. */
const LANES = 8;

function slotsFor(headDim: number): number {
  return Math.ceil(headDim / 4 / LANES);
}

/** What the kernels over query rows share: some rows, and of each as many heads of a key head as fit, to a workgroup. */
function queryTiles(
  rows: number,
  { heads, kvHeads, headDim, scale }: AttentionShape,
): Required<Pick<Dispatch, 'params' | 'constants' | 'grid'>> {
  let each = Math.min(heads / kvHeads, TILE);
  while ((heads / kvHeads) % each !== 0) each -= 1;
  const rowCount = Math.floor(TILE / each);
  return {
    params: { rows, heads, kv_heads: kvHeads, each, row_count: rowCount, quads: headDim / 4, scale },
    constants: { SLOTS: slotsFor(headDim) },
    grid: gridFor((Math.ceil(rows / rowCount) * heads) / each, 1),
  };
}

/** Launches attention as in `attention`, with the bits of `splitAttention`; heads of at most `MAX_HEAD_DIM` values. */
export function tileAttention({ q, k, v, ranges }: AttentionInputs, shape: AttentionShape): AttentionOutputs {
  const gpu = currentGpu();
  const [rows] = q.shape as [number];
  const out = gpu.empty(q.shape);
  const lse = gpu.empty([rows, shape.heads]);
  const { params, constants, grid } = queryTiles(rows, shape);
  gpu.dispatch('attention/attention_fwd_tile', {
    operands: { q_NHE: q, k_MKE: k, v_MKE: v, ranges_N4: ranges, out_NHE: out, lse_NH: lse },
    params,
    constants: { ...constants, CHUNK },
    grid,
  });
  return [out, lse];
}

/** Launches the gradients of `attention`; heads of at most `MAX_HEAD_DIM` values. */
export function tileAttentionGradients(
  { q, k, v, ranges, inverse, dOut, stats }: AttentionGradientInputs,
  shape: AttentionShape,
): AttentionGradients {
  const gpu = currentGpu();
  const { heads, kvHeads, headDim, scale } = shape;
  const [[rows], [keyRows]] = [q.shape as [number], k.shape as [number]];
  const operands = { q_NHE: q, k_MKE: k, v_MKE: v, ranges_N4: ranges, dout_NHE: dOut, stats_NH: stats };
  const dq = gpu.empty(q.shape);
  const dkv = gpu.empty([keyRows, 2, kvHeads * headDim]);
  gpu.dispatch('attention/attention_bwd_q_tile', {
    operands: { ...operands, dq_NHE: dq },
    ...queryTiles(rows, shape),
  });
  gpu.dispatch('attention/attention_bwd_kv_tile', {
    operands: { ...operands, inverse_M2: inverse, dkv_M2KE: dkv },
    params: { rows: keyRows, heads, kv_heads: kvHeads, quads: headDim / 4, scale },
    constants: { SLOTS: slotsFor(headDim) },
    grid: gridFor(Math.ceil(keyRows / TILE) * kvHeads, 1),
  });
  return { dq, dkv };
}
