/** Hands a trained policy over as a Hugging Face folder that `transformers` loads. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Gpu } from '../gpu/gpu.ts';
import { writeFolderAtomic } from '../io/atomic.ts';
import { openModelSource } from '../io/hub/model-source.ts';
import { loraScale, type LoraSettings } from '../model/lora.ts';
import { mergeAdapter } from '../model/merge.ts';
import { FROZEN, Qwen2_5_VL, type ModelSettings } from '../model/qwen2_5_vl.ts';
import {
  ADAPTER_FILE,
  WEIGHTS_FILE,
  copyModelFiles,
  restoreTrainable,
  saveWeights,
  type SaveDtype,
} from '../model/save.ts';
import { readModelJson } from '../processor/model-file.ts';
import { CheckpointError } from '../util/errors.ts';

const adapterSchema = z.looseObject({
  base_model_name_or_path: z.string(),
  revision: z.string().nullish(),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().default(false),
  target_modules: z.array(z.string()).min(1),
});

/**
 * @param from a model folder, a step of a full run, a step of a LoRA run (its adapter is merged), or a name on the
 *   Hugging Face hub
 * @throws {CheckpointError} when the folder is none of these
 */
export async function exportHuggingFace(gpu: Gpu, from: string, to: string, dtype: SaveDtype): Promise<void> {
  const source = await openModelSource(from);
  const { model, folder } = await openForExport(gpu, source.folder);
  await writeFolderAtomic(to, async (temporary) => {
    await saveWeights(model, join(temporary, WEIGHTS_FILE), dtype);
    await copyModelFiles(folder, temporary);
  });
  model.dispose();
}

async function openForExport(gpu: Gpu, from: string): Promise<{ model: Qwen2_5_VL; folder: string }> {
  const index = 'model.safetensors.index.json';
  if (existsSync(join(from, WEIGHTS_FILE)) || existsSync(join(from, index))) {
    return { model: await Qwen2_5_VL.load(gpu, from, FROZEN), folder: from };
  }
  const parsed = adapterSchema.safeParse(await readModelJson(from, 'adapter_config.json'));
  if (!parsed.success) {
    throw new CheckpointError({
      where: from,
      expected: `${WEIGHTS_FILE}, or an adapter with its adapter_config.json`,
      found: 'neither',
      fix: 'name a model folder or a step folder of a run',
    });
  }
  const { base_model_name_or_path: base, revision, r: rank, lora_alpha: alpha, ...rest } = parsed.data;
  const { use_rslora, target_modules } = rest;
  const { folder } = await openModelSource(base, { revision: revision ?? null });
  const lora: LoraSettings = { rank, alpha, use_rslora, target_modules, exclude_modules: null };
  const settings: ModelSettings = { ...FROZEN, training: 'lora', lora };
  const adapted = await Qwen2_5_VL.load(gpu, folder, settings);
  await restoreTrainable(adapted, join(from, ADAPTER_FILE));
  // In f32, because the sum of both is rounded once, when it is written.
  const model = await Qwen2_5_VL.load(gpu, folder, { ...FROZEN, training: 'full', freezeVision: false });
  await mergeAdapter(model, adapted.layers.adapter!, loraScale(lora));
  adapted.dispose();
  return { model, folder };
}
