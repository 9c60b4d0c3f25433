/** Prompts of any size, for measurements and plans that need no meaning. */
import { mropePositions } from '../processor/mrope.ts';
import type { Prompt } from '../processor/prompt.ts';
import type { Policy } from './policy.ts';
import { RandomStream } from '../util/random.ts';

/** Ids below this are plain bytes in tokenizers of the Qwen2 kind. */
const BYTES = 256;
/** Values of a picture that are drawn, and repeated. */
const NOISE_VALUES = 4093;

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
  const random = new RandomStream(seed, 'noise-prompt');
  const pads = Array<number>((side / mergeSize) ** 2).fill(imagePadId);
  const picture = side > 0 ? [visionStartId, ...pads, visionEndId] : [];
  const words = Array.from({ length: length - picture.length }, () => random.integer(BYTES));
  const tokens = Int32Array.from([...picture, ...words]);
  const patches = new Float32Array(side * side * patchValues);
  const noise = Float32Array.from({ length: NOISE_VALUES }, () => 2 * random.uniform() - 1);
  for (let at = 0; at < patches.length; at += NOISE_VALUES) {
    patches.set(noise.subarray(0, patches.length - at), at);
  }
  const images = side > 0 ? [{ patches, grid: [1, side, side] as const }] : [];
  const grids = images.map(({ grid }) => grid);
  return {
    text: '',
    tokens,
    ...mropePositions(tokens, grids, { imagePadId, spatialMergeSize: mergeSize }),
    images,
  };
}
