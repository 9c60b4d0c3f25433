import { afterEach, expect, test } from 'vitest';
import { loadProcessorConfig } from '../../src/processor/processor-config.ts';
import { CheckpointError, ConfigError } from '../../src/util/errors.ts';
import { makeQwenFolder, removeFolder } from '../golden/processor/qwen-folder.ts';

const NO_TOKENIZER = { 'tokenizer.json': null, 'tokenizer_config.json': null, 'chat_template.json': null };
const folders: string[] = [];
afterEach(() => folders.splice(0).forEach(removeFolder));

function folderWith(files: Record<string, object | string | null>): string {
  const folder = makeQwenFolder({ ...NO_TOKENIZER, ...files });
  folders.push(folder);
  return folder;
}

test('reads the published short form', async () => {
  expect(await loadProcessorConfig(folderWith({}))).toEqual({
    minPixels: 3136,
    maxPixels: 12845056,
    patchSize: 14,
    temporalPatchSize: 2,
    mergeSize: 2,
    imageMean: [0.48145466, 0.4578275, 0.40821073],
    imageStd: [0.26862954, 0.26130258, 0.27577711],
    rescaleFactor: 1 / 255,
  });
});

test('reads the form that transformers 5 saves, alone or nested, and the nested one wins', async () => {
  const saved = {
    do_convert_rgb: true,
    do_resize: true,
    resample: 3,
    rescale_factor: 0.00392156862745098,
    size: { longest_edge: 50176, shortest_edge: 784 },
  };
  const alone = await loadProcessorConfig(folderWith({ 'preprocessor_config.json': saved }));
  expect(alone).toMatchObject({ minPixels: 784, maxPixels: 50176, rescaleFactor: 1 / 255 });
  const nested = folderWith({ 'processor_config.json': { image_processor: saved } });
  expect(await loadProcessorConfig(nested)).toEqual(alone);
});

test('has the defaults of the Python class', async () => {
  const config = await loadProcessorConfig(folderWith({ 'preprocessor_config.json': {} }));
  expect(config).toMatchObject({
    minPixels: 56 * 56,
    maxPixels: 28 * 28 * 1280,
    patchSize: 14,
    mergeSize: 2,
  });
});

test('leaves out the steps that the file switches off', async () => {
  const file = { do_rescale: false, do_normalize: false };
  const config = await loadProcessorConfig(folderWith({ 'preprocessor_config.json': file }));
  expect(config).toMatchObject({ rescaleFactor: 1, imageMean: [0, 0, 0], imageStd: [1, 1, 1] });
});

test('lets the configuration override the bounds', async () => {
  const folder = folderWith({});
  expect(await loadProcessorConfig(folder, { minPixels: 784, maxPixels: null })).toMatchObject({
    minPixels: 784,
    maxPixels: 12845056,
  });
  await expect(loadProcessorConfig(folder, { minPixels: 9000, maxPixels: 8000 })).rejects.toThrow(
    ConfigError,
  );
  await expect(loadProcessorConfig(folder, { minPixels: 1, maxPixels: 700 })).rejects.toThrow(/784/);
});

test('names the file and the key of what it cannot do', async () => {
  const missing = folderWith({ 'preprocessor_config.json': null });
  await expect(loadProcessorConfig(missing)).rejects.toThrow(CheckpointError);
  await expect(loadProcessorConfig(missing)).rejects.toThrow(/preprocessor_config\.json/);
  const broken = folderWith({ 'preprocessor_config.json': '{"size": ' });
  await expect(loadProcessorConfig(broken)).rejects.toThrow(/valid JSON/);
  const lanczos = folderWith({ 'preprocessor_config.json': { resample: 1 } });
  await expect(loadProcessorConfig(lanczos)).rejects.toThrow(/resample/);
});
