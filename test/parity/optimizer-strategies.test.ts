import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SafetensorsFile } from '../../src/io/safetensors.ts';
import { CheckpointError } from '../../src/util/errors.ts';
import { expectClose, openGpu, randomValues } from './harness.ts';
import { Trained } from './trained.ts';

// Of the loss itself, when 4 to 6 % of it are left: v follows its gradients only by whole codes, up to 7 % apart, and
// the quotient by its root.
const TRACKING_TOLERANCE = 0.08;

const NO_CLIPPING = 1e9;
const STRATEGIES = ['adamw', 'adamw_8bit'] as const;

const device = openGpu();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-optimizer-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('200 steps in 8 bits track those in f32', () => {
  const SIZE = 8192;
  // Curvatures from 1e-3 to 1, mixed within every block.
  const curvature = Float32Array.from({ length: SIZE }, (_, i) => 10 ** (-3 * (((i * 37) % 256) / 255)));
  const loss = (x: Float32Array) => x.reduce((sum, value, i) => sum + 0.5 * curvature[i]! * value * value, 0);

  /** Losses of a quadratic before, in the middle and at the end, by gradients with noise of this size. */
  async function losses(
    strategy: (typeof STRATEGIES)[number],
    noise: number,
    isSeen: (i: number, t: number) => boolean,
  ): Promise<number[]> {
    const trained = new Trained(
      device.gpu,
      [{ name: 'x', shape: [SIZE] }],
      { strategy, betas: [0.9, 0.999], weight_decay: 0, max_grad_norm: NO_CLIPPING },
      [randomValues(SIZE, 'start')],
    );
    const found: number[] = [];
    for (let t = 1; t <= 200; t++) {
      const [x] = await trained.values();
      if (t === 1 || t === 100) found.push(loss(x!));
      const random = randomValues(SIZE, `noise ${t}`, noise);
      const gradient = x!.map((value, i) =>
        isSeen(i, t) ? curvature[i]! * value + Math.sqrt(curvature[i]!) * random[i]! : 0,
      );
      await trained.step(0.01, [gradient]);
    }
    found.push(loss((await trained.values())[0]!));
    trained.dispose();
    return found;
  }

  it.each([
    ['a quadratic', 0, () => true],
    ['a quadratic with noise', 0.3, () => true],
    // As rows of an embedding: m is still there when v has decayed, which must not divide by nothing.
    ['gradients that are mostly zero', 0.3, (i: number, t: number) => (i + t) % 20 === 0],
  ] as const)('%s', async (_, noise, isSeen) => {
    const f32 = await losses('adamw', noise, isSeen);
    const eightBit = await losses('adamw_8bit', noise, isSeen);
    expect(f32[2]).toBeLessThan(f32[1]!);
    for (const [i, value] of eightBit.entries())
      expectClose([value], [f32[i]!], TRACKING_TOLERANCE, `loss ${i}`);
  });
});

it.each([
  ['adamw', 8],
  ['adamw_8bit', 2 + 8 / 256],
] as const)('the moments of %s take %f bytes a value', (strategy, expected) => {
  const bytesOf = (size: number): number => {
    const before = device.gpu.budget.totalBytes;
    const zeros = new Float32Array(size);
    const trained = new Trained(device.gpu, [{ name: 'x', shape: [size] }], { strategy }, [zeros]);
    const taken = device.gpu.budget.totalBytes - before;
    trained.dispose();
    expect(device.gpu.budget.totalBytes).toBe(before);
    return taken;
  };
  // Weights, gradients, and the partial sums of the norm: one for 4096 values.
  const others = 4 + 4 + 4 / 4096;
  expect((bytesOf(2 ** 21) - bytesOf(2 ** 20)) / 2 ** 20).toBe(others + expected);
});

describe('checkpoints', () => {
  // Three blocks and a tail that fills no word; a norm, which stays in f32.
  const SHAPES = [
    { name: 'a.weight', shape: [67, 77] },
    { name: 'norm.weight', shape: [300] },
  ];
  const start = SHAPES.map(({ name, shape }) => randomValues(tf.util.sizeFromShape(shape), name));
  const gradients = (t: number) => start.map((values, i) => randomValues(values.length, `${i} ${t}`));

  const pathOf = (strategy: string) => join(folder, `${strategy}.safetensors`);
  /** What saved the checkpoints, and goes on. */
  const saved = new Map<string, Trained>();

  beforeAll(async () => {
    for (const strategy of STRATEGIES) {
      const trained = new Trained(device.gpu, SHAPES, { strategy }, start);
      for (const t of [1, 2, 3]) await trained.step(1e-2, gradients(t));
      await trained.optimizer.save(pathOf(strategy));
      saved.set(strategy, trained);
    }
  });
  afterAll(() => {
    for (const trained of saved.values()) trained.dispose();
  });

  it.each(STRATEGIES)('%s: continues with the same bits and writes the same bytes', async (strategy) => {
    const first = saved.get(strategy)!;
    const second = new Trained(device.gpu, SHAPES, { strategy }, await first.values());
    const path = pathOf(strategy);
    await second.optimizer.restore(path);
    await second.optimizer.save(`${path}.again`);
    expect((await readFile(`${path}.again`)).equals(await readFile(path))).toBe(true);

    for (const trained of [first, second]) await trained.step(1e-2, gradients(4));
    const [expected, found] = [await first.values(), await second.values()];
    for (const [i, values] of expected.entries()) expectClose(found[i]!, values, 0, SHAPES[i]!.name);
    second.dispose();
  });

  it('hold 8-bit moments as bytes of the shape and scales of blocks', async () => {
    await using file = await SafetensorsFile.open(pathOf('adamw_8bit'));
    const found = [...file.tensors.values()].map(
      ({ name, dtype, shape }) => `${name} ${dtype} ${shape.join()}`,
    );
    expect(found.toSorted()).toEqual([
      'exp_avg.a.weight U8 67,77',
      'exp_avg.norm.weight F32 300',
      'exp_avg_scales.a.weight F32 21',
      'exp_avg_sq.a.weight U8 67,77',
      'exp_avg_sq.norm.weight F32 300',
      'exp_avg_sq_scales.a.weight F32 21',
      'step I32 1',
    ]);
  });

  it.each([
    ['adamw', 'adamw_8bit', /expected: U8 \[67, 77\]\n {2}found: {4}F32 \[67, 77\]\n.*optim\.strategy/],
    ['adamw_8bit', 'adamw', /expected: F32 \[67, 77\]\n {2}found: {4}U8 \[67, 77\]\n.*optim\.strategy/],
  ] as const)('of %s are refused by %s', async (written, reading, message) => {
    const trained = new Trained(device.gpu, SHAPES, { strategy: reading }, start);
    const restore = trained.optimizer.restore(pathOf(written));
    await expect(restore).rejects.toThrow(CheckpointError);
    await expect(restore).rejects.toThrow(message);
    trained.dispose();
  });

  it.each(STRATEGIES)('%s: of other shapes are refused', async (strategy) => {
    const shapes = [{ name: 'a.weight', shape: [77, 67] }];
    const trained = new Trained(device.gpu, shapes, { strategy }, start);
    const restore = trained.optimizer.restore(pathOf(strategy));
    await expect(restore).rejects.toThrow(/expected: .*\[77, 67\]\n.*\[67, 77\]/);
    trained.dispose();
  });
});
