import { describe, expect, it } from 'vitest';
import { mropeAngles, mropeColumns, visionAngles, visionColumns } from '../../src/ops/rotary-table.ts';
import { ShapeError } from '../../src/util/errors.ts';

/** One unit in the last place of an f32 near 1, for PyTorch's cosine and sine. */
const TOLERANCE = 1.2e-7;

describe('angles, against PyTorch 2.13', () => {
  it.each([
    [7, 0, 0.7539022564888, 0.6569865942001343],
    [7, 1, 0.8007261157035828, -0.599030613899231],
    [7, 63, 1, 8.686563887749799e-6],
    [4095, 0, -0.06597599387168884, -0.9978212118148804],
    [4095, 1, 0.3138588070869446, 0.9494696855545044],
    [4095, 40, 0.7463699579238892, 0.6655312776565552],
    // Only with the product position * frequency in f32 do far positions agree.
    [32000, 1, 0.7257508039474487, 0.6879577040672302],
    [32000, 40, 0.8294403553009033, -0.5585952997207642],
  ])('text, head 128, theta 1e6, position %i, column %i', (position, column, cosine, sine) => {
    const table = mropeAngles(128, 1e6, 32000);
    const at = (position * 64 + column) * 2;
    expect(Math.abs(table[at]! - cosine)).toBeLessThanOrEqual(TOLERANCE);
    expect(Math.abs(table[at + 1]! - sine)).toBeLessThanOrEqual(TOLERANCE);
  });

  it.each([
    [31, 0, 0.9147423505783081, -0.4040376543998718],
    [31, 3, 0.06708362698554993, 0.9977473616600037],
    [200, 19, 0.999497652053833, 0.03169255703687668],
  ])('vision, head 80, position %i, column %i', (position, column, cosine, sine) => {
    const table = visionAngles(80, 200);
    const at = (position * 20 + column) * 2;
    expect(Math.abs(table[at]! - cosine)).toBeLessThanOrEqual(TOLERANCE);
    expect(Math.abs(table[at + 1]! - sine)).toBeLessThanOrEqual(TOLERANCE);
  });

  it('holds the last position', () => {
    expect(mropeAngles(16, 1e4, 9).length).toBe(10 * 8 * 2);
    expect(visionAngles(16, 9).length).toBe(10 * 4 * 2);
  });
});

describe('mropeColumns', () => {
  it("gives Hugging Face's cosines of a head of 16 with section [2, 3, 3] at time 2, height 20, width 200", () => {
    const columns = mropeColumns(16, [2, 3, 3]);
    const table = mropeAngles(16, 1e6, 200);
    const positions = [2, 20, 200];
    const expected = [
      -0.416146844625473, 0.9374183416366577, 0.8065783977508545, 0.9936820864677429, 0.9998000264167786,
      0.9993675947189331, 0.9999800324440002, 0.9999993443489075,
    ];
    expected.forEach((cosine, d) => {
      const position = positions[columns[2 * d]!]!;
      const found = table[(position * 8 + columns[2 * d + 1]!) * 2]!;
      expect(Math.abs(found - cosine)).toBeLessThanOrEqual(TOLERANCE);
    });
  });

  it('wants a section that fills half the head', () => {
    expect(() => mropeColumns(128, [16, 24, 23])).toThrow(ShapeError);
  });
});

describe('visionColumns', () => {
  it('turns the first quarter by row and the second by column', () => {
    expect([...visionColumns(16)]).toEqual([0, 0, 0, 1, 0, 2, 0, 3, 1, 0, 1, 1, 1, 2, 1, 3]);
    expect(() => visionColumns(18)).toThrow(ShapeError);
  });
});
