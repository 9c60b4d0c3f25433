/** Times every dispatch by its kernel with timestamp queries. For `doctor` and `bench`: it splits the pass. */
import type { Kernel } from './kernel.ts';

const CAPACITY = 2048;

export class Profiler {
  readonly #device: GPUDevice;
  readonly #querySet: GPUQuerySet;
  #labels: string[] = [];
  readonly #totals = new Map<string, { count: number; ms: number }>();

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#querySet = device.createQuerySet({ type: 'timestamp', count: CAPACITY * 2 });
  }

  get isFull(): boolean {
    return this.#labels.length >= CAPACITY;
  }

  /** The descriptor of a pass that holds one dispatch of `kernel`. */
  passFor(kernel: Kernel): GPUComputePassDescriptor {
    const index = this.#labels.push(kernel.label) - 1;
    return {
      timestampWrites: {
        querySet: this.#querySet,
        beginningOfPassWriteIndex: index * 2,
        endOfPassWriteIndex: index * 2 + 1,
      },
    };
  }

  /** Adds the times of the dispatches since the last call; their commands must have been submitted. */
  async collect(): Promise<void> {
    const labels = this.#labels;
    if (labels.length === 0) return;
    this.#labels = [];
    const size = labels.length * 16;
    const resolved = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = this.#device.createCommandEncoder();
    encoder.resolveQuerySet(this.#querySet, 0, labels.length * 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const times = new BigUint64Array(staging.getMappedRange());
    labels.forEach((label, i) => {
      const total = this.#totals.get(label) ?? { count: 0, ms: 0 };
      total.count += 1;
      total.ms += Number(times[i * 2 + 1]! - times[i * 2]!) / 1e6;
      this.#totals.set(label, total);
    });
    staging.unmap();
    staging.destroy();
    resolved.destroy();
  }

  /** Milliseconds and calls by kernel, slowest first. */
  report(): { label: string; count: number; ms: number }[] {
    return [...this.#totals].map(([label, total]) => ({ label, ...total })).sort((a, b) => b.ms - a.ms);
  }
}
