/**
 * Packs prompts and their responses into the rows of one pass, without padding. A prompt stands once, followed
 * by its responses, each of which attends to the prompt and to itself: the prompt of a group is computed once,
 * and its gradient gathers those of all its responses.
 */
import type { ImagePatches } from '../processor/patches.ts';
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
  vision: { patches: Float32Array; layout: VisionLayout } | null;
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
  const { mergeSize, windowUnits } = vision;
  const rows = groups.reduce((sum, group) => sum + rowsOfGroup(group), 0);
  const targetCount = groups.reduce(
    (sum, { responses }) => sum + responses.reduce((n, r) => n + r.length, 0),
    0,
  );
  const batch: PackedBatch = {
    source: new Int32Array(rows),
    positions: new Int32Array(3 * rows),
    ranges: new Int32Array(4 * rows),
    inverse: new Int32Array(2 * rows),
    headRows: new Int32Array(targetCount),
    targets: new Int32Array(targetCount),
    promptEnds: new Int32Array(groups.length),
    vision: packImages(
      groups.flatMap(({ prompt }) => prompt.images),
      mergeSize,
      windowUnits,
    ),
  };
  const featureRow = batch.vision?.layout.featureRow;
  let row = 0;
  let target = 0;
  let feature = 0;
  groups.forEach(({ prompt, responses }, g) => {
    const promptStart = row;
    const promptLength = prompt.tokens.length;
    const groupEnd = promptStart + rowsOfGroup({ prompt, responses });
    prompt.tokens.forEach((token, i) => {
      batch.source[row] = token === imageToken ? -1 - takeFeature(featureRow, feature++) : token;
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
  if (feature !== (featureRow?.length ?? 0)) {
    throw new DataError({
      where: 'a packed batch',
      expected: `${featureRow?.length ?? 0} image tokens, as many as image features`,
      found: `${feature}`,
    });
  }
  return batch;
}

function takeFeature(featureRow: Int32Array | undefined, feature: number): number {
  const row = featureRow?.[feature];
  if (row === undefined) {
    throw new DataError({
      where: 'a packed batch',
      expected: `at most ${featureRow?.length ?? 0} image tokens, as many as image features`,
      found: `an image token more`,
      fix: 'responses must not contain image tokens',
    });
  }
  return row;
}

function packImages(
  images: readonly ImagePatches[],
  mergeSize: number,
  windowUnits: number,
): PackedBatch['vision'] {
  if (images.length === 0) return null;
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
  return { patches, layout };
}
