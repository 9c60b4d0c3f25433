/** The tokenizer of a Qwen2.5-VL model folder, its special tokens and its chat template. */

import { join } from 'node:path';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { z } from 'zod';
import { CheckpointError, messageOf } from '../util/errors.ts';
import { loadChatTemplate, refuseVideo } from './chat.ts';
import type { ChatMessage } from './chat.ts';
import { readModelJson, requireModelJson } from './model-file.ts';
import type { JsonObject } from './model-file.ts';

const id = z.int().nonnegative();
const eosSchema = z.union([id.transform((one) => [one]), z.array(id)]).nullish();
const configSchema = z.object({
  eos_token_id: eosSchema,
  image_token_id: id.optional(),
  video_token_id: id.optional(),
  vision_start_token_id: id.optional(),
  vision_end_token_id: id.optional(),
  vocab_size: id.optional(),
  text_config: z.object({ eos_token_id: eosSchema, vocab_size: id.optional() }).optional(),
});
const generationSchema = z.object({ eos_token_id: eosSchema });

export class Tokenizer {
  /** One above the highest token id. The model's embedding may have more rows (padding): they mean nothing. */
  readonly vocabSize: number;
  /** Placeholder that the prompt repeats once per picture token. */
  readonly imagePadId: number;
  readonly videoPadId: number;
  readonly visionStartId: number;
  readonly visionEndId: number;
  /** Any of these ends a response: those of the generation settings, the model and the tokenizer, in that order. */
  readonly eosIds: readonly number[];
  /** Ids that stand for pictures and must never be sampled: a response that holds one cannot be read back. */
  readonly placeholderIds: readonly number[];

  readonly #library: PreTrainedTokenizer;
  readonly #template: string;

  private constructor(library: PreTrainedTokenizer, template: string, ids: SpecialIds) {
    this.#library = library;
    this.#template = template;
    this.vocabSize = ids.vocabSize;
    this.imagePadId = ids.imagePadId;
    this.videoPadId = ids.videoPadId;
    this.visionStartId = ids.visionStartId;
    this.visionEndId = ids.visionEndId;
    this.eosIds = ids.eosIds;
    this.placeholderIds = [ids.imagePadId, ids.videoPadId, ids.visionStartId, ids.visionEndId];
  }

  /**
   * Loads the tokenizer from local files only: `tokenizer.json`, `tokenizer_config.json`, a chat template, and
   * for the ids that end a response `config.json` and `generation_config.json` where they are.
   *
   * @throws CheckpointError naming the file that is missing or wrong
   */
  static async load(modelDir: string): Promise<Tokenizer> {
    const [tokenizerJson, tokenizerConfig, config, generation, template] = await Promise.all([
      requireModelJson(modelDir, 'tokenizer.json'),
      requireModelJson(modelDir, 'tokenizer_config.json'),
      readModelJson(modelDir, 'config.json'),
      readModelJson(modelDir, 'generation_config.json'),
      loadChatTemplate(modelDir),
    ]);
    const library = openLibrary(tokenizerJson, tokenizerConfig, modelDir);
    return new Tokenizer(
      library,
      template,
      readSpecialIds(library, modelDir, config ?? {}, generation ?? {}),
    );
  }

  /** Token ids of a text. Adds no special tokens; special tokens that the text spells become their ids. */
  encode(text: string): number[] {
    return this.#library.encode(text, { add_special_tokens: false });
  }

