/**
 * Every kernel and every variant of it builds on Dawn's null backend, which validates like a real one and has
 * every feature; and every kernel file keeps the conventions. Nothing is computed here.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { create, globals } from 'webgpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileKernel, kernelSource, parseKernel, type KernelConstants } from '../../src/gpu/kernel.ts';

const ROOT = new URL('../../kernels/', import.meta.url);

/**
 * What launchers give to overrides, each list varied on its own; a name that is missing here fails the tests of
 * its kernel.
 */
const CHOICES: readonly (readonly KernelConstants[])[] = [
  [0, 1, 2, 3, 4].map((format) => ({ FORMAT: format })),
  [{ GROUP: 32 }, { GROUP: 64 }],
  [{ ROWS: 1 }, { ROWS: 4 }, { ROWS: 8 }],
  [{ HEIGHT: 8 }, { HEIGHT: 16 }],
  [{ TILE_ROWS: 32 }, { TILE_ROWS: 64 }],
  [{ WORKGROUP: 8 }, { WORKGROUP: 64 }],
  // Head dimensions of 4, 16, 20, 36, 80 and 128: registers are used in part, in one slice or several.
  [1, 4, 5, 9, 20, 32].map((quads) => ({ QUADS: quads })),
  [{ CHUNK: 128 }],
  [0, 1, 2].map((scale) => ({ SCALE: scale })),
  [0, 1, 2].map((loss) => ({ LOSS: loss })),
  [1, 2, 3, 4].map((estimate) => ({ KL: estimate })),
  // Heads of at most 32, 64, 96 and 128 values.
  [1, 2, 3, 4].map((slots) => ({ SLOTS: slots })),
  ...[
    'HAS_BIAS',
    'F16_SCALES',
    'GATED',
    'HAS_RESIDUAL',
    'ACCUMULATE',
    'MAPPED',
    'GREEDY',
    'ADJUSTED',
    'CUT',
    'PENALTY',
    'MASS',
    'SQUARES',
    'PAIR',
    'UPPER',
  ].map((flag) => [{ [flag]: 0 }, { [flag]: 1 }]),
];
const KNOWN_OVERRIDES = new Set(CHOICES.flat().flatMap((constants) => Object.keys(constants)));

const paths = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.wgsl'))
  .map((name) => name.slice(0, -'.wgsl'.length))
  .sort();

/** Every combination of the choices for a kernel's overrides. */
function variants(path: string): KernelConstants[] {
  const { overrides } = kernelSource(path);
  let all: KernelConstants[] = [{}];
  for (const choice of CHOICES) {
    const own = choice.map((constants) =>
      Object.fromEntries(Object.entries(constants).filter(([name]) => overrides.has(name))),
    );
    if (Object.keys(own[0]!).length === 0) continue;
    all = all.flatMap((constants) => own.map((more) => ({ ...constants, ...more })));
  }
  return all;
}

describe('compilation', () => {
  // Dawn goes down with an instance that is collected while its device is in use.
  let instance: GPU;
  let device: GPUDevice;

  beforeAll(async () => {
    Object.assign(globalThis, globals);
    instance = create(['backend=null']);
    const adapter = await instance.requestAdapter();
    device = await adapter!.requestDevice({
      requiredFeatures: [...adapter!.features] as GPUFeatureName[],
      requiredLimits: {
        maxStorageBuffersPerShaderStage: adapter!.limits.maxStorageBuffersPerShaderStage,
      },
    });
  });
  afterAll(() => device.destroy());

  /** What Dawn says against a pipeline, or undefined. */
  async function problem(build: () => void): Promise<string | undefined> {
    device.pushErrorScope('validation');
    build();
    return (await device.popErrorScope())?.message;
  }

  it.each(paths)('%s builds in every variant', async (path) => {
    for (const constants of variants(path)) {
      // Dawn names the label in its message.
      const label = `${path} ${JSON.stringify(constants)}`;
      expect(await problem(() => compileKernel(device, path, constants, label))).toBeUndefined();
    }
  });

  it('sees a broken kernel', async () => {
    const { code } = kernelSource(paths[0]!);
    const build = (source: string) => () => void device.createShaderModule({ code: source });
    expect(await problem(build(code))).toBeUndefined();
    expect(await problem(build(code.replace('@compute', 'oops @compute')))).toMatch(/oops/);
  });

  it('sees a wrong variant', async () => {
    const message = await problem(() => compileKernel(device, 'linear/linear_nt', { FORMAT: -1 }, 'wrong'));
    expect(message).toMatch(/FORMAT/);
  });
});

describe('conventions', () => {
  const read = (path: string) => readFileSync(new URL(`${path}.wgsl`, ROOT), 'utf8');

  it.each(paths)('%s', (path) => {
    const code = read(path);
    const { bindings, entryPoint, overrides } = parseKernel(path, code);
    expect(path).toMatch(/^[a-z0-9_]+\/[a-z0-9_]+$/);
    expect(entryPoint).toBe(path.split('/')[1]);
    expect(code.match(/@compute/g), 'one entry point').toHaveLength(1);
    expect(code, 'plain WGSL, without a preprocessor').not.toMatch(/^\s*#/m);
    // Variants for GPUs only (gpu/kernel-family.ts).
    if (!/_(split|tile|wide)$/.test(path)) {
      expect(code, 'no barrier, which is ruinous on CPU drivers').not.toMatch(/Barrier\s*\(/);
    }
    expect(code, 'no atomics: reductions have a fixed order').not.toMatch(/\batomic/);

    const header = code.slice(0, code.search(/^(?!\/\/)/m));
    const words = new Set(header.match(/\w+/g));
    const named = [...bindings.map(({ name }) => name), 'grid'];
    expect(
      named.filter((name) => !words.has(name)),
      'bindings and grid that the header leaves out',
    ).toEqual([]);
    expect(
      [...overrides].filter((name) => !KNOWN_OVERRIDES.has(name)),
      'overrides that this test has no values for',
    ).toEqual([]);
    expect(header, 'says whether it is deterministic or exact').toMatch(/deterministic|exact/i);
    // A struct of parameters is laid out as packed words by the loader.
    const indices = [...code.matchAll(/@binding\((\d+)\)/g)].map(([, index]) => Number(index));
    expect(indices, 'bindings in order').toEqual(indices.map((_, i) => i));
  });
});
