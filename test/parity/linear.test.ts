import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { swiglu } from '../../src/ops/activation.ts';
import { gatedLinear, linear } from '../../src/ops/linear.ts';
import { launchProductNn, launchProductNt, launchProductTn } from '../../src/ops/product.ts';
import { weightSlices, type Scales } from '../../src/ops/weight.ts';
import { ShapeError } from '../../src/util/errors.ts';
import {
  DIFFERENCE_TOLERANCE,
  dot,
  expectClose,
  finiteDifferences,
  gradients,
  guarded,
  openGpu,
  randomValues,
  useFamily,
} from './harness.ts';
import { columnSum, linearNn, linearNt, linearTn } from './reference/linear.ts';
import { inputWeight, storeWeight, WEIGHT_KINDS } from './reference/stored-weight.ts';

// f32 sums of up to 300 products: the rounding of a sum grows with its length, at most 300 * 2^-24 = 1.8e-5
// of the sum of magnitudes; random signs stay far below.
const TOLERANCE = 3e-6;

/** N rows, K inputs, M outputs: each of the tiles of 1, 4, 8 and 16 rows, their tails, larger. */
const SHAPES = [
  [1, 4, 4],
  [2, 12, 36],
  [3, 8, 12],
  [4, 20, 8],
  [3, 1056, 12],
  [6, 64, 24],
  [8, 16, 32],
  [9, 20, 36],
  [65, 36, 68],
  [300, 132, 132],
] as const;

/** The wide variants are for f32 alone. */
const FORMATS_OF = [
  { family: 'cpu', formats: WEIGHT_KINDS },
  { family: 'wide-cpu', formats: ['f32'] },
  { family: 'gpu', formats: WEIGHT_KINDS },
] as const;

const device = openGpu();

