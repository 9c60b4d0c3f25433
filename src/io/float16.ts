/// <reference lib="esnext.float16" />
/**
 * Conversions between f32 and the 16-bit floats, as bit patterns. Narrowing rounds to nearest, ties to even;
 * NaN stays NaN, and what is too large becomes infinite, as IEEE 754 has it.
 */

const QUIET_NAN_BF16 = 0x0040;

/** bf16 bit patterns of f32 values; same length. */
export function f32ToBf16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const high = word >>> 16;
    // Rounding could carry the mantissa of a NaN over to an infinity, so a NaN is cut off and kept quiet.
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    result[i] = isNaN ? high | QUIET_NAN_BF16 : (word + 0x7fff + (high & 1)) >>> 16;
  }
  return result;
}

/** f32 values of bf16 bit patterns; exact. */
export function bf16ToF32(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}

/** f16 bit patterns of f32 values; same length. */
export function f32ToF16(values: Float32Array): Uint16Array {
  return new Uint16Array(new Float16Array(values).buffer);
}

/** f32 values of f16 bit patterns; exact. */
export function f16ToF32(bits: Uint16Array): Float32Array {
  return new Float32Array(new Float16Array(bits.buffer, bits.byteOffset, bits.length));
}
