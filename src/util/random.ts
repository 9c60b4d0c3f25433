/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * 2011). A number is a pure function of a key and a counter, so nothing has to be saved to resume a run: the
 * seed, the purpose and the step are enough.
 */

export type PhiloxKey = readonly [number, number];
export type PhiloxCounter = readonly [number, number, number, number];

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const TWO_POW_32 = 4294967296;

/** Four 32-bit words from a key of two words and a counter of four. Inputs are taken modulo 2^32. */
export function philox(key: PhiloxKey, counter: PhiloxCounter): [number, number, number, number] {
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  let c0 = counter[0] >>> 0;
  let c1 = counter[1] >>> 0;
  let c2 = counter[2] >>> 0;
  let c3 = counter[3] >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const hi0 = multiplyHigh(MULTIPLIER_0, c0);
    const lo0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const hi1 = multiplyHigh(MULTIPLIER_1, c2);
    const lo1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (hi1 ^ c1 ^ k0) >>> 0;
    c1 = lo1;
    c2 = (hi0 ^ c3 ^ k1) >>> 0;
    c3 = lo0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The upper 32 bits of a 32 x 32 bit product, in halves of 16 bits so that every step stays exact. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 65536);
  const carry = aLow * bHigh + (middle % 65536);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/**
 * The key for one use of randomness: the run's seed and a hash (FNV-1a) of the purpose, such as "sampling" or
 * "data-order". Two purposes never share a sequence by accident of equal counters.
 * @throws RangeError when the seed is not a whole number in [0, 2^32).
 */
export function randomKey(seed: number, purpose: string): PhiloxKey {
  if (!Number.isInteger(seed) || seed < 0 || seed >= TWO_POW_32) {
    throw new RangeError(`seed: expected a whole number from 0 to ${TWO_POW_32 - 1}, found ${seed}`);
  }
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(purpose)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return [seed, hash];
}

/**
 * A sequence of random numbers for (seed, purpose, a, b, c), where a, b, c are counters such as epoch or step,
 * row and position. The same arguments always give the same sequence.
 */
export class RandomStream {
  readonly #key: PhiloxKey;
  readonly #counters: readonly [number, number, number];
  #block = 0;
  #words: readonly number[] = [];
  #position = 4;

  constructor(seed: number, purpose: string, a = 0, b = 0, c = 0) {
    this.#key = randomKey(seed, purpose);
    this.#counters = [a, b, c];
  }

  /** A whole number in [0, 2^32). */
  nextU32(): number {
    if (this.#position === 4) {
      this.#words = philox(this.#key, [this.#block++, ...this.#counters]);
      this.#position = 0;
    }
    return this.#words[this.#position++]!;
  }

  /** In [0, 1), with 32 random bits. */
  uniform(): number {
    return this.nextU32() / TWO_POW_32;
  }

  /** Standard normal (Box and Muller; the second value of each pair is thrown away to keep no state). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A whole number in [0, bound), without bias; the bound is at most 2^32. */
  integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > TWO_POW_32) {
      throw new RangeError(`bound: expected a whole number from 1 to 2^32, found ${bound}`);
    }
    const limit = TWO_POW_32 - (TWO_POW_32 % bound);
    let word = this.nextU32();
    while (word >= limit) word = this.nextU32();
    return word % bound;
  }

  /** A shuffled copy (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }
}