describe.each(FORMATS_OF)('kernels of the family $family', ({ family, formats }) => {
  useFamily(device, family);

  describe.each(formats)('linear with %s weights', (format) => {
    it.each(SHAPES)('N=%i K=%i M=%i: output and gradients', async (N, K, M) => {
      const shape = [N, K, M] as const;
      const host = storeWeight(randomValues(M * K, 'w'), [M, K], format);
      const { exact } = host;
      const xValues = randomValues(N * K, 'x');
      const biasValues = randomValues(M, 'bias');
      const dyValues = randomValues(N * M, 'dy');
      await guarded(device.gpu, async ({ input, read }) => {
        const x = input([N, K], xValues);
        const bias = input([M], biasValues);
        const dy = input([N, M], dyValues);
        const weight = inputWeight({ input }, host);
        expectClose(await read(linear(x, weight)), linearNt(xValues, exact, shape), TOLERANCE, 'y');
        const expected = linearNt(xValues, exact, shape, biasValues);
        expectClose(await read(linear(x, weight, { bias })), expected, TOLERANCE, 'y with bias');

        const xs = format === 'f32' ? [x, bias, weight.tensor] : [x, bias];
        const [dx, dBias, dw] = gradients(() => linear(x, weight, { bias }), xs, dy);
        expectClose(await read(dx!), linearNn(dyValues, exact, shape), TOLERANCE, 'dx');
        expectClose(await read(dBias!), columnSum(dyValues, M), TOLERANCE, 'dBias');
        if (dw) expectClose(await read(dw), linearTn(dyValues, xValues, shape), TOLERANCE, 'dw');
      });
    });

    it('gives the same bits in slices of rows as in one piece', async () => {
      const [N, K, M] = [10, 40, 200];
      const host = storeWeight(randomValues(M * K, 'w'), [M, K], format);
      await guarded(device.gpu, async ({ input, read }) => {
        const { gpu } = device;
        const { tensor: w, scales } = inputWeight({ input }, host);
        const x = input([N, K], randomValues(N * K, 'x'));
        const dy = input([N, M], randomValues(N * M, 'dy'));
        const bias = input([M], randomValues(M, 'bias'));
        const run = async (maxRows: number): Promise<Float32Array[]> => {
          const y = gpu.empty([N, M]);
          const dx = gpu.empty([N, K]);
          const dw = gpu.empty([M, K]);
          for (const slice of weightSlices(w, maxRows, scales)) {
            const offset = slice.firstRow;
            launchProductNt(x, slice, host.format, y, { bias, offset });
            launchProductNn(dy, slice, host.format, dx, { offset, accumulate: offset > 0 });
          }
          for (const slice of weightSlices(dw, maxRows)) launchProductTn(dy, x, slice, slice.firstRow);
          return Promise.all([y, dx, dw].map((info) => read(info)));
        };
        expect(weightSlices(w, 64, scales).map(({ rows }) => rows)).toEqual([64, 64, 64, 8]);
        const [y, dx, dw] = await run(Infinity);
        const [slicedY, slicedDx, slicedDw] = await run(64);
        expect(slicedY).toEqual(y);
        expect(slicedDw).toEqual(dw);
        // The sum over the rows of w is cut into parts here, which rounds differently.
        expectClose(slicedDx!, dx!, TOLERANCE, 'dx');
      });
    });
  });

  it.each([
    [1, 32, 8],
    [4, 64, 12],
    [37, 96, 84],
  ])('N=%i K=%i F=%i: gates and ups in one', async (N, K, F) => {
    for (const format of formats) {
      const host = storeWeight(randomValues(2 * F * K, 'w', 0.3), [2 * F, K], format);
      await guarded(device.gpu, async ({ input, read }) => {
        const x = input([N, K], randomValues(N * K, 'x'));
        const weight = inputWeight({ input }, host);
        const fused = await read(gatedLinear(x, weight)!);
        const apart = await read(swiglu(linear(x, weight)));
        expect(fused, format).toEqual(apart);
      });
    }
  });

  it('accumulates a multiple onto what the output holds', async () => {
    const [N, K, M] = [9, 8, 12];
    const xValues = randomValues(N * K, 'x');
    const wValues = randomValues(M * K, 'w');
    const dyValues = randomValues(N * M, 'dy');
    await guarded(device.gpu, async ({ input, read }) => {
      const [slice] = weightSlices(input([M, K], wValues));
      const options = { accumulate: true, scale: -0.5 };
      const y = input([N, M], new Float32Array(N * M).fill(2));
      launchProductNt(input([N, K], xValues), slice!, 'f32', y, options);
      const expected = linearNt(xValues, wValues, [N, K, M]).map((value) => 2 - 0.5 * value);
      expectClose(await read(y), expected, TOLERANCE, 'y');
      const dx = input([N, K], new Float32Array(N * K).fill(3));
      launchProductNn(input([N, M], dyValues), slice!, 'f32', dx, options);
      const expectedDx = linearNn(dyValues, wValues, [N, K, M]).map((value) => 3 - 0.5 * value);
      expectClose(await read(dx), expectedDx, TOLERANCE, 'dx');
    });
  });

  it('gives the same bits whatever the number of rows', async () => {
    const [N, K, M] = [11, 64, 40];
    const x = randomValues(N * K, 'x');
    const w = randomValues(M * K, 'w');
    await guarded(device.gpu, async ({ input, read }) => {
      const weight = { tensor: input([M, K], w), format: 'f32', shape: [M, K] } as const;
      const residual = randomValues(N * M, 'residual');
      const some = async (from: number, to: number) =>
        read(
          linear(input([to - from, K], x.slice(from * K, to * K)), weight, {
            residual: input([to - from, M], residual.slice(from * M, to * M)),
          }),
        );
      const all = await some(0, N);
      for (const [from, to] of [
        [0, 1],
        [4, 6],
        [3, 7],
        [2, 10],
      ] as const) {
        expect(await some(from, to)).toEqual(all.slice(from * M, to * M));
      }
    });
  });

  /** First row and rows of each update of a stack of M = 24: all, one part, the outer two, all three. */
  const UPDATES: readonly { ranges: readonly (readonly [number, number])[] }[] = [
    { ranges: [[0, 24]] },
    { ranges: [[8, 4]] },
    {
      ranges: [
        [0, 8],
        [12, 12],
      ],
    },
    {
      ranges: [
        [0, 8],
        [8, 4],
        [12, 12],
      ],
    },
  ];

  it.each(UPDATES)(
    'low-rank updates of $ranges with a residual: output and gradients',
    async ({ ranges }) => {
      const [N, K, M, R] = [9, 12, 24, 4];
      const scales = [0.5, -1.5, 2];
      const values = { x: randomValues(N * K, 'x'), residual: randomValues(N * M, 'residual') };
      const [w, dy] = [randomValues(M * K, 'w'), randomValues(N * M, 'dy')];
      const parts = ranges.map(([firstRow, rows], i) => ({
        firstRow,
        rows,
        scale: scales[i]!,
        down: randomValues(R * K, `down${i}`),
        up: randomValues(rows * R, `up${i}`),
      }));
      const columns = (matrix: ArrayLike<number>, first: number, rows: number): Float64Array =>
        Float64Array.from(
          { length: N * rows },
          (_, i) => matrix[Math.floor(i / rows) * M + first + (i % rows)]!,
        );
      const expected = linearNt(values.x, w, [N, K, M]).map((value, i) => value + values.residual[i]!);
      const dx = linearNn(dy, w, [N, K, M]);
      const gradientsOfParts: Float64Array[] = [];
      for (const { firstRow, rows, scale, down, up } of parts) {
        const inner = linearNt(values.x, down, [N, K, R]).map((value) => scale * value);
        linearNt(inner, up, [N, R, rows]).forEach((value, i) => {
          expected[Math.floor(i / rows) * M + firstRow + (i % rows)]! += value;
        });
        const dPart = columns(dy, firstRow, rows);
        const dInner = linearNn(dPart, up, [N, R, rows]).map((value) => scale * value);
        linearNn(dInner, down, [N, K, R]).forEach((value, i) => (dx[i]! += value));
        gradientsOfParts.push(linearTn(dInner, values.x, [N, K, R]), linearTn(dPart, inner, [N, R, rows]));
      }
      await guarded(device.gpu, async ({ input, read }) => {
        const weight = { tensor: input([M, K], w), format: 'f32', shape: [M, K] } as const;
        const x = input([N, K], values.x);
        const residual = input([N, M], values.residual);
        const updates = parts.map(({ firstRow, rows, scale, down, up }) => ({
          firstRow,
          scale,
          down: input([R, K], down),
          up: input([rows, R], up),
        }));
        const run = () => linear(x, weight, { residual, updates });
        expectClose(await read(run()), expected, TOLERANCE, 'y');
        const inputs = [x, residual, ...updates.flatMap(({ down, up }) => [down, up])];
        const [dX, dResidual, ...dUpdates] = gradients(run, inputs, input([N, M], dy));
        expectClose(await read(dX!), dx, TOLERANCE, 'dx');
        expectClose(await read(dResidual!), dy, 0, 'dResidual');
        for (const [i, d] of dUpdates.entries()) {
          expectClose(await read(d), gradientsOfParts[i]!, TOLERANCE, `gradient ${i} of the updates`);
        }
      });
    },
  );
});