  /** The text of token ids, exactly as the tokens spell it; ids outside the vocabulary are left out. */
  decode(ids: ArrayLike<number>, { skipSpecialTokens }: { skipSpecialTokens: boolean }): string {
    // The library refuses an empty list; nothing decodes to nothing.
    if (ids.length === 0) return '';
    return this.#library.decode(Array.from(ids), {
      skip_special_tokens: skipSpecialTokens,
      clean_up_tokenization_spaces: false,
    });
  }

  /** The first special token that a text spells, such as `<|im_end|>`, or undefined. */
  findSpecialToken(text: string): string | undefined {
    return this.#library.all_special_tokens.find((token) => text.includes(token));
  }

  /**
   * Renders a conversation with the model's chat template; each picture becomes one `<|image_pad|>`.
   * @throws DataError if a message holds a video
   */
  renderChat(
    messages: readonly ChatMessage[],
    { addGenerationPrompt, where = 'conversation' }: { addGenerationPrompt: boolean; where?: string },
  ): string {
    refuseVideo(messages, where);
    const plain = messages.map(({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content : [...content],
    }));
    return this.#library.apply_chat_template(plain, {
      chat_template: this.#template,
      add_generation_prompt: addGenerationPrompt,
      tokenize: false,
    });
  }
}

interface SpecialIds {
  vocabSize: number;
  imagePadId: number;
  videoPadId: number;
  visionStartId: number;
  visionEndId: number;
  eosIds: number[];
}

/** Built from the parsed files, so that the library neither looks for files nor asks a network. */
function openLibrary(json: JsonObject, config: JsonObject, modelDir: string): PreTrainedTokenizer {
  try {
    return new PreTrainedTokenizer(json, config);
  } catch (error) {
    throw new CheckpointError(
      {
        where: join(modelDir, 'tokenizer.json'),
        expected: 'a tokenizer of the Qwen2 kind',
        found: messageOf(error),
      },
      { cause: error },
    );
  }
}

function readSpecialIds(
  library: PreTrainedTokenizer,
  modelDir: string,
  configJson: JsonObject,
  generationJson: JsonObject,
): SpecialIds {
  const config = parseFile(configSchema, configJson, join(modelDir, 'config.json'));
  const generation = parseFile(generationSchema, generationJson, join(modelDir, 'generation_config.json'));
  const vocab = library.get_vocab();
  let vocabSize = 0;
  for (const tokenId of vocab.values()) vocabSize = Math.max(vocabSize, tokenId + 1);

  const find = (token: string, configured: number | undefined): number => {
    const found = vocab.get(token);
    if (found !== undefined && (configured ?? found) === found) return found;
    throw new CheckpointError({
      where: join(modelDir, 'tokenizer.json'),
      expected: `the token ${token}${configured === undefined ? '' : ` with id ${configured}, as config.json says`}`,
      found: found === undefined ? 'no such token' : `id ${found}`,
      fix: 'use the tokenizer of the same Qwen2.5-VL model',
    });
  };
  const rows = config.vocab_size ?? config.text_config?.vocab_size ?? vocabSize;
  if (rows < vocabSize) {
    throw new CheckpointError({
      where: join(modelDir, 'tokenizer.json'),
      expected: `ids below ${rows}, the vocab_size of config.json`,
      found: `id ${vocabSize - 1}`,
      fix: 'use the tokenizer of the same Qwen2.5-VL model',
    });
  }
  // The library types this field as always there; a tokenizer_config.json without an eos_token leaves it out.
  const ownEos = vocab.get(library.eos_token);
  return {
    vocabSize,
    imagePadId: find('<|image_pad|>', config.image_token_id),
    videoPadId: find('<|video_pad|>', config.video_token_id),
    visionStartId: find('<|vision_start|>', config.vision_start_token_id),
    visionEndId: find('<|vision_end|>', config.vision_end_token_id),
    eosIds: [
      ...new Set([
        ...(generation.eos_token_id ?? []),
        ...(config.eos_token_id ?? config.text_config?.eos_token_id ?? []),
        ...(ownEos === undefined ? [] : [ownEos]),
      ]),
    ],
  };
}

function parseFile<Schema extends z.ZodType>(
  schema: Schema,
  json: JsonObject,
  where: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new CheckpointError({
    where,
    expected: 'the settings of a Qwen2.5-VL model',
    found: z.prettifyError(parsed.error),
  });
}
