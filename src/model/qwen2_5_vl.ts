/**
 * Qwen2.5-VL from a Hugging Face folder: weights on the GPU, and the passes that training, scoring and rollouts
 * are made of. One set of kernels serves all of them.
 */
import * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import type { MemoryLine } from '../gpu/memory.ts';
import { gatherRows, type RowMap } from '../ops/embedding.ts';
import { linearLogprob } from '../ops/logprob.ts';
import type { IntegerLayout, Weight } from '../ops/weight.ts';
import { loadArchitecture, type ModelArchitecture } from './config.ts';
import { decoderSegments, type DecoderRows } from './decoder.ts';
import { adaptedLayers, adapterTable, freshAdapter, loraScale, type LoraSettings } from './lora.ts';
import { isVisionParameter, parameterTable, type ParameterSpec } from './parameter-table.ts';
import { loadParameters, type ParameterSource } from './load-parameters.ts';
import type { Parameters } from './parameters.ts';
import { Layers } from './projection.ts';
import { RotaryTables } from './rotary-tables.ts';
import { backpropagate, runSegments, type Backpropagation, type Segment } from './segment.ts';
import { stackedTable } from './stacks.ts';
import { visionSegments, type VisionInputs } from './vision.ts';
import { WeightFiles } from './weight-files.ts';

export interface ModelSettings {
  /** `full`: every parameter is trained; `lora`: a fresh adapter; `none`: everything is frozen. */
  training: 'full' | 'lora' | 'none';
  freezeVision: boolean;
  lora?: LoraSettings;
  /** Rounds the matrices of frozen linear layers to integers as they are loaded. */
  quantization?: IntegerLayout | undefined;
  recompute: boolean;
  /** Random weights instead of stored ones. */
  fromScratch: boolean;
  /** `bf16` fills random matrices quickly, by repetition (model/load-parameters.ts): for measurements, not for training. */
  randomFormat?: 'f32' | 'bf16';
  /** For random weights and fresh adapters. */
  seed: number;
  /** Of the memory budget, for the weights; `weights` unless given. */
  line?: MemoryLine;
}

export const FROZEN: ModelSettings = {
  training: 'none',
  freezeVision: true,
  recompute: false,
  fromScratch: false,
  seed: 0,
};

/** One pass over packed rows, on the GPU. */
export interface DecoderInputs extends DecoderRows {
  /** Token embedding (or image feature) of each row. */
  source: RowMap;
  vision: VisionInputs | null;
  /** Features of the images in the place of `vision`, f32 [F, D] in window order. */
  features?: tf.Tensor;
}

/** Which tokens are predicted from which rows of a pass. */
export interface Prediction {
  /** Rows whose hidden states predict the targets, [T]. */
  headRows: RowMap;
  /** int32 [T] */
  targets: tf.Tensor;
  /** Divides the logits. */
  temperature: number;
}

/** f32 [T] each: log-probabilities of the targets, and entropies in nats, which have no gradient. */
export type Predicted = Record<'logprob' | 'entropy', tf.Tensor>;

export class Qwen2_5_VL {
  readonly gpu: Gpu;
  readonly architecture: ModelArchitecture;
  readonly layers: Layers;
  readonly specs: readonly ParameterSpec[];
  readonly rotary: RotaryTables;
  readonly #recompute: boolean;

  private constructor(
    gpu: Gpu,
    architecture: ModelArchitecture,
    specs: readonly ParameterSpec[],
    layers: Layers,
    recompute: boolean,
  ) {
    this.gpu = gpu;
    this.architecture = architecture;
    this.specs = specs;
    this.layers = layers;
    this.rotary = new RotaryTables(gpu, architecture);
    this.#recompute = recompute;
  }

  /** @throws {CheckpointError} when the folder is not a whole Qwen2.5-VL model */
  static async load(gpu: Gpu, folder: string, settings: ModelSettings): Promise<Qwen2_5_VL> {
    const architecture = await loadArchitecture(folder);
    const specs = parameterTable(architecture);
    const isTrainable = ({ name }: ParameterSpec) =>
      settings.training === 'full' && !(settings.freezeVision && isVisionParameter(name));
    const base = await loadBase(gpu, folder, architecture, settings, isTrainable);
    const { lora } = settings;
    if (settings.training !== 'lora' || !lora) {
      return new Qwen2_5_VL(gpu, architecture, specs, new Layers(base), settings.recompute);
    }
    const table = adapterTable(specs, adaptedLayers(specs, lora), lora.rank);
    const adapter = await freshAdapter(gpu, table, settings.seed);
    const layers = new Layers(base, adapter, loraScale(lora));
    return new Qwen2_5_VL(gpu, architecture, specs, layers, settings.recompute);
  }

