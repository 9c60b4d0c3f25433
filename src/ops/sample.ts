/**
 * One decode step's choice, on the GPU: a token for every slot, its log-probability by the very kernels that
 * training uses, and the slots' move to their next input. Launchers only: rollouts need no gradient.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import type { Weight, WeightSlice } from './weight.ts';
import { forEachLogits, partCount } from './logits.ts';
import { launchLogprobParts } from './logprob.ts';
import { checkShape, NAN_BITS } from './op.ts';
import { launchAdjust } from './sample-adjust.ts';
import { chunkCount, launchCut } from './sample-cut.ts';
import { holdLogits } from './sample-logits.ts';
import { samplePlan, type SampleOptions, type SamplePlan } from './sample-options.ts';
import type { SampleState } from './sample-state.ts';
import { longThreads } from './threads.ts';

/**
 * Launches the choice of a token for every active slot, into `state.tokens_B` and the outputs at the slot's length:
 * the token, its log-probability under the full softmax at the sampling temperature (banned ids included, so that
 * it equals `linearLogprob` of that token to the bit) and the entropy. The noise is a function of seed, step, prompt,
 * response, position and token alone. A row whose logits are all NaN yields token -1 and log-probability NaN.
 *
 * Logits exist for a bounded slice of the vocabulary at a time, but with top-k, top-p or min-p: these need
 * whole rows, twice 4 B V bytes.
 * @param hidden_BD f32 [B, D], D a multiple of 4
 * @param weight [V, D]
 * @throws {ShapeError} when the shapes disagree or an option is outside its range
 */
export function sampleTokens(
  hidden_BD: tf.TensorInfo,
  weight: Weight,
  state: SampleState,
  options: SampleOptions,
): void {
  const gpu = currentGpu();
  const [vocabulary, inner] = weight.shape;
  const { slots, maxTokens } = state;
  checkShape('sampleTokens.hidden_BD', hidden_BD.shape, [slots, inner]);
  const plan = samplePlan(options);
  const count = partCount(vocabulary);
  const out = { parts: gpu.empty([slots, count, 4]), best: gpu.empty([slots, count, 2], 'int32') };
  const launch = plan.isCut ? launchCutParts : plan.isAdjusted ? launchAdjustedParts : launchPlainParts;
  launch(hidden_BD, weight, state, plan, out);
  gpu.dispatch('sample/settle_tokens', {
    operands: {
      best_NP2: out.best,
      parts_NP4: out.parts,
      active_B: state.active_B,
      length_B: state.length_B,
      tokens_B: state.tokens_B,
      tokens_BT: state.tokensOut_BT,
      logprobs_BT: state.logprobsOut_BT,
      entropies_BT: state.entropiesOut_BT,
    },
    params: { rows: slots, parts: count, max_tokens: maxTokens, nan_bits: NAN_BITS },
    grid: gridFor(slots, 64),
  });
  for (const scratch of [out.parts, out.best]) gpu.release(scratch);
}

/** Below what any row holds: parameters must be finite. */
const NO_OFFSET = -3.4e38;

/** Per row and part of the vocabulary: the state of the softmax, and the best candidate. */
interface Parts {
  parts: tf.TensorInfo;
  best: tf.TensorInfo;
}

type PartsLauncher = (
  hidden: tf.TensorInfo,
  weight: Weight,
  state: SampleState,
  plan: SamplePlan,
  out: Parts,
) => void;

const launchPlainParts: PartsLauncher = (hidden, weight, state, plan, out) =>
  forEachLogits(hidden, weight, (logits, slice) => {
    // The target's value is replaced by the candidate's, so any targets do here.
    launchLogprobParts(logits, slice, state.tokens_B, out.parts, plan.scale);
    launchSampleParts(logits, slice, state, plan, out);
  });

const launchAdjustedParts: PartsLauncher = (hidden, weight, state, plan, out) => {
  const gpu = currentGpu();
  const tops = gpu.empty([state.slots, chunkCount(weight.shape[0])]);
  forEachLogits(hidden, weight, (logits, slice) => {
    launchLogprobParts(logits, slice, state.tokens_B, out.parts, plan.scale);
    const adjusted = gpu.empty(logits.shape);
    launchAdjust(logits, slice, { adjusted, tops }, state, plan);
    launchSampleParts(logits, slice, state, plan, { ...out, adjusted });
    gpu.release(adjusted);
  });
  gpu.release(tops);
};

const launchCutParts: PartsLauncher = (hidden, weight, state, plan, out) => {
  const gpu = currentGpu();
  const tops = gpu.empty([state.slots, chunkCount(weight.shape[0])]);
  const held = holdLogits(hidden, weight).map((slice) => {
    launchLogprobParts(slice.logits, slice, state.tokens_B, out.parts, plan.scale);
    const adjusted = gpu.empty(slice.logits.shape);
    launchAdjust(slice.logits, slice, { adjusted, tops }, state, plan);
    return { ...slice, adjusted };
  });
  const cut = launchCut(held, tops, plan);
  for (const slice of held) {
    launchSampleParts(slice.logits, slice, state, plan, { ...out, adjusted: slice.adjusted, cut });
    for (const scratch of [slice.logits, slice.adjusted]) gpu.release(scratch);
  }
  for (const scratch of [tops, cut]) gpu.release(scratch);
};

/** Launches the best candidate of each part of a slice, by the adjusted logits where there are some. */
function launchSampleParts(
  logits: tf.TensorInfo,
  slice: Pick<WeightSlice, 'firstRow' | 'rows'>,
  { keys_B4, length_B, banned }: SampleState,
  { scale, minP, isGreedy }: SamplePlan,
  { parts, best, adjusted, cut }: Parts & { adjusted?: tf.TensorInfo; cut?: tf.TensorInfo },
): void {
  const rows = logits.shape[0]!;
  const { constants, grid } = longThreads(rows * partCount(slice.rows));
  currentGpu().dispatch('sample/sample_parts', {
    operands: {
      logits_NS: logits,
      adjusted_NS: adjusted ?? logits,
      cut_N4: cut ?? keys_B4,
      parts_NP4: parts,
      best_NP2: best,
      keys_B4,
      length_B,
      banned,
    },
    params: {
      rows,
      columns: slice.rows,
      stride: logits.shape[1]! / 4,
      first_part: partCount(slice.firstRow),
      parts: parts.shape[1]!,
      scale,
      min_offset: minP === 0 ? NO_OFFSET : Math.log(minP),
    },
    constants: { ...constants, GREEDY: isGreedy ? 1 : 0, ADJUSTED: adjusted ? 1 : 0, CUT: cut ? 1 : 0 },
    grid,
  });
}

/**
 * Launches the move to the next step: every active slot goes one position and one cache row further and becomes
 * inactive at an end token or at its own length. Inactive slots keep their state.
 */
export function advance(state: SampleState): void {
  const gpu = currentGpu();
  const { slots, active_B, tokens_B } = state;
  const grid = gridFor(slots, 64);
  if (state.seen_BC4) {
    gpu.dispatch('sample/mark_seen', {
      operands: { active_B, tokens_B, seen_BC4: state.seen_BC4 },
      params: { slots, words: 4 * state.seen_BC4.shape[1]! },
      grid,
    });
  }
  gpu.dispatch('sample/advance_slots', {
    operands: {
      tokens_B,
      end_tokens: state.endTokens,
      maxLength_B: state.maxLength_B,
      length_B: state.length_B,
      active_B,
      positions_3B: state.positions_3B,
      ranges_B4: state.ranges_B4,
      cacheRow_B: state.cacheRow_B,
    },
    params: { slots },
    grid,
  });
}
