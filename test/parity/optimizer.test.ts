import type * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { adamwStep, writeAdamw } from '../../src/ops/adamw.ts';
import {
  accumulate,
  clipGradients,
  createOptimizerState,
  mix,
  type OptimizerState,
} from '../../src/ops/optimizer.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { expectClose, guarded, openGpu, randomValues } from './harness.ts';
import { adamw, clip, lrRanges, lrFactor } from './reference/optimizer.ts';

// Sums of 4096 squares in four accumulators of positive terms: 1024 roundings of 6e-8, most of them cancelling.
const NORM_TOLERANCE = 2e-6;
// Ten steps, each rounding the parameter (near 3) once or twice in f32.
const PARAM_TOLERANCE = 3e-7;
const MOMENT_TOLERANCE = 2e-6;
// Two products and their sum: three roundings of at most 6e-8, and those of alpha and its complement.
const MIX_TOLERANCE = 2e-7;

const STEPS = 10;
const HYPER = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1 };

const device = openGpu();

function free(state: OptimizerState): void {
  for (const tensor of Object.values(state) as tf.Tensor[]) device.gpu.free(tensor);
}

it.each([[[1]], [[3, 4095]], [[4096, 70, 1]], [[100_003, 5]]])(
  'ten steps of AdamW with clipping and three learning rates over tensors of %j',
  async (sizes) => {
    const models = sizes.map((size) => ({
      param: new Float64Array(randomValues(size, 'param')),
      m: new Float64Array(size),
      v: new Float64Array(size),
    }));
    const state = createOptimizerState(sizes);
    await guarded(device.gpu, async ({ input, read }) => {
      const zeros = (size: number) => input([size], new Float32Array(size));
      const tensors = models.map(({ param }) => ({
        param: input([param.length], Float32Array.from(param)),
        m: zeros(param.length),
        v: zeros(param.length),
      }));
      for (let t = 1; t <= STEPS; t++) {
        // Small and large gradients in turn: some steps are clipped and some are not.
        const scale = t % 2 === 0 ? 5 : 1e-4;
        const values = sizes.map((size) => randomValues(size, `gradient ${t}`, scale));
        // A learning rate that changes, as under a schedule.
        const now = { ...HYPER, lr: HYPER.lr / t };
        const gradients = values.map((value) => input([value.length], value));
        writeAdamw(state, now, t);
        clipGradients(gradients, state, 1);
        tensors.forEach(({ param, ...moments }, i) =>
          adamwStep(param, gradients[i]!, moments, state, lrRanges(param.size)),
        );

        const { norm, factor } = clip(values, 1);
        expectClose(await read(state.clip), [norm, factor, 0], NORM_TOLERANCE, `clip state of step ${t}`);
        models.forEach((model, i) => {
          adamw(
            model,
            Float64Array.from(values[i]!, (g) => g * factor),
            now,
            t,
            lrFactor,
          );
        });
      }
      for (const [i, { param, m, v }] of tensors.entries()) {
        expectClose(await read(param), models[i]!.param, PARAM_TOLERANCE, `param ${i}`);
        expectClose(await read(m), models[i]!.m, MOMENT_TOLERANCE, `m ${i}`);
        expectClose(await read(v), models[i]!.v, MOMENT_TOLERANCE, `v ${i}`);
      }
    });
    free(state);
  },
);

it.each([NaN, Infinity, 3e38])('leaves everything as it was after a gradient with %s', async (broken) => {
  const values = randomValues(5000, 'gradient');
  values[4321] = broken;
  const before = randomValues(5000, 'param');
  const state = createOptimizerState([5000]);
  await guarded(device.gpu, async ({ input, read }) => {
    const gradient = input([5000], values);
    const [param, m, v] = [input([5000], before), input([5000], before), input([5000], before)];
    writeAdamw(state, HYPER, 1);
    clipGradients([gradient], state, 1);
    adamwStep(param, gradient, { m, v }, state, lrRanges(5000));
    expect((await read(state.clip))[2]).toBe(1);
    for (const tensor of [param, m, v]) expect(await read(tensor)).toEqual(before);
  });
  free(state);
});

