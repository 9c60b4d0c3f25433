/**
 * The head of the policy: log-probability of given tokens and entropy, from hidden states, without the logits
 * of all rows at once. The vocabulary is walked in slices through a bounded scratch; a row's state is kept per
 * part of 512 columns and merged in their order, so the result of a row depends neither on the other rows nor
 * on the size of the slices: rollouts (`sample.ts`) and training get the same bits.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp, NAN_BITS } from './op.ts';
import { forEachLogits, PART, partCount, SCRATCH_BYTES, sliceBytes, type LogitsOptions } from './logits.ts';
import { launchProductNn, launchProductTn } from './product.ts';
import { rowsOf } from './rows.ts';
import { longThreads } from './threads.ts';
import {
  checkStored,
  FORMATS,
  type Scales,
  type StoredWeight,
  type Weight,
  type WeightSlice,
} from './weight.ts';

/** Rows that are worked on at a time: enough to be bound by arithmetic, so that the weight may be read again. */
const BLOCK_ROWS = 1024;

/** Bytes of the part of the head that is worked on at a time for so many rows. */
export function headSliceBytes(rows: number, weight: StoredWeight): number {
  return sliceBytes(Math.min(rows, BLOCK_ROWS), weight);
}

/**
 * Launches the states of a slice's parts.
 * @param parts [all rows, partCount(V), 4]
 * @param firstRow of the logits, a multiple of 64
 */
export function launchLogprobParts(
  logits: tf.TensorInfo,
  slice: Pick<WeightSlice, 'firstRow' | 'rows'>,
  target: tf.TensorInfo,
  parts: tf.TensorInfo,
  scale: number,
  firstRow = 0,
): void {
  const [rows] = logits.shape as [number];
  currentGpu().dispatch('logprob/logprob_parts', {
    operands: {
      logits_NS: logits,
      target_N: rowsOf(target, firstRow, rows).operand,
      parts_NP4: rowsOf(parts, firstRow, rows).operand,
    },
    params: {
      rows,
      columns: slice.rows,
      stride: logits.shape[1]! / 4,
      first_part: slice.firstRow / PART,
      parts: parts.shape[1]!,
      scale,
    },
    ...longThreads(rows * partCount(slice.rows)),
  });
}

/** Launches the merge of a row's parts into log-probability, entropy and logsumexp, each [N]. */
function launchLogprobFinish(
  parts: tf.TensorInfo,
  target: tf.TensorInfo,
  vocabulary: number,
  out: { logprob: tf.TensorInfo; entropy: tf.TensorInfo; logsumexp: tf.TensorInfo },
): void {
  const [rows, count] = parts.shape as [number, number];
  currentGpu().dispatch('logprob/logprob_finish', {
    operands: {
      parts_NP4: parts,
      target_N: target,
      logprob_N: out.logprob,
      entropy_N: out.entropy,
      logsumexp_N: out.logsumexp,
    },
    params: { rows, parts: count, vocabulary, nan_bits: NAN_BITS },
    grid: gridFor(rows, 64),
  });
}

interface LogprobAttrs {
  [name: string]: number | Scales | undefined;
  format: number;
  scales: Scales | undefined;
  scale: number;
  scratchBytes: number;
}

