/** The training pass of a group whose prompt is computed once, beside one in which every response has its own copy. */
import * as tf from '@tensorflow/tfjs';
import { packGroups, type PackedBatch, type PromptGroup } from '../model/packed-batch.ts';
import { uploadBatch, uploadTargets } from '../model/upload.ts';
import { noisePrompt } from '../rollout/noise-prompt.ts';
import type { Policy } from '../rollout/policy.ts';
import { RandomStream } from '../util/random.ts';
import { roundsOf, type Rounds } from './median.ts';
import { alternate, ratios } from './rounds.ts';

const GROUP = 8;
const PROMPT_TOKENS = 512;
const RESPONSE_TOKENS = 128;
/** Tokens are drawn below this: plain bytes in tokenizers of the Qwen2 kind. */
const BYTES = 256;

export interface SharedPrefixResult {
  group: number;
  promptTokens: number;
  responseTokens: number;
  /** Of a pass. */
  rows: { shared: number; repeated: number };
  /** Of a pass with its gradients. */
  seconds: { shared: Rounds; repeated: Rounds };
  speedup: Rounds;
}

/** @param policy one that is trained */
export async function measureSharedPrefix(policy: Policy, runs: number): Promise<SharedPrefixResult> {
  const { architecture } = policy.model;
  const prompt = noisePrompt(policy, PROMPT_TOKENS, 0, 1);
  const random = new RandomStream(1, 'bench-prefix');
  const responses = Array.from({ length: GROUP }, () =>
    Int32Array.from({ length: RESPONSE_TOKENS }, () => random.integer(BYTES)),
  );
  const shared: PromptGroup[] = [{ prompt, responses }];
  const repeated = responses.map((response): PromptGroup => ({ prompt, responses: [response] }));
  const [one, many] = [packGroups(shared, architecture), packGroups(repeated, architecture)];
  const { own } = await alternate(runs, {
    shared: () => passSeconds(policy, one),
    repeated: () => passSeconds(policy, many),
  });
  return {
    group: GROUP,
    promptTokens: PROMPT_TOKENS,
    responseTokens: RESPONSE_TOKENS,
    rows: { shared: one.source.length, repeated: many.source.length },
    seconds: { shared: roundsOf(own.shared), repeated: roundsOf(own.repeated) },
    speedup: ratios(own.repeated, own.shared),
  };
}

async function passSeconds({ model }: Policy, batch: PackedBatch): Promise<number> {
  await model.gpu.sync();
  const start = performance.now();
  tf.tidy(() => {
    const prediction = { ...uploadTargets(batch), temperature: 1 };
    const loss = ({ logprob }: { logprob: tf.Tensor }) => tf.neg(tf.mean(logprob));
    model.lossGradients(uploadBatch(model, batch), prediction, loss, () => {});
  });
  await model.gpu.sync();
  return (performance.now() - start) / 1000;
}
