/** Runs texts through a Hugging Face model folder with ONNX Runtime: logits, or sentence embeddings. */
import { join } from 'node:path';
import type { PreTrainedModel, PreTrainedTokenizer, Tensor } from '@huggingface/transformers';
import type { RewardConfig } from '../config/schema.ts';
import { CheckpointError, GpuError, messageOf } from '../util/errors.ts';
import { readOnnxFolder, wrongFile } from './onnx-folder.ts';

export type OnnxOptions = Pick<RewardConfig['model'], 'task' | 'device' | 'dtype'>;

export interface ModelText {
  text: string;
  /** The second text of a pair. */
  pair?: string;
}

export interface ModelRow {
  /** Logits, one for each label; or an embedding of length 1. */
  values: Float32Array;
  /** Whether the texts were longer than the model reads, so that it saw only a part. */
  isCut: boolean;
}

const OUTPUTS: Readonly<Record<OnnxOptions['task'], { name: string; ndim: number }>> = {
  classification: { name: 'logits', ndim: 2 },
  similarity: { name: 'last_hidden_state', ndim: 3 },
};
/** A text is cut here before it is made into tokens, which bounds the time for it; hardly any token is as long. */
const MAX_CHARS_PER_TOKEN = 64;
/** Rounds of shortening a pair; each takes off what is too much, by the characters of an average token. */
const FIT_ROUNDS = 8;

export class OnnxModel {
  readonly folder: string;
  readonly maxTokens: number;
  readonly #task: OnnxOptions['task'];
  readonly #idToLabel: Readonly<Record<string, string>>;
  readonly #tokenizer: PreTrainedTokenizer;
  readonly #model: PreTrainedModel;

  private constructor(
    folder: string,
    task: OnnxOptions['task'],
    limits: { maxTokens: number; idToLabel: Readonly<Record<string, string>> },
    parts: { tokenizer: PreTrainedTokenizer; model: PreTrainedModel },
  ) {
    this.folder = folder;
    this.#task = task;
    this.maxTokens = limits.maxTokens;
    this.#idToLabel = limits.idToLabel;
    this.#tokenizer = parts.tokenizer;
    this.#model = parts.model;
  }

  /**
   * Loads a folder with `config.json`, `tokenizer.json`, `tokenizer_config.json` and `onnx/model.onnx` (or the
   * file of another dtype). Reads local files only.
   * @throws CheckpointError when a file is missing or wrong
   * @throws GpuError when ONNX Runtime cannot use WebGPU here
   */
  static async open(path: string, { task, device, dtype }: OnnxOptions): Promise<OnnxModel> {
    const { folder, file, modelType, idToLabel, maxTokens } = await readOnnxFolder(path, dtype);
    // The library and ONNX Runtime take a quarter of a second to load, which commands without a model do not wait for.
    const library = await import('@huggingface/transformers');
    const { AutoModel, AutoModelForSequenceClassification: Classifier } = library;
    const Model = task === 'classification' && Classifier.supports(modelType) ? Classifier : AutoModel;
    const local = { local_files_only: true };
    const tokenizer = await library.AutoTokenizer.from_pretrained(folder, local).catch((error: unknown) => {
      throw wrongFile(folder, 'tokenizer.json', messageOf(error), error);
    });
    const model = await Model.from_pretrained(folder, { ...local, device, dtype }).catch((error: unknown) => {
      if (device === 'webgpu' && /adapter|vulkan/i.test(messageOf(error))) throw noWebGpu(error);
      throw wrongFile(folder, `onnx/${file}`, messageOf(error), error);
    });
    return new OnnxModel(folder, task, { maxTokens, idToLabel }, { tokenizer, model });
  }

