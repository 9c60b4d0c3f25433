/**
 * Opens the device: features and limits are asked for by name, and any error that Dawn reports afterwards is
 * fatal. (Left alone, Dawn drops the whole command buffer and reads return zeros.)
 */
import { GpuError } from '../util/errors.ts';
import type { ChosenAdapter } from './adapter.ts';

/** Taken when the adapter has them; nothing here is required. */
const WANTED_FEATURES = [
  'shader-f16',
  'subgroups',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
] as const;

/** Limits raised to what the adapter offers. */
export const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** Keeps the first error of a device until somebody asks. */
export class DeviceFaults {
  #first: GpuError | undefined;

  report(message: string): void {
    this.#first ??= new GpuError(message);
  }

  /** @throws {GpuError} the first error reported, if any */
  check(): void {
    if (this.#first) throw this.#first;
  }
}

export async function openDevice({
  adapter,
  name,
}: ChosenAdapter): Promise<{ device: GPUDevice; faults: DeviceFaults }> {
  const device = await adapter.requestDevice({
    requiredFeatures: WANTED_FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(RAISED_LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  const faults = new DeviceFaults();
  device.onuncapturederror = (event) => {
    event.preventDefault();
    faults.report(`${name}: ${event.error.message}`);
  };
  void device.lost.then(({ reason, message }) => {
    if (reason !== 'destroyed') faults.report(`${name}: the device was lost: ${message}`);
  });
  return { device, faults };
}
