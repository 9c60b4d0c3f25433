/** A chat model that scores answers in tiers. A judgement that fails is a null with the reason, never a zero. */
import PQueue from 'p-queue';
import type { RewardConfig } from '../config/schema.ts';
import { ChatClient } from '../io/chat-client.ts';
import { ChatError } from '../io/chat-error.ts';
import { cacheKey, ResultCache } from '../io/result-cache.ts';
import { cacheFolder } from '../util/cache-folder.ts';
import { ConfigError, messageOf } from '../util/errors.ts';
import { log } from '../util/log.ts';
import type { Assessment, AssessmentRequest, Assessor } from './assessor.ts';
import { JudgeImages } from './judge-images.ts';
import { buildPrompt, readTemplate } from './judge-prompt.ts';
import { type JudgeVerdict, readVerdict, verdictSchema } from './judge-reply.ts';

type JudgeConfig = RewardConfig['judge'];
type Body = Readonly<Record<string, unknown>>;

/** Keys of the request that extra_body must not change, because the program relies on them. */
const OWN_KEYS = ['model', 'messages', 'response_format', 'stream', 'n'];

interface Parts {
  config: JudgeConfig;
  baseUrl: string;
  template: string;
  tiers: readonly number[];
  client: ChatClient;
  cache: ResultCache | null;
}

