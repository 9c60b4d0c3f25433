/**
 * Picture sizes and the antialiased bicubic filter, number for number as the Python processor has them:
 * `smart_resize` of transformers (image_processing_pil_qwen2_vl.py) and `Image.resize(BICUBIC)` of Pillow
 * (13.0, libImaging/Resample.c), which rounds its coefficients to 22 bits and each of its two passes to 8 bits.
 */

import { DataError } from '../util/errors.ts';

/** Interleaved 8-bit picture, [height, width, 3]. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Beyond this ratio of the sides, the Python processor refuses a picture. */
const MAX_ASPECT_RATIO = 200;
/** Fractional bits of a filter coefficient: 32 less 8 for the pixel and 2 for overshoot and sign. */
const PRECISION_BITS = 22;
/** The cubic's support at scale 1, in source pixels on either side. */
const SUPPORT = 2;
/** The free parameter of the cubic convolution kernel; Pillow uses Catmull-Rom's. */
const CUBIC_A = -0.5;

/**
 * The size a picture is resized to: multiples of `factor`, an area within the bounds, about the same ratio.
 *
 * @param factor patch size times merge size, in pixels
 * @param where the picture and its row, for the error
 * @returns [height, width]
 * @throws DataError if one side is more than 200 times the other
 */
export function smartResize(
  height: number,
  width: number,
  factor: number,
  minPixels: number,
  maxPixels: number,
  where = 'picture',
): [number, number] {
  if (Math.max(height, width) / Math.min(height, width) > MAX_ASPECT_RATIO) {
    throw new DataError({
      where,
      expected: `sides whose ratio is at most ${MAX_ASPECT_RATIO}`,
      found: `${width}x${height} pixels`,
      fix: 'crop or pad the picture, or leave the row out',
    });
  }
  const rounded: [number, number] = [
    roundHalfEven(height / factor) * factor,
    roundHalfEven(width / factor) * factor,
  ];
  const area = rounded[0] * rounded[1];
  if (area > maxPixels) {
    const beta = Math.sqrt((height * width) / maxPixels);
    const shrink = (side: number) => Math.max(factor, Math.floor(side / beta / factor) * factor);
    return [shrink(height), shrink(width)];
  }
  if (area < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    const grow = (side: number) => Math.ceil((side * beta) / factor) * factor;
    return [grow(height), grow(width)];
  }
  return rounded;
}

/** Rounds as Python's `round`: halves go to the even neighbour (70 / 28 = 2.5 becomes 2). */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Resizes a picture in two passes, each only if that side changes. The order matters for the last bits: Pillow
 * 13 shrinks the columns first where that saves work; older versions always began with the rows.
 */
export function resizeBicubic(image: Pixels, height: number, width: number): Pixels {
  const rows = (from: Pixels) => (width === from.width ? from : resizeRows(from, width));
  const columns = (from: Pixels) => (height === from.height ? from : resizeColumns(from, height));
  const shrunk = image.height - height;
  const columnsFirst = shrunk > 0 && shrunk > 2 * (image.width - width);
  return columnsFirst ? rows(columns(image)) : columns(rows(image));
}

/** The taps of every output position: source positions `first..first+count`, weights in fixed point. */
interface Taps {
  first: Int32Array;
  count: Int32Array;
  /** [output, stride], zero beyond `count`. */
  weights: Int32Array;
  stride: number;
}

function planTaps(inSize: number, outSize: number): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * stride);
  const inverse = 1 / filterScale;
  const exact = new Float64Array(stride);
  for (let out = 0; out < outSize; out++) {
    const center = (out + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const taps = Math.min(inSize, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let i = 0; i < taps; i++) {
      const weight = cubic((i + start - center + 0.5) * inverse);
      exact[i] = weight;
      sum += weight;
    }
    first[out] = start;
    count[out] = taps;
    for (let i = 0; i < taps; i++) weights[out * stride + i] = toFixed(exact[i]! / sum);
  }
  return { first, count, weights, stride };
}

function cubic(at: number): number {
  const x = Math.abs(at);
  if (x < 1) return ((CUBIC_A + 2) * x - (CUBIC_A + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * CUBIC_A;
  return 0;
}

/** To fixed point, halves away from zero as C's truncation after adding a half does. */
function toFixed(weight: number): number {
  return Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION_BITS));
}

const HALF = 1 << (PRECISION_BITS - 1);

function resizeRows({ data, width, height }: Pixels, outWidth: number): Pixels {
  const { first, count, weights, stride } = planTaps(width, outWidth);
  // Clamped stores do what Pillow's clip8 table does: below 0 to 0, above 255 to 255.
  const out = new Uint8ClampedArray(height * outWidth * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outWidth; x++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = (y * width + first[x]!) * 3;
      const end = x * stride + count[x]!;
      for (let tap = x * stride; tap < end; tap++) {
        const weight = weights[tap]!;
        red = (red + data[from]! * weight) | 0;
        green = (green + data[from + 1]! * weight) | 0;
        blue = (blue + data[from + 2]! * weight) | 0;
        from += 3;
      }
      out[to] = red >> PRECISION_BITS;
      out[to + 1] = green >> PRECISION_BITS;
      out[to + 2] = blue >> PRECISION_BITS;
      to += 3;
    }
  }
  return { data: new Uint8Array(out.buffer), width: outWidth, height };
}

function resizeColumns({ data, width, height }: Pixels, outHeight: number): Pixels {
  const { first, count, weights, stride } = planTaps(height, outHeight);
  const rowBytes = width * 3;
  const out = new Uint8ClampedArray(outHeight * rowBytes);
  // One row of sums at a time, so that every source row is read in order.
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(HALF);
    for (let tap = 0; tap < count[y]!; tap++) {
      const weight = weights[y * stride + tap]!;
      const from = (first[y]! + tap) * rowBytes;
      for (let i = 0; i < rowBytes; i++) sums[i] = (sums[i]! + data[from + i]! * weight) | 0;
    }
    const to = y * rowBytes;
    for (let i = 0; i < rowBytes; i++) out[to + i] = sums[i]! >> PRECISION_BITS;
  }
  return { data: new Uint8Array(out.buffer), width, height: outHeight };
}
