/** A reward model in ONNX: how much an answer means the same as the gold answer, from 0 to 1. */
import type { RewardConfig } from '../config/schema.ts';
import { CheckpointError, ConfigError, messageOf } from '../util/errors.ts';
import type { Assessment, AssessmentRequest, Assessor } from './assessor.ts';
import { type ModelText, OnnxModel } from './onnx-model.ts';

type ModelConfig = RewardConfig['model'];
type Activation = Exclude<ModelConfig['activation'], 'auto'>;

const PLACEHOLDER = /\{(\w+)\}/g;
const FIELDS: Readonly<Record<string, (request: AssessmentRequest) => string>> = {
  problem: ({ row }) => row.problem,
  answer: ({ row }) => row.answer,
  extracted: ({ extracted }) => extracted,
  response: ({ response }) => response,
};
/** Embeddings of gold answers that are kept; one of 384 numbers takes 1.5 KiB. */
const MAX_CACHED_EMBEDDINGS = 4096;

export class RewardModel implements Assessor {
  readonly name = 'reward_model';
  readonly counters: Record<string, number> = {
    'reward_model/calls': 0,
    'reward_model/failures': 0,
    'timing_s/reward_model': 0,
  };
  readonly #config: ModelConfig;
  readonly #model: OnnxModel;
  /** From the logits of a text to its score; not used for similarity. */
  readonly #scoreOf: (logits: Float32Array) => number;
  readonly #embeddings = new Map<string, Float32Array>();
  /** Runs of the model follow one another, because each uses every core. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(config: ModelConfig, model: OnnxModel, scoreOf: (logits: Float32Array) => number) {
    this.#config = config;
    this.#model = model;
    this.#scoreOf = scoreOf;
  }

  /**
   * Opens the folder `config.path` and tries the model once.
   * @throws ConfigError when the settings contradict themselves or the model
   * @throws CheckpointError when the folder is not one that ONNX Runtime can run
   * @throws GpuError when there is no WebGPU for it
   */
  static async open(config: ModelConfig): Promise<RewardModel> {
    if (config.path === null) throw problem('path', 'a Hugging Face folder with onnx/model.onnx', 'null');
    checkTemplates(config);
    const model = await OnnxModel.open(config.path, config);
    const isPair = config.task === 'classification' && config.text_pair !== null;
    const [trial] = await model
      .run([{ text: 'a', ...(isPair ? { pair: 'b' } : {}) }])
      .catch((error: unknown) => {
        throw error instanceof CheckpointError ? error : unfitModel(model.folder, error);
      });
    const logits = trial!.values;
    const scoreOf =
      config.task === 'classification' ? scorer(config, model.labels(logits.length)) : () => Number.NaN;
    return new RewardModel(config, model, scoreOf);
  }

  async assess(requests: readonly AssessmentRequest[]): Promise<Assessment[]> {
    const run = this.#last.then(() => this.#assessNow(requests));
    this.#last = run;
    return await run;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#model.close();
  }

