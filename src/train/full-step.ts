/**
 * A step of full size without data: every prompt and every response as long as the configuration allows, and in each
 * prompt the largest picture. It runs what a training step runs on the GPU, so that memory can be planned and speed
 * measured by it.
 */
import type { Row } from '../data/row.ts';
import type { Episode } from '../grpo/episode.ts';
import type { Prompt } from '../processor/prompt.ts';
import { noisePrompt } from '../rollout/noise-prompt.ts';
import type { Policy } from '../rollout/policy.ts';
import type { Response } from '../rollout/rollout.ts';
import { RandomStream } from '../util/random.ts';
import type { Learner } from './learner.ts';
import { addReference, updatePolicy } from './policy-update.ts';
import { episodeOf } from './rollouts.ts';
import { samplingOf } from './sampling.ts';
import { Stopwatch } from './stopwatch.ts';
import type { UpdateMeter } from './update-meter.ts';

/** Tokens of a prompt that no picture takes. */
const WORDS = 16;

const NO_ROW: Row = {
  id: '',
  problem: '',
  answer: '',
  category: '',
  abilities: [],
  refinedCot: '',
  images: [],
  reward: '',
  columns: {},
  file: '',
  line: 0,
};

/** Patches along a side of the largest square picture that a prompt of so many tokens holds; 0 for none. */
function largestSide({ processorConfig, model }: Policy, promptTokens: number): number {
  const { mergeSize, patchSize } = model.architecture.vision;
  const tokensOfBound = processorConfig.maxPixels / (patchSize * mergeSize) ** 2;
  const units = Math.floor(Math.sqrt(Math.max(0, Math.min(tokensOfBound, promptTokens - WORDS))));
  return units * mergeSize;
}

/** The prompts of one step. */
export function fullPrompts({ config, policy }: Learner): Prompt[] {
  const { max_prompt_length: length, rollout_batch_size: count } = config.data;
  const side = largestSide(policy, length);
  return Array.from({ length: count }, (_, i) => noisePrompt(policy, length, side, i + 1));
}

export interface FullStep {
  watch: Stopwatch;
  meter: UpdateMeter;
  groups: Episode[][];
}

/**
 * Samples, scores by the reference where there is one, and updates. Responses are of full length on a GPU only with
 * `rollout.min_tokens` at `data.max_response_length`; on a planning device always.
 * @param step keys the noise
 */
export async function takeFullStep(
  learner: Learner,
  prompts: readonly Prompt[],
  step: number,
): Promise<FullStep> {
  const { config, rollouts } = learner;
  const context = { ...learner, totalSteps: step };
  const watch = new Stopwatch();
  const requests = prompts.map((prompt) => ({ prompt, count: config.rollout.n }));
  const sampling = samplingOf(config, config.rollout.temperature, step);
  const responses = await watch.time('gen', () => rollouts.generate(requests, sampling));
  const groups = prompts
    .slice(0, trainedGroups(learner))
    .map((prompt, g) => responses[g]!.map((response, r) => fullEpisode(learner, prompt, response, g, r)));
  if (config.algorithm.kl_coef > 0) await watch.time('ref', () => addReference(context, groups));
  const meter = await watch.time('update_actor', () => updatePolicy(context, groups, 0));
  return { watch, meter, groups };
}

/** All; on a planning device as many as make two passes, because the others are like them. */
function trainedGroups({ config: { data, rollout, trainer }, gpu }: Learner): number {
  if (!gpu.isPlanning) return data.rollout_batch_size;
  const rows = data.max_prompt_length + rollout.n * data.max_response_length;
  return Math.ceil((2 * trainer.micro_batch_tokens) / rows) + 1;
}

/** An episode that beats or loses to its group. What a planning device cannot sample is noise. */
function fullEpisode(
  { config, gpu }: Learner,
  prompt: Prompt,
  sampled: Response,
  promptIndex: number,
  responseIndex: number,
): Episode {
  const response = gpu.isPlanning ? noiseResponse(config.data.max_response_length, sampled) : sampled;
  const episode = episodeOf(NO_ROW, prompt, response, promptIndex, responseIndex);
  return { ...episode, advantage: responseIndex % 2 === 0 ? 1 : -1 };
}

function noiseResponse(length: number, rest: Response): Response {
  const random = new RandomStream(length, 'noise-response');
  return {
    ...rest,
    tokens: Int32Array.from({ length }, () => random.integer(256)),
    logprobs: new Float32Array(length),
    entropies: new Float32Array(length),
  };
}
