/**
 * How pictures are turned into patches: `preprocessor_config.json` (the published short form and the one that
 * transformers 5 saves) or the `image_processor` entry of `processor_config.json`, with the defaults of the
 * Python class Qwen2VLImageProcessorPil (transformers 5.23).
 */

import { z } from 'zod';
import { CheckpointError, ConfigError } from '../util/errors.ts';
import { missingFile, readModelJson } from './model-file.ts';

export interface ProcessorConfig {
  /** Bounds on the area of a resized picture, in pixels. */
  minPixels: number;
  maxPixels: number;
  /** Side of a patch, in pixels. */
  patchSize: number;
  /** Frames in a patch; a still picture is repeated that often. */
  temporalPatchSize: number;
  /** Patches along each side of the square that becomes one token. */
  mergeSize: number;
  /** Per channel (RGB), in units of the rescaled value: out = (value * rescaleFactor - mean) / std. */
  imageMean: readonly [number, number, number];
  imageStd: readonly [number, number, number];
  rescaleFactor: number;
}

/** Bounds that a run's configuration sets over the model folder's; null or absent keeps the folder's. */
export interface PixelBounds {
  minPixels?: number | null;
  maxPixels?: number | null;
}

/** PIL's number for the bicubic filter, the only one that Qwen2.5-VL uses. */
const PIL_BICUBIC = 3;

const count = z.int().positive();
const channels = z.tuple([z.number(), z.number(), z.number()]);

/** Keys that are absent or null take the default of the Python class; unknown keys belong to other programs. */
const fileSchema = z
  .object({
    size: z.object({ shortest_edge: count, longest_edge: count }).nullish(),
    min_pixels: count.nullish(),
    max_pixels: count.nullish(),
    patch_size: count.default(14),
    temporal_patch_size: count.default(2),
    merge_size: count.default(2),
    image_mean: channels.default([0.48145466, 0.4578275, 0.40821073]),
    image_std: channels.default([0.26862954, 0.26130258, 0.27577711]),
    rescale_factor: z
      .number()
      .positive()
      .default(1 / 255),
    do_resize: z.literal(true).default(true),
    do_rescale: z.boolean().default(true),
    do_normalize: z.boolean().default(true),
    do_convert_rgb: z.literal(true).default(true),
    resample: z.literal(PIL_BICUBIC).default(PIL_BICUBIC),
  })
  .transform((file) => ({
    minPixels: file.min_pixels ?? file.size?.shortest_edge ?? 56 * 56,
    maxPixels: file.max_pixels ?? file.size?.longest_edge ?? 28 * 28 * 1280,
    patchSize: file.patch_size,
    temporalPatchSize: file.temporal_patch_size,
    mergeSize: file.merge_size,
    imageMean: file.do_normalize ? file.image_mean : ([0, 0, 0] as const),
    imageStd: file.do_normalize ? file.image_std : ([1, 1, 1] as const),
    rescaleFactor: file.do_rescale ? file.rescale_factor : 1,
  }));

/**
 * Reads the picture settings of a model folder.
 *
 * @param bounds min_pixels and max_pixels of the run's configuration, which win over the folder's
 * @throws CheckpointError if the file is missing or asks for something this program does not do
 * @throws ConfigError if the bounds that result contradict each other
 */
export async function loadProcessorConfig(
  modelDir: string,
  bounds: PixelBounds = {},
): Promise<ProcessorConfig> {
  // The nested form wins, as in transformers (get_image_processor_dict).
  const nested = (await readModelJson(modelDir, 'processor_config.json'))?.['image_processor'];
  const file = nested ?? (await readModelJson(modelDir, 'preprocessor_config.json'));
  if (file === null) throw missingFile(modelDir, 'preprocessor_config.json');
  const where = `${modelDir}/${nested === undefined ? 'preprocessor_config.json' : 'processor_config.json'}`;
  const parsed = fileSchema.safeParse(file);
  if (!parsed.success) {
    throw new CheckpointError({
      where,
      expected: 'the picture settings of a Qwen2.5-VL model',
      found: z.prettifyError(parsed.error),
    });
  }
  const config = {
    ...parsed.data,
    minPixels: bounds.minPixels ?? parsed.data.minPixels,
    maxPixels: bounds.maxPixels ?? parsed.data.maxPixels,
  };
  checkBounds(config, where);
  return config;
}

/** A picture has to fit both bounds, and the smallest picture there is covers one token. */
function checkBounds({ minPixels, maxPixels, patchSize, mergeSize }: ProcessorConfig, where: string): void {
  const tokenPixels = (patchSize * mergeSize) ** 2;
  if (minPixels > 0 && minPixels <= maxPixels && maxPixels >= tokenPixels) return;
  throw new ConfigError({
    where: `data.min_pixels and data.max_pixels, or ${where}`,
    expected: `0 < min_pixels <= max_pixels, and max_pixels >= ${tokenPixels}, the area of one token`,
    found: `min_pixels ${minPixels}, max_pixels ${maxPixels}`,
    fix: 'set data.min_pixels and data.max_pixels in the configuration',
  });
}
