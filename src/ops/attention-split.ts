/**
 * Attention of few rows on GPUs: a workgroup for each row and the query heads of a key head, and where there are few
 * of those, as in decoding, for each chunk of its keys.
 */
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import type { AttentionInputs, AttentionOutputs, AttentionShape } from './attention-shape.ts';

/** Keys that are summed by themselves: enough to outweigh a piece's result, few enough for many pieces. */
export const CHUNK = 128;
/** More workgroups than these fill any GPU without cutting up the rows. */
const ENOUGH_WORKGROUPS = 2048;
/** Above this the rows are not cut up either: less than the smallest binding limit, and little beside a cache. */
const MAX_SCRATCH_BYTES = 64 * 2 ** 20;
/** Query heads of a workgroup at most. */
const MAX_HEADS = 8;
/** Values of a head that the kernels have room for. */
export const MAX_HEAD_DIM = 128;

export interface SplitAttentionShape extends AttentionShape {
  /** Upper bound of the keys of a row. */
  maxKeys: number;
}

/** Query heads for a workgroup: a divisor of those of a key head. */
function headsEach(perKvHead: number): number {
  let heads = Math.min(perKvHead, MAX_HEADS);
  while (perKvHead % heads !== 0) heads -= 1;
  return heads;
}

/** Pieces to cut the keys of each row into; the grid has to cover the longest row, whatever the ranges say. */
function piecesFor(
  rows: number,
  workgroups: number,
  { heads, headDim, maxKeys }: SplitAttentionShape,
): number {
  const pieces = Math.max(1, Math.ceil(maxKeys / CHUNK));
  const scratchBytes = pieces * rows * heads * headDim * 4;
  return workgroups < ENOUGH_WORKGROUPS && scratchBytes <= MAX_SCRATCH_BYTES ? pieces : 1;
}

/** Launches attention as in `attention`; the result does not depend on the number of pieces. */
export function splitAttention(
  { q, k, v, ranges }: AttentionInputs,
  shape: SplitAttentionShape,
): AttentionOutputs {
  const { heads, kvHeads, headDim, scale } = shape;
  const gpu = currentGpu();
  const [rows] = q.shape as [number];
  const quads = headDim / 4;
  const each = headsEach(heads / kvHeads);
  const workgroups = (rows * heads) / each;
  const pieces = piecesFor(rows, workgroups, shape);
  const out = gpu.empty(q.shape);
  const lse = gpu.empty([rows, heads]);
  const values = pieces === 1 ? out : gpu.empty([pieces, rows, heads * headDim]);
  const stats = pieces === 1 ? lse : gpu.empty([pieces, rows, heads, 2]);
  gpu.dispatch('attention/attention_fwd_split', {
    operands: { q_NHE: q, k_MKE: k, v_MKE: v, ranges_N4: ranges, out_PNHE: values, stats_PNH: stats },
    params: { rows, heads, kv_heads: kvHeads, each, quads, pieces, scale },
    constants: { UPPER: each > 4 ? 1 : 0, CHUNK },
    grid: gridFor(workgroups * pieces, 1),
  });
  if (pieces === 1) return [out, lse];
  gpu.dispatch('attention/attention_merge', {
    operands: { values_PNHE: values, stats_PNH: stats, ranges_N4: ranges, out_NHE: out, lse_NH: lse },
    params: { rows, heads, quads },
    constants: { CHUNK },
    grid: gridFor(rows * heads * quads, 64),
  });
  for (const scratch of [values, stats]) gpu.release(scratch);
  return [out, lse];
}
