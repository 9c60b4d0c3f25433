/** Conversations: their types, and where a model folder keeps its chat template. */

import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, DataError } from '../util/errors.ts';
import { missingFile, readModelJson, readModelText } from './model-file.ts';

type ChatRole = 'system' | 'user' | 'assistant';

/** A piece of a message. Video is known only so that it can be refused by name. */
export type ChatPart = { type: 'text'; text: string } | { type: 'image' } | { type: 'video' };

export interface ChatMessage {
  role: ChatRole;
  content: string | readonly ChatPart[];
}

const templateFile = z.object({ chat_template: z.string() });
/** A tokenizer keeps one template, or several of which one is called `default`. */
const tokenizerTemplate = z.union([
  z.string(),
  z
    .array(z.object({ name: z.string(), template: z.string() }))
    .transform((list) => list.find((entry) => entry.name === 'default')?.template),
]);

/**
 * Finds the chat template (Jinja) of a model folder, in transformers' order: `processor_config.json`,
 * `chat_template.json`, `chat_template.jinja`, `tokenizer_config.json`.
 *
 * @throws CheckpointError if there is none
 */
export async function loadChatTemplate(modelDir: string): Promise<string> {
  const processor = templateFile.safeParse(await readModelJson(modelDir, 'processor_config.json'));
  if (processor.success) return processor.data.chat_template;

  const legacy = await readModelJson(modelDir, 'chat_template.json');
  if (legacy !== null) {
    const parsed = templateFile.safeParse(legacy);
    if (parsed.success) return parsed.data.chat_template;
    throw new CheckpointError({
      where: join(modelDir, 'chat_template.json'),
      expected: 'an object with a text "chat_template"',
      found: `the keys ${Object.keys(legacy).join(', ') || '(none)'}`,
    });
  }
  const jinja = await readModelText(modelDir, 'chat_template.jinja');
  if (jinja !== null) return jinja;

  const own = tokenizerTemplate.safeParse(
    (await readModelJson(modelDir, 'tokenizer_config.json'))?.['chat_template'],
  );
  if (own.success && own.data !== undefined) return own.data;
  throw missingFile(modelDir, 'chat_template.json or chat_template.jinja');
}

/** The texts of a message, without its pictures. */
export function messageTexts({ content }: ChatMessage): string[] {
  if (typeof content === 'string') return [content];
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
}

/** How many pictures the messages ask for. */
export function countImages(messages: readonly ChatMessage[]): number {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content));
  return parts.filter((part) => part.type === 'image').length;
}

/** @throws DataError if a message holds a video. */
export function refuseVideo(messages: readonly ChatMessage[], where: string): void {
  for (const { content } of messages) {
    if (typeof content === 'string' || !content.some((part) => part.type === 'video')) continue;
    throw new DataError({
      where,
      expected: 'text and pictures',
      found: 'a video: video is not supported',
      fix: 'pass some frames as pictures',
    });
  }
}
