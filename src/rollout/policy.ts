/** A policy as training, scoring and inference use it: the model with its tokenizer and image processor. */
import type { Gpu } from '../gpu/gpu.ts';
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

export class Policy {
  readonly model: Qwen2_5_VL;
  readonly tokenizer: Tokenizer;
  readonly processorConfig: ProcessorConfig;
  /** The folder it was loaded from, whose other files an export carries along. */
  readonly folder: string;

  constructor(folder: string, model: Qwen2_5_VL, tokenizer: Tokenizer, processorConfig: ProcessorConfig) {
    this.folder = folder;
    this.model = model;
    this.tokenizer = tokenizer;
    this.processorConfig = processorConfig;
  }

  /** @throws {CheckpointError} when the folder is not a whole Qwen2.5-VL model */
  static async load(
    gpu: Gpu,
    folder: string,
    settings: ModelSettings,
    bounds: PixelBounds = {},
  ): Promise<Policy> {
    const tokenizer = await Tokenizer.load(folder);
    const processorConfig = await loadProcessorConfig(folder, bounds);
    return new Policy(folder, await Qwen2_5_VL.load(gpu, folder, settings), tokenizer, processorConfig);
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
