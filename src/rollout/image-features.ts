/** Features of images during a rollout: an image that prompts of several passes show is computed once. */
import * as tf from '@tensorflow/tfjs';
import { packImages, type PackedBatch } from '../model/packed-batch.ts';
import type { Qwen2_5_VL } from '../model/qwen2_5_vl.ts';
import { uploadVision } from '../model/upload.ts';
import { type ImagePatches, imageKey, tokensOfGrid } from '../processor/patches.ts';
import type { Prompt } from '../processor/prompt.ts';

export class ImageFeatures {
  readonly #model: Qwen2_5_VL;
  /** Prompts that are still to come, by image. */
  readonly #uses = new Map<string, number>();
  /** Features of images that prompts to come show, f32 [F, D] each, in window order. */
  readonly #held = new Map<string, tf.Tensor2D>();

  /** @param prompts all that passes will bring */
  constructor(model: Qwen2_5_VL, prompts: readonly Prompt[]) {
    this.#model = model;
    for (const key of prompts.flatMap(keysOf)) this.#uses.set(key, (this.#uses.get(key) ?? 0) + 1);
  }

  /**
   * The features of the images of a pass, in the order of its batch; undefined when no image of it is shown before
   * or after, so that nothing is to be kept.
   * @param prompts those of the pass
   */
  take({ vision }: PackedBatch, prompts: readonly Prompt[]): tf.Tensor | undefined {
    for (const key of prompts.flatMap(keysOf)) this.#uses.set(key, this.#uses.get(key)! - 1);
    const images = vision?.images ?? [];
    const isShared = (image: ImagePatches) =>
      this.#held.has(imageKey(image)) || this.#uses.get(imageKey(image))! > 0;
    if (!images.some(isShared)) return undefined;
    return tf.tidy(() => {
      this.#compute(images.filter((image) => !this.#held.has(imageKey(image))));
      const features = tf.concat2d(
        images.map((image) => this.#held.get(imageKey(image))!),
        0,
      );
      for (const key of images.map(imageKey)) if (this.#uses.get(key) === 0) this.#drop(key);
      return features;
    });
  }

  /** Computes images in one pass of the vision tower. */
  #compute(images: readonly ImagePatches[]): void {
    if (images.length === 0) return;
    const { rotary, architecture } = this.#model;
    const packed = packImages(images, architecture.vision);
    rotary.cover(0, packed.layout.positions.reduce((max, position) => Math.max(max, position), 0) + 1);
    const features = this.#model.visionFeatures(uploadVision(packed)) as tf.Tensor2D;
    let first = 0;
    for (const image of images) {
      const rows = tokensOfGrid(image.grid, architecture.vision.mergeSize);
      this.#held.set(imageKey(image), tf.keep(features.slice([first, 0], [rows, -1])));
      first += rows;
    }
  }

  #drop(key: string): void {
    this.#held.get(key)!.dispose();
    this.#held.delete(key);
  }

  [Symbol.dispose](): void {
    for (const key of this.#held.keys()) this.#drop(key);
  }
}

function keysOf({ images }: Prompt): string[] {
  return images.map(imageKey);
}
