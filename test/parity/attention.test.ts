import { describe, expect, it } from 'vitest';
import { attention } from '../../src/ops/attention.ts';
import { splitAttention } from '../../src/ops/attention-split.ts';
import { tileAttention } from '../../src/ops/attention-tile.ts';
import { ShapeError } from '../../src/util/errors.ts';
import {
  CASES,
  causal,
  inverseOf,
  make,
  SHARED,
  sharedPrefix,
  type Case,
  type Range,
} from './attention-cases.ts';
import {
  DIFFERENCE_TOLERANCE,
  dot,
  expectClose,
  finiteDifferences,
  gradients,
  guarded,
  openGpu,
  useFamily,
} from './harness.ts';
import * as reference from './reference/attention.ts';

// Scores are sums of up to 128 products; their rounding, some 1e-6, is what exp turns into relative error.
const TOLERANCE = 5e-6;
/** Gradients add such terms over all queries of a key, with both signs. */
const GRADIENT_TOLERANCE = 1e-5;

const device = openGpu();

describe.each(['cpu', 'gpu'] as const)('kernels of the family %s', (family) => {
  useFamily(device, family);

  it.each(CASES)('$name, $heads:$kvHeads heads of $headDim: output and gradients', async (shape) => {
    const { c, q, k, v, dy } = make(shape);
    const { N, M, heads, kvHeads, headDim } = c;
    await guarded(device.gpu, async ({ input, read }) => {
      const tensors = [
        input([N, heads * headDim], q),
        input([M, kvHeads * headDim], k),
        input([M, kvHeads * headDim], v),
      ] as const;
      const options = {
        heads,
        kvHeads,
        headDim,
        scale: c.scale,
        ranges_N4: input([N, 4], Int32Array.from(c.ranges)),
        inverse_M2: input([M, 2], inverseOf(shape.ranges, M)),
      };
      const out = await read(attention(...tensors, options));
      expectClose(out, reference.attention(q, k, v, c), TOLERANCE, 'out');
      const dOut = input([N, heads * headDim], dy);
      const [dq, dk, dv] = gradients(() => attention(...tensors, options), [...tensors], dOut);
      const expected = reference.attentionGradients(q, k, v, dy, c);
      expectClose(await read(dq!), expected.dq, GRADIENT_TOLERANCE, 'dq');
      expectClose(await read(dk!), expected.dk, GRADIENT_TOLERANCE, 'dk');
      expectClose(await read(dv!), expected.dv, GRADIENT_TOLERANCE, 'dv');
      if (shape.name !== 'empty ranges') return;
      const width = heads * headDim;
      expect([...out.subarray(0, width)]).toEqual(Array.from({ length: width }, () => 0));
      expect([...out.subarray(3 * width)]).toEqual(Array.from({ length: width }, () => 0));
    });
  });

  it('takes the gradient of a key from a looser inverse too', async () => {
    const shape: Case = { name: 'loose', ranges: SHARED, heads: 2, kvHeads: 1, headDim: 16 };
    const { c, q, k, v, dy } = make(shape);
    await guarded(device.gpu, async ({ input, read }) => {
      const inverse = new Int32Array(2 * c.M).map((_, i) => (i % 2 === 0 ? 0 : c.N));
      const tensors = [input([c.N, 32], q), input([c.M, 16], k), input([c.M, 16], v)] as const;
      const options = {
        heads: 2,
        kvHeads: 1,
        headDim: 16,
        scale: c.scale,
        ranges_N4: input([c.N, 4], Int32Array.from(c.ranges)),
        inverse_M2: input([c.M, 2], inverse),
      };
      const [dk] = gradients(() => attention(...tensors, options), [tensors[1]], input([c.N, 32], dy));
      const expected = reference.attentionGradients(q, k, v, dy, c);
      expectClose(await read(dk!), expected.dk, GRADIENT_TOLERANCE, 'dk');
    });
  });

  it.each([16, 32, 80])(
    'gives a packed query the bits of the same query over a cache, head %i',
    async (E) => {
      const [heads, kvHeads] = [4, 2];
      const { c, q, k, v } = make({ name: 'pack', ranges: SHARED, heads, kvHeads, headDim: E });
      const width = kvHeads * E;
      // The last row of each response of the first group, over a cache in which prompt and responses lie apart.
      const picked = [25, 26, 35];
      const cacheRows = 150;
      const promptAt = 90;
      const ownAts = [10, 3, 120];
      const cacheRanges: Range[] = [];
      const cacheK = new Float32Array(cacheRows * width).fill(NaN);
      const cacheV = cacheK.slice();
      picked.forEach((n, i) => {
        const [a, b, own, end] = SHARED[n]!;
        const place = (from: number, to: number, at: number): void => {
          cacheK.set(k.subarray(from * width, to * width), at * width);
          cacheV.set(v.subarray(from * width, to * width), at * width);
        };
        place(a, b, promptAt);
        place(own, end, ownAts[i]!);
        cacheRanges.push([promptAt, promptAt + b - a, ownAts[i]!, ownAts[i]! + end - own]);
      });
      await guarded(device.gpu, async ({ input, read }) => {
        const common = { heads, kvHeads, headDim: E, scale: c.scale, inverse_M2: undefined };
        const ranges_N4 = input([c.N, 4], Int32Array.from(c.ranges));
        const kv = [input([c.M, width], k), input([c.M, width], v)] as const;
        const packed = await read(attention(input([c.N, heads * E], q), ...kv, { ...common, ranges_N4 }));
        const rowsOf = (values: Float32Array): Float32Array =>
          Float32Array.from(picked.flatMap((n) => [...values.subarray(n * heads * E, (n + 1) * heads * E)]));
        const decoded = attention(
          input([picked.length, heads * E], rowsOf(q)),
          input([cacheRows, width], cacheK),
          input([cacheRows, width], cacheV),
          { ...common, ranges_N4: input([picked.length, 4], Int32Array.from(cacheRanges.flat())) },
        );
        expect(await read(decoded)).toEqual(rowsOf(packed));
      });
    },
  );

  it('stays finite where scores are large', async () => {
    const { c, q, k, v } = make({ name: 'large', ranges: causal([20]), heads: 1, kvHeads: 1, headDim: 8 });
    const large = q.map((value) => value * 300);
    await guarded(device.gpu, async ({ input, read }) => {
      const out = attention(input([20, 8], large), input([20, 8], k), input([20, 8], v), {
        heads: 1,
        kvHeads: 1,
        headDim: 8,
        scale: 1,
        inverse_M2: undefined,
        ranges_N4: input([20, 4], Int32Array.from(c.ranges)),
      });
      const expected = reference.attention(large, k, v, { ...c, scale: 1 });
      // Scores near 1000 are rounded by 6e-5, which exp makes the relative error of a probability.
      expectClose(await read(out), expected, 5e-4, 'out');
    });
  });

  it('gives a row the same bits whatever the number of rows and the bound on its keys', async () => {
    // As many rows as GPUs fill their cores with uncut; a few of them alone are cut into pieces.
    const [N, M] = [2100, 330];
    const ranges = Array.from({ length: N }, (_, n): Range => [n % 7, 7 + (n % 233), 240, 241 + (n % 90)]);
    const { c, q, k, v } = make({ name: 'many', ranges, M, heads: 1, kvHeads: 1, headDim: 8 });
    const common = { heads: 1, kvHeads: 1, headDim: 8, scale: c.scale, inverse_M2: undefined };
    await guarded(device.gpu, async ({ input, read }) => {
      const kv = [input([M, 8], k), input([M, 8], v)] as const;
      const ranges_N4 = input([N, 4], Int32Array.from(ranges.flat()));
      const all = await read(attention(input([N, 8], q), ...kv, { ...common, ranges_N4 }));
      // Of 8 to 294 keys.
      const picked = Array.from({ length: N / 50 }, (_, i) => i * 50);
      const rowsOf = (values: Float32Array): Float32Array =>
        Float32Array.from(picked.flatMap((n) => [...values.subarray(n * 8, n * 8 + 8)]));
      const options = {
        ...common,
        ranges_N4: input([picked.length, 4], Int32Array.from(picked.flatMap((n) => ranges[n]!))),
      };
      const few = input([picked.length, 8], rowsOf(q));
      expect(await read(attention(few, ...kv, options))).toEqual(rowsOf(all));
      expect(await read(attention(few, ...kv, { ...options, maxKeys: 1000 }))).toEqual(rowsOf(all));
    });
  });
});