  /** The name of each label, by its place among `count` logits. */
  labels(count: number): string[] {
    return Array.from({ length: count }, (_, i) => this.#idToLabel[i] ?? `LABEL_${i}`);
  }

  /** Parts the special tokens that a text spells, such as `[SEP]`: only the tokenizer may set them. */
  defuse(text: string): string {
    return this.#tokenizer.all_special_tokens
      .filter((token) => token.length > 1)
      .reduce((kept, token) => kept.replaceAll(token, `${token[0]} ${token.slice(1)}`), text);
  }

  /**
   * One row for each text, computed as one batch; what is too long is cut at the end of its longer text.
   * @throws CheckpointError when the model does not give what its task needs
   */
  async run(texts: readonly ModelText[]): Promise<ModelRow[]> {
    const fitted = texts.map((text) => this.#fit(text));
    const hasPairs = fitted.some(({ pair }) => pair !== undefined);
    const inputs = this.#tokenizer(
      fitted.map(({ text }) => text),
      {
        text_pair: hasPairs ? fitted.map(({ pair }) => pair ?? '') : null,
        padding: true,
        truncation: true,
        max_length: this.maxTokens,
      },
    );
    const output: unknown = await this.#model(inputs);
    const tensor = this.#output(output, texts.length);
    const rows =
      this.#task === 'classification' ? splitRows(tensor) : meanPooled(tensor, inputs.attention_mask);
    return rows.map((values, i) => ({ values, isCut: fitted[i]!.isCut }));
  }

  async close(): Promise<void> {
    await this.#model.dispose();
  }

  #fit({ text, pair }: ModelText): ModelText & { isCut: boolean } {
    const limit = this.maxTokens * MAX_CHARS_PER_TOKEN;
    let [first, second] = [text.slice(0, limit), pair?.slice(0, limit)];
    for (let round = 0; round < FIT_ROUNDS; round++) {
      const tokens = this.#tokenizer.encode(first, second === undefined ? {} : { text_pair: second }).length;
      if (tokens <= this.maxTokens) break;
      const chars = first.length + (second?.length ?? 0);
      const surplus = Math.ceil(((tokens - this.maxTokens) * chars) / tokens);
      if (second === undefined || first.length > second.length)
        first = first.slice(0, Math.max(0, first.length - surplus));
      else second = second.slice(0, Math.max(0, second.length - surplus));
    }
    const isCut = first.length < text.length || (second ?? '').length < (pair ?? '').length;
    return { text: first, ...(second === undefined ? {} : { pair: second }), isCut };
  }

  #output(output: unknown, rows: number): Tensor {
    const { name, ndim } = OUTPUTS[this.#task];
    const tensor = (output as Readonly<Record<string, Tensor | undefined>>)[name];
    if (tensor?.dims.length === ndim && tensor.dims[0] === rows) return tensor.to('float32');
    throw new CheckpointError({
      where: join(this.folder, 'onnx'),
      expected: `the output ${name} with ${ndim} dimensions, for reward.model.task=${this.#task}`,
      found: tensor
        ? `${name} of the shape [${tensor.dims.join(', ')}]`
        : Object.keys(output as object).join(', '),
      fix: 'export the model for this task, or choose the other task',
    });
  }
}

function splitRows({ data, dims }: Tensor): Float32Array[] {
  const [rows, width] = dims as [number, number];
  return Array.from({ length: rows }, (_, i) => (data as Float32Array).slice(i * width, (i + 1) * width));
}

/** The mean of the hidden states of a text's own tokens, scaled to length 1. */
function meanPooled({ data, dims }: Tensor, mask: Tensor): Float32Array[] {
  const [rows, tokens, width] = dims as [number, number, number];
  const hidden = data as Float32Array;
  return Array.from({ length: rows }, (_, row) => {
    const sum = new Float64Array(width);
    for (let token = 0; token < tokens; token++) {
      if (Number(mask.data[row * tokens + token]) === 0) continue;
      const start = (row * tokens + token) * width;
      for (let i = 0; i < width; i++) sum[i]! += hidden[start + i]!;
    }
    const norm = Math.hypot(...sum);
    return Float32Array.from(sum, (value) => value / norm);
  });
}

function noWebGpu(cause: unknown): GpuError {
  return new GpuError(
    {
      where: 'reward.model.device',
      expected: 'a WebGPU adapter that ONNX Runtime can use',
      found: /Failed to get[^\n]*/.exec(messageOf(cause))?.[0] ?? messageOf(cause),
      fix: 'use reward.model.device=cpu',
    },
    { cause },
  );
}
