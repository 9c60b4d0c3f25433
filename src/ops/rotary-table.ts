/**
 * What the rotary kernel looks up, computed on the host as Hugging Face's `modeling_qwen2_5_vl.py` does it:
 * angles in f32, so that far positions agree with PyTorch to the rounding of cosine and sine.
 */
import { ShapeError } from '../util/errors.ts';

/** Base of the vision tower's frequencies; Qwen2.5-VL configurations do not carry it. */
const VISION_THETA = 10_000;

/**
 * Which axis (0 time, 1 height, 2 width) turns each pair of dimensions of a text head, and the table's column
 * for it: `section` splits the frequencies in order between the axes, as M-RoPE does.
 * @param section such as [16, 24, 24]; its sum is headDim / 2
 * @returns int32 [E/2, 2]
 * @throws {ShapeError} when the section does not fill the head
 */
export function mropeColumns(headDim: number, section: readonly number[]): Int32Array {
  const axes = section.flatMap((count, i) => Array.from({ length: count }, () => i % 3));
  if (headDim % 2 !== 0 || axes.length !== headDim / 2) {
    throw new ShapeError({
      where: 'rope_scaling.mrope_section',
      expected: `numbers that add up to half the head dimension ${headDim}`,
      found: `[${section.join(', ')}]`,
    });
  }
  return Int32Array.from(axes.flatMap((axis, d) => [axis, d]));
}

/**
 * As `mropeColumns` for the vision tower: the first quarter of the head turns with the row of a patch (axis 0),
 * the second with its column (axis 1), both at the same frequencies.
 * @returns int32 [E/2, 2]
 * @throws {ShapeError} when the head dimension is not a multiple of 4
 */
export function visionColumns(headDim: number): Int32Array {
  if (headDim % 4 !== 0) {
    throw new ShapeError({
      where: 'vision head dimension',
      expected: 'a multiple of 4',
      found: `${headDim}`,
    });
  }
  const quarter = headDim / 4;
  return Int32Array.from({ length: headDim }, (_, i) => {
    const d = i >> 1;
    return i % 2 === 0 ? Math.floor(d / quarter) : d % quarter;
  });
}

/**
 * Cosines and sines of a text head for the positions 0 to `maxPosition`, both included.
 * @returns f32 [maxPosition + 1, E/2, 2]
 */
export function mropeAngles(headDim: number, theta: number, maxPosition: number): Float32Array {
  return angleTable(headDim, theta, maxPosition);
}

/** As `mropeAngles` for the vision tower: f32 [maxPosition + 1, E/4, 2]. */
export function visionAngles(headDim: number, maxPosition: number): Float32Array {
  return angleTable(headDim / 2, VISION_THETA, maxPosition);
}

/** Cosine and sine of position · theta^(-2i / dim) for i < dim / 2. */
function angleTable(dim: number, theta: number, maxPosition: number): Float32Array {
  const columns = dim / 2;
  const table = new Float32Array((maxPosition + 1) * columns * 2);
  for (let i = 0; i < columns; i++) {
    const power = Math.fround(theta ** Math.fround((2 * i) / dim));
    const frequency = Math.fround(1 / power);
    for (let position = 0; position <= maxPosition; position++) {
      const angle = Math.fround(position * frequency);
      const at = (position * columns + i) * 2;
      table[at] = Math.cos(angle);
      table[at + 1] = Math.sin(angle);
    }
  }
  return table;
}