const logprobOp = defineOp<'hidden' | 'weight' | 'target', LogprobAttrs>({
  name: 'WethinkLinearLogprob',
  saveInputs: ['hidden', 'weight', 'target'],
  saveOutputs: [false, false, true],
  forward({ hidden, weight, target }, { format, scales, scale, scratchBytes }) {
    const gpu = currentGpu();
    const rows = hidden.shape[0];
    const vocabulary = weight.shape[0];
    const parts = gpu.empty([rows, partCount(vocabulary), 4]);
    forEachLogits(
      hidden,
      { tensor: weight, format: FORMATS[format]!, scales },
      (logits, slice, firstRow) => launchLogprobParts(logits, slice, target, parts, scale, firstRow),
      { scratchBytes, blockRows: BLOCK_ROWS },
    );
    const out = { logprob: gpu.empty([rows]), entropy: gpu.empty([rows]), logsumexp: gpu.empty([rows]) };
    launchLogprobFinish(parts, target, vocabulary, out);
    gpu.release(parts);
    return [out.logprob, out.entropy, out.logsumexp];
  },
  gradient([dy], [hidden, weight, target, logsumexp], { format, scales, scale, scratchBytes }) {
    const gpu = currentGpu();
    const head = { tensor: weight!, format: FORMATS[format]!, scales };
    /** Recomputes the logits and hands on their gradient in their place. */
    const forEachGradient = (
      visit: (dlogits: tf.TensorInfo, slice: WeightSlice, firstRow: number) => void,
      options: LogitsOptions,
    ) =>
      forEachLogits(
        hidden!,
        head,
        (logits, slice, firstRow) => {
          const saved = { target: target!, logsumexp: logsumexp!, dy: dy!, scale };
          launchLogitsBackward(logits, slice, saved, firstRow);
          visit(logits, slice, firstRow);
        },
        options,
      );
    return {
      hidden: () => {
        const dhidden = gpu.empty(hidden!.shape);
        forEachGradient(
          (dlogits, slice, firstRow) =>
            launchProductNn(dlogits, slice, head.format, rowsOf(dhidden, firstRow, dlogits.shape[0]!), {
              accumulate: slice.firstRow > 0,
            }),
          { scratchBytes, blockRows: BLOCK_ROWS },
        );
        return asTensor(dhidden);
      },
      weight: () => {
        const dweight = gpu.empty(weight!.shape);
        const rowBytes = dweight.shape[1]! * 4;
        // A row of it is the sum over all rows of the batch.
        forEachGradient(
          (dlogits, { firstRow, rows }) => {
            const operand = { tensor: dweight, offset: firstRow * rowBytes, size: rows * rowBytes };
            launchProductTn(dlogits, hidden!, { firstRow, rows, operand });
          },
          { scratchBytes },
        );
        return asTensor(dweight);
      },
    };
  },
});

function launchLogitsBackward(
  logits: tf.TensorInfo,
  { firstRow, rows: columns }: WeightSlice,
  saved: { target: tf.TensorInfo; logsumexp: tf.TensorInfo; dy: tf.TensorInfo; scale: number },
  firstOfBlock: number,
): void {
  const [rows, stride] = logits.shape as [number, number];
  const own = (tensor: tf.TensorInfo) => rowsOf(tensor, firstOfBlock, rows).operand;
  currentGpu().dispatch('logprob/logits_bwd', {
    operands: {
      logits_NS: logits,
      target_N: own(saved.target),
      logsumexp_N: own(saved.logsumexp),
      dy_N: own(saved.dy),
    },
    params: { rows, columns, stride: stride / 4, first_column: firstRow, scale: saved.scale },
    grid: gridFor((rows * stride) / 4, 64),
  });
}

export interface LogprobOptions {
  /** Divides the logits; greater than 0. */
  temperature: number;
  /** Bound of the scratch for logits. Does not change the result. */
  scratchBytes?: number;
}

/** The factor on logits. @throws {ShapeError} unless the temperature is a positive number */
export function logitScale(temperature: number): number {
  const scale = Math.fround(1 / temperature);
  if (scale > 0 && Number.isFinite(scale)) return scale;
  throw new ShapeError({ where: 'temperature', expected: 'a number above 0', found: `${temperature}` });
}

/**
 * log softmax(h Wᵀ / temperature)[target] for every row, and the entropy of the same distribution in nats.
 * The log-probability is differentiable in the hidden states and in an f32 weight (each of the two gradients
 * recomputes the logits); the entropy is for metrics and has no gradient.
 * @param hidden_ND f32 [N, D], D a multiple of 4
 * @param weight [V, D]
 * @param target_N int32 [N]; a target outside [0, V) gives NaN
 * @throws {ShapeError} when the shapes disagree, or the rows are too many for one call
 */
export function linearLogprob(
  hidden_ND: tf.Tensor,
  weight: Weight,
  target_N: tf.Tensor,
  { temperature, scratchBytes = SCRATCH_BYTES }: LogprobOptions,
): { logprob_N: tf.Tensor1D; entropy_N: tf.Tensor1D } {
  checkShape('linearLogprob.hidden_ND', hidden_ND.shape, [null, weight.shape[1]]);
  checkStored('linearLogprob.weight', weight);
  checkShape('linearLogprob.target_N', target_N.shape, [hidden_ND.shape[0]]);
  if (weight.shape[1] % 4 !== 0) {
    throw new ShapeError({
      where: 'linearLogprob.weight',
      expected: 'columns in fours',
      found: `${weight.shape[1]}`,
    });
  }
  const [logprob, entropy] = logprobOp(
    { hidden: hidden_ND, weight: weight.tensor, target: target_N },
    {
      format: FORMATS.indexOf(weight.format),
      scales: weight.scales,
      scale: logitScale(temperature),
      scratchBytes,
    },
  );
  return { logprob_N: logprob as tf.Tensor1D, entropy_N: entropy as tf.Tensor1D };
}