  /** The output projection: the embedding itself in tied models. */
  get head(): Weight {
    return this.layers.weight(
      this.architecture.text.tiedHead ? 'model.language_model.embed_tokens.weight' : 'lm_head.weight',
    );
  }

  /** @returns features f32 [F, D] in window order */
  visionFeatures(inputs: VisionInputs): tf.Tensor {
    return runSegments(this.#vision(inputs));
  }

  /** @returns hidden states f32 [N, D] before the final norm */
  hiddenStates(inputs: DecoderInputs): tf.Tensor {
    return runSegments(this.#body(inputs));
  }

  #vision(inputs: VisionInputs): Segment[] {
    return visionSegments(this.layers, this.architecture.vision, inputs, this.rotary.vision);
  }

  /** From patches, or tokens alone, to hidden states. */
  #body({ source, vision, features: known, ...rows }: DecoderInputs): Segment[] {
    const embedding = this.layers.weight('model.language_model.embed_tokens.weight');
    const embed: Segment = {
      uses: ['model.language_model.embed_tokens'],
      run: (features = known) => gatherRows(embedding, source, features),
    };
    return [
      ...(vision ? this.#vision(vision) : []),
      embed,
      ...decoderSegments(this.layers, this.architecture.text, rows, this.rotary.text),
    ];
  }

  /** The final norm of chosen rows. @returns f32 [T, D] */
  headInput(hidden: tf.Tensor, rows: RowMap): tf.Tensor {
    return this.finalNorm(gatherRows(hidden, rows));
  }

  finalNorm(hidden: tf.Tensor): tf.Tensor {
    return this.layers.norm('model.language_model.norm', hidden, this.architecture.text.normEps);
  }

  /**
   * Log-probability of one token per row under softmax(logits / temperature), and that distribution's entropy.
   * @param hidden f32 [N, D] before the final norm
   */
  #headLogprobs(hidden: tf.Tensor, { headRows, targets, temperature }: Prediction): Predicted {
    const { logprob_N, entropy_N } = linearLogprob(this.headInput(hidden, headRows), this.head, targets, {
      temperature,
    });
    return { logprob: logprob_N, entropy: entropy_N };
  }

  /** Log-probability and entropy of what is predicted. */
  logprobs(inputs: DecoderInputs, prediction: Prediction): Predicted {
    return tf.tidy(() => this.#headLogprobs(this.hiddenStates(inputs), prediction));
  }

  /**
   * The training pass: a loss on log-probabilities, and its gradient by every trained parameter.
   * @param loss gives a scalar
   * @returns its value
   */
  lossGradients(
    inputs: DecoderInputs,
    prediction: Prediction,
    loss: (predicted: Predicted) => tf.Tensor,
    onGradient: Backpropagation['onGradient'],
  ): tf.Tensor {
    const head: Segment = {
      uses: ['model.language_model.norm', 'lm_head', 'model.language_model.embed_tokens'],
      run: (hidden) => loss(this.#headLogprobs(hidden!, prediction)),
    };
    return backpropagate([...this.#body(inputs), head], {
      trainable: this.layers.trainable(),
      recompute: this.#recompute,
      onGradient,
    });
  }

  dispose(): void {
    this.layers.base.dispose();
    this.layers.adapter?.dispose();
    this.rotary.dispose();
  }
}

async function loadBase(
  gpu: Gpu,
  folder: string,
  architecture: ModelArchitecture,
  settings: ModelSettings,
  isTrainable: (spec: ParameterSpec) => boolean,
): Promise<Parameters> {
  const specs = parameterTable(architecture);
  const { quantization, line } = settings;
  const load = (source: ParameterSource) =>
    loadParameters(gpu, stackedTable(specs), source, isTrainable, { quantization, line });
  if (settings.fromScratch) {
    const kind = settings.randomFormat === 'bf16' ? 'repeated' : 'random';
    return gpu.isPlanning
      ? load({ kind: 'zeros', format: settings.randomFormat ?? 'f32' })
      : load({ kind, seed: settings.seed, std: architecture.initializerRange });
  }
  // Memory can be planned before the weights are there.
  if (gpu.isPlanning && !WeightFiles.existIn(folder)) {
    return load({ kind: 'zeros', format: architecture.storedFormat });
  }
  await using files = await WeightFiles.open(folder);
  files.check(specs);
  // Awaited here, because the files close when this function ends.
  return await load({ kind: 'files', files });
}
