/** Log-probabilities of given responses, without gradients. */
import * as tf from '@tensorflow/tfjs';
import { microBatches, passGroups } from './micro-batches.ts';
import { packGroups, type PromptGroup } from './packed-batch.ts';
import type { Qwen2_5_VL } from './qwen2_5_vl.ts';
import { uploadBatch, uploadTargets } from './upload.ts';

export interface ResponseScore {
  /** [T] log-probability of each token under softmax(logits / temperature). */
  logprobs: Float32Array;
  /** [T] entropy of that distribution in nats. */
  entropies: Float32Array;
}

export interface ScoreOptions {
  temperature: number;
  /** Rows of one pass. */
  maxRows: number;
}

/** @returns one score per response, by group */
export async function scoreGroups(
  model: Qwen2_5_VL,
  groups: readonly PromptGroup[],
  { temperature, maxRows }: ScoreOptions,
): Promise<ResponseScore[][]> {
  const scores: ResponseScore[][] = groups.map(() => []);
  for (const pass of microBatches(groups, maxRows)) {
    const batch = packGroups(passGroups(groups, pass), model.architecture);
    const tensors = tf.tidy(() => {
      return model.logprobs(uploadBatch(model, batch), { ...uploadTargets(batch), temperature });
    });
    const [logprobs, entropies] = await Promise.all([
      model.gpu.read(tensors.logprob),
      model.gpu.read(tensors.entropy),
    ]);
    tf.dispose(tensors);
    let start = 0;
    for (const { group, responses } of pass) {
      for (const response of responses) {
        const end = start + groups[group]!.responses[response]!.length;
        scores[group]![response] = {
          logprobs: logprobs.slice(start, end),
          entropies: entropies.slice(start, end),
        };
        start = end;
      }
    }
  }
  return scores;
}
