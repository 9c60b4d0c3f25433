/** Uniform buffers by content: the parameters of a model's dispatches repeat from step to step. */
const MAX_BUFFERS = 4096;

export class UniformCache {
  readonly #device: GPUDevice;
  readonly #buffers = new Map<string, GPUBuffer>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get isFull(): boolean {
    return this.#buffers.size >= MAX_BUFFERS;
  }

  get(bytes: ArrayBuffer): GPUBuffer {
    const key = new Uint32Array(bytes).join();
    let buffer = this.#buffers.get(key);
    if (!buffer) {
      buffer = this.#device.createBuffer({
        size: bytes.byteLength,
        usage: GPUBufferUsage.UNIFORM,
        mappedAtCreation: true,
        label: 'params',
      });
      new Uint8Array(buffer.getMappedRange()).set(new Uint8Array(bytes));
      buffer.unmap();
      this.#buffers.set(key, buffer);
    }
    return buffer;
  }

  /** Destroys every buffer. Call only with no command waiting that uses one. */
  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.destroy();
    this.#buffers.clear();
  }
}
