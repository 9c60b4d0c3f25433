import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadChatTemplate } from '../../src/processor/chat.ts';
import { Tokenizer } from '../../src/processor/tokenizer.ts';
import { CheckpointError, DataError } from '../../src/util/errors.ts';
import { makeQwenFolder, removeFolder } from '../golden/processor/qwen-folder.ts';

const folders: string[] = [];
afterAll(() => folders.forEach(removeFolder));

function folderWith(files: Record<string, object | string | null> = {}): string {
  const folder = makeQwenFolder(files);
  folders.push(folder);
  return folder;
}

describe('a whole folder', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await Tokenizer.load(folderWith());
  });

  test('knows its ids', () => {
    expect(tokenizer.vocabSize).toBe(151665);
    expect(tokenizer.imagePadId).toBe(151655);
    expect(tokenizer.eosIds).toEqual([151645, 151643]);
    expect(new Set(tokenizer.placeholderIds)).toEqual(new Set([151652, 151653, 151655, 151656]));
  });

  test('adds no special tokens, and keeps the spaces before punctuation', () => {
    const text = 'two  spaces , a dot . and <|im_end|>';
    const ids = tokenizer.encode(text);
    expect(ids.at(-1)).toBe(151645);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('two  spaces , a dot . and ');
    expect(tokenizer.decode([], { skipSpecialTokens: true })).toBe('');
    expect(tokenizer.decode(Int32Array.from(ids), { skipSpecialTokens: false })).toBe(text);
  });

  test('finds special tokens in a text', () => {
    expect(tokenizer.findSpecialToken('a <|image_pad|> b')).toBe('<|image_pad|>');
    expect(tokenizer.findSpecialToken('<image> <think> <|im_ends|>')).toBeUndefined();
  });

  test('refuses a video', () => {
    const messages = [{ role: 'user', content: [{ type: 'video' }] }] as const;
    const render = () => tokenizer.renderChat(messages, { addGenerationPrompt: true, where: 'row 4' });
    expect(render).toThrow(DataError);
    expect(render).toThrow(/row 4[^]*video is not supported/);
  });
});

test.each(['tokenizer.json', 'tokenizer_config.json'])(
  'a folder without %s is refused by name',
  async (name) => {
    const folder = folderWith({ [name]: null });
    await expect(Tokenizer.load(folder)).rejects.toThrow(CheckpointError);
    await expect(Tokenizer.load(folder)).rejects.toThrow(name);
  },
);

test('a tokenizer that does not belong to config.json is refused', async () => {
  const shifted = folderWith({ 'config.json': { image_token_id: 7 } });
  await expect(Tokenizer.load(shifted)).rejects.toThrow(/<\|image_pad\|> with id 7/);
  const small = folderWith({ 'config.json': { text_config: { vocab_size: 1000 } } });
  await expect(Tokenizer.load(small)).rejects.toThrow(/below 1000/);
});

test('ids that end a response come from all three files, nested configurations included', async () => {
  const folder = folderWith({
    'generation_config.json': { eos_token_id: 151643 },
    'config.json': { text_config: { eos_token_id: [151664] } },
  });
  expect((await Tokenizer.load(folder)).eosIds).toEqual([151643, 151664, 151645]);
  const bare = folderWith({ 'generation_config.json': null, 'config.json': null });
  expect((await Tokenizer.load(bare)).eosIds).toEqual([151645]);
});

describe('the chat template', () => {
  const small = { 'tokenizer.json': null, 'tokenizer_config.json': null };
  const own = { 'tokenizer_config.json': { chat_template: 'own' } };

  test('is looked for in the order of transformers', async () => {
    const jinja = { 'chat_template.jinja': 'jinja' };
    const json = { 'chat_template.json': { chat_template: 'json' } };
    const none = { 'chat_template.json': null };
    const processor = { 'processor_config.json': { chat_template: 'processor' } };
    const load = (files: Record<string, object | string | null>) =>
      loadChatTemplate(folderWith({ ...small, ...files }));
    expect(await load({ ...own, ...jinja, ...json, ...processor })).toBe('processor');
    expect(await load({ ...own, ...jinja, ...json })).toBe('json');
    expect(await load({ ...own, ...jinja, ...none })).toBe('jinja');
    expect(await load({ ...own, ...none })).toBe('own');
    await expect(load(none)).rejects.toThrow(/chat_template\.json/);
  });

  test('may be one of several that the tokenizer names', async () => {
    const list = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template: 'plain' },
    ];
    const files = { 'chat_template.json': null, 'tokenizer_config.json': { chat_template: list } };
    expect(await loadChatTemplate(folderWith({ ...small, ...files }))).toBe('plain');
  });

  test('renders the same from a jinja file', async () => {
    const path = join(import.meta.dirname, '../golden/processor/chat_template.json');
    const { chat_template } = JSON.parse(readFileSync(path, 'utf8')) as { chat_template: string };
    const tokenizer = await Tokenizer.load(
      folderWith({ 'chat_template.json': null, 'chat_template.jinja': chat_template }),
    );
    const messages = [{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Hi' }] }] as const;
    expect(tokenizer.renderChat(messages, { addGenerationPrompt: true })).toBe(
      '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' +
        '<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Hi<|im_end|>\n<|im_start|>assistant\n',
    );
  });
});
