/**
 * The order in which rows are trained on. It is a pure function of the seed and the epoch, so the two counters
 * of the state are all that a checkpoint has to keep.
 */
import { RandomStream } from '../util/random.ts';

export interface SamplerState {
  /** From 0. */
  epoch: number;
  /** Rows of this epoch that were already given out. */
  index: number;
}

export interface SamplerOptions {
  /** Rows in the dataset; at least 1. */
  rowCount: number;
  shuffle: boolean;
  seed: number;
  /** Where to go on; the start unless given. */
  state?: SamplerState;
}

/**
 * Gives out row numbers, batch by batch, epoch after epoch. Nothing is dropped: what is left at the end of an
 * epoch opens a batch that the next epoch fills up, so every batch is full, every row comes once per epoch, and
 * a batch on the border of two epochs may hold a row twice.
 */
export class Sampler {
  readonly #options: SamplerOptions;
  #state: SamplerState;
  #order: readonly number[];

  /** @throws RangeError for a dataset without rows or a state outside it. */
  constructor(options: SamplerOptions) {
    const { rowCount, state = { epoch: 0, index: 0 } } = options;
    if (!Number.isInteger(rowCount) || rowCount < 1) {
      throw new RangeError(`rowCount: expected a whole number of at least 1, found ${rowCount}`);
    }
    const valid = isCounter(state.epoch) && isCounter(state.index) && state.index < rowCount;
    if (!valid) {
      throw new RangeError(
        `sampler state: expected an epoch and an index below ${rowCount}, found ${JSON.stringify(state)}; ` +
          'has the dataset changed since the checkpoint?',
      );
    }
    this.#options = options;
    this.#state = { ...state };
    this.#order = this.#orderOf(state.epoch);
  }

  /** Where the next batch starts. */
  get state(): SamplerState {
    return { ...this.#state };
  }

  /** Row numbers of the next batch, `size` of them. */
  nextBatch(size: number): number[] {
    return Array.from({ length: size }, () => this.#next());
  }

  #next(): number {
    const row = this.#order[this.#state.index]!;
    this.#state.index++;
    if (this.#state.index === this.#options.rowCount) {
      this.#state = { epoch: this.#state.epoch + 1, index: 0 };
      this.#order = this.#orderOf(this.#state.epoch);
    }
    return row;
  }

  #orderOf(epoch: number): number[] {
    const { rowCount, shuffle, seed } = this.#options;
    const inOrder = Array.from({ length: rowCount }, (_, i) => i);
    return shuffle ? new RandomStream(seed, 'data-order', epoch).shuffle(inOrder) : inOrder;
  }
}

/** Steps after which every row has come at least `epochs` times. */
export function stepsInEpochs(rowCount: number, batchSize: number, epochs: number): number {
  return Math.ceil((rowCount * epochs) / batchSize);
}

/**
 * At most `maxCount` row numbers, spread evenly over the dataset, so that a file sorted by category still gives
 * every category its share.
 */
export function evenSubset(rowCount: number, maxCount: number | null): number[] {
  const count = Math.min(rowCount, maxCount ?? rowCount);
  return Array.from({ length: count }, (_, i) => Math.floor((i * rowCount) / count));
}

function isCounter(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
