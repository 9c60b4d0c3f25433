/** An adapter added to the weights it adapts: W + scale · B A. */
import { launchProductNn } from '../ops/product.ts';
import { weightSlices } from '../ops/weight.ts';
import { ShapeError } from '../util/errors.ts';
import type { Parameters } from './parameters.ts';
import type { Qwen2_5_VL } from './qwen2_5_vl.ts';

/**
 * Overwrites the adapted matrices of `model`, which must hold them in f32.
 * @param scale of the adapter (model/lora.ts)
 * @param adapter pairs `<layer>.lora_A.weight` [R, K], `<layer>.lora_B.weight` [M, R]
 */
export async function mergeAdapter(model: Qwen2_5_VL, adapter: Parameters, scale: number): Promise<void> {
  const { gpu, layers } = model;
  for (const { name } of adapter.all()) {
    if (!name.endsWith('.lora_B.weight')) continue;
    const layer = name.replace(/\.lora_B\.weight$/, '');
    const base = await layers.base.read(`${layer}.weight`);
    if (!(base instanceof Float32Array)) {
      throw new ShapeError({ where: `merging into ${layer}`, expected: 'an f32 weight', found: '16 bits' });
    }
    const a = adapter.weight(`${layer}.lora_A.weight`);
    const b = adapter.weight(name);
    const product = gpu.empty([b.shape[0], a.shape[1]]);
    launchProductNn(b.tensor, weightSlices(a.tensor)[0]!, 'f32', product, { scale });
    const update = await gpu.read(product);
    gpu.release(product);
    layers.base.write(
      `${layer}.weight`,
      base.map((value, i) => value + update[i]!),
    );
  }
}
