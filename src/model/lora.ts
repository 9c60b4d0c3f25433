/**
 * LoRA (arXiv 2106.09685): y = W x + scale · B A x on chosen linear layers of the frozen model, with a scale of
 * alpha / rank, or of alpha / sqrt(rank) (rsLoRA, arXiv 2312.03732), whose size of an update does not fall with the
 * rank. Names and shapes are PEFT's, so that an adapter moves between both.
 */
import type { Gpu } from '../gpu/gpu.ts';
import { RandomStream } from '../util/random.ts';
import { ConfigError } from '../util/errors.ts';
import { loadParameters } from './load-parameters.ts';
import { isAdaptable, type ParameterSpec } from './parameter-table.ts';
import type { Parameters } from './parameters.ts';
import { alone } from './stacks.ts';

export interface LoraSettings {
  rank: number;
  alpha: number;
  /** Scales by alpha / sqrt(rank). */
  use_rslora: boolean;
  /** `all-linear`, or parts of layer names such as `q_proj`. */
  target_modules: 'all-linear' | readonly string[];
  /** A regular expression over layer names; empty excludes nothing. */
  exclude_modules: string | null;
}

/** The factor on an adapter's update. */
export function loraScale({
  rank,
  alpha,
  use_rslora: isStabilized,
}: Pick<LoraSettings, 'rank' | 'alpha' | 'use_rslora'>): number {
  return alpha / (isStabilized ? Math.sqrt(rank) : rank);
}

/** The linear layers (names without `.weight`) that the settings adapt. */
export function adaptedLayers(specs: readonly ParameterSpec[], settings: LoraSettings): string[] {
  const exclude = settings.exclude_modules ? new RegExp(`^(?:${settings.exclude_modules})$`) : null;
  const targets = settings.target_modules;
  const layers = specs
    .filter(isAdaptable)
    .map(({ name }) => name.replace(/\.weight$/, ''))
    .filter((name) => !exclude?.test(name))
    .filter((name) => targets === 'all-linear' || targets.some((part) => name.endsWith(part)));
  if (layers.length === 0) {
    throw new ConfigError({
      where: 'model.lora',
      expected: 'target_modules and exclude_modules that leave at least one linear layer',
      found: `none of ${JSON.stringify(targets)} without ${JSON.stringify(settings.exclude_modules)}`,
    });
  }
  return layers;
}

/** A and B of each layer, by PEFT's parameter names without their prefix. */
export function adapterTable(
  specs: readonly ParameterSpec[],
  layers: readonly string[],
  rank: number,
): ParameterSpec[] {
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]));
  return layers.flatMap((layer) => {
    const [rows, columns] = shapes.get(`${layer}.weight`)! as [number, number];
    return [
      { name: `${layer}.lora_A.weight`, shape: [rank, columns], kind: 'matrix' as const },
      { name: `${layer}.lora_B.weight`, shape: [rows, rank], kind: 'matrix' as const },
    ];
  });
}

/** A fresh adapter: A uniform as torch's Kaiming initialisation (PEFT's default), B zero. */
export async function freshAdapter(
  gpu: Gpu,
  table: readonly ParameterSpec[],
  seed: number,
): Promise<Parameters> {
  const zeros = { kind: 'zeros', format: 'f32' } as const;
  const adapter = await loadParameters(gpu, table.map(alone), zeros, () => true, { line: 'adapter' });
  if (gpu.isPlanning) return adapter;
  for (const { name, shape } of table) {
    if (!name.includes('lora_A')) continue;
    const [rows, columns] = shape as [number, number];
    const random = new RandomStream(seed, `init:${name}`);
    const bound = Math.sqrt(1 / columns);
    adapter.write(
      name,
      Float32Array.from({ length: rows * columns }, () => (random.uniform() * 2 - 1) * bound),
    );
  }
  return adapter;
}
