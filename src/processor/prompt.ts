/** From a problem and its pictures to what the model reads: tokens, positions and patches. */

import { CheckpointError, DataError } from '../util/errors.ts';
import { countImages, messageTexts } from './chat.ts';
import type { ChatMessage, ChatPart } from './chat.ts';
import type { RgbImage } from './image.ts';
import { mropePositions } from './mrope.ts';
import { imageToPatches, tokensOfGrid } from './patches.ts';
import type { ImagePatches } from './patches.ts';
import type { ProcessorConfig } from './processor-config.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Marks where a picture stands in a problem, as in EasyR1 and TRL. */
const IMAGE_MARK = '<image>';

export interface Prompt {
  /** The conversation as the chat template renders it, with one `<|image_pad|>` per picture. */
  text: string;
  /** i32 [L], with `<|image_pad|>` once per picture token. */
  tokens: Int32Array;
  /** i32 [3, L]: time, height, width. */
  positions: Int32Array;
  /** One per picture, in the order of the prompt. */
  images: ImagePatches[];
  /** A token after the prompt, at index i of the whole sequence, has position i + ropeDelta. */
  ropeDelta: number;
}

export interface PromptContext {
  tokenizer: Tokenizer;
  processorConfig: ProcessorConfig;
  /** The vision tower's geometry (config.json), which the patches must have. */
  modelVision: { patchSize: number; temporalPatchSize: number; spatialMergeSize: number };
}

export interface PromptRequest extends PromptContext {
  /** null leaves the system message to the chat template (Qwen's says "You are a helpful assistant."). */
  systemPrompt: string | null;
  /** `<image>` says where a picture goes; without marks the pictures come first, as WeThink has them. */
  problem: string;
  images: readonly RgbImage[];
  /** The file and row, for messages. */
  where: string;
}

/**
 * Builds the prompt of one row: system message, problem with its pictures, and the start of the answer.
 *
 * @throws DataError if marks and pictures differ in number, if a text spells a special token, or if a picture
 * has extreme sides
 */
export function buildPrompt({ systemPrompt, problem, images, where, ...context }: PromptRequest): Prompt {
  const messages: ChatMessage[] = [{ role: 'user', content: placeImages(problem, images.length, where) }];
  if (systemPrompt !== null) messages.unshift({ role: 'system', content: systemPrompt });
  return buildChatPrompt({ ...context, messages, images, where });
}

/**
 * Builds the prompt of a whole conversation; its image parts take the pictures in order.
 *
 * @throws DataError as buildPrompt does
 * @throws CheckpointError if the processor's patches are not those of the vision tower
 */
export function buildChatPrompt({
  tokenizer,
  processorConfig,
  modelVision,
  messages,
  images,
  where,
}: PromptContext & { messages: readonly ChatMessage[]; images: readonly RgbImage[]; where: string }): Prompt {
  checkGeometry(processorConfig, modelVision);
  refuseSpecialTokens(messages, tokenizer, where);
  const wanted = countImages(messages);
  if (wanted !== images.length) {
    throw new DataError({
      where,
      expected: `${wanted} pictures, as many as the messages have places for`,
      found: `${images.length}`,
    });
  }
  const text = tokenizer.renderChat(messages, { addGenerationPrompt: true, where });
  const patches = images.map((image) => imageToPatches(image, processorConfig));
  const tokens = expandImages(
    tokenizer.encode(text),
    patches,
    tokenizer.imagePadId,
    processorConfig.mergeSize,
  );
  const { positions, ropeDelta } = mropePositions(
    tokens,
    patches.map(({ grid }) => grid),
    { imagePadId: tokenizer.imagePadId, spatialMergeSize: modelVision.spatialMergeSize },
  );
  return { text, tokens, positions, images: patches, ropeDelta };
}

/** Splits a problem at its marks, without touching the spaces around them. */
function placeImages(problem: string, images: number, where: string): ChatPart[] {
  const texts = problem.split(IMAGE_MARK);
  const marks = texts.length - 1;
  if (marks === 0) {
    return [
      ...Array.from({ length: images }, () => ({ type: 'image' }) as const),
      { type: 'text', text: problem },
    ];
  }
  if (marks !== images) {
    throw new DataError({
      where,
      expected: `one picture for each ${IMAGE_MARK} in the problem, or no marks`,
      found: `${marks} marks and ${images} pictures`,
      fix: `make the numbers equal, or remove ${IMAGE_MARK} from the text`,
    });
  }
  return texts.flatMap((text, index): ChatPart[] => [
    ...(index > 0 ? [{ type: 'image' } as const] : []),
    ...(text === '' ? [] : [{ type: 'text', text } as const]),
  ]);
}

/** A text that spells a special token would become one: it could end the turn or stand for a picture. */
function refuseSpecialTokens(messages: readonly ChatMessage[], tokenizer: Tokenizer, where: string): void {
  for (const message of messages) {
    const token = tokenizer.findSpecialToken(messageTexts(message).join(''));
    if (token === undefined) continue;
    throw new DataError({
      where,
      expected: `a ${message.role} text without special tokens of the model`,
      found: token,
      fix: 'write it differently, or leave the row out',
    });
  }
}

/** Repeats each placeholder as often as its picture has tokens. */
function expandImages(
  ids: readonly number[],
  images: readonly ImagePatches[],
  imagePadId: number,
  mergeSize: number,
): Int32Array {
  let image = 0;
  return Int32Array.from(
    ids.flatMap((id) => {
      const patches = id === imagePadId ? images[image++] : undefined;
      return patches ? Array<number>(tokensOfGrid(patches.grid, mergeSize)).fill(id) : [id];
    }),
  );
}

function checkGeometry(config: ProcessorConfig, vision: PromptContext['modelVision']): void {
  const processor = [config.patchSize, config.temporalPatchSize, config.mergeSize].join(', ');
  const model = [vision.patchSize, vision.temporalPatchSize, vision.spatialMergeSize].join(', ');
  if (processor === model) return;
  throw new CheckpointError({
    where: 'preprocessor_config.json: patch_size, temporal_patch_size, merge_size',
    expected: `${model}, as config.json's vision_config says`,
    found: processor,
    fix: 'use the files of one model',
  });
}
