/** What the choice goes by when it is not the logits themselves: penalised, scaled, without forbidden ids. */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';
import type { WeightSlice } from './weight.ts';
import { CHUNK, chunkCount } from './sample-cut.ts';
import type { SamplePlan } from './sample-options.ts';
import type { SampleState } from './sample-state.ts';

/**
 * Launches the adjustment of a slice's logits.
 * @param logits f32 [N, S]
 * @param adjusted f32 [N, S]; what cannot be chosen becomes the lowest finite number
 * @param tops f32 [N, chunks of the vocabulary]: the largest adjusted value of each chunk
 * @throws {ShapeError} when there is a penalty and the state does not know which tokens occurred
 */
export function launchAdjust(
  logits: tf.TensorInfo,
  { firstRow, rows: columns }: Pick<WeightSlice, 'firstRow' | 'rows'>,
  out: { adjusted: tf.TensorInfo; tops: tf.TensorInfo },
  { seen_BC4, keys_B4, banned, endTokens, length_B }: SampleState,
  { scale, penalty, minTokens }: SamplePlan,
): void {
  const [rows, stride] = logits.shape as [number, number];
  const [, chunks] = out.tops.shape as [number, number];
  if (penalty !== 1 && seen_BC4?.shape[1] !== chunks) {
    throw new ShapeError({
      where: 'sampling.repetitionPenalty',
      expected: `a state whose seenVocabulary is the head's`,
      found: seen_BC4 ? `${seen_BC4.shape[1]! * CHUNK} ids` : 'none',
    });
  }
  currentGpu().dispatch('sample/adjust_logits', {
    operands: {
      logits_NS: logits,
      adjusted_NS: out.adjusted,
      tops_NC: out.tops,
      seen_NC4: seen_BC4 ?? keys_B4,
      banned,
      end_tokens: endTokens,
      length_B,
    },
    params: {
      rows,
      columns,
      stride: stride / 4,
      first_chunk: firstRow / CHUNK,
      chunks,
      min_tokens: minTokens,
      scale,
      penalty,
    },
    constants: { PENALTY: penalty === 1 ? 0 : 1 },
    grid: gridFor(rows * chunkCount(columns), 64),
  });
}
