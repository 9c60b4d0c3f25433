/** Products of many rows in the kernels for GPUs, and that they have the bits of those for few rows. */
import { describe, expect, it } from 'vitest';
import { swiglu } from '../../src/ops/activation.ts';
import { gatedLinear, linear } from '../../src/ops/linear.ts';
import { launchProductNn, launchProductNt, launchProductTn } from '../../src/ops/product.ts';
import { weightSlices } from '../../src/ops/weight.ts';
import { expectClose, gradients, guarded, openGpu, randomValues, useFamily } from './harness.ts';
import { linearNn, linearNt, linearTn } from './reference/linear.ts';
import { inputWeight, storeWeight, WEIGHT_KINDS } from './reference/stored-weight.ts';

// f32 sums of up to 600 products, as in linear.test.ts; those over 4100 rows are summed in pieces of at most 300.
const TOLERANCE = 3e-6;

const device = openGpu();
useFamily(device, 'gpu');

/** N rows, K inputs, M outputs: tiles of 32 rows, with tails on every side. */
const SHAPES = [
  [257, 4, 4],
  [300, 20, 36],
  [331, 68, 200],
  [600, 132, 68],
] as const;

/** Enough rows for tiles of 64, in the product itself and in the gradient of its input. */
const HIGH_SHAPES = [
  [4100, 36, 260],
  [4100, 260, 36],
] as const;

describe.each(WEIGHT_KINDS)('%s weights', (format) => {
  const shapes = format === 'f32' || format === 'int4/64/f16' ? [...SHAPES, ...HIGH_SHAPES] : SHAPES;
  it.each(shapes)('N=%i K=%i M=%i: output and gradients', async (N, K, M) => {
    const shape = [N, K, M] as const;
    const host = storeWeight(randomValues(M * K, 'w'), [M, K], format);
    const xValues = randomValues(N * K, 'x');
    const biasValues = randomValues(M, 'bias');
    const residualValues = randomValues(N * M, 'residual');
    const dyValues = randomValues(N * M, 'dy');
    await guarded(device.gpu, async ({ input, read }) => {
      const x = input([N, K], xValues);
      const bias = input([M], biasValues);
      const residual = input([N, M], residualValues);
      const weight = inputWeight({ input }, host);
      const run = () => linear(x, weight, { bias, residual });
      const y = linearNt(xValues, host.exact, shape, biasValues).map(
        (value, i) => value + residualValues[i]!,
      );
      expectClose(await read(run()), y, TOLERANCE, 'y');
      const xs = format === 'f32' ? [x, weight.tensor] : [x];
      const [dx, dw] = gradients(run, xs, input([N, M], dyValues));
      expectClose(await read(dx!), linearNn(dyValues, host.exact, shape), TOLERANCE, 'dx');
      if (dw) expectClose(await read(dw), linearTn(dyValues, xValues, shape), TOLERANCE, 'dw');
    });
  });

  // K of less than a block of 64, of whole blocks, with a tail, and of more blocks than the other form sums at a time.
  it.each([32, 64, 96, 352, 2144])('few rows have the bits of many: sums of %i products', async (K) => {
    const [few, many, M] = [9, 300, 36];
    const values = randomValues(many * K, 'x');
    const host = storeWeight(randomValues(M * K, 'w'), [M, K], format);
    const residual = randomValues(many * M, 'residual');
    await guarded(device.gpu, async ({ input, read }) => {
      const weight = inputWeight({ input }, host);
      const bias = input([M], randomValues(M, 'bias'));
      const some = (rows: number) =>
        read(
          linear(input([rows, K], values.slice(0, rows * K)), weight, {
            bias,
            residual: input([rows, M], residual.slice(0, rows * M)),
          }),
        );
      const [alone, among] = [await some(few), await some(many)];
      expect(alone).toEqual(among.slice(0, few * M));
    });
  });
});

it.each(['f32', 'int4/64/f16'] as const)(
  'gates and ups of %s in one: the bits of few rows, and of the two apart',
  async (format) => {
    const [few, many, K, F] = [9, 300, 96, 84];
    const values = randomValues(many * K, 'x');
    const host = storeWeight(randomValues(2 * F * K, 'w', 0.3), [2 * F, K], format);
    await guarded(device.gpu, async ({ input, read }) => {
      const weight = inputWeight({ input }, host);
      const x = input([many, K], values);
      const fused = await read(gatedLinear(x, weight)!);
      expect(fused).toEqual(await read(swiglu(linear(x, weight))));
      const alone = await read(gatedLinear(input([few, K], values.slice(0, few * K)), weight)!);
      expect(alone).toEqual(fused.slice(0, few * F));
    });
  },
);

