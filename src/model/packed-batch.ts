/**
 * Packs prompts and their responses into the rows of one pass, without padding. A prompt stands once, followed
 * by its responses, each of which attends to the prompt and to itself: the prompt of a group is computed once,
 * and its gradient gathers those of all its responses. An image that several prompts show stands once as well.
 */
import { type ImagePatches, imageKey, tokensOfGrid } from '../processor/patches.ts';
import type { Prompt } from '../processor/prompt.ts';
import { DataError } from '../util/errors.ts';
import type { ModelArchitecture } from './config.ts';
import { visionLayout, type RowRanges, type VisionLayout } from './vision-layout.ts';

export interface PromptGroup {
  prompt: Prompt;
  /** Token ids of each response; none for a prefill. */
  responses: readonly Int32Array[];
}

export interface PackedBatch extends RowRanges {
  /** [N] token id of each row, or -1 - f for feature row f of the vision tower. */
  source: Int32Array;
  /** [3, N] time, height, width. */
  positions: Int32Array;
  /** [T] rows whose hidden state predicts a response token, groups and responses in order. */
  headRows: Int32Array;
  /** [T] the token that each of them predicts. */
  targets: Int32Array;
  /** [B] the last row of each prompt. */
  promptEnds: Int32Array;
  /** The images of the prompts, each once. */
  vision: PackedImages | null;
}

/** Rows that a group takes: its last response tokens predict nothing and have none. */
export function rowsOfGroup({ prompt, responses }: PromptGroup): number {
  return responses.reduce((sum, tokens) => sum + Math.max(0, tokens.length - 1), prompt.tokens.length);
}

/** @throws {DataError} when image tokens and image features differ in number */
export function packGroups(
  groups: readonly PromptGroup[],
  { imageToken, vision }: ModelArchitecture,
): PackedBatch {
  const rows = groups.reduce((sum, group) => sum + rowsOfGroup(group), 0);
  const targetCount = groups.reduce(
    (sum, { responses }) => sum + responses.reduce((n, r) => n + r.length, 0),
    0,
  );
  const images = uniqueImages(groups.flatMap(({ prompt }) => prompt.images));
  const batch: PackedBatch = {
    source: new Int32Array(rows),
    positions: new Int32Array(3 * rows),
    ranges: new Int32Array(4 * rows),
    inverse: new Int32Array(2 * rows),
    headRows: new Int32Array(targetCount),
    targets: new Int32Array(targetCount),
    promptEnds: new Int32Array(groups.length),
    vision: images.size > 0 ? packImages([...images.values()], vision) : null,
  };
  const featuresOf = featureRows(images, batch.vision?.layout.featureRow, vision.mergeSize);
  let row = 0;
  let target = 0;
  groups.forEach(({ prompt, responses }, g) => {
    const promptStart = row;
    const promptLength = prompt.tokens.length;
    const groupEnd = promptStart + rowsOfGroup({ prompt, responses });
    const features = prompt.images.flatMap((image) => featuresOf.get(imageKey(image))!);
    checkImageTokens(prompt, imageToken, features.length);
    let feature = 0;
    prompt.tokens.forEach((token, i) => {
      batch.source[row] = token === imageToken ? -1 - features[feature++]! : token;
      for (let axis = 0; axis < 3; axis++) {
        batch.positions[axis * rows + row] = prompt.positions[axis * promptLength + i]!;
      }
      batch.ranges.set([0, 0, promptStart, row + 1], row * 4);
      batch.inverse.set([row, groupEnd], row * 2);
      row++;
    });
    const promptEnd = row;
    batch.promptEnds[g] = promptEnd - 1;
    for (const tokens of responses) {
      const start = row;
      const end = start + Math.max(0, tokens.length - 1);
      tokens.forEach((token, t) => {
        batch.headRows[target] = t === 0 ? promptEnd - 1 : start + t - 1;
        batch.targets[target++] = token;
        if (t === tokens.length - 1) return;
        batch.source[row] = token;
        for (let axis = 0; axis < 3; axis++) {
          batch.positions[axis * rows + row] = promptLength + prompt.ropeDelta + t;
        }
        batch.ranges.set([promptStart, promptEnd, start, row + 1], row * 4);
        batch.inverse.set([row, end], row * 2);
        row++;
      });
    }
  });
  return batch;
}

/** Images by what they show, in the order in which they first appear. */
function uniqueImages(images: readonly ImagePatches[]): Map<string, ImagePatches> {
  const unique = new Map<string, ImagePatches>();
  for (const image of images) if (!unique.has(imageKey(image))) unique.set(imageKey(image), image);
  return unique;
}

/** The rows of the features of each image, in the order of the prompt. */
function featureRows(
  images: ReadonlyMap<string, ImagePatches>,
  featureRow: Int32Array | undefined,
  mergeSize: number,
): Map<string, number[]> {
  const rows = new Map<string, number[]>();
  let first = 0;
  for (const [key, { grid }] of images) {
    const end = first + tokensOfGrid(grid, mergeSize);
    rows.set(key, Array.from(featureRow!.subarray(first, end)));
    first = end;
  }
  return rows;
}

/** @throws {DataError} when a prompt has other than one image token for each feature of its images */
function checkImageTokens({ tokens }: Prompt, imageToken: number, features: number): void {
  const found = tokens.reduce((sum, token) => sum + Number(token === imageToken), 0);
  if (found === features) return;
  throw new DataError({
    where: 'a packed batch',
    expected: `as many image tokens in a prompt as its images have features, ${features}`,
    found: `${found}`,
  });
}

/** Images as the vision tower reads them. */
export interface PackedImages {
  images: readonly ImagePatches[];
  /** In the order of the windows. */
  patches: Float32Array;
  layout: VisionLayout;
}

/** @param images at least one */
export function packImages(
  images: readonly ImagePatches[],
  { mergeSize, windowUnits }: ModelArchitecture['vision'],
): PackedImages {
  const layout = visionLayout(
    images.map(({ grid }) => grid),
    mergeSize,
    windowUnits,
  );
  const total = images.reduce((sum, { patches }) => sum + patches.length, 0);
  const width = total / layout.patchOrder.length;
  const inPromptOrder = new Float32Array(total);
  let offset = 0;
  for (const { patches } of images) {
    inPromptOrder.set(patches, offset);
    offset += patches.length;
  }
  const patches = new Float32Array(total);
  layout.patchOrder.forEach((from, to) => {
    patches.set(inPromptOrder.subarray(from * width, (from + 1) * width), to * width);
  });
  return { images, patches, layout };
}
