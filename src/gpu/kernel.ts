/**
 * Kernels: one WGSL file each under `kernels/`, whose entry point has the file's name. The declarations in
 * the file are the single source: bindings and parameters are read from it, so that a launcher names them
 * and a wrong or missing name is an error before anything runs.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { GpuError, ShapeError } from '../util/errors.ts';

const KERNEL_ROOT = new URL('../../kernels/', import.meta.url);

type ScalarType = 'u32' | 'i32' | 'f32';

interface KernelBinding {
  index: number;
  name: string;
  access: 'read' | 'read_write';
}

export interface KernelSource {
  /** Path below `kernels/` without ending, such as `norm/rmsnorm_fwd`. */
  path: string;
  entryPoint: string;
  code: string;
  bindings: KernelBinding[];
  /** Fields of `struct Params` in order; empty when the kernel has none. */
  params: { name: string; type: ScalarType }[];
  paramsIndex: number;
  overrides: Set<string>;
}

/** Constants that a launcher fixes at pipeline creation (WGSL `override`). */
export type KernelConstants = Readonly<Record<string, number>>;

const sources = new Map<string, KernelSource>();

/** Reads and parses `kernels/<path>.wgsl`. @throws {GpuError} when the file breaks the conventions */
export function kernelSource(path: string): KernelSource {
  const cached = sources.get(path);
  if (cached) return cached;
  const code = readFileSync(new URL(`${path}.wgsl`, KERNEL_ROOT), 'utf8');
  const source = parseKernel(path, code);
  sources.set(path, source);
  return source;
}

export function parseKernel(path: string, code: string): KernelSource {
  const bare = code.replaceAll(/\/\/[^\n]*/g, '');
  const entryPoint = basename(path);
  if (!new RegExp(`@compute[^{]*fn\\s+${entryPoint}\\s*\\(`).test(bare)) {
    throw new GpuError({
      where: `kernels/${path}.wgsl`,
      expected: `a compute entry point ${entryPoint}`,
      found: 'none of that name',
    });
  }
  const bindings: KernelBinding[] = [];
  let paramsIndex = -1;
  const declaration =
    /@group\(0\)\s*@binding\((\d+)\)\s*var<\s*(uniform|storage)\s*(?:,\s*(read|read_write)\s*)?>\s*(\w+)/g;
  for (const [, index, space, access, name] of bare.matchAll(declaration)) {
    if (space === 'uniform') paramsIndex = Number(index);
    else
      bindings.push({
        index: Number(index),
        name: name!,
        access: (access ?? 'read') as 'read' | 'read_write',
      });
  }
  const struct = /struct\s+Params\s*\{([^}]*)\}/.exec(bare)?.[1] ?? '';
  const params = [...struct.matchAll(/(\w+)\s*:\s*(u32|i32|f32)/g)].map(([, name, type]) => ({
    name: name!,
    type: type as ScalarType,
  }));
  const overrides = new Set([...bare.matchAll(/override\s+(\w+)/g)].map(([, name]) => name!));
  return { path, entryPoint, code, bindings, params, paramsIndex, overrides };
}

export interface Kernel {
  source: KernelSource;
  /** Path and constants: what errors, labels and timings call it. */
  label: string;
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
}

/** Compiled pipelines of one device, by source and constants. */
export class KernelCache {
  readonly #device: GPUDevice;
  readonly #kernels = new Map<string, Kernel>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get(path: string, constants: KernelConstants = {}): Kernel {
    const label = kernelLabel(path, constants);
    let kernel = this.#kernels.get(label);
    if (!kernel) {
      kernel = compileKernel(this.#device, path, constants, label);
      this.#kernels.set(label, kernel);
    }
    return kernel;
  }
}

function kernelLabel(path: string, constants: KernelConstants): string {
  const names = Object.keys(constants);
  if (names.length === 0) return path;
  return `${path}[${names.map((name) => `${name}=${constants[name]}`).join(' ')}]`;
}

/** Compiles a kernel; validation errors reach the device's error handler under the kernel's label. */
export function compileKernel(
  device: GPUDevice,
  path: string,
  constants: KernelConstants,
  label: string,
): Kernel {
  const source = kernelSource(path);
  for (const name of Object.keys(constants)) {
    if (!source.overrides.has(name)) {
      throw new GpuError({
        where: label,
        expected: `one of ${[...source.overrides].join(', ')}`,
        found: name,
      });
    }
  }
  const entries: GPUBindGroupLayoutEntry[] = source.bindings.map(({ index, access }) => ({
    binding: index,
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
  }));
  if (source.paramsIndex >= 0) {
    entries.push({
      binding: source.paramsIndex,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: 'uniform' },
    });
  }
  const layout = device.createBindGroupLayout({ label, entries });
  const pipeline = device.createComputePipeline({
    label,
    layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
    compute: {
      module: device.createShaderModule({ label, code: source.code }),
      entryPoint: source.entryPoint,
      constants: constants,
    },
  });
  return { source, label, pipeline, layout };
}

/**
 * Encodes the parameters of a dispatch in the order of the kernel's `struct Params`.
 * @throws {ShapeError} when a parameter is missing, unknown or not a finite number
 */
export function encodeParams(kernel: Kernel, values: Readonly<Record<string, number>>): ArrayBuffer {
  const { params } = kernel.source;
  const bytes = new ArrayBuffer(Math.ceil((params.length * 4) / 16) * 16);
  const view = new DataView(bytes);
  params.forEach(({ name, type }, i) => {
    const value = values[name];
    if (value === undefined || !Number.isFinite(value)) {
      throw new ShapeError({
        where: kernel.label,
        expected: `a finite number for ${name}`,
        found: String(value),
      });
    }
    if (type === 'f32') view.setFloat32(i * 4, value, true);
    else if (type === 'u32') view.setUint32(i * 4, value, true);
    else view.setInt32(i * 4, value, true);
  });
  if (Object.keys(values).length !== params.length) {
    throw new ShapeError({
      where: kernel.label,
      expected: `parameters ${params.map(({ name }) => name).join(', ')}`,
      found: Object.keys(values).join(', '),
    });
  }
  return bytes;
}
