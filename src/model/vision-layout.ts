/**
 * How the patches of a batch of images lie in the vision tower: reordered so that each attention window is
 * contiguous, with their rotary positions and the row ranges that attend to each other.
 *
 * Same order as `get_vision_window_index` and `get_vision_position_ids` of transformers 5.23. Rows are
 * reordered once, on the host, before the tower; HF reorders after its patch embedding, which is the same.
 */

/** Patch rows of an image as (frames, rows, columns). */
export type PatchGrid = readonly [t: number, h: number, w: number];

export interface VisionLayout {
  /** [P] source patch of each row. */
  patchOrder: Int32Array;
  /** [2, P] height then width position of each row. */
  positions: Int32Array;
  windows: RowRanges;
  full: RowRanges;
  /** [F] row of the merged features that holds feature f in the order of the prompt. */
  featureRow: Int32Array;
}

/** Who attends to whom, as ops/attention takes it. */
export interface RowRanges {
  /** [N, 4] */
  ranges: Int32Array;
  /** [N, 2] */
  inverse: Int32Array;
}

/**
 * @param mergeSize patches per side of a merged unit (one feature, one image token)
 * @param windowUnits merged units per side of an attention window
 */
export function visionLayout(
  grids: readonly PatchGrid[],
  mergeSize: number,
  windowUnits: number,
): VisionLayout {
  const patchesPerUnit = mergeSize ** 2;
  const patchCount = grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
  const patchOrder = new Int32Array(patchCount);
  const positions = new Int32Array(2 * patchCount);
  const featureRow = new Int32Array(patchCount / patchesPerUnit);
  const windowEnds: number[] = [];
  const frameEnds: number[] = [];
  let row = 0;
  let firstUnit = 0;
  const placeUnit = (unit: number, unitY: number, unitX: number) => {
    featureRow[firstUnit + unit] = row / patchesPerUnit;
    for (let i = 0; i < patchesPerUnit; i++, row++) {
      patchOrder[row] = (firstUnit + unit) * patchesPerUnit + i;
      positions[row] = unitY * mergeSize + Math.floor(i / mergeSize);
      positions[patchCount + row] = unitX * mergeSize + (i % mergeSize);
    }
  };
  for (const [frames, patchRows, patchColumns] of grids) {
    const rows = patchRows / mergeSize;
    const columns = patchColumns / mergeSize;
    for (let frame = 0; frame < frames; frame++) {
      for (let top = 0; top < rows; top += windowUnits) {
        for (let left = 0; left < columns; left += windowUnits) {
          for (let y = top; y < Math.min(top + windowUnits, rows); y++) {
            for (let x = left; x < Math.min(left + windowUnits, columns); x++) {
              placeUnit((frame * rows + y) * columns + x, y, x);
            }
          }
          windowEnds.push(row);
        }
      }
      frameEnds.push(row);
    }
    firstUnit += frames * rows * columns;
  }
  return {
    patchOrder,
    positions,
    windows: blockRanges(windowEnds),
    full: blockRanges(frameEnds),
    featureRow,
  };
}

/** Full attention inside each block of rows; `ends` are the blocks' ends in order. */
function blockRanges(ends: readonly number[]): RowRanges {
  const count = ends.at(-1) ?? 0;
  const ranges = new Int32Array(count * 4);
  const inverse = new Int32Array(count * 2);
  let start = 0;
  for (const end of ends) {
    for (let row = start; row < end; row++) {
      ranges[row * 4 + 2] = start;
      ranges[row * 4 + 3] = end;
      inverse[row * 2] = start;
      inverse[row * 2 + 1] = end;
    }
    start = end;
  }
  return { ranges, inverse };
}
