/**
 * The seam to TensorFlow.js: its WebGPU backend over our own device, and the few of its internals that our
 * dispatches need. They are private there, so the package is pinned and the version is checked.
 */
import * as tf from '@tensorflow/tfjs';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { GpuError } from '../util/errors.ts';
import type { BufferPool } from './buffer-pool.ts';

const TESTED_VERSION = '4.22.0';

interface TensorRecord {
  values: unknown;
  resource?: GPUBuffer | null;
}

/** What we use of `WebGPUBackend` in TensorFlow.js 4.22. */
export interface BackendInternals extends tf.KernelBackend {
  bufferManager: BufferPool;
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  tensorMap: { get(dataId: object): TensorRecord };
  makeTensorInfo(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  runWebGPUProgram(...args: unknown[]): tf.TensorInfo;
}

/** Registers the backend over `device`, with `pool` in the place of its buffer manager, and makes it current. */
export async function registerBackend(
  instance: GPU,
  device: GPUDevice,
  adapter: GPUAdapter,
  pool: BufferPool,
): Promise<BackendInternals> {
  const version: string = tf.version_core;
  if (version !== TESTED_VERSION) {
    throw new GpuError(`TensorFlow.js ${TESTED_VERSION} is needed, found ${version}: run npm ci`);
  }
  // The backend asks `navigator.gpu` whether WebGPU exists at all.
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu: instance, userAgent: 'node' },
    configurable: true,
  });
  // Its kernels are registered under the name 'webgpu', so the name must stay; its own factory goes.
  if (tf.findBackendFactory('webgpu')) tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', () => new WebGPUBackend(device, adapter.info), 10);
  if (!(await tf.setBackend('webgpu'))) throw new GpuError('TensorFlow.js refused the WebGPU backend');
  // Small inputs would otherwise be computed on the host, away from our buffers.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  const backend = tf.backend() as unknown as BackendInternals;
  backend.bufferManager = pool;
  return backend;
}
