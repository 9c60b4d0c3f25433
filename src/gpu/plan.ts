/**
 * A recorded sequence of dispatches that can be replayed. Everything a replay needs (pipelines, bind groups,
 * uniforms, intermediate buffers) exists already, so that a dispatch costs a microsecond of JavaScript
 * instead of tens. What changes between replays lives in buffers that were uploaded before the recording.
 */
import type { Kernel } from './kernel.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { UniformCache } from './uniforms.ts';

export interface Command {
  kernel: Kernel;
  bindGroup: GPUBindGroup;
  grid: readonly [number, number, number];
}

export class Plan {
  readonly #commands: readonly Command[];
  readonly #pool: BufferPool;
  readonly #uniforms: UniformCache;

  constructor(commands: readonly Command[], pool: BufferPool, uniforms: UniformCache) {
    this.#commands = commands;
    this.#pool = pool;
    this.#uniforms = uniforms;
  }

  get commands(): readonly Command[] {
    return this.#commands;
  }

  /** Encodes every command once, in order. */
  encode(pass: GPUComputePassEncoder): void {
    let pipeline: GPUComputePipeline | undefined;
    for (const { kernel, bindGroup, grid } of this.#commands) {
      // A call into Dawn costs half a microsecond, and each argument a part of it.
      if (kernel.pipeline !== pipeline) pass.setPipeline((pipeline = kernel.pipeline));
      pass.setBindGroup(0, bindGroup);
      if (grid[1] === 1 && grid[2] === 1) pass.dispatchWorkgroups(grid[0]);
      else pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
  }

  dispose(): void {
    this.#pool.dispose();
    this.#uniforms.dispose();
  }
}
