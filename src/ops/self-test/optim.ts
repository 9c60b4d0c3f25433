import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../../gpu/gpu.ts';
import { adamw8bitStep, adamwStep, CODES_PER_WORD, type QuantizedMoments, writeAdamw } from '../adamw.ts';
import { accumulate, clipGradients, createOptimizerState, mix, type OptimizerState } from '../optimizer.ts';
import { hostTensor, type HostTensor, type KernelTest, upload, uploadInts } from './case.ts';

const SHAPE = [7, 5];
const HYPER = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.01 };
/** The second step, so that both moments and their bias corrections count. */
const T = 2;
const [MICRO_SCALE, MAX_NORM, ALPHA] = [0.5, 1, 0.6];

const WHOLE = [{ end: SHAPE[0]! * SHAPE[1]!, factor: 1 }];
/** Steps with 8-bit moments: the second reads what the first has rounded. */
const STEPS_8BIT = 2;

/** Square roots and quotients. */
const TOLERANCE = 2e-6;

export const optimTest: KernelTest = {
  name: 'optim',
  kernels: ['optim/accumulate', 'optim/clip_scale', 'optim/adamw_step', 'optim/adamw_8bit_step', 'optim/mix'],
  tolerance: TOLERANCE,
  launch: (atEnd) => {
    const [start, gradient, more, m, root] = [1, 2, 3, 4, 5].map((phase) => hostTensor(SHAPE, phase));
    const v = { shape: SHAPE, values: root!.values.map((value) => value * value) };
    const [param, total, first, second] = [upload(start!), upload(gradient!), upload(m!), upload(v)];
    const state = createOptimizerState([total.size]);
    atEnd(() => freeState(state));

    accumulate(total, upload(more!), MICRO_SCALE);
    writeAdamw(state, HYPER, T);
    clipGradients([total], state, MAX_NORM);
    adamwStep(param, total, { m: first, v: second }, state, WHOLE);
    const mixed = upload(start!);
    mix(mixed, upload(gradient!), ALPHA);
    const eightBit = launch8bit(start!, total, state);

    const sum = [...gradient!.values].map((value, i) => value + MICRO_SCALE * more!.values[i]!);
    const norm = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
    const factor = Math.min(1, MAX_NORM / (norm + 1e-6));
    const stepped = sum.map((value, i) =>
      adamw(start!.values[i]!, value * factor, m!.values[i]!, v.values[i]!),
    );
    const between = [...start!.values].map((value, i) => (1 - ALPHA) * value + ALPHA * gradient!.values[i]!);
    const stepped8bit = reference8bit(
      start!.values,
      sum.map((value) => value * factor),
    );
    return [
      { label: 'accumulated gradient', actual: total, expected: sum },
      { label: 'norm, clip factor, skip', actual: state.clip, expected: [norm, factor, 0] },
      { label: 'parameters after AdamW', actual: param, expected: stepped.map(({ param }) => param) },
      { label: 'first moments', actual: first, expected: stepped.map((step) => step.m) },
      { label: 'second moments', actual: second, expected: stepped.map((step) => step.v) },
      { label: 'mixed models', actual: mixed, expected: between },
      { label: 'parameters after AdamW in 8 bits', actual: eightBit.param, expected: stepped8bit.param },
      { label: 'scale of first moments', actual: eightBit.mScales, expected: [stepped8bit.mScale] },
      { label: 'scale of second moments', actual: eightBit.vScales, expected: [stepped8bit.vScale] },
    ];
  },
};

/** Steps from moments of zero; all values are in one block. */
function launch8bit(
  start: HostTensor,
  gradient: tf.Tensor,
  state: OptimizerState,
): QuantizedMoments & { param: tf.Tensor } {
  const words = Math.ceil(start.values.length / CODES_PER_WORD);
  const codes = () =>
    uploadInts(
      [words],
      Array.from({ length: words }, () => 0),
    );
  const scale = () => upload({ shape: [1], values: new Float32Array(1) });
  const moments = { mCodes: codes(), vCodes: codes(), mScales: scale(), vScales: scale() };
  const param = upload(start);
  for (let step = 0; step < STEPS_8BIT; step++) adamw8bitStep(param, gradient, moments, state, WHOLE);
  return { param, ...moments };
}

/** The same on the host: each moment is rounded to the nearest value of its code. */
function reference8bit(start: Float32Array, gradient: readonly number[]) {
  let values = [...start].map((param) => ({ param, m: 0, v: 0 }));
  let [mScale, vScale] = [0, 0];
  for (let step = 0; step < STEPS_8BIT; step++) {
    values = values.map(({ param, m, v }, i) => adamw(param, gradient[i]!, m, v));
    mScale = values.reduce((most, { m }) => (Math.abs(m) > Math.abs(most) ? m : most), 0);
    vScale = Math.max(...values.map(({ v }) => v));
    values = values.map(({ param, m, v }) => ({
      param,
      m: mScale * nearest(codeValues(true), m / mScale),
      v: vScale * nearest(codeValues(false), v / vScale),
    }));
  }
  return { param: values.map(({ param }) => param), mScale, vScale };
}

/** The values that codes stand for under a scale of 1 (kernels/optim/adamw_8bit_step.wgsl). */
function codeValues(signed: boolean): number[] {
  const magnitudes = [0, 1, 2, 3, 4, 5, 6].flatMap((decade) => {
    const items = 2 ** (decade + (signed ? 0 : 1));
    return Array.from({ length: items }, (_, k) => 10 ** (decade - 6) * (0.1 + (0.9 * (k + 0.5)) / items));
  });
  return [0, 1, ...magnitudes, ...(signed ? magnitudes.map((value) => -value) : [])];
}

function nearest(values: readonly number[], x: number): number {
  return values.reduce((best, value) => (Math.abs(value - x) < Math.abs(best - x) ? value : best));
}

/** One value's step, as torch.optim.AdamW computes it. */
function adamw(param: number, g: number, m: number, v: number): { param: number; m: number; v: number } {
  const { lr, beta1, beta2, eps, weightDecay } = HYPER;
  const first = beta1 * m + (1 - beta1) * g;
  const second = beta2 * v + (1 - beta2) * g * g;
  const denominator = Math.sqrt(second) / Math.sqrt(1 - beta2 ** T) + eps;
  const step = ((lr / (1 - beta1 ** T)) * first) / denominator;
  return { param: param * (1 - lr * weightDecay) - step, m: first, v: second };
}

function freeState({ adamw, clip, partials }: OptimizerState): void {
  for (const tensor of [adamw, clip, partials]) currentGpu().free(tensor);
}
