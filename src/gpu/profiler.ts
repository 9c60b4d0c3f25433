/** Times every dispatch by its kernel with timestamp queries. It splits the pass, so that the whole takes longer. */
import type { Kernel } from './kernel.ts';

/** Dispatches that one query set times: two queries each, 4096 a set. */
const DISPATCHES_PER_SET = 2048;

export interface KernelTime {
  label: string;
  count: number;
  ms: number;
}

export class Profiler {
  readonly #device: GPUDevice;
  readonly #querySets: GPUQuerySet[] = [];
  readonly #labels: string[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The descriptor of a pass that holds one dispatch of `kernel`. */
  passFor(kernel: Kernel): GPUComputePassDescriptor {
    const dispatch = this.#labels.push(kernel.label) - 1;
    const index = (dispatch % DISPATCHES_PER_SET) * 2;
    const set = Math.floor(dispatch / DISPATCHES_PER_SET);
    const count = DISPATCHES_PER_SET * 2;
    const querySet = (this.#querySets[set] ??= this.#device.createQuerySet({ type: 'timestamp', count }));
    return {
      timestampWrites: { querySet, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 },
    };
  }

  /** Milliseconds and calls by kernel, slowest first. All timed commands must have been submitted. */
  async report(): Promise<KernelTime[]> {
    const times = new Map<string, KernelTime>();
    for (const [set, querySet] of this.#querySets.entries()) {
      const labels = this.#labels.slice(set * DISPATCHES_PER_SET, (set + 1) * DISPATCHES_PER_SET);
      const stamps = await this.#read(querySet, labels.length * 2);
      labels.forEach((label, i) => {
        const time = times.get(label) ?? { label, count: 0, ms: 0 };
        time.count += 1;
        time.ms += Number(stamps[i * 2 + 1]! - stamps[i * 2]!) / 1e6;
        times.set(label, time);
      });
      querySet.destroy();
    }
    return [...times.values()].sort((a, b) => b.ms - a.ms);
  }

  async #read(querySet: GPUQuerySet, count: number): Promise<BigUint64Array> {
    const size = count * 8;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const resolved = this.#device.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = this.#device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    const encoder = this.#device.createCommandEncoder();
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
    staging.destroy();
    resolved.destroy();
    return stamps;
  }
}