it.each(CASES.filter(({ headDim }) => headDim <= 128))(
  'gives a row the same bits in a tile as by itself and in pieces: $name, $heads:$kvHeads heads of $headDim',
  async (shape) => {
    const { c, q, k, v } = make(shape);
    const { N, M, heads, kvHeads, headDim } = c;
    await guarded(device.gpu, async ({ input, read }) => {
      const inputs = {
        q: input([N, heads * headDim], q),
        k: input([M, kvHeads * headDim], k),
        v: input([M, kvHeads * headDim], v),
        ranges: input([N, 4], Int32Array.from(c.ranges)),
      };
      const [tiled, tiledLse] = tileAttention(inputs, c);
      expectClose(await read(tiled), reference.attention(q, k, v, c), TOLERANCE, 'out');
      // Without a bound by which they are cut into pieces, rows stay whole.
      const longest = Math.max(...shape.ranges.map(([r0, r1, r2, r3]) => r1 - r0 + r3 - r2));
      for (const maxKeys of [longest, 0]) {
        const [out, lse] = splitAttention(inputs, { ...c, maxKeys });
        expect(await read(tiled), `bound ${maxKeys}`).toEqual(await read(out));
        expectClose(await read(tiledLse), await read(lse), TOLERANCE, 'lse');
      }
    });
  },
);

