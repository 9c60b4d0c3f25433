/**
 * The hybrid reward: a weighted sum of accuracy and format (0.7 and 0.3, as in WeThink), where the accuracy comes
 * from a rule for answers that can be checked and from a model for the others; then what users add.
 *
 * @see WeThink (arXiv 2506.07905)
 */
import type { RewardConfig } from '../config/schema.ts';
import { DataError } from '../util/errors.ts';
import type { Assessor } from './assessor.ts';
import { Checker } from './checker.ts';
import { type Extraction, extractAnswer } from './extract.ts';
import { FailureWatch } from './failure-watch.ts';
import { formatScore } from './format.ts';
import { type LoadedFunction, loadFunctions } from './functions.ts';
import { checkGoldAnswers, RouteProblems } from './gold.ts';
import { isAssessor, type Method } from './routes.ts';
import { readAnswers } from './row-answers.ts';
import type { RewardRow, Sample, Score } from './sample.ts';
import { cosineTerm, overlongTerm, repetitionTerm } from './shaping.ts';

/** A longer "answer" is no answer; the limit also bounds what the verifiers have to read. */
export const MAX_ANSWER_CHARS = 2000;
/** Of answers that may well be long: texts, lists of things or boxes, and what models assess. */
const MAX_LONG_ANSWER_CHARS = 20_000;
const LONG_METHODS: readonly Method[] = [
  'text',
  'list',
  'ordered_list',
  'detection',
  'reward_model',
  'judge',
];

interface Accuracy {
  score: number | null;
  note?: string;
}

/** A sample with what was found in it. */
interface Read extends Sample {
  method: Method;
  extraction: Extraction;
}

export class HybridReward {
  /** Weight of each part by its name. */
  readonly weights: Readonly<Record<string, number>>;
  readonly #config: RewardConfig;
  readonly #maxTokens: number;
  readonly #checker: Checker;
  readonly #functions: readonly LoadedFunction[];
  readonly #assessors = new Map<Method, Promise<Assessor>>();
  readonly #opened: Assessor[] = [];
  readonly #failures: FailureWatch;
  #taken: Readonly<Record<string, number>> = {};

  /**
   * @param maxTokens the longest response in tokens, which the length terms refer to
   * @throws ConfigError for a function that cannot be loaded
   */
  static async open(config: RewardConfig, maxTokens: number): Promise<HybridReward> {
    return new HybridReward(config, maxTokens, await loadFunctions(config.functions, BUILT_IN_PARTS));
  }

  private constructor(config: RewardConfig, maxTokens: number, functions: readonly LoadedFunction[]) {
    this.#config = config;
    this.#maxTokens = maxTokens;
    this.#checker = new Checker(config.check_timeout_ms);
    this.#functions = functions;
    this.#failures = new FailureWatch(config.max_failed_fraction);
    this.weights = {
      accuracy: config.accuracy_weight,
      format: config.format_weight,
      ...Object.fromEntries(
        TERMS.filter((term) => config[term].weight !== 0).map((term) => [term, config[term].weight]),
      ),
      ...Object.fromEntries(functions.map(({ name }, i) => [name, config.function_weights?.[i] ?? 1])),
    };
  }

