/** From rows to prompts, with the length limit applied before training starts. */
import type { DataConfig } from '../config/schema.ts';
import type { Row } from '../data/row.ts';
import type { Prompt } from '../processor/prompt.ts';
import type { Policy } from '../rollout/policy.ts';
import { DataError } from '../util/errors.ts';
import { log } from '../util/log.ts';

/** Prompts up to this many bytes of patches are kept, so that small datasets are prepared once. */
const CACHE_BYTES = 256 * 2 ** 20;

export class PromptSource {
  readonly #policy: Policy;
  readonly #config: DataConfig;
  readonly #cache = new Map<string, Prompt>();
  #cachedBytes = 0;

  constructor(policy: Policy, config: DataConfig) {
    this.#policy = policy;
    this.#config = config;
  }

  /** @throws {DataError} when an image cannot be read */
  async of(row: Row): Promise<Prompt> {
    const cached = this.#cache.get(row.id);
    if (cached) return cached;
    const prompt = await this.#policy.prompt({
      problem: row.problem,
      images: row.images,
      systemPrompt: this.#config.system_prompt === '' ? null : this.#config.system_prompt,
      where: `${row.file}:${row.line}`,
    });
    const bytes = prompt.images.reduce(
      (sum, { patches }) => sum + patches.byteLength,
      prompt.tokens.byteLength * 4,
    );
    if (this.#cachedBytes + bytes <= CACHE_BYTES) {
      this.#cache.set(row.id, prompt);
      this.#cachedBytes += bytes;
    }
    return prompt;
  }

  /**
   * The rows whose prompts are within `data.max_prompt_length`.
   * @throws {DataError} for a longer one unless `data.filter_overlong_prompts`, and when none is left
   */
  async withinLimit(rows: readonly Row[]): Promise<Row[]> {
    const { max_prompt_length: limit, filter_overlong_prompts: filter } = this.#config;
    const kept: Row[] = [];
    for (const row of rows) {
      const { length } = (await this.of(row)).tokens;
      if (length <= limit) kept.push(row);
      else if (!filter) {
        throw new DataError({
          where: `${row.file}:${row.line}`,
          expected: `a prompt of at most ${limit} tokens (data.max_prompt_length)`,
          found: `${length} tokens`,
          fix: 'raise the limit, lower data.max_pixels, or set data.filter_overlong_prompts: true',
        });
      }
    }
    if (kept.length < rows.length) {
      log.warn(
        `${rows.length - kept.length} of ${rows.length} rows left out: prompt longer than ${limit} tokens`,
      );
    }
    if (kept.length === 0 && rows.length > 0) {
      throw new DataError({
        where: 'data.max_prompt_length',
        expected: 'at least one row within the limit',
        found: `none of ${rows.length}`,
        fix: 'raise the limit or lower data.max_pixels',
      });
    }
    return kept;
  }
}