it('higher tiles have the same bits', async () => {
  const [few, many, K, M] = [300, 4100, 96, 260];
  const values = randomValues(many * K, 'x');
  const w = randomValues(M * K, 'w');
  const dyValues = randomValues(many * M, 'dy');
  await guarded(device.gpu, async ({ input, read }) => {
    const [slice] = weightSlices(input([M, K], w));
    const run = async (rows: number) => {
      const [y, dx] = [device.gpu.empty([rows, M]), device.gpu.empty([rows, M])];
      launchProductNt(input([rows, K], values.slice(0, rows * K)), slice!, 'f32', y);
      const [square] = weightSlices(input([M, M], randomValues(M * M, 'square')));
      launchProductNn(input([rows, M], dyValues.slice(0, rows * M)), square!, 'f32', dx);
      return Promise.all([y, dx].map((info) => read(info)));
    };
    const [low, high] = [await run(few), await run(many)];
    expect(high.map((all) => all.slice(0, few * M))).toEqual(low);
  });
});

it('reads and writes parts of rows, and leaves the others as they are', async () => {
  const [N, K, M] = [300, 20, 12];
  const [stride, offset] = [28, 8];
  const [before, after] = [2, 3];
  const xValues = randomValues(N * K, 'x');
  const wValues = randomValues(M * K, 'w');
  const dyValues = randomValues(N * stride, 'dy');
  const options = { offset, accumulate: true, scale: -0.5 };
  const inPart = (i: number): boolean => i % stride >= offset && i % stride < offset + M;
  const dyPart = dyValues.filter((_, i) => inPart(i));
  await guarded(device.gpu, async ({ input, read }) => {
    const [slice] = weightSlices(input([M, K], wValues));
    const x = input([N, K], xValues);
    const y = input([N, stride], new Float32Array(N * stride).fill(before));
    launchProductNt(x, slice!, 'f32', y, options);
    const product = linearNt(xValues, wValues, [N, K, M]).values();
    const expected = Float64Array.from(dyValues, (_, i) =>
      inPart(i) ? before - 0.5 * product.next().value! : before,
    );
    expectClose(await read(y), expected, TOLERANCE, 'y');

    const dy = input([N, stride], dyValues);
    const dx = input([N, K], new Float32Array(N * K).fill(after));
    launchProductNn(dy, slice!, 'f32', dx, options);
    const expectedDx = linearNn(dyPart, wValues, [N, K, M]).map((value) => after - 0.5 * value);
    expectClose(await read(dx), expectedDx, TOLERANCE, 'dx');

    const dw = device.gpu.empty([M, K]);
    launchProductTn(dy, x, weightSlices(dw)[0]!, offset);
    expectClose(await read(dw), linearTn(dyPart, xValues, [N, K, M]), TOLERANCE, 'dw');
  });
});

/** Terms of a sum: one piece of it, two whole ones, several with a tail in the steps and the last piece shorter. */
it.each([511, 512, 1031, 2050])('weight gradients summed over %i rows in pieces', async (N) => {
  const [K, M] = [68, 36];
  const [dyValues, xValues] = [randomValues(N * M, 'dy'), randomValues(N * K, 'x')];
  await guarded(device.gpu, async ({ input, read }) => {
    const [dy, x] = [input([N, M], dyValues), input([N, K], xValues)];
    const run = async (): Promise<Float32Array> => {
      // In the middle of a tensor: 64 rows of 68 are a multiple of the 256 bytes that offsets have.
      const dw = device.gpu.empty([64 + M, K]);
      const bytes = { offset: 64 * K * 4, size: M * K * 4 };
      launchProductTn(dy, x, { firstRow: 64, rows: M, operand: { tensor: dw, ...bytes } });
      return (await read(dw)).slice(64 * K);
    };
    const found = await run();
    expectClose(found, linearTn(dyValues, xValues, [N, K, M]), TOLERANCE, 'dw');
    expect(await run(), 'once more').toEqual(found);
  });
});
