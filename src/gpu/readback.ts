/** Copies a buffer to the host. */

/**
 * `size` bytes of a buffer from `offset` on, after everything submitted so far.
 * @param wait awaits a promise of Dawn's in the way that suits the adapter
 */
export async function readBuffer(
  device: GPUDevice,
  source: GPUBuffer,
  { offset, size }: { offset: number; size: number },
  wait: (promise: Promise<undefined>) => Promise<undefined>,
): Promise<ArrayBuffer> {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const staging = device.createBuffer({ size, usage });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, offset, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await wait(staging.mapAsync(GPUMapMode.READ));
  const bytes = staging.getMappedRange().slice(0);
  staging.destroy();
  return bytes;
}
