/** The pool of GPU buffers behind the tensors of TensorFlow.js. */
import type { MemoryBudget, MemoryLine } from './memory.ts';

/** Free buffers are kept for reuse up to this much; beyond it the least recently used sizes are destroyed. */
const KEEP_FREE_BYTES = 256 * 2 ** 20;

/**
 * Takes the place of the backend's own buffer manager, which never gives anything back. A buffer is reused as soon as
 * it is released: commands run in the order in which they were encoded, so a later dispatch cannot disturb an earlier
 * one.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #budget: MemoryBudget;
  readonly #line: MemoryLine;
  readonly #submit: (() => void) | undefined;
  /** Free buffers by size and usage; the keys in the order of their last use. */
  readonly #free = new Map<string, GPUBuffer[]>();
  readonly #owned = new Set<GPUBuffer>();
  #freeBytes = 0;
  #ownedBytes = 0;
  /** The pool that made a buffer, so that it returns there whichever pool is active when it is released. */
  static readonly #home = new WeakMap<GPUBuffer, BufferPool>();

  /**
   * @param submit hands all encoded commands over, after which free buffers that they use may be destroyed; left out
   * for a recorded plan, which needs its free buffers whenever it is replayed
   */
  constructor(device: GPUDevice, budget: MemoryBudget, line: MemoryLine, submit?: () => void) {
    this.#device = device;
    this.#budget = budget;
    this.#line = line;
    this.#submit = submit;
  }

  get numBytesAllocated(): number {
    return this.#ownedBytes;
  }

  get numBytesUsed(): number {
    return this.#ownedBytes - this.#freeBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** @throws {GpuError} when the budget has no room for it, not even without the free buffers */
  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const key = poolKey(size, usage);
    const recycled = reuse ? this.#free.get(key)?.pop() : undefined;
    if (recycled) {
      this.#freeBytes -= size;
      return recycled;
    }
    this.makeRoom(size);
    this.#budget.add(this.#line, size);
    const buffer = this.#device.createBuffer({ size, usage, mappedAtCreation, label: this.#line });
    this.#owned.add(buffer);
    this.#ownedBytes += size;
    BufferPool.#home.set(buffer, this);
    return buffer;
  }

  /** Destroys free buffers as far as the budget needs it to hold `size` bytes more. */
  makeRoom(size: number): void {
    this.trim(Math.min(KEEP_FREE_BYTES, Math.max(0, this.#budget.remainingBytes + this.#freeBytes - size)));
  }

  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    const home = BufferPool.#home.get(buffer);
    if (home !== this) return home?.releaseBuffer(buffer, reuse);
    if (!this.#owned.has(buffer)) return;
    if (!reuse) return this.#destroy(buffer);
    const key = poolKey(buffer.size, buffer.usage);
    const list = this.#free.get(key) ?? [];
    list.push(buffer);
    this.#free.delete(key);
    this.#free.set(key, list);
    this.#freeBytes += buffer.size;
  }

  /** Destroys free buffers, those of sizes long unused first, until at most `keepBytes` are left. */
  trim(keepBytes = KEEP_FREE_BYTES): void {
    if (!this.#submit || this.#freeBytes <= keepBytes) return;
    this.#submit();
    for (const [key, list] of this.#free) {
      while (this.#freeBytes > keepBytes && list.length > 0) {
        const buffer = list.pop()!;
        this.#freeBytes -= buffer.size;
        this.#destroy(buffer);
      }
      if (list.length > 0) return;
      this.#free.delete(key);
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
    this.#budget.remove(this.#line, buffer.size);
    buffer.destroy();
  }
}

function poolKey(size: number, usage: number): string {
  return `${size}:${usage}`;
}