it('does not clip at a bound of 0', async () => {
  const state = createOptimizerState([2]);
  await guarded(device.gpu, async ({ input, read }) => {
    clipGradients([input([2], Float32Array.of(3, 4))], state, 0);
    expect([...(await read(state.clip))]).toEqual([5, 1, 0]);
  });
  free(state);
});

it.each([1, 67, 9000])('accumulates a scaled gradient of %i values', async (size) => {
  const [into, gradient] = [randomValues(size, 'into'), randomValues(size, 'gradient')];
  await guarded(device.gpu, async ({ input, read }) => {
    const tensor = input([size], into);
    accumulate(tensor, input([size], gradient), 0.25);
    const expected = into.map((value, i) => value + 0.25 * gradient[i]!);
    expectClose(await read(tensor), expected, NORM_TOLERANCE, 'into');
  });
});

it.each([1, 67, 9000])('mixes %i values into others', async (size) => {
  const [into, source] = [randomValues(size, 'into'), randomValues(size, 'source')];
  await guarded(device.gpu, async ({ input, read }) => {
    for (const alpha of [0.6, 0.05]) {
      const tensor = input([size], into);
      mix(tensor, input([size], source), alpha);
      const expected = Float64Array.from(into, (value, i) => (1 - alpha) * value + alpha * source[i]!);
      expectClose(await read(tensor), expected, MIX_TOLERANCE, `mixed by ${alpha}`);
    }
    const [copied, kept] = [input([size], into), input([size], into)];
    mix(copied, input([size], source), 1);
    mix(kept, input([size], source), 0);
    expectClose(await read(copied), source, 0, 'mixed by 1');
    expectClose(await read(kept), into, 0, 'mixed by 0');
  });
});

it('gives the same bits for tensors that are larger than a binding', async () => {
  const size = 3 * 16_384 + 77;
  const { gpu } = device;
  const run = async () => {
    const state = createOptimizerState([size]);
    const results = await guarded(gpu, async ({ input, read }) => {
      const gradient = input([size], randomValues(size, 'gradient'));
      const tensor = (name: string) => input([size], randomValues(size, name).map(Math.abs));
      const [param, m, v] = [tensor('param'), tensor('m'), tensor('v')];
      writeAdamw(state, HYPER, 3);
      clipGradients([gradient], state, 1);
      adamwStep(param, gradient, { m, v }, state, lrRanges(size));
      accumulate(m, gradient, -2);
      mix(v, gradient, 0.3);
      return Promise.all([param, m, v, state.clip, state.partials].map((info) => read(info)));
    });
    free(state);
    return results;
  };
  const whole = await run();
  const { limits } = gpu.device;
  const small = { maxStorageBufferBindingSize: 16_384 * 4 };
  Object.defineProperty(gpu.device, 'limits', { value: small, configurable: true });
  try {
    // One by one: a failing comparison of whole tensors prints for a minute.
    for (const [i, values] of (await run()).entries()) expectClose(values, whole[i]!, 0, `result ${i}`);
  } finally {
    Object.defineProperty(gpu.device, 'limits', { value: limits, configurable: true });
  }
});

it('refuses shapes that disagree', async () => {
  const state = createOptimizerState([2]);
  await guarded(device.gpu, async ({ input }) => {
    const [two, three] = [input([2], new Float32Array(2)), input([3], new Float32Array(3))];
    expect(() => accumulate(two, three, 1)).toThrow(ShapeError);
    expect(() => mix(two, three, 0.5)).toThrow(ShapeError);
    const moments = { m: two, v: two };
    const whole = [{ end: 2, factor: 1 }];
    expect(() => adamwStep(two, two, { ...moments, m: three }, state, whole)).toThrow(/adamwStep\.m/);
    for (const ranges of [[], [{ end: 1, factor: 1 }], [...whole, ...whole, ...whole, ...whole]])
      expect(() => adamwStep(two, two, moments, state, ranges)).toThrow(/1 to 3 ranges that end at 2/);
    expect(() => clipGradients([two, three], state, 1)).toThrow(/partials/);
  });
  free(state);
});