it('has float64 gradients that agree with finite differences', () => {
  const ranges = sharedPrefix([{ prompt: 3, responses: [2, 1] }]);
  const { c, dy, ...values } = make({ name: 'small', ranges, heads: 2, kvHeads: 1, headDim: 4 });
  const [q, k, v] = [values.q, values.k, values.v].map((array) => new Float64Array(array)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const loss = (): number => dot(reference.attention(q, k, v, c), dy);
  const { dq, dk, dv } = reference.attentionGradients(q, k, v, dy, c);
  expectClose(dq, finiteDifferences(loss, q), DIFFERENCE_TOLERANCE, 'dq');
  expectClose(dk, finiteDifferences(loss, k), DIFFERENCE_TOLERANCE, 'dk');
  expectClose(dv, finiteDifferences(loss, v), DIFFERENCE_TOLERANCE, 'dv');
});

it('refuses what does not fit', async () => {
  await guarded(device.gpu, async ({ input }) => {
    const zeros = (rows: number, columns: number): ReturnType<typeof input> =>
      input([rows, columns], new Float32Array(rows * columns));
    const ranges_N4 = input([3, 4], new Int32Array(12));
    const options = { heads: 2, kvHeads: 1, headDim: 4, ranges_N4, inverse_M2: undefined, scale: 1 };
    const [q, k] = [zeros(3, 8), zeros(5, 4)];
    expect(() => attention(q, zeros(5, 8), k, options)).toThrow(ShapeError);
    expect(() => attention(q, k, zeros(4, 4), options)).toThrow(ShapeError);
    expect(() => attention(q, k, k, { ...options, heads: 3 })).toThrow(ShapeError);
    expect(() => attention(q, k, k, { ...options, headDim: 6 })).toThrow(ShapeError);
    expect(() => attention(q, k, k, { ...options, ranges_N4: zeros(3, 4) })).toThrow(ShapeError);
    expect(() => attention(q, k, k, { ...options, inverse_M2: ranges_N4 })).toThrow(ShapeError);
    const grad = (): unknown => gradients(() => attention(q, k, k, options), [q], zeros(3, 8));
    expect(grad).toThrow(ShapeError);
  });
});
