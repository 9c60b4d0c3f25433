/**
 * GPU memory: every buffer of tensors is counted here under a purpose (not parameters and read-backs, which are small), against one budget, so that
 * running out is an error with names instead of a driver's silence (software drivers "allocate" anything).
 */
import { GpuError } from '../util/errors.ts';

export type MemoryPurpose =
  | 'weights'
  | 'gradients'
  | 'optimizer'
  | 'kv-cache'
  | 'activations'
  | 'plan'
  | 'inputs';

export class MemoryBudget {
  readonly #limitBytes: number;
  readonly #usedBytes = new Map<MemoryPurpose, number>();
  #totalBytes = 0;
  #peakBytes = 0;

  /** @param limitBytes upper bound of all buffers together; Infinity for none */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get peakBytes(): number {
    return this.#peakBytes;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Infinity where there is no limit. */
  get remainingBytes(): number {
    return this.#limitBytes - this.#totalBytes;
  }

  /** @throws {GpuError} when the budget does not hold `sizeBytes` more */
  add(purpose: MemoryPurpose, sizeBytes: number): void {
    if (this.#totalBytes + sizeBytes > this.#limitBytes) {
      throw new GpuError({
        where: `GPU memory for ${purpose}`,
        expected: `at most ${mebibytes(this.#limitBytes)} in all (trainer.gpu.memory_budget_gb)`,
        found: `${mebibytes(sizeBytes)} more on top of ${this.describe()}`,
        fix: 'lower trainer.micro_batch_tokens, rollout.max_sequences or data.max_response_length',
      });
    }
    this.#usedBytes.set(purpose, (this.#usedBytes.get(purpose) ?? 0) + sizeBytes);
    this.#totalBytes += sizeBytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#totalBytes);
  }

  remove(purpose: MemoryPurpose, sizeBytes: number): void {
    this.#usedBytes.set(purpose, (this.#usedBytes.get(purpose) ?? 0) - sizeBytes);
    this.#totalBytes -= sizeBytes;
  }

  /** One line such as `weights 12.0 MiB, activations 80.5 MiB`. */
  describe(): string {
    return [...this.#usedBytes]
      .filter(([, bytes]) => bytes > 0)
      .map(([purpose, bytes]) => `${purpose} ${mebibytes(bytes)}`)
      .join(', ');
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Free buffers are kept for reuse up to this much; beyond it the least recently freed are destroyed. */
const KEEP_FREE_BYTES = 256 * 2 ** 20;

/**
 * The pool behind TensorFlow.js tensors; takes the place of the backend's own buffer manager, which never
 * gives anything back. A buffer is reused as soon as it is released: commands run in the order in which they
 * were encoded, so a later dispatch cannot disturb an earlier one.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #budget: MemoryBudget;
  readonly #purpose: MemoryPurpose;
  /** Free buffers by size and usage, each list oldest first. */
  readonly #free = new Map<string, GPUBuffer[]>();
  readonly #owned = new Set<GPUBuffer>();
  #freeBytes = 0;
  #ownedBytes = 0;
  /** The pool that made a buffer, so that it returns there whichever pool is active when it is released. */
  static readonly #home = new WeakMap<GPUBuffer, BufferPool>();

  constructor(device: GPUDevice, budget: MemoryBudget, purpose: MemoryPurpose) {
    this.#device = device;
    this.#budget = budget;
    this.#purpose = purpose;
  }

  get numBytesAllocated(): number {
    return this.#ownedBytes;
  }

  get numBytesUsed(): number {
    return this.#ownedBytes - this.#freeBytes;
  }

  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const recycled = reuse ? this.#free.get(poolKey(size, usage))?.pop() : undefined;
    if (recycled) {
      this.#freeBytes -= size;
      return recycled;
    }
    this.#budget.add(this.#purpose, size);
    const buffer = this.#device.createBuffer({ size, usage, mappedAtCreation, label: this.#purpose });
    this.#owned.add(buffer);
    this.#ownedBytes += size;
    BufferPool.#home.set(buffer, this);
    return buffer;
  }

  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    const home = BufferPool.#home.get(buffer);
    if (home !== this) return home?.releaseBuffer(buffer, reuse);
    if (!this.#owned.has(buffer)) return;
    if (!reuse) return this.#destroy(buffer);
    const key = poolKey(buffer.size, buffer.usage);
    const list = this.#free.get(key);
    if (list) list.push(buffer);
    else this.#free.set(key, [buffer]);
    this.#freeBytes += buffer.size;
  }

  /** Destroys free buffers beyond the amount worth keeping. Call only with no command waiting. */
  trim(): void {
    for (const [key, list] of this.#free) {
      while (this.#freeBytes > KEEP_FREE_BYTES && list.length > 0) {
        const buffer = list.shift()!;
        this.#freeBytes -= buffer.size;
        this.#destroy(buffer);
      }
      if (list.length === 0) this.#free.delete(key);
      else {
        // Moves the sizes in use to the end, so that sizes of past batches go first.
        this.#free.delete(key);
        this.#free.set(key, list);
      }
      if (this.#freeBytes <= KEEP_FREE_BYTES) return;
    }
  }

  /** Destroys every buffer of the pool, used or not. */
  dispose(): void {
    for (const buffer of this.#owned) this.#destroy(buffer);
    this.#free.clear();
    this.#freeBytes = 0;
  }

  // The two counters that TensorFlow.js's own manager offers to its tests.
  getNumUsedBuffers(): number {
    return this.#owned.size - this.getNumFreeBuffers();
  }

  getNumFreeBuffers(): number {
    return [...this.#free.values()].reduce((sum, list) => sum + list.length, 0);
  }

  #destroy(buffer: GPUBuffer): void {
    this.#owned.delete(buffer);
    this.#ownedBytes -= buffer.size;
    this.#budget.remove(this.#purpose, buffer.size);
    buffer.destroy();
  }
}

function poolKey(size: number, usage: number): string {
  return `${size}:${usage}`;
}
