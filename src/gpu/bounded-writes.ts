/** Writes of more data than the host should hold at a time. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from './gpu.ts';

/**
 * Dawn copies what is written into staging memory of the host, which it keeps until the GPU has taken it. After so
 * many bytes it is waited for.
 */
const BYTES_IN_FLIGHT = 64 * 2 ** 20;

/** Waits between writes such that a bounded part of them is in flight. */
export class BoundedWrites {
  readonly #gpu: Gpu;
  #bytesInFlight = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** As `Gpu.write`. The data may be overwritten once this returns. */
  async write(tensor: tf.TensorInfo, data: Float32Array | Int32Array, offsetBytes: number): Promise<void> {
    this.#gpu.write(tensor, data, offsetBytes);
    this.#bytesInFlight += data.byteLength;
    if (this.#bytesInFlight < BYTES_IN_FLIGHT) return;
    this.#bytesInFlight = 0;
    await this.#gpu.sync();
  }
}