export class Judge implements Assessor {
  readonly name = 'judge';
  readonly #parts: Parts;
  /** Bounds the images in memory, too: a request is made when its turn comes. */
  readonly #queue: PQueue;
  readonly #images = new JudgeImages();
  /** Judgements that are being made, for other samples that ask the same. */
  readonly #running = new Map<string, Promise<Assessment>>();
  readonly #counts = { assessments: 0, failures: 0, cache_hits: 0, shared: 0, cache_errors: 0 };

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#queue = new PQueue({ concurrency: parts.config.max_concurrency });
  }

  /**
   * Reads the template and opens the cache; the endpoint is not asked yet.
   * @throws ConfigError for no base_url, a template or cache that cannot be used, or keys in extra_body that
   * are set otherwise.
   */
  static async open(config: JudgeConfig): Promise<Judge> {
    const { base_url: baseUrl, cache_file: cacheFile } = config;
    if (baseUrl === null) {
      throw new ConfigError({
        where: 'reward.judge.base_url',
        expected: 'the address of an OpenAI-compatible endpoint, because rows are to be assessed by a model',
        found: 'null',
        fix: 'set it, or reward.model.path, or map these rows to a rule (reward.verifier_by_reward)',
      });
    }
    const taken = OWN_KEYS.find((key) => Object.hasOwn(config.extra_body, key));
    if (taken !== undefined) {
      throw new ConfigError({
        where: `reward.judge.extra_body.${taken}`,
        expected: `other keys than ${OWN_KEYS.join(', ')}`,
        found: taken,
        fix: 'use the keys of reward.judge; how many replies there are cannot be changed',
      });
    }
    const template = await readTemplate(config.template_file);
    const client = new ChatClient({
      baseUrl,
      apiKeyEnv: config.api_key_env,
      maxConcurrency: config.max_concurrency,
      timeoutS: config.timeout_s,
      maxRetries: config.max_retries,
      responseFormat: config.response_format,
    });
    const file = cacheFile === 'auto' ? cacheFolder('judge.sqlite') : cacheFile;
    const cache = file === null ? null : await ResultCache.open(file);
    const tiers = [...new Set(config.tiers)].sort((a, b) => a - b);
    return new Judge({ config, baseUrl, template, tiers, client, cache });
  }

  async assess(requests: readonly AssessmentRequest[]): Promise<Assessment[]> {
    return Promise.all(requests.map((request) => this.#queue.add(() => this.#assess(request))));
  }

  /**
   * Running sums. assessments = judge/cache_hits + judge/shared + judge/calls (+ those whose image could not
   * be read); judge/failures of the assessments ended without a score.
   */
  get counters(): Readonly<Record<string, number>> {
    const { calls, attempts, retries, failedAttempts, promptTokens, completionTokens, secondsTotal } =
      this.#parts.client.counters;
    return {
      ...Object.fromEntries(Object.entries(this.#counts).map(([name, count]) => [`judge/${name}`, count])),
      'judge/calls': calls,
      'judge/attempts': attempts,
      'judge/retries': retries,
      'judge/failed_attempts': failedAttempts,
      'judge/prompt_tokens': promptTokens,
      'judge/completion_tokens': completionTokens,
      'timing_s/judge': secondsTotal,
    };
  }

  /** Cancels what waits or runs: those assessments become null. */
  async close(): Promise<void> {
    await this.#parts.client.close();
    await this.#queue.onIdle();
    this.#parts.cache?.close();
  }

  async #assess(request: AssessmentRequest): Promise<Assessment> {
    this.#counts.assessments++;
    const assessment = await this.#judgeOnce(request);
    if (assessment.score === null) this.#counts.failures++;
    return assessment;
  }

  /** Judges, unless the cache has it or another sample with the same texts is being judged. */
  async #judgeOnce(request: AssessmentRequest): Promise<Assessment> {
    let body: Body;
    try {
      body = await this.#body(request);
    } catch (error) {
      return { score: null, note: `${request.row.id}: image not readable: ${messageOf(error)}` };
    }
    const { baseUrl, config, tiers } = this.#parts;
    // The address counts, because many servers call whatever model they have "default".
    const key = cacheKey({ baseUrl, body, tiers, responseFormat: config.response_format });
    const known = this.#readCache(key);
    if (known !== undefined) {
      this.#counts.cache_hits++;
      return toAssessment(known);
    }
    const running = this.#running.get(key);
    if (running !== undefined) {
      this.#counts.shared++;
      return running;
    }
    const judgement = this.#ask(key, body);
    this.#running.set(key, judgement);
    try {
      return await judgement;
    } finally {
      this.#running.delete(key);
    }
  }

  async #ask(key: string, body: Body): Promise<Assessment> {
    const { client, tiers } = this.#parts;
    try {
      const request = { body, schema: verdictSchema(tiers) };
      const verdict = await client.complete(request, (reply) => readVerdict(reply, tiers));
      this.#withCache((cache) => cache.set(key, verdict));
      return toAssessment(verdict);
    } catch (error) {
      if (error instanceof ChatError) return { score: null, note: error.reason };
      throw error;
    }
  }

  async #body({ row, ...rest }: AssessmentRequest): Promise<Body> {
    const { config, template, tiers } = this.#parts;
    const { system, user } = buildPrompt(template, tiers, { row, ...rest });
    const sources = config.send_image ? row.images : [];
    const urls = await Promise.all(sources.map((source) => this.#images.dataUrl(source)));
    const content = [
      ...urls.map((url) => ({ type: 'image_url', image_url: { url } })),
      { type: 'text', text: user },
    ];
    const body: Body = {
      model: config.model,
      messages: [
        { role: 'system', content: system },
        { role: 'user', content: urls.length === 0 ? user : content },
      ],
      temperature: config.temperature,
      max_tokens: config.max_tokens,
      ...config.extra_body,
    };
    // A null in extra_body takes a key out: some models refuse temperature or max_tokens.
    return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  }

  #readCache(key: string): JudgeVerdict | undefined {
    const value = this.#withCache((cache) => cache.get(key) as JudgeVerdict | undefined);
    return value !== undefined && this.#parts.tiers.includes(value.score) ? value : undefined;
  }

  /** A cache that fails while the run goes on costs money, not the run. */
  #withCache<T>(action: (cache: ResultCache) => T): T | undefined {
    if (this.#parts.cache === null) return undefined;
    try {
      return action(this.#parts.cache);
    } catch (error) {
      if (this.#counts.cache_errors++ === 0)
        log.warn(`the judge goes on without its cache:\n${messageOf(error)}`);
      return undefined;
    }
  }
}

function toAssessment({ score, reason }: JudgeVerdict): Assessment {
  return reason === '' ? { score } : { score, note: reason };
}
