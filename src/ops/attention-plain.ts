/** Attention where every thread works by itself: on drivers that compute on the CPU, and for very long heads. */
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor, type Dispatch } from '../gpu/operands.ts';
import type {
  AttentionGradientInputs,
  AttentionGradients,
  AttentionInputs,
  AttentionOutputs,
  AttentionShape,
} from './attention-shape.ts';
import { longThreads } from './threads.ts';

/** Values of a head that a thread of the kernels keeps. */
const SLICE_DIM = 32;

/** What the kernels over query rows share: two heads of one key head to a thread where there are two. */
function queryLaunch(
  rows: number,
  { heads, kvHeads, headDim, scale }: AttentionShape,
): Pick<Dispatch, 'params' | 'constants' | 'grid'> {
  const pair = (heads / kvHeads) % 2 === 0;
  const quads = headDim / 4;
  const threads = ((rows * heads) / (pair ? 2 : 1)) * Math.ceil(headDim / SLICE_DIM);
  const { constants, grid } = longThreads(threads);
  return {
    params: { rows, heads, kv_heads: kvHeads, quads, scale },
    constants: { ...constants, QUADS: quads, PAIR: pair ? 1 : 0 },
    grid,
  };
}

/** Launches attention as in `attention`. */
export function plainAttention(
  { q, k, v, ranges }: AttentionInputs,
  shape: AttentionShape,
): AttentionOutputs {
  const gpu = currentGpu();
  const [rows] = q.shape as [number];
  const out = gpu.empty(q.shape);
  const lse = gpu.empty([rows, shape.heads]);
  gpu.dispatch('attention/attention_fwd', {
    operands: { q_NHE: q, k_MKE: k, v_MKE: v, ranges_N4: ranges, out_NHE: out, lse_NH: lse },
    ...queryLaunch(rows, shape),
  });
  return [out, lse];
}

/** Launches the gradients of `attention`. */
export function plainAttentionGradients(
  { q, k, v, ranges, inverse, dOut, stats }: AttentionGradientInputs,
  shape: AttentionShape,
): AttentionGradients {
  const gpu = currentGpu();
  const { heads, kvHeads, headDim, scale } = shape;
  const [[rows], [keyRows]] = [q.shape as [number], k.shape as [number]];
  const quads = headDim / 4;
  const operands = { q_NHE: q, k_MKE: k, v_MKE: v, ranges_N4: ranges, dout_NHE: dOut, stats_NH: stats };
  const dq = gpu.empty(q.shape);
  const dkv = gpu.empty([keyRows, 2, kvHeads * headDim]);
  gpu.dispatch('attention/attention_bwd_q', {
    operands: { ...operands, dq_NHE: dq },
    ...queryLaunch(rows, shape),
  });
  gpu.dispatch('attention/attention_bwd_kv', {
    operands: { ...operands, inverse_M2: inverse, dkv_M2KE: dkv },
    params: { rows: keyRows, heads, kv_heads: kvHeads, quads, scale },
    constants: { QUADS: quads },
    grid: gridFor(keyRows * kvHeads * Math.ceil(headDim / SLICE_DIM), 64),
  });
  return { dq, dkv };
}
