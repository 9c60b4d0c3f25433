import { currentGpu } from '../../gpu/gpu.ts';
import { adamwStep, writeAdamw } from '../adamw.ts';
import { accumulate, clipGradients, createOptimizerState, mix, type OptimizerState } from '../optimizer.ts';
import { hostTensor, type KernelTest, upload } from './case.ts';

const SHAPE = [7, 5];
const HYPER = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.01 };
/** The second step, so that both moments and their bias corrections count. */
const T = 2;
const [MICRO_SCALE, MAX_NORM, ALPHA] = [0.5, 1, 0.6];

const WHOLE = [{ end: SHAPE[0]! * SHAPE[1]!, factor: 1 }];

/** Square roots and quotients. */
const TOLERANCE = 2e-6;

export const optimTest: KernelTest = {
  name: 'optim',
  kernels: ['optim/accumulate', 'optim/clip_scale', 'optim/adamw_step', 'optim/mix'],
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

    const sum = [...gradient!.values].map((value, i) => value + MICRO_SCALE * more!.values[i]!);
    const norm = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
    const factor = Math.min(1, MAX_NORM / (norm + 1e-6));
    const stepped = sum.map((value, i) =>
      adamw(start!.values[i]!, value * factor, m!.values[i]!, v.values[i]!),
    );
    const between = [...start!.values].map((value, i) => (1 - ALPHA) * value + ALPHA * gradient!.values[i]!);
    return [
      { label: 'accumulated gradient', actual: total, expected: sum },
      { label: 'norm, clip factor, skip', actual: state.clip, expected: [norm, factor, 0] },
      { label: 'parameters after AdamW', actual: param, expected: stepped.map(({ param }) => param) },
      { label: 'first moments', actual: first, expected: stepped.map((step) => step.m) },
      { label: 'second moments', actual: second, expected: stepped.map((step) => step.v) },
      { label: 'mixed models', actual: mixed, expected: between },
    ];
  },
};

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
