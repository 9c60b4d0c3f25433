import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { OptimConfig } from '../../src/config/schema.ts';
import { ConfigError } from '../../src/util/errors.ts';
import { expectClose, openGpu, randomValues } from './harness.ts';
import { type Shape, Trained } from './trained.ts';

// A factor on lr is one rounding of the step.
const FACTOR_TOLERANCE = 1e-6;

const STRATEGIES = ['adamw', 'adamw_8bit'] as const;

const device = openGpu();

describe.each(STRATEGIES)('lr_multipliers under %s', (strategy) => {
  // Parts that end within a block, as in stacked projections; alone, each of them would be small.
  const part = (name: string, rows: number) => ({ name: `layers.0.${name}.weight`, shape: [rows, 33] });
  const parts = [part('q_proj', 101), part('k_proj', 30), part('v_proj', 31)];
  const shapes: Shape[] = [
    { name: 'layers.0.qkv_proj.weight', shape: [162, 33], parts },
    { name: 'visual.norm.weight', shape: [40] },
  ];
  const start = shapes.map(({ name, shape }) => randomValues(tf.util.sizeFromShape(shape), name));
  const gradient = start.map((values, i) => randomValues(values.length, `gradient ${i}`));

  /** What a step takes from each value. */
  async function steps(lr: number, lr_multipliers: OptimConfig['lr_multipliers']): Promise<Float32Array[]> {
    const zeros = start.map((values) => new Float32Array(values.length));
    const trained = new Trained(device.gpu, shapes, { strategy, lr_multipliers }, zeros);
    await trained.step(lr, gradient);
    const values = await trained.values();
    trained.dispose();
    return values;
  }

  it('gives every part of a stack its own learning rate, by the first pattern that matches', async () => {
    const plain = await steps(0.01, {});
    const found = await steps(0.01, {
      '.*\\.k_proj\\..*': 16,
      '.*visual.*': 0.5,
      'layers\\..*[kv]_proj.*': 0,
    });
    const [first, second] = [101 * 33, 131 * 33];
    const factor = (i: number) => (i < first ? 1 : i < second ? 16 : 0);
    expectClose(
      found[0]!,
      plain[0]!.map((value, i) => value * factor(i)),
      FACTOR_TOLERANCE,
      'stack',
    );
    expectClose(
      found[1]!,
      plain[1]!.map((value) => value * 0.5),
      FACTOR_TOLERANCE,
      'norm',
    );
  });

  it('refuses a pattern that matches no whole name', async () => {
    await expect(steps(0.01, { k_proj: 2 })).rejects.toThrow(ConfigError);
    await expect(steps(0.01, { '.*q_proj.*': 2, '.*lora_B.*': 2 })).rejects.toThrow(
      /lr_multipliers: \.\*lora_B\.\*\n[^]*none of 4 names \(layers\.0\.q_proj\.weight, /,
    );
  });
});
