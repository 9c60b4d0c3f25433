import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { WETHINK_SYSTEM_PROMPT } from '../../src/config/system-prompt.ts';

const modelUrl = new URL('../../checkpoints/mini/', import.meta.url);

const partSchema = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image') }),
]);
const goldenSchema = z.object({
  texts: z.array(z.object({ text: z.string(), ids: z.array(z.int()) })),
  chats: z.array(z.object({ content: z.array(partSchema), text: z.string(), ids: z.array(z.int()) })),
  decoded: z.array(z.string()),
});
// Made by scripts/mini/dump_tokens.py with Python transformers.
const golden = goldenSchema.parse(await readJson(new URL('mini-tokens.json', import.meta.url)));
const configSchema = z.record(z.string(), z.unknown());
const tokenizerJson = configSchema.parse(await readJson(new URL('tokenizer.json', modelUrl)));
const tokenizerConfig = configSchema.parse(await readJson(new URL('tokenizer_config.json', modelUrl)));
const config = configSchema.parse(await readJson(new URL('config.json', modelUrl)));
const tokenizer = new PreTrainedTokenizer(tokenizerJson, tokenizerConfig);

describe(`the tokenizer in ${fileURLToPath(modelUrl)}`, () => {
  it('gives the ids that Python gives', () => {
    expect(golden.texts.length).toBeGreaterThan(50);
    for (const { text, ids } of golden.texts) {
      expect({ text, ids: encode(text) }).toEqual({ text, ids });
    }
  });

  it('renders and encodes whole prompts as Python does', async () => {
    const template = z
      .object({ chat_template: z.string() })
      .parse(await readJson(new URL('chat_template.json', modelUrl))).chat_template;
    for (const { content, text, ids } of golden.chats) {
      const chat = [
        { role: 'system', content: WETHINK_SYSTEM_PROMPT },
        { role: 'user', content },
      ];
      const options = { chat_template: template, add_generation_prompt: true, tokenize: false } as const;
      expect(tokenizer.apply_chat_template(chat, options)).toBe(text);
      expect(encode(text)).toEqual(ids);
    }
  });

  it('decodes every token as Python does', () => {
    const decoded = golden.decoded.map((_, id) =>
      tokenizer.decode([id], { clean_up_tokenization_spaces: false }),
    );
    expect(decoded).toEqual(golden.decoded);
  });

  it('keeps digits apart and tags whole, so that a target is short', () => {
    expect(encode('<think>3+5</think><answer>12</answer><|im_end|>').map((id) => golden.decoded[id])).toEqual(
      ['<think>', '3', '+', '5', '</think>', '<answer>', '1', '2', '</answer>', '<|im_end|>'],
    );
    expect(encode(WETHINK_SYSTEM_PROMPT)).toHaveLength(9);
  });

  it('agrees with config.json about special tokens and size', () => {
    const named = {
      bos_token_id: '<|endoftext|>',
      eos_token_id: '<|im_end|>',
      image_token_id: '<|image_pad|>',
    };
    for (const [key, text] of Object.entries(named)) expect(encode(text)).toEqual([config[key]]);
    expect(config['vocab_size']).toBe(Math.ceil(golden.decoded.length / 16) * 16);
  });
});

function encode(text: string): number[] {
  return tokenizer.encode(text, { add_special_tokens: false });
}

async function readJson(url: URL): Promise<unknown> {
  return JSON.parse(await readFile(url, 'utf8'));
}