  async #assessNow(requests: readonly AssessmentRequest[]): Promise<Assessment[]> {
    const start = performance.now();
    const keys = requests.map((request) => this.#texts(request));
    const assessments = new Map<string, Assessment>();
    // Equal texts are assessed once: they get the same score to the last bit.
    const waiting = [...new Map(keys.map((texts) => [keyOf(texts), texts])).entries()];
    // Texts of like length together: a batch is as long as its longest.
    waiting.sort(([a], [b]) => a.length - b.length);
    for (let first = 0; first < waiting.length; first += this.#config.batch_size) {
      const batch = waiting.slice(first, first + this.#config.batch_size);
      const results = await this.#assessBatch(batch.map(([, texts]) => texts));
      batch.forEach(([key], i) => assessments.set(key, results[i]!));
    }
    const results = keys.map((texts) => assessments.get(keyOf(texts))!);
    this.counters['reward_model/calls']! += requests.length;
    this.counters['reward_model/failures']! += results.filter(({ score }) => score === null).length;
    this.counters['timing_s/reward_model']! += (performance.now() - start) / 1000;
    return results;
  }

  async #assessBatch(batch: readonly Texts[]): Promise<Assessment[]> {
    try {
      return await (this.#config.task === 'classification' ? this.#classify(batch) : this.#compare(batch));
    } catch (error) {
      const note = `the reward model failed: ${messageOf(error)}`;
      return batch.map(() => ({ score: null, note }));
    }
  }

  async #classify(batch: readonly Texts[]): Promise<Assessment[]> {
    const texts = batch.map(([text, pair]): ModelText => (pair === undefined ? { text } : { text, pair }));
    const rows = await this.#model.run(texts);
    return rows.map(({ values, isCut }) => this.#assessment(this.#scoreOf(values), isCut));
  }

  async #compare(batch: readonly Texts[]): Promise<Assessment[]> {
    const golds = [...new Set(batch.map(([gold]) => gold))].filter((gold) => !this.#embeddings.has(gold));
    // A batch that might push out what it needs starts with an empty cache.
    if (this.#embeddings.size + golds.length > MAX_CACHED_EMBEDDINGS) {
      this.#embeddings.clear();
      golds.splice(0, golds.length, ...new Set(batch.map(([gold]) => gold)));
    }
    if (golds.length > 0) {
      const rows = await this.#model.run(golds.map((text) => ({ text })));
      rows.forEach(({ values }, i) => this.#embeddings.set(golds[i]!, values));
    }
    const [low, high] = this.#config.similarity_range;
    const rows = await this.#model.run(batch.map(([, answer]) => ({ text: answer! })));
    return rows.map(({ values, isCut }, i) => {
      const gold = this.#embeddings.get(batch[i]![0])!;
      const cosine = values.reduce((sum, value, place) => sum + value * gold[place]!, 0);
      return this.#assessment(Math.min(1, Math.max(0, (cosine - low) / (high - low))), isCut);
    });
  }

  #assessment(raw: number, isCut: boolean): Assessment {
    if (!Number.isFinite(raw))
      return { score: null, note: 'the reward model gave a number that is not finite' };
    const { threshold } = this.#config;
    const clamped = Math.min(1, Math.max(0, raw));
    const score = threshold === null ? clamped : Number(clamped >= threshold);
    const notes = [
      ...(raw === clamped ? [] : [`the reward model gave ${raw}, which is not between 0 and 1`]),
      ...(threshold === null ? [] : [`the reward model gave ${raw.toPrecision(3)}`]),
      ...(isCut ? [`the reward model read only its ${this.#model.maxTokens} tokens of the texts`] : []),
    ];
    return notes.length === 0 ? { score } : { score, note: notes.join('; ') };
  }

  #texts(request: AssessmentRequest): Texts {
    const { text, text_pair: pair } = this.#config;
    return pair === null
      ? [this.#fill(text, request)]
      : [this.#fill(text, request), this.#fill(pair, request)];
  }

  #fill(template: string, request: AssessmentRequest): string {
    return template.replace(PLACEHOLDER, (_, field: string) => this.#model.defuse(FIELDS[field]!(request)));
  }
}

type Texts = readonly [text: string, pair?: string];

function keyOf(texts: Texts): string {
  return JSON.stringify(texts);
}

/** From logits to a score; refuses what cannot be one. */
function scorer(config: ModelConfig, labels: readonly string[]): (logits: Float32Array) => number {
  const { activation, label } = config;
  const chosen: Activation =
    activation === 'auto' ? (labels.length === 1 ? 'sigmoid' : 'softmax') : activation;
  const place = label === null ? labels.length - 1 : labels.indexOf(label);
  if (place < 0) throw problem('label', `one of ${labels.join(', ')}`, String(label));
  if (chosen === 'softmax' && labels.length === 1) {
    throw problem(
      'activation',
      'sigmoid or none, because the model has one label',
      'softmax, which is then always 1',
    );
  }
  if (chosen !== 'softmax' && labels.length > 1 && label === null) {
    throw problem('label', `one of ${labels.join(', ')}, because ${chosen} looks at one label alone`, 'null');
  }
  return (logits) => ACTIVATIONS[chosen](logits, place);
}

const ACTIVATIONS: Readonly<Record<Activation, (logits: Float32Array, place: number) => number>> = {
  sigmoid: (logits, place) => 1 / (1 + Math.exp(-logits[place]!)),
  softmax: (logits, place) => {
    const highest = Math.max(...logits);
    const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
    return powers[place]! / powers.reduce((sum, power) => sum + power, 0);
  },
  none: (logits, place) => logits[place]!,
};

function checkTemplates({ task, text, text_pair: pair }: ModelConfig): void {
  for (const [key, template] of Object.entries({ text, text_pair: pair ?? '' })) {
    const unknown = [...template.matchAll(PLACEHOLDER)].find(([, field]) => !Object.hasOwn(FIELDS, field!));
    if (unknown) throw problem(key, `only {${Object.keys(FIELDS).join('}, {')}}`, unknown[0]);
  }
  if (task === 'similarity' && pair === null)
    throw problem('text_pair', 'the text to compare with reward.model.text', 'null');
  const judged = task === 'similarity' ? pair! : `${text}${pair ?? ''}`;
  if (!/\{(?:extracted|response)\}/.test(judged)) {
    throw problem(
      'text_pair',
      '{extracted} or {response}, or every response gets the same score',
      JSON.stringify(judged),
    );
  }
}

function problem(key: string, expected: string, found: string): ConfigError {
  return new ConfigError({ where: `reward.model.${key}`, expected, found });
}

function unfitModel(folder: string, cause: unknown): CheckpointError {
  return new CheckpointError(
    {
      where: `reward.model.path, ${folder}`,
      expected: 'a model that reads a text',
      found: messageOf(cause),
      fix: 'try reward.model.text_pair=null, or export the model again',
    },
    { cause },
  );
}
