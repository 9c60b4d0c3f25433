/** An adapter added to the weights it adapts: W + (alpha / rank) · B A. */
import * as tf from '@tensorflow/tfjs';
import { addScaled } from '../ops/activation.ts';
import { launchLinearNn, weightSlices } from '../ops/linear.ts';
import { ShapeError } from '../util/errors.ts';
import type { Parameters } from './parameters.ts';
import type { Qwen2_5_VL } from './qwen2_5_vl.ts';

/**
 * Overwrites the adapted matrices of `model`, which must hold them in f32.
 * @param adapter pairs `<layer>.lora_A.weight` [R, K], `<layer>.lora_B.weight` [M, R]
 */
export async function mergeAdapter(model: Qwen2_5_VL, adapter: Parameters, scale: number): Promise<void> {
  const { gpu, layers } = model;
  for (const { name } of adapter.all()) {
    if (!name.endsWith('.lora_B.weight')) continue;
    const layer = name.replace(/\.lora_B\.weight$/, '');
    const base = layers.base.weight(`${layer}.weight`);
    if (base.format !== 'f32') {
      throw new ShapeError({ where: `merging into ${layer}`, expected: 'an f32 weight', found: base.format });
    }
    const merged = tf.tidy(() => {
      const update = gpu.empty(base.shape);
      const [a] = weightSlices(adapter.weight(`${layer}.lora_A.weight`).tensor);
      launchLinearNn(adapter.weight(name).tensor, a!, 'f32', update);
      return addScaled(base.tensor, tf.engine().makeTensorFromTensorInfo(update), scale);
    });
    gpu.write(base.tensor, await gpu.read(merged));
    merged.dispose();
  }
}