describe.each([
  { family: 'cpu', formats: WEIGHT_KINDS.slice(1) },
  { family: 'wide-cpu', formats: ['bf16'] },
  { family: 'gpu', formats: ['bf16', 'int8/64/f32', 'int4/64/f16'] },
] as const)('kernels of the family $family', ({ family, formats }) => {
  useFamily(device, family);

  describe.each(formats)('%s weights', (format) => {
    it.each(SHAPES)('N=%i K=%i M=%i: the bits of the same values in f32', async (N, K, M) => {
      const host = storeWeight(randomValues(M * K, 'w'), [M, K], format);
      await guarded(device.gpu, async ({ input, read }) => {
        const x = input([N, K], randomValues(N * K, 'x'));
        const dy = input([N, M], randomValues(N * M, 'dy'));
        const weight = inputWeight({ input }, host);
        const full = inputWeight({ input }, storeWeight(host.exact, [M, K], 'f32'));
        expect(await read(linear(x, weight))).toEqual(await read(linear(x, full)));
        const [dx] = gradients(() => linear(x, weight), [x], dy);
        const [dxFull] = gradients(() => linear(x, full), [x], dy);
        expect(await read(dx!)).toEqual(await read(dxFull!));
      });
    });
  });
});

it('has float64 gradients that agree with finite differences', () => {
  const shape = [3, 4, 8] as const;
  const [N, K, M] = shape;
  const x = new Float64Array(randomValues(N * K, 'x'));
  const w = new Float64Array(randomValues(M * K, 'w'));
  const bias = new Float64Array(randomValues(M, 'bias'));
  const dy = randomValues(N * M, 'dy');
  const loss = (): number => dot(linearNt(x, w, shape, bias), dy);
  expectClose(linearNn(dy, w, shape), finiteDifferences(loss, x), DIFFERENCE_TOLERANCE, 'dx');
  expectClose(linearTn(dy, x, shape), finiteDifferences(loss, w), DIFFERENCE_TOLERANCE, 'dw');
  expectClose(columnSum(dy, M), finiteDifferences(loss, bias), DIFFERENCE_TOLERANCE, 'dBias');
});

it('refuses shapes that disagree', async () => {
  await guarded(device.gpu, async ({ input }) => {
    const weight = (M: number, K: number): { tensor: tf.Tensor; format: 'f32'; shape: [number, number] } => ({
      tensor: input([M, K], new Float32Array(M * K)),
      format: 'f32',
      shape: [M, K],
    });
    const x = input([2, 8], new Float32Array(16));
    expect(() => linear(x, weight(4, 12))).toThrow(ShapeError);
    expect(() => linear(x, weight(6, 8))).toThrow(ShapeError);
    const floats = weight(4, 8);
    const integers = { tensor: input([4, 8], new Int32Array(32)), format: 'int8', shape: [4, 8] } as const;
    const scalesOf = (groups: number): Scales => ({
      tensor: input([4, groups], new Float32Array(4 * groups)),
      format: 'f32',
      group: 32,
    });
    const scales = scalesOf(1);
    expect(() => linear(x, integers)).toThrow(/scales for int8/);
    expect(() => linear(x, { ...floats, scales })).toThrow(/none for f32/);
    expect(() => linear(x, { ...integers, scales: scalesOf(2) })).toThrow(ShapeError);
    expect(() => linear(x, { ...integers, format: 'int4', scales })).toThrow(ShapeError);
    const zeros = (...shape: number[]) => input(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
    expect(() => linear(x, weight(4, 8), { bias: zeros(8) })).toThrow(ShapeError);
    expect(() => linear(x, weight(4, 8), { residual: zeros(4, 2) })).toThrow(ShapeError);
    const update = { down: zeros(4, 8), up: zeros(4, 4), firstRow: 0, scale: 1 };
    for (const wrong of [{ down: zeros(4, 4) }, { up: zeros(4, 8) }, { firstRow: 4 }, { firstRow: 2 }]) {
      expect(() => linear(x, weight(4, 8), { updates: [{ ...update, ...wrong }] })).toThrow(ShapeError);
    }
    expect(() => linear(x, weight(4, 8), { updates: [update, update, update, update] })).toThrow(ShapeError);
  });
});
