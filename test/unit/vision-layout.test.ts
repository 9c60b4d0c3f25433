import { describe, expect, it } from 'vitest';
import { visionLayout, type PatchGrid, type RowRanges } from '../../src/model/vision-layout.ts';

const MERGE = 2;

/** One line of four or two numbers a row. */
const rowsOf = (values: Int32Array, width: number): number[][] =>
  Array.from({ length: values.length / width }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);

/** The blocks of rows that attend to each other, as [start, end), each row's checked against its inverse. */
function blocks({ ranges, inverse }: RowRanges): number[][] {
  const found: number[][] = [];
  rowsOf(ranges, 4).forEach(([r0, r1, start, end], row) => {
    expect([r0, r1], 'the first range is empty').toEqual([0, 0]);
    expect([...inverse.subarray(row * 2, row * 2 + 2)], `inverse of row ${row}`).toEqual([start, end]);
    expect(row).toBeGreaterThanOrEqual(start!);
    expect(row).toBeLessThan(end!);
    if (row === start) found.push([start, end!]);
  });
  return found;
}

describe('visionLayout', () => {
  // Two rows and three columns of merged units; windows of 2 x 2 units, of which the second is cut off.
  //   unit 0 1 | 2
  //   unit 3 4 | 5
  const one = visionLayout([[1, 4, 6]], MERGE, 2);

  it('brings the units of each window together, with their patches in order', () => {
    const units = [0, 1, 3, 4, 2, 5];
    expect([...one.patchOrder]).toEqual(units.flatMap((unit) => [0, 1, 2, 3].map((i) => unit * 4 + i)));
  });

  it('leads from the features of the prompt back to the rows of the tower', () => {
    expect([...one.featureRow]).toEqual([0, 1, 4, 2, 3, 5]);
  });

  it('keeps the place of each patch in its image', () => {
    // Rows 0 to 3 are unit (0, 0), rows 8 to 11 unit (1, 0), rows 20 to 23 unit (1, 2).
    const [heights, widths] = rowsOf(one.positions, 24) as [number[], number[]];
    expect(heights.slice(0, 4)).toEqual([0, 0, 1, 1]);
    expect(widths.slice(0, 4)).toEqual([0, 1, 0, 1]);
    expect(heights.slice(8, 12)).toEqual([2, 2, 3, 3]);
    expect(widths.slice(8, 12)).toEqual([0, 1, 0, 1]);
    expect(heights.slice(20)).toEqual([2, 2, 3, 3]);
    expect(widths.slice(20)).toEqual([4, 5, 4, 5]);
  });

  it('lets rows attend inside their window, or inside their image', () => {
    expect(blocks(one.windows)).toEqual([
      [0, 16],
      [16, 24],
    ]);
    expect(blocks(one.full)).toEqual([[0, 24]]);
  });

  it('keeps images apart', () => {
    const two = visionLayout(
      [
        [1, 4, 6],
        [1, 2, 4],
      ],
      MERGE,
      2,
    );
    expect([...two.patchOrder.subarray(24)]).toEqual([24, 25, 26, 27, 28, 29, 30, 31]);
    expect([...two.featureRow]).toEqual([0, 1, 4, 2, 3, 5, 6, 7]);
    expect([...two.positions.subarray(24, 32)], 'heights start again').toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
    expect(blocks(two.windows)).toEqual([
      [0, 16],
      [16, 24],
      [24, 32],
    ]);
    expect(blocks(two.full)).toEqual([
      [0, 24],
      [24, 32],
    ]);
  });

  it('treats each frame as an image of its own', () => {
    const frames = visionLayout([[2, 2, 4]], MERGE, 1);
    expect([...frames.patchOrder]).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect([...frames.positions.subarray(0, 16)]).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
    expect(blocks(frames.windows)).toEqual([
      [0, 4],
      [4, 8],
      [8, 12],
      [12, 16],
    ]);
    expect(blocks(frames.full)).toEqual([
      [0, 8],
      [8, 16],
    ]);
  });

  it('needs no merging', () => {
    const unmerged = visionLayout([[1, 2, 3]], 1, 2);
    expect([...unmerged.patchOrder]).toEqual([0, 1, 3, 4, 2, 5]);
    expect([...unmerged.featureRow]).toEqual([0, 1, 4, 2, 3, 5]);
  });

  it('is empty without images', () => {
    const none = visionLayout([], MERGE, 4);
    expect(none.patchOrder).toHaveLength(0);
    expect(none.windows.ranges).toHaveLength(0);
    expect(none.full.inverse).toHaveLength(0);
  });

  it.each([
    [[[1, 10, 14]], 4],
    [[[1, 2, 2]], 4],
    [
      [
        [1, 18, 8],
        [2, 6, 22],
        [1, 8, 8],
      ],
      3,
    ],
  ] as [PatchGrid[], number][])('loses and repeats nothing: %j, windows of %i', (grids, windowUnits) => {
    const { patchOrder, positions, windows, full, featureRow } = visionLayout(grids, MERGE, windowUnits);
    const count = grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
    const all = Array.from({ length: count }, (_, i) => i);
    expect([...patchOrder].toSorted((a, b) => a - b)).toEqual(all);
    expect([...featureRow].toSorted((a, b) => a - b)).toEqual(all.slice(0, count / 4));
    // Feature f is made of the patches 4 f to 4 f + 3, wherever its row is.
    featureRow.forEach((row, feature) => {
      expect([...patchOrder.subarray(row * 4, row * 4 + 4)]).toEqual(
        [0, 1, 2, 3].map((i) => feature * 4 + i),
      );
    });
    expect(positions).toHaveLength(2 * count);
    const area = (found: number[][]) => found.reduce((sum, [start, end]) => sum + end! - start!, 0);
    expect(area(blocks(windows))).toBe(count);
    expect(blocks(full).map(([start, end]) => end! - start!)).toEqual(
      grids.flatMap(([t, h, w]) => Array.from({ length: t }, () => h * w)),
    );
    for (const [start, end] of blocks(windows)) {
      expect(end! - start!).toBeLessThanOrEqual((windowUnits * MERGE) ** 2);
    }
  });
});
