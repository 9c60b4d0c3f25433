/** A packed batch on the GPU. The tensors belong to the caller's tidy scope. */
import * as tf from '@tensorflow/tfjs';
import { buildRowMap, uploadRowMap, type RowMap } from '../ops/embedding.ts';
import type { PackedBatch, PackedImages } from './packed-batch.ts';
import type { DecoderInputs, Qwen2_5_VL } from './qwen2_5_vl.ts';
import type { RowRanges } from './vision-layout.ts';
import type { VisionInputs } from './vision.ts';

/** @param features those of the batch's images, f32 [F, D] in its order, where they are known already */
export function uploadBatch(model: Qwen2_5_VL, batch: PackedBatch, features?: tf.Tensor): DecoderInputs {
  const rows = batch.source.length;
  const { vision } = batch;
  model.rotary.cover(maxOf(batch.positions) + 1, vision ? maxOf(vision.layout.positions) + 1 : 0);
  return {
    source: uploadRowMap(
      buildRowMap(batch.source, model.architecture.text.vocab, vision?.layout.featureRow.length ?? 0),
    ),
    positions: tf.tensor2d(batch.positions, [3, rows], 'int32'),
    ...uploadRanges(batch),
    vision: vision && !features ? uploadVision(vision) : null,
    ...(features && { features }),
  };
}

/** Which hidden rows feed the head, and the tokens that they predict. */
export function uploadTargets(batch: PackedBatch): { headRows: RowMap; targets: tf.Tensor } {
  return {
    headRows: uploadRowMap(buildRowMap(batch.headRows, batch.source.length, 0)),
    targets: tf.tensor1d(batch.targets, 'int32'),
  };
}

/** Images on the GPU. The rotary table must cover their positions. */
export function uploadVision({ patches, layout }: PackedImages): VisionInputs {
  const rows = layout.patchOrder.length;
  return {
    patches: tf.tensor2d(patches, [rows, patches.length / rows]),
    positions: tf.tensor2d(layout.positions, [2, rows], 'int32'),
    windows: uploadRanges(layout.windows),
    full: uploadRanges(layout.full),
  };
}

function uploadRanges({ ranges, inverse }: RowRanges): { ranges: tf.Tensor; inverse: tf.Tensor } {
  return {
    ranges: tf.tensor2d(ranges, [ranges.length / 4, 4], 'int32'),
    inverse: tf.tensor2d(inverse, [inverse.length / 2, 2], 'int32'),
  };
}

function maxOf(values: Int32Array): number {
  return values.reduce((max, value) => Math.max(max, value), 0);
}
