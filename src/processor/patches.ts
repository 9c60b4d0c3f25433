/** A decoded picture becomes the rows that the vision tower reads. */

import { createHash } from 'node:crypto';
import type { RgbImage } from './image.ts';
import type { ProcessorConfig } from './processor-config.ts';
import { resizeBicubic, smartResize } from './resize.ts';
import type { Pixels } from './resize.ts';

export interface ImagePatches {
  /** f32 [P, 3 * temporal * patch * patch], P = grid product; the order of rows is told below. */
  patches: Float32Array;
  /** Patches along time, height and width: [1, height / patch, width / patch]. */
  grid: Grid;
}

export type Grid = readonly [t: number, h: number, w: number];

const keys = new WeakMap<Float32Array, string>();

/** The same for images of the same content, so that one that several prompts show is computed once. */
export function imageKey({ patches, grid }: ImagePatches): string {
  let key = keys.get(patches);
  if (key === undefined) {
    const bytes = new Uint8Array(patches.buffer, patches.byteOffset, patches.byteLength);
    key = `${grid.join('x')} ${createHash('sha1').update(bytes).digest('base64')}`;
    keys.set(patches, key);
  }
  return key;
}

const CHANNELS = 3;
const BYTE_VALUES = 256;

/**
 * Resizes a picture and cuts it into patches, as transformers' Qwen2VLImageProcessorPil does.
 *
 * The patches of one token (a square of mergeSize x mergeSize) follow each other, so that the merger reads
 * them as one row; inside a patch the order is channel, frame (the picture repeated), y, x.
 *
 * @throws DataError if the picture's sides differ too much, naming the picture
 */
export function imageToPatches(image: RgbImage, config: ProcessorConfig): ImagePatches {
  const factor = config.patchSize * config.mergeSize;
  const { minPixels, maxPixels } = config;
  const [height, width] = smartResize(image.height, image.width, factor, minPixels, maxPixels, image.where);
  const pixels = resizeBicubic(image, height, width);
  const grid = [1, height / config.patchSize, width / config.patchSize] as const;
  return { patches: cutPatches(pixels, grid, config), grid };
}

/** Tokens that a picture takes in the prompt. */
export function tokensOfGrid([t, h, w]: Grid, mergeSize: number): number {
  return (t * h * w) / mergeSize ** 2;
}

function cutPatches(pixels: Pixels, [, gridH, gridW]: Grid, config: ProcessorConfig): Float32Array {
  const { patchSize, temporalPatchSize, mergeSize } = config;
  const table = normalisedValues(config);
  const { data, width } = pixels;
  const frame = patchSize * patchSize;
  const patches = new Float32Array(gridH * gridW * CHANNELS * temporalPatchSize * frame);
  let to = 0;
  for (let tokenY = 0; tokenY < gridH; tokenY += mergeSize) {
    for (let tokenX = 0; tokenX < gridW; tokenX += mergeSize) {
      for (let member = 0; member < mergeSize * mergeSize; member++) {
        const patchY = tokenY + Math.floor(member / mergeSize);
        const patchX = tokenX + (member % mergeSize);
        const corner = (patchY * width + patchX) * patchSize * CHANNELS;
        for (let channel = 0; channel < CHANNELS; channel++) {
          const start = to;
          for (let y = 0; y < patchSize; y++) {
            let from = corner + y * width * CHANNELS + channel;
            for (let x = 0; x < patchSize; x++) {
              patches[to++] = table[channel * BYTE_VALUES + data[from]!]!;
              from += CHANNELS;
            }
          }
          for (let repeat = 1; repeat < temporalPatchSize; repeat++) {
            patches.copyWithin(to, start, start + frame);
            to += frame;
          }
        }
      }
    }
  }
  return patches;
}

/**
 * The value of each byte in each channel, [3, 256], rounded to f32 after every step as NumPy does: rescaled
 * in f64, then mean and deviation in f32.
 */
function normalisedValues({ imageMean, imageStd, rescaleFactor }: ProcessorConfig): Float32Array {
  const table = new Float32Array(CHANNELS * BYTE_VALUES);
  for (let channel = 0; channel < CHANNELS; channel++) {
    const mean = Math.fround(imageMean[channel]!);
    const std = Math.fround(imageStd[channel]!);
    for (let value = 0; value < BYTE_VALUES; value++) {
      const centred = Math.fround(Math.fround(value * rescaleFactor) - mean);
      table[channel * BYTE_VALUES + value] = centred / std;
    }
  }
  return table;
}
