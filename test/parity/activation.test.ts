import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { addScaled, gelu, swiglu } from '../../src/ops/activation.ts';
import { ShapeError } from '../../src/util/errors.ts';
import {
  DIFFERENCE_TOLERANCE,
  expectClose,
  finiteDifferences,
  gradients,
  guarded,
  openGpu,
  randomValues,
} from './harness.ts';
import * as reference from './reference/activation.ts';

// WGSL's exp is within (3 + 2|x|) units in the last place (6e-8 each); erf is within 1.5e-7.
const TOLERANCE = 1e-6;
/** Two roundings. */
const ADD_TOLERANCE = 2e-7;

/** One, tails of the four values a thread takes and of the workgroup, more than one workgroup. */
const SHAPES = [
  [1, 1],
  [1, 3],
  [3, 5],
  [16, 16],
  [37, 29],
  [130, 131],
] as const;

const device = openGpu();

describe.each(SHAPES)('[%i, %i]', (rows, columns) => {
  const shape = [rows, columns];
  const count = rows * columns;
  const a = randomValues(count, 'a', 2);
  const b = randomValues(count, 'b');
  const dy = randomValues(count, 'dy');

  it('swiglu: output and gradients', async () => {
    await guarded(device.gpu, async ({ input, read }) => {
      const [gate, up] = [input(shape, a), input(shape, b)];
      const y = await read(swiglu(gate, up));
      const each = Array.from(a, (value, i) => reference.swigluDerivatives(value, b[i]!));
      expectClose(
        y,
        Array.from(a, (value, i) => reference.swiglu(value, b[i]!)),
        TOLERANCE,
        'y',
      );
      const [dGate, dUp] = gradients(() => swiglu(gate, up), [gate, up], input(shape, dy));
      expectClose(
        await read(dGate!),
        each.map(([value], i) => value * dy[i]!),
        TOLERANCE,
        'dGate',
      );
      expectClose(
        await read(dUp!),
        each.map(([, value], i) => value * dy[i]!),
        TOLERANCE,
        'dUp',
      );
    });
  });

  it('gelu: output and gradient', async () => {
    await guarded(device.gpu, async ({ input, read }) => {
      const x = input(shape, a);
      expectClose(await read(gelu(x)), Array.from(a, reference.gelu), TOLERANCE, 'y');
      const [dx] = gradients(() => gelu(x), [x], input(shape, dy));
      const expected = Array.from(a, (value, i) => reference.geluDerivative(value) * dy[i]!);
      expectClose(await read(dx!), expected, TOLERANCE, 'dx');
    });
  });

  it.each([1, -0.5])('addScaled by %d: output and gradients', async (scale) => {
    await guarded(device.gpu, async ({ input, read }) => {
      const [left, right] = [input(shape, a), input(shape, b)];
      const y = await read(addScaled(left, right, scale));
      expectClose(
        y,
        Array.from(a, (value, i) => value + scale * b[i]!),
        ADD_TOLERANCE,
        'y',
      );
      const [da, db] = gradients(() => addScaled(left, right, scale), [left, right], input(shape, dy));
      expectClose(await read(da!), dy, 0, 'da');
      expectClose(
        await read(db!),
        Array.from(dy, (value) => scale * value),
        0,
        'db',
      );
    });
  });
});

it('is close to each value by itself, out to where exp and erf saturate', async () => {
  const x = Float32Array.from({ length: 8193 }, (_, i) => (i - 4096) / 512);
  x.set([-100, 100, -1, 1, -1e-6, 1e-6, -1e4, 1e4]);
  const one = new Float32Array(x.length).fill(1);
  const expectEachClose = (actual: Float32Array, f: (value: number) => number, label: string): void => {
    const errors = Array.from(x, (value, i) => (actual[i]! - f(value)) / Math.max(1, Math.abs(value)));
    expectClose(errors, new Float64Array(x.length), TOLERANCE, label);
  };
  await guarded(device.gpu, async ({ input, read }) => {
    const values = input([1, x.length], x);
    const ones = input([1, x.length], one);
    expectEachClose(await read(gelu(values)), reference.gelu, 'gelu');
    const [dGelu] = gradients(() => gelu(values), [values], ones);
    expectEachClose(await read(dGelu!), reference.geluDerivative, 'dGelu');
    expectEachClose(await read(swiglu(values, ones)), (value) => reference.swiglu(value, 1), 'swiglu');
    const [dGate, dUp] = gradients(() => swiglu(values, ones), [values, ones], ones.clone());
    expectEachClose(await read(dGate!), (value) => reference.swigluDerivatives(value, 1)[0], 'dGate');
    expectEachClose(await read(dUp!), (value) => reference.swigluDerivatives(value, 1)[1], 'dUp');
  });
});

it('addScaled keeps any rank', async () => {
  await guarded(device.gpu, async ({ input, read }) => {
    const a = input([5], new Float32Array([1, 2, 3, 4, 5]));
    const sum: tf.Tensor = addScaled(a, input([5], new Float32Array(5).fill(1)), 2);
    expect(sum.shape).toEqual([5]);
    expect([...(await read(sum))]).toEqual([3, 4, 5, 6, 7]);
  });
});

it('has float64 derivatives that agree with finite differences', () => {
  const x = new Float64Array([-6, -3, -1, -0.2, 0, 0.4, 1.5, 5]);
  const up = 0.7;
  const sum = (f: (value: number) => number) => (): number => x.reduce((total, value) => total + f(value), 0);
  expectClose(
    x.map(reference.geluDerivative),
    finiteDifferences(sum(reference.gelu), x),
    DIFFERENCE_TOLERANCE,
    'gelu',
  );
  const byGate = x.map((value) => reference.swigluDerivatives(value, up)[0]);
  const byUp = x.map((value) => reference.swigluDerivatives(up, value)[1]);
  const overGate = sum((value) => reference.swiglu(value, up));
  const overUp = sum((value) => reference.swiglu(up, value));
  expectClose(byGate, finiteDifferences(overGate, x), DIFFERENCE_TOLERANCE, 'swiglu by gate');
  expectClose(byUp, finiteDifferences(overUp, x), DIFFERENCE_TOLERANCE, 'swiglu by up');
});

it('refuses shapes that differ', async () => {
  await guarded(device.gpu, async ({ input }) => {
    const a = input([2, 3], new Float32Array(6));
    const b = input([3, 2], new Float32Array(6));
    expect(() => swiglu(a, b)).toThrow(ShapeError);
    expect(() => addScaled(a, b, 1)).toThrow(ShapeError);
    expect(() => gelu(input([6], new Float32Array(6)))).toThrow(ShapeError);
  });
});
