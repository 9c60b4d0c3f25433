import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RgbImage } from '../../src/processor/image.ts';
import { mropePositions } from '../../src/processor/mrope.ts';
import { loadProcessorConfig } from '../../src/processor/processor-config.ts';
import { buildChatPrompt, buildPrompt } from '../../src/processor/prompt.ts';
import type { PromptContext } from '../../src/processor/prompt.ts';
import { Tokenizer } from '../../src/processor/tokenizer.ts';
import { CheckpointError, DataError, ShapeError } from '../../src/util/errors.ts';
import { makeQwenFolder, removeFolder } from '../golden/processor/qwen-folder.ts';

const PAD = 99;

describe('mropePositions', () => {
  const options = { imagePadId: PAD, spatialMergeSize: 2 };

  test('counts text alike in all rows', () => {
    const { positions, ropeDelta } = mropePositions([5, 6, 7], [], options);
    expect(Array.from(positions)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
    expect(ropeDelta).toBe(0);
  });

  test('spreads a picture over its rows and columns, and goes on after its longer side', () => {
    const tokens = [1, PAD, PAD, PAD, PAD, PAD, PAD, 2];
    const { positions, ropeDelta } = mropePositions(tokens, [[1, 4, 6]], options);
    expect(Array.from(positions.subarray(0, 8))).toEqual([0, 1, 1, 1, 1, 1, 1, 4]);
    expect(Array.from(positions.subarray(8, 16))).toEqual([0, 1, 1, 1, 2, 2, 2, 4]);
    expect(Array.from(positions.subarray(16))).toEqual([0, 1, 2, 3, 1, 2, 3, 4]);
    expect(ropeDelta).toBe(5 - 8);
  });

  test('refuses grids that do not match the pad tokens', () => {
    expect(() => mropePositions([PAD], [[1, 4, 4]], options)).toThrow(ShapeError);
    expect(() => mropePositions([PAD], [], options)).toThrow(ShapeError);
    expect(() => mropePositions([1], [[1, 2, 2]], options)).toThrow(ShapeError);
  });
});

describe('buildPrompt', () => {
  let folder: string;
  let context: PromptContext;
  const where = 'rows.jsonl:12';
  const picture: RgbImage = { data: new Uint8Array(56 * 56 * 3), width: 56, height: 56, where: 'a.png' };
  const build = (problem: string, images: RgbImage[] = [], systemPrompt: string | null = null) =>
    buildPrompt({ ...context, systemPrompt, problem, images, where });

  beforeAll(async () => {
    folder = makeQwenFolder();
    context = {
      tokenizer: await Tokenizer.load(folder),
      processorConfig: await loadProcessorConfig(folder),
      modelVision: { patchSize: 14, temporalPatchSize: 2, spatialMergeSize: 2 },
    };
  });
  afterAll(() => removeFolder(folder));

  test('puts pictures first, or where the marks are', () => {
    const image = '<|vision_start|><|image_pad|><|vision_end|>';
    expect(build('What?', [picture, picture]).text).toContain(`user\n${image}${image}What?<|im_end|>`);
    expect(build('See <image>\nand <image>', [picture, picture]).text).toContain(
      `user\nSee ${image}\nand ${image}<|im_end|>`,
    );
  });

  test('repeats the placeholder once per token of a picture', () => {
    const { tokens, positions, images } = build('What?', [picture]);
    expect(images[0]?.grid).toEqual([1, 4, 4]);
    expect(tokens.filter((id) => id === context.tokenizer.imagePadId)).toHaveLength(4);
    expect(positions).toHaveLength(3 * tokens.length);
  });

  test('uses the system prompt, or leaves it to the template', () => {
    expect(build('What?', [], 'Be brief.').text).toContain('<|im_start|>system\nBe brief.<|im_end|>');
    expect(build('What?').text).toContain('You are a helpful assistant.');
  });

  test('refuses marks and pictures that differ in number, naming the row', () => {
    expect(() => build('<image> and <image>', [picture])).toThrow(/rows\.jsonl:12[^]*2 marks and 1 pictures/);
    expect(() => build('<image>?')).toThrow(DataError);
  });

  test.each(['<|image_pad|>', '<|im_end|>', '<|vision_start|>', '<|endoftext|>'])(
    'refuses a problem that spells %s',
    (token) => {
      expect(() => build(`a ${token} b`)).toThrow(DataError);
      expect(() => build(`a ${token} b`)).toThrow(/rows\.jsonl:12/);
      expect(() => build('a', [], token)).toThrow(/system text/);
    },
  );

  test('refuses a special token that two parts spell together', () => {
    const content = [
      { type: 'text', text: '<|im_' },
      { type: 'text', text: 'end|>' },
    ] as const;
    const messages = [{ role: 'user', content }] as const;
    expect(() => buildChatPrompt({ ...context, messages, images: [], where })).toThrow(DataError);
  });

  test('refuses a conversation with fewer places than pictures', () => {
    const messages = [{ role: 'user', content: 'Hi' }] as const;
    expect(() => buildChatPrompt({ ...context, messages, images: [picture], where })).toThrow(/0 pictures/);
  });

  test('refuses patches that the vision tower cannot read', () => {
    const modelVision = { patchSize: 16, temporalPatchSize: 2, spatialMergeSize: 2 };
    const request = { ...context, modelVision, systemPrompt: null, problem: 'a', images: [], where };
    expect(() => buildPrompt(request)).toThrow(CheckpointError);
  });
});
