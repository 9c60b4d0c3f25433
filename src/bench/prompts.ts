/** What the benchmarks ask. */
import { mropePositions } from '../processor/mrope.ts';
import type { Prompt } from '../processor/prompt.ts';
import type { Policy } from '../rollout/policy.ts';
import { RandomStream } from '../util/random.ts';

/** Ids below this are plain bytes in tokenizers of the Qwen2 kind. */
const BYTES = 256;

/** A short question of text. */
export function shortQuestion(policy: Policy): Promise<Prompt> {
  return policy.prompt({
    problem: 'What is 2 + 3?',
    images: [],
    systemPrompt: null,
    where: 'wethink bench',
  });
}

/**
 * A prompt of noise: a picture of `side` by `side` patches where that is above 0, then words; `length` tokens.
 * @param seed another seed, another picture and other words
 */
export function noisePrompt(
  { model, tokenizer }: Policy,
  length: number,
  side: number,
  seed: number,
): Prompt {
  const { mergeSize, patchValues } = model.architecture.vision;
  const { visionStartId, imagePadId, visionEndId } = tokenizer;
  const random = new RandomStream(seed, 'bench-prompt');
  const pads = Array<number>((side / mergeSize) ** 2).fill(imagePadId);
  const picture = side > 0 ? [visionStartId, ...pads, visionEndId] : [];
  const words = Array.from({ length: length - picture.length }, () => random.integer(BYTES));
  const tokens = Int32Array.from([...picture, ...words]);
  const patches = Float32Array.from({ length: side * side * patchValues }, () => 2 * random.uniform() - 1);
  const images = side > 0 ? [{ patches, grid: [1, side, side] as const }] : [];
  const grids = images.map(({ grid }) => grid);
  return {
    text: '',
    tokens,
    ...mropePositions(tokens, grids, { imagePadId, spatialMergeSize: mergeSize }),
    images,
  };
}
