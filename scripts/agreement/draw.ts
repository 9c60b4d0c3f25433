/** Random choices of the generator. */
import type { RandomStream } from '../../src/util/random.ts';

export class Draw {
  readonly #stream: RandomStream;

  constructor(stream: RandomStream) {
    this.#stream = stream;
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + this.#stream.integer(high - low + 1);
  }

  /** Such a number that is none of the excluded ones. */
  other(low: number, high: number, ...excluded: number[]): number {
    for (;;) {
      const value = this.integer(low, high);
      if (!excluded.includes(value)) return value;
    }
  }

  pick<T>(items: readonly T[]): T {
    return items[this.#stream.integer(items.length)]!;
  }

  shuffle<T>(items: readonly T[]): T[] {
    return this.#stream.shuffle(items);
  }

  /** A name for a variable. */
  letter(): string {
    return this.pick(['x', 'y', 't', 'n', 'a', 'z']);
  }

  /** Numerator and denominator above 1 without a common divisor. */
  fraction(): [number, number] {
    for (;;) {
      const [p, q] = [this.integer(1, 19), this.integer(2, 15)];
      if (gcd(p, q) === 1) return [p, q];
    }
  }
}

export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** "+ 3" or "- 3". */
export function signed(value: number): string {
  return value < 0 ? `- ${-value}` : `+ ${value}`;
}

/** A number as factor of a letter: 1 and -1 leave only their sign. */
export function factor(value: number): string {
  return value === 1 ? '' : value === -1 ? '-' : String(value);
}

/** The digits of a whole number in groups of three. */
export function grouped(value: number, mark: string): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, mark);
}
