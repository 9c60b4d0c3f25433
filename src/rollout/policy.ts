/** A policy as training, scoring and inference use it: the model with its tokenizer and image processor. */
import type { Gpu } from '../gpu/gpu.ts';
import { type ModelSource, openModelSource } from '../io/hub/model-source.ts';
import { Qwen2_5_VL, type ModelSettings } from '../model/qwen2_5_vl.ts';
import { decodeImage } from '../processor/image.ts';
import {
  loadProcessorConfig,
  type PixelBounds,
  type ProcessorConfig,
} from '../processor/processor-config.ts';
import { buildPrompt, type Prompt } from '../processor/prompt.ts';
import { Tokenizer } from '../processor/tokenizer.ts';

/** A question with its pictures, wherever it comes from. */
export interface Question {
  problem: string;
  /** Paths, data URLs or bytes. */
  images: readonly (string | Uint8Array)[];
  /** null leaves the system message to the chat template. */
  systemPrompt: string | null;
  /** File and row, for messages. */
  where: string;
}

export interface PolicyOptions extends PixelBounds {
  /** The commit of a repository on the hub, where it is known already. */
  revision?: string | null;
}

export class Policy {
  readonly model: Qwen2_5_VL;
  readonly tokenizer: Tokenizer;
  readonly processorConfig: ProcessorConfig;
  /** What it was loaded from. */
  readonly source: ModelSource;

  constructor(
    source: ModelSource,
    model: Qwen2_5_VL,
    tokenizer: Tokenizer,
    processorConfig: ProcessorConfig,
  ) {
    this.source = source;
    this.model = model;
    this.tokenizer = tokenizer;
    this.processorConfig = processorConfig;
  }

  /**
   * @param pathOrName a folder, or a name on the Hugging Face hub, from where it is fetched unless the cache has it;
   *   a device for planning needs no weights
   * @throws {ConfigError} {ServiceError} when there is no such model, or the hub does not give it
   * @throws {CheckpointError} when the folder is not a whole Qwen2.5-VL model
   */
  static async load(
    gpu: Gpu,
    pathOrName: string,
    settings: ModelSettings,
    { revision = null, ...bounds }: PolicyOptions = {},
  ): Promise<Policy> {
    const source = await openModelSource(pathOrName, { revision, weights: !gpu.isPlanning });
    const tokenizer = await Tokenizer.load(source.folder);
    const processorConfig = await loadProcessorConfig(source.folder, bounds);
    const model = await Qwen2_5_VL.load(gpu, source.folder, settings);
    return new Policy(source, model, tokenizer, processorConfig);
  }

  /** The folder it was loaded from, whose other files an export carries along. */
  get folder(): string {
    return this.source.folder;
  }

  /** @throws {DataError} when a picture cannot be read or the text spells a special token */
  async prompt({ problem, images, systemPrompt, where }: Question): Promise<Prompt> {
    const decoded = await Promise.all(images.map((image) => decodeImage(image, where)));
    const { patchSize, temporalPatchSize, mergeSize } = this.model.architecture.vision;
    return buildPrompt({
      tokenizer: this.tokenizer,
      processorConfig: this.processorConfig,
      modelVision: { patchSize, temporalPatchSize, spatialMergeSize: mergeSize },
      systemPrompt,
      problem,
      images: decoded,
      where,
    });
  }
}
