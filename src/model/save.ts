/** Writes a model or its adapter under the names of Hugging Face and PEFT. */
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic.ts';
import { f32ToBf16 } from '../io/float16.ts';
import type { ModelSource } from '../io/hub/model-source.ts';
import { SafetensorsFile, writeSafetensors, type TensorToWrite } from '../io/safetensors.ts';
import { isQuantized } from '../ops/weight.ts';
import { CheckpointError } from '../util/errors.ts';
import type { LoraSettings } from './lora.ts';
import type { Parameter, Parameters } from './parameters.ts';
import type { Qwen2_5_VL } from './qwen2_5_vl.ts';

/** PEFT's prefix of adapter names. */
const PEFT_PREFIX = 'base_model.model.';
export const WEIGHTS_FILE = 'model.safetensors';
export const ADAPTER_FILE = 'adapter_model.safetensors';

/** `stored` keeps each tensor's own dtype. */
export type SaveDtype = 'stored' | 'bf16';

/**
 * Writes every parameter of the base model into a safetensors file.
 * @throws {CheckpointError} when the model was quantised as it was loaded
 */
export async function saveWeights(
  model: Qwen2_5_VL,
  path: string,
  dtype: SaveDtype = 'stored',
): Promise<void> {
  const { base } = model.layers;
  await writeSafetensors(
    path,
    base.all().flatMap((parameter) => tensorsOf(base, parameter, '', dtype)),
  );
}

/** Writes the adapter as PEFT does: `adapter_model.safetensors` and `adapter_config.json`. */
export async function saveAdapter(
  model: Qwen2_5_VL,
  folder: string,
  lora: LoraSettings,
  base: Pick<ModelSource, 'name' | 'revision'>,
): Promise<void> {
  const adapter = model.layers.adapter!;
  const parameters = adapter.all();
  await writeSafetensors(
    join(folder, ADAPTER_FILE),
    parameters.flatMap((parameter) => tensorsOf(adapter, parameter, PEFT_PREFIX, 'stored')),
  );
  const targets = new Set(parameters.map(({ name }) => name.replace(/\.lora_[AB]\.weight$/, '')));
  const config = {
    peft_type: 'LORA',
    base_model_name_or_path: base.name,
    revision: base.revision,
    r: lora.rank,
    lora_alpha: lora.alpha,
    use_rslora: lora.use_rslora,
    lora_dropout: 0,
    bias: 'none',
    target_modules: [...targets],
    inference_mode: true,
  };
  await writeFileAtomic(join(folder, 'adapter_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * Overwrites trainable parameters (the adapter's, or the base's) from a file that one of the functions above
 * wrote, or that PEFT wrote.
 * @throws {CheckpointError} when a tensor is missing or misshapen
 */
export async function restoreTrainable(model: Qwen2_5_VL, path: string): Promise<void> {
  const { adapter, base } = model.layers;
  const target = adapter ?? base;
  await using file = await SafetensorsFile.open(path);
  for (const { name } of target.trainable().flatMap(({ parts }) => parts)) {
    const storedName = adapter ? PEFT_PREFIX + name : name;
    await target.writeStored(name, { file, storedName });
  }
}

/** Copies what belongs to a model besides its weights: configuration, tokenizer, processor, template. */
export async function copyModelFiles(from: string, to: string): Promise<void> {
  const notOfTheModel = /^(model\.safetensors\.index|adapter_config|state)\.json$/;
  const names = (await readdir(from)).filter(
    (name) => /\.(json|jinja|txt)$/.test(name) && !notOfTheModel.test(name),
  );
  await Promise.all(names.map((name) => copyFile(join(from, name), join(to, name))));
}

/** The stored tensors of a parameter. @throws {CheckpointError} when it is quantised */
function tensorsOf(
  parameters: Parameters,
  { name: parameterName, format, parts }: Parameter,
  prefix: string,
  dtype: SaveDtype,
): TensorToWrite[] {
  if (isQuantized(format)) {
    throw new CheckpointError({
      where: `saving ${parameterName}`,
      expected: 'f32, bf16 or f16',
      found: format,
      fix: 'save the adapter alone, and load the model without quantization to export it',
    });
  }
  const stored = { f32: 'F32', bf16: 'BF16', f16: 'F16' } as const;
  const narrow = dtype === 'bf16' && format === 'f32';
  return parts.map(({ name, shape }) => ({
    name: prefix + name,
    dtype: narrow ? 'BF16' : stored[format],
    shape,
    data: async () => {
      const values = await parameters.read(name);
      return narrow && values instanceof Float32Array ? f32ToBf16(values) : values;
    },
  }));
}
