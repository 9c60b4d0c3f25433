/**
 * Float64 reference of AdamW with moments in 8 bits: tables of all values, searched for the nearest, where the
 * kernel computes codes.
 */
import type { AdamwHyper } from '../../../src/ops/adamw.ts';
import { adamw } from './optimizer.ts';

export const BLOCK = 256;

/**
 * The dynamic map of bitsandbytes, ascending: for each of seven decades the means of neighbours among equally
 * spaced bounds from 0.1 to 1, and 0 and 1. A code is a place in it.
 */
function dynamicMap(signed: boolean): Float64Array {
  const values = [0, 1];
  for (let decade = 0; decade < 7; decade++) {
    const items = signed ? 2 ** decade : 2 ** (decade + 1);
    const bounds = Array.from({ length: items + 1 }, (_, i) => 0.1 + (0.9 * i) / items);
    for (let i = 0; i < items; i++) {
      const mean = ((bounds[i]! + bounds[i + 1]!) / 2) * 10 ** (decade - 6);
      values.push(mean, ...(signed ? [-mean] : []));
    }
  }
  return Float64Array.from(values).sort();
}

export const M_MAP = dynamicMap(true);
export const V_MAP = dynamicMap(false);

export interface Quantized {
  codes: Uint8Array;
  /** [blocks] */
  scales: ArrayLike<number>;
}

function dequantize(map: Float64Array, { codes, scales }: Quantized): Float64Array {
  return Float64Array.from(codes, (code, i) => map[code]! * scales[Math.floor(i / BLOCK)]!);
}

/** The value of largest magnitude of each block; 0 for zeros. */
export function blockScales(values: Float64Array): Float64Array {
  const result = new Float64Array(Math.ceil(values.length / BLOCK));
  values.forEach((value, i) => {
    const block = Math.floor(i / BLOCK);
    if (Math.abs(value) > Math.abs(result[block]!)) result[block] = value;
  });
  return result;
}

/** The code whose value is nearest to x. */
export function nearestCode(map: Float64Array, x: number): number {
  let best = 0;
  map.forEach((value, code) => {
    if (Math.abs(value - x) < Math.abs(map[best]! - x)) best = code;
  });
  return best;
}

/** The nearest code for a second moment, which is 0 only for 0. */
export function vCode(x: number): number {
  return x === 0 ? 0 : Math.max(1, nearestCode(V_MAP, x));
}

/** Moments before they are rounded; `param` is changed in place. */
export function adamw8bit(
  param: Float64Array,
  moments: { m: Quantized; v: Quantized },
  gradient: ArrayLike<number>,
  hyper: AdamwHyper,
  t: number,
  factorOf: (i: number, size: number) => number,
): { m: Float64Array; v: Float64Array } {
  const m = dequantize(M_MAP, moments.m);
  const v = dequantize(V_MAP, moments.v);
  adamw({ param, m, v }, gradient, hyper, t, factorOf);
  return { m, v };
}