  /**
   * To be called before a run with all its rows. Opens the models that they need.
   * @throws DataError that lists the rows that cannot be rewarded
   * @throws ConfigError for a model that cannot be opened
   */
  async checkRows(rows: Iterable<RewardRow> | AsyncIterable<RewardRow>): Promise<void> {
    const methods = await checkGoldAnswers(rows, this.#config, this.#checker);
    await Promise.all([...methods].filter(isAssessor).map((method) => this.#assessor(method)));
  }

  /**
   * One score for each sample, in their order.
   * @throws DataError when a row's own answer or columns cannot be used, or a function fails
   * @throws ServiceError when more of the latest assessments failed than `max_failed_fraction`
   */
  async score(samples: readonly Sample[]): Promise<Score[]> {
    const routes = new RouteProblems();
    const methods = samples.map(({ row }) => routes.add(row, this.#config));
    routes.throwIfAny();
    const reads = samples.map((sample, i): Read => ({
      ...sample,
      method: methods[i]!,
      extraction: extractAnswer(sample.response),
    }));
    const accuracies = await this.#accuracies(reads);
    const values = await this.#functionValues(reads, accuracies);
    return reads.map((read, i) => this.#sum(read, accuracies[i]!, values[i]!));
  }

  /** What has been counted since this was last asked: checks that were stopped, and what the models count. */
  takeCounters(): Record<string, number> {
    const totals: Record<string, number> = { 'reward/stopped_checks': this.#checker.stopped };
    for (const { counters } of this.#opened) Object.assign(totals, counters);
    const taken = this.#taken;
    this.#taken = totals;
    return Object.fromEntries(
      Object.entries(totals).map(([name, total]) => [name, total - (taken[name] ?? 0)]),
    );
  }

  /** To be called when samples have been scored. @throws ServiceError when every assessment so far failed */
  checkFailures(): void {
    this.#failures.finish();
  }

  async close(): Promise<void> {
    await Promise.all([this.#checker.close(), ...this.#opened.map((assessor) => assessor.close())]);
  }

  async #accuracies(reads: readonly Read[]): Promise<Accuracy[]> {
    const results = new Map<Read, Accuracy>();
    const answered = reads.filter((read) => {
      const { length } = read.extraction.text;
      const limit = LONG_METHODS.includes(read.method) ? MAX_LONG_ANSWER_CHARS : MAX_ANSWER_CHARS;
      if (length > 0 && length <= limit) return true;
      const note = length === 0 ? 'no answer' : `answer of more than ${limit} characters`;
      results.set(read, { score: 0, note });
      return false;
    });
    const byMethod = Map.groupBy(answered, ({ method }) => method);
    await Promise.all(
      [...byMethod].map(async ([method, group]) => {
        const found = isAssessor(method)
          ? await this.#assess(method, group)
          : await Promise.all(group.map((read) => this.#check(method, read)));
        group.forEach((read, i) => results.set(read, found[i]!));
      }),
    );
    return reads.map((read) => results.get(read)!);
  }

  #check(verifier: Exclude<Method, Assessor['name']>, { row, extraction }: Read): Promise<Accuracy> {
    const answers = readAnswers(row, this.#config);
    return this.#checker.check({ verifier, extracted: extraction.text, ...answers });
  }

  async #assess(method: Assessor['name'], reads: readonly Read[]): Promise<Accuracy[]> {
    const assessor = await this.#assessor(method);
    const found = await assessor.assess(
      reads.map(({ row, response, extraction }) => ({ row, response, extracted: extraction.text })),
    );
    this.#failures.add(found);
    return found;
  }

  /** Each model is opened once, by whoever needs it first. */
  #assessor(method: Assessor['name']): Promise<Assessor> {
    let assessor = this.#assessors.get(method);
    if (!assessor) {
      assessor = this.#open(method);
      this.#assessors.set(method, assessor);
    }
    return assessor;
  }

  async #open(method: Assessor['name']): Promise<Assessor> {
    const { judge, model } = this.#config;
    let assessor: Assessor;
    if (method === 'judge') {
      const { Judge } = await import('./judge.ts');
      assessor = await Judge.open(judge);
    } else {
      const { RewardModel } = await import('./reward-model.ts');
      assessor = await RewardModel.open(model);
    }
    this.#opened.push(assessor);
    return assessor;
  }

  /** By sample, then by function. */
  async #functionValues(
    reads: readonly Read[],
    accuracies: readonly Accuracy[],
  ): Promise<Record<string, number | null>[]> {
    const inputs = reads.map(({ row, response, responseTokens, extraction }, i) => ({
      row,
      response,
      responseTokens,
      extracted: extraction.text,
      accuracy: accuracies[i]!.score,
    }));
    const columns = await Promise.all(this.#functions.map(({ call }) => call(inputs)));
    return reads.map((_, i) =>
      Object.fromEntries(this.#functions.map(({ name }, f) => [name, columns[f]![i]!])),
    );
  }

  #sum(read: Read, { score: accuracy, note }: Accuracy, values: Record<string, number | null>): Score {
    const { method, extraction } = read;
    const parts: Record<string, number | null> = {
      accuracy,
      format: formatScore(read.response, this.#config.format_partial_credit),
      ...this.#terms(read, accuracy),
      ...values,
    };
    const known = Object.entries(parts).filter((entry): entry is [string, number] => entry[1] !== null);
    return {
      reward:
        accuracy === null ? null : known.reduce((sum, [name, value]) => sum + this.weights[name]! * value, 0),
      parts,
      method,
      extracted: extraction.text,
      source: extraction.source,
      ...(note === undefined ? {} : { note }),
    };
  }

  /** The shaping terms that have a weight. */
  #terms(read: Read, accuracy: number | null): Record<string, number | null> {
    const { overlong, repetition, cosine } = this.#config;
    const limit = this.#maxTokens;
    const compute: Record<(typeof TERMS)[number], () => number | null> = {
      overlong: () => overlongTerm(tokensOf(read), limit, overlong.buffer_tokens),
      repetition: () => repetitionTerm(read.response, repetition.ngram),
      cosine: () => (accuracy === null ? null : cosineTerm(accuracy, tokensOf(read), limit, cosine)),
    };
    const active = TERMS.filter((term) => this.#config[term].weight !== 0);
    return Object.fromEntries(active.map((term) => [term, compute[term]()]));
  }
}

const TERMS = ['overlong', 'repetition', 'cosine'] as const;
const BUILT_IN_PARTS = ['accuracy', 'format', ...TERMS];

function tokensOf({ row, responseTokens }: Sample): number {
  if (responseTokens !== null) return responseTokens;
  throw new DataError({
    where: row.id,
    expected: 'the length of the response, because reward.overlong or reward.cosine has a weight',
    found: 'no response_tokens and no token_ids',
    fix: 'add one of these columns, or set the weight to 0',
  });
}
