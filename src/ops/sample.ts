/**
 * One decode step's choice, on the GPU: a token for every slot, its log-probability by the very kernels that
 * training uses, and the slots' move to their next input. Launchers only: rollouts need no gradient.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import type { Weight, WeightSlice } from './linear.ts';
import { forEachLogits, launchLogprobFinish, launchLogprobParts, logitScale, partCount } from './logprob.ts';
import { checkShape } from './op.ts';
import type { SampleState } from './sample-state.ts';

export interface SampleOptions {
  /** 0 takes the most likely token, and log-probabilities are those at temperature 1. */
  temperature: number;
}

/**
 * Launches the choice of a token for every slot: `state.sampled_B`, its log-probability under the full softmax
 * at the sampling temperature (banned ids included, so that it equals `linearLogprob` of that token to the
 * bit) and the entropy. The noise is a function of seed, step, prompt, response, position and token alone.
 * A row whose logits are all NaN yields token -1 and log-probability NaN.
 * @param hidden_BD f32 [B, D], D a multiple of 4
 * @param weight [V, D]
 * @throws {ShapeError} when the shapes disagree or the temperature is negative
 */
export function sampleTokens(
  hidden_BD: tf.TensorInfo,
  weight: Weight,
  state: SampleState,
  { temperature }: SampleOptions,
): void {
  const gpu = currentGpu();
  const [vocabulary, inner] = weight.shape;
  const { slots, sampled_B, sampledLogprob_B, sampledEntropy_B } = state;
  checkShape('sampleTokens.hidden_BD', hidden_BD.shape, [slots, inner]);
  const scale = logitScale(temperature === 0 ? 1 : temperature);
  const parts = gpu.empty([slots, partCount(vocabulary), 4]);
  const best = gpu.empty([slots, partCount(vocabulary), 2], 'int32');
  forEachLogits(hidden_BD, weight.tensor, weight.format, (logits, slice) => {
    // The target's value is replaced by the candidate's, so any targets do here.
    launchLogprobParts(logits, slice, state.tokens_B, parts, scale);
    launchSampleParts(logits, slice, parts, best, state, { scale, isGreedy: temperature === 0 });
  });
  gpu.dispatch('sample/choose_token', {
    operands: { best_NP2: best, token_B: sampled_B },
    params: { rows: slots, parts: partCount(vocabulary) },
    grid: gridFor(slots, 64),
  });
  const logsumexp = gpu.empty([slots]);
  launchLogprobFinish(parts, sampled_B, vocabulary, {
    logprob: sampledLogprob_B,
    entropy: sampledEntropy_B,
    logsumexp,
  });
  for (const scratch of [parts, best, logsumexp]) gpu.release(scratch);
}

function launchSampleParts(
  logits: tf.TensorInfo,
  slice: WeightSlice,
  parts: tf.TensorInfo,
  best: tf.TensorInfo,
  { keys_B2, length_B, sampling_2, banned }: SampleState,
  { scale, isGreedy }: { scale: number; isGreedy: boolean },
): void {
  const rows = logits.shape[0]!;
  currentGpu().dispatch('sample/sample_parts', {
    operands: { logits_NS: logits, parts_NP4: parts, best_NP2: best, sampling_2, keys_B2, length_B, banned },
    params: {
      rows,
      columns: slice.rows,
      stride: logits.shape[1]! / 4,
      first_part: partCount(slice.firstRow),
      parts: parts.shape[1]!,
      scale,
    },
    constants: { GREEDY: isGreedy ? 1 : 0 },
    grid: gridFor(rows * partCount(slice.rows), 64),
  });
}

/**
 * Launches the move to the next step: every active slot appends what `sampleTokens` chose to its outputs, takes
 * the token as its next input, one position and one cache row further, and becomes inactive at an end token
 * or at its own length. Inactive slots keep their state.
 */
export function advance(state: SampleState): void {
  const gpu = currentGpu();
  const { slots, active_B, length_B, sampled_B } = state;
  const grid = gridFor(slots, 64);
  gpu.dispatch('sample/append_outputs', {
    operands: {
      active_B,
      length_B,
      sampled_B,
      logprob_B: state.sampledLogprob_B,
      entropy_B: state.sampledEntropy_B,
      tokens_BT: state.tokensOut_BT,
      logprobs_BT: state.logprobsOut_BT,
      entropies_BT: state.entropiesOut_BT,
    },
    params: { slots, max_tokens: state.maxTokens },
    grid,
  });
  gpu.dispatch('sample/next_inputs', {
    operands: {
      active_B,
      sampled_B,
      tokens_B: state.tokens_B,
      positions_3B: state.positions_3B,
      ranges_B4: state.ranges_B4,
      cacheRow_B: state.cacheRow_B,
    },
    params: { slots },
    grid,
  });
  gpu.dispatch('sample/retire', {
    operands: {
      sampled_B,
      end_tokens: state.endTokens,
      maxLength_B: state.maxLength_B,
      length_B,
      active_B,
    },
    params: { slots },
    grid,
  });
}
