/** The bandwidth of a plain copy kernel over buffers that no cache holds. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import { copyBytes } from '../ops/copy.ts';

const MEBIBYTE = 2 ** 20;
/** Half a GiB is read and written by one copy. */
const BUFFER_BYTES = 256 * MEBIBYTE;
/** A measurement takes at least so long, so that starting and waiting do not count. */
const SECONDS = 0.25;

export class CopyBandwidth {
  readonly #gpu: Gpu;
  readonly #source: tf.Tensor;
  readonly #target: tf.Tensor;
  readonly #plan: Plan;
  /** Copies of one measurement. */
  #times = 1;

  private constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.#source = gpu.persistent('workspace', [BUFFER_BYTES / 4]);
    this.#target = gpu.persistent('workspace', [BUFFER_BYTES / 4]);
    const { maxStorageBufferBindingSize } = gpu.device.limits;
    // Powers of two divide the buffer and meet every alignment.
    const part = Math.min(BUFFER_BYTES, 2 ** Math.floor(Math.log2(maxStorageBufferBindingSize)));
    this.#plan = gpu.record(() => {
      for (let offset = 0; offset < BUFFER_BYTES; offset += part) {
        const of = (tensor: tf.Tensor) => ({ tensor, offset, size: part });
        copyBytes(of(this.#source), of(this.#target), part);
      }
    });
  }

  /** Allocates the buffers and warms up. */
  static async open(gpu: Gpu): Promise<CopyBandwidth> {
    const probe = new CopyBandwidth(gpu);
    await probe.#seconds();
    const once = await probe.#seconds();
    probe.#times = Math.max(1, Math.ceil(SECONDS / once));
    return probe;
  }

  /** @returns bytes read and written in a second, in GB */
  async measure(): Promise<number> {
    return (2 * BUFFER_BYTES * this.#times) / (await this.#seconds()) / 1e9;
  }

  async #seconds(): Promise<number> {
    await this.#gpu.sync();
    const start = performance.now();
    this.#gpu.replay(this.#plan, this.#times);
    await this.#gpu.sync();
    return (performance.now() - start) / 1000;
  }

  dispose(): void {
    this.#plan.dispose();
    this.#gpu.free(this.#source);
    this.#gpu.free(this.#target);
  }
}
