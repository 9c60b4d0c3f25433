/** What `wethink doctor` says about the device: the adapter, its features and limits, and what each means. */
import type { AdapterKind } from '../gpu/adapter.ts';
import type { RAISED_LIMITS } from '../gpu/device.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { KernelFamily } from '../gpu/kernel-family.ts';
import type { SelfTestResult } from '../ops/self-test.ts';
import { table } from '../util/table.ts';

const KINDS: Readonly<Record<AdapterKind, string>> = {
  real: 'a GPU: the fastest choice',
  system: 'a software driver of the system: it computes on the CPU, for small models and first tries',
  embedded:
    "this package's own software driver: it computes on the CPU and needs nothing installed, but is slow",
};

const FAMILIES: Readonly<Record<KernelFamily, string>> = {
  gpu: 'the threads of a workgroup share work',
  cpu: 'each thread works by itself, without barriers',
  'wide-cpu': 'as for cpu, with larger tiles for drivers of eight lanes or more',
};

const FEATURES: Readonly<Record<string, string>> = {
  'timestamp-query': 'time of each kernel, for profiling',
  'shader-f16': '16-bit arithmetic; no kernel needs it',
  subgroups: 'sums across threads without workgroup memory; no kernel needs it',
  'chromium-experimental-subgroup-matrix': 'matrix units; no kernel needs them',
};

const LIMITS: Readonly<Record<(typeof RAISED_LIMITS)[number], string>> = {
  maxBufferSize: 'bytes of the largest tensor',
  maxStorageBufferBindingSize: 'bytes that a kernel sees of a tensor; larger weights are walked in slices',
  maxStorageBuffersPerShaderStage: 'tensors that one kernel takes',
  maxComputeWorkgroupStorageSize: 'bytes that the threads of a workgroup share',
  maxComputeInvocationsPerWorkgroup: 'threads of a workgroup',
  maxComputeWorkgroupSizeX: 'threads of a workgroup in x',
  maxComputeWorkgroupSizeY: 'threads of a workgroup in y',
  maxComputeWorkgroupSizeZ: 'threads of a workgroup in z',
  maxComputeWorkgroupsPerDimension: 'workgroups of a dispatch in each direction',
};

/** Everything that doctor reports, as `--json` prints it. */
export interface DeviceReport {
  adapter: { kind: AdapterKind; name: string; meaning: string };
  /** Which variants of kernels are taken. */
  kernels: { family: KernelFamily; meaning: string };
  features: { name: string; present: boolean; meaning: string }[];
  limits: { name: string; value: number; meaning: string }[];
  selfTest: SelfTestResult[];
}

export function deviceReport(gpu: Gpu, selfTest: SelfTestResult[]): DeviceReport {
  const { features, limits } = gpu.device;
  return {
    adapter: { kind: gpu.kind, name: gpu.name, meaning: KINDS[gpu.kind] },
    kernels: { family: gpu.family, meaning: FAMILIES[gpu.family] },
    features: Object.entries(FEATURES).map(([name, meaning]) => ({
      name,
      present: features.has(name as GPUFeatureName),
      meaning,
    })),
    limits: Object.entries(LIMITS).map(([name, meaning]) => ({
      name,
      value: limits[name as keyof typeof LIMITS],
      meaning,
    })),
    selfTest,
  };
}

/** The report as text. */
export function formatReport({
  adapter,
  kernels: { family, meaning },
  features,
  limits,
  selfTest,
}: DeviceReport): string {
  return [
    `Adapter: ${adapter.name}`,
    `  ${adapter.kind}: ${adapter.meaning}`,
    `Variants of kernels: ${family}`,
    `  ${meaning}`,
    '',
    'Features',
    ...table(features.map(({ name, present, meaning }) => [name, present ? 'yes' : 'no', meaning])),
    '',
    'Limits (as large as the adapter allows)',
    ...table(limits.map(({ name, value, meaning }) => [name, String(value), meaning])),
    '',
    'Kernels (largest error against float64 on the host)',
    ...table(
      selfTest.map(({ name, kernels, error, tolerance, worst, ok }) => [
        name,
        ok ? 'ok' : 'WRONG',
        `${kernels.length} kernels, ${error.toExponential(1)} of at most ${tolerance}${ok ? '' : ` (${worst})`}`,
      ]),
    ),
    '',
  ].join('\n');
}
