import { describe, expect, it } from 'vitest';
import { gelu, swiglu } from '../../src/ops/activation.ts';
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

/** Gates and ups of [N, F] side by side, as swiglu takes them. */
function sideBySide(gate: Float32Array, up: Float32Array, columns: number): Float32Array {
  const both = new Float32Array(2 * gate.length);
  for (let n = 0; n * columns < gate.length; n++) {
    both.set(gate.subarray(n * columns, (n + 1) * columns), 2 * n * columns);
    both.set(up.subarray(n * columns, (n + 1) * columns), (2 * n + 1) * columns);
  }
  return both;
}

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

  it('swiglu: output and gradient', async () => {
    await guarded(device.gpu, async ({ input, read }) => {
      const x = input([rows, 2 * columns], sideBySide(a, b, columns));
      const y = Array.from(a, (value, i) => reference.swiglu(value, b[i]!));
      expectClose(await read(swiglu(x)), y, TOLERANCE, 'y');
      const [dx] = gradients(() => swiglu(x), [x], input(shape, dy));
      const each = Array.from(a, (value, i) => reference.swigluDerivatives(value, b[i]!));
      const [dGate, dUp] = [0, 1].map((of) => Float32Array.from(each, (d, i) => d[of]! * dy[i]!));
      expectClose(await read(dx!), sideBySide(dGate!, dUp!, columns), TOLERANCE, 'dx');
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
    const both = input([1, 2 * x.length], sideBySide(x, one, x.length));
    expectEachClose(await read(swiglu(both)), (value) => reference.swiglu(value, 1), 'swiglu');
    const [dBoth] = gradients(() => swiglu(both), [both], ones);
    const d = await read(dBoth!);
    const [dGate, dUp] = [d.subarray(0, x.length), d.subarray(x.length)];
    expectEachClose(dGate, (value) => reference.swigluDerivatives(value, 1)[0], 'dGate');
    expectEachClose(dUp, (value) => reference.swigluDerivatives(value, 1)[1], 'dUp');
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

it('refuses shapes that it cannot halve or read', async () => {
  await guarded(device.gpu, async ({ input }) => {
    expect(() => swiglu(input([2, 3], new Float32Array(6)))).toThrow(ShapeError);
    expect(() => swiglu(input([6], new Float32Array(6)))).toThrow(ShapeError);
    expect(() => gelu(input([6], new Float32Array(6)))).toThrow(ShapeError);
  });
});
