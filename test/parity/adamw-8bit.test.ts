import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adamw8bitStep, type QuantizedMoments, writeAdamw } from '../../src/ops/adamw.ts';
import { clipGradients, createOptimizerState, type OptimizerState } from '../../src/ops/optimizer.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { RandomStream } from '../../src/util/random.ts';
import { expectClose, guarded, type Guarded, openGpu, randomValues } from './harness.ts';
import {
  adamw8bit,
  BLOCK,
  blockScales,
  M_MAP,
  nearestCode,
  type Quantized,
  V_MAP,
  vCode,
} from './reference/adamw-8bit.ts';
import { lrRanges, lrFactor } from './reference/optimizer.ts';

// One step rounds the parameter (near 3) twice, and a moment three times.
const PARAM_TOLERANCE = 3e-7;
const MOMENT_TOLERANCE = 1e-6;
// Of the edge between two codes, or of what cancels in m: WGSL's quotients are within 2.5 units in the last place.
const EDGE_TOLERANCE = 1e-6;

const HYPER = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1 };

const device = openGpu();
let state: OptimizerState;

beforeAll(() => {
  state = createOptimizerState([0]);
});
afterAll(() => {
  for (const tensor of [state.adamw, state.clip, state.partials]) device.gpu.free(tensor);
});

/** No clipping: factor 1, no skip. */
function noClip(): void {
  device.gpu.write(state.clip, Float32Array.of(1, 1, 0));
}

const words = (codes: Uint8Array): Int32Array => {
  const bytes = new Uint8Array(Math.ceil(codes.length / 4) * 4);
  bytes.set(codes);
  return new Int32Array(bytes.buffer);
};

function upload({ input }: Guarded, { m, v }: { m: Quantized; v: Quantized }): QuantizedMoments {
  const codes = (moment: Quantized) => input([Math.ceil(moment.codes.length / 4)], words(moment.codes));
  const ofBlocks = ({ scales }: Quantized) => input([scales.length], Float32Array.from(scales));
  return { mCodes: codes(m), vCodes: codes(v), mScales: ofBlocks(m), vScales: ofBlocks(v) };
}

async function download(
  { read, readInts }: Guarded,
  { mCodes, vCodes, mScales, vScales }: QuantizedMoments,
  size: number,
): Promise<{ m: Quantized; v: Quantized }> {
  const codes = async (tensor: QuantizedMoments['mCodes']) => {
    const bytes = new Uint8Array((await readInts(tensor)).buffer);
    expect([...bytes.subarray(size)], 'codes behind the last value').toEqual(
      [...bytes.subarray(size)].fill(0),
    );
    return bytes.slice(0, size);
  };
  return {
    m: { codes: await codes(mCodes), scales: await read(mScales) },
    v: { codes: await codes(vCodes), scales: await read(vScales) },
  };
}

const zero = (size: number): Quantized => ({
  codes: new Uint8Array(size),
  scales: new Float32Array(Math.ceil(size / BLOCK)),
});

/**
 * Fails unless every code is the nearest one, or the next where the value is at the edge between them.
 * @param terms what the value was added up from, where that is larger than the value
 */
function expectCodes(
  actual: Uint8Array,
  values: Float64Array,
  terms: Float64Array,
  codeOf: (x: number) => number,
  map: Float64Array,
  label: string,
): void {
  const scales = blockScales(values);
  values.forEach((value, i) => {
    const scale = scales[Math.floor(i / BLOCK)]!;
    const x = scale === 0 ? 0 : value / scale;
    const expected = codeOf(x);
    const found = actual[i]!;
    if (found === expected) return;
    const edge = (map[expected]! + map[found]!) / 2;
    const off = Math.abs(x - edge);
    const bound = EDGE_TOLERANCE * Math.max(Math.abs(edge), Math.abs(terms[i]! / scale));
    if (Math.abs(found - expected) !== 1 || !(off <= bound)) {
      expect.fail(
        `${label}[${i}]: expected code ${expected} for ${x}, found ${found}, ${off} from their edge; at most ${bound}`,
      );
    }
  });
}

const mCode = (x: number): number => nearestCode(M_MAP, x);

it.each([1, 3, 255, 256, 257, 4096, 20_003])(
  'ten steps with clipping and three learning rates over %i values, each from the state before',
  async (size) => {
    const own = createOptimizerState([size]);
    await guarded(device.gpu, async (use) => {
      const param = use.input([size], randomValues(size, 'param'));
      const moments = upload(use, { m: zero(size), v: zero(size) });
      for (let t = 1; t <= 10; t++) {
        const before = await download(use, moments, size);
        const expected = Float64Array.from(await use.read(param));
        // Small and large gradients in turn, with sizes that differ by decades within a block.
        const random = new RandomStream(t, 'decades');
        const values = randomValues(size, `gradient ${t}`, t % 2 === 0 ? 5 : 1e-3).map(
          (value) => value * 10 ** -random.integer(4),
        );
        const gradient = use.input([size], values);
        const now = { ...HYPER, lr: HYPER.lr / t };
        writeAdamw(own, now, t);
        clipGradients([gradient], own, 1);
        adamw8bitStep(param, gradient, moments, own, lrRanges(size));

        // The kernel's own factor: its error would count twice in v.
        const factor = (await use.read(own.clip))[1]!;
        const clipped = Float64Array.from(values, (g) => g * factor);
        const { m, v } = adamw8bit(expected, before, clipped, now, t, lrFactor);
        const after = await download(use, moments, size);
        expectClose(await use.read(param), expected, PARAM_TOLERANCE, `param, step ${t}`);
        expectClose(after.m.scales, blockScales(m), MOMENT_TOLERANCE, `scales of m, step ${t}`);
        expectClose(after.v.scales, blockScales(v), MOMENT_TOLERANCE, `scales of v, step ${t}`);
        const terms = m.map((value, i) => Math.abs(value) + 0.1 * Math.abs(clipped[i]!));
        expectCodes(after.m.codes, m, terms, mCode, M_MAP, `codes of m, step ${t}`);
        expectCodes(after.v.codes, v, v, vCode, V_MAP, `codes of v, step ${t}`);
      }
    });
    for (const tensor of [own.adamw, own.clip, own.partials]) device.gpu.free(tensor);
  },
);

describe('codes', () => {
  /** Codes of given m or v in one block, by one step from zero with betas of 0: m = g, v = g². */
  async function codesOf(gradient: Float32Array): Promise<{ m: Quantized; v: Quantized }> {
    const size = gradient.length;
    return guarded(device.gpu, async (use) => {
      const moments = upload(use, { m: zero(size), v: zero(size) });
      noClip();
      writeAdamw(state, { ...HYPER, beta1: 0, beta2: 0 }, 1);
      const param = use.input([size], new Float32Array(size));
      adamw8bitStep(param, use.input([size], gradient), moments, state, lrRanges(size));
      return download(use, moments, size);
    });
  }

  const edges = (map: Float64Array) =>
    Float64Array.from(map.subarray(1), (value, code) => (value + map[code]!) / 2);
  const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

  it('of the values themselves', async () => {
    expect([...(await codesOf(Float32Array.from(M_MAP))).m.codes]).toEqual(range(0, 256));
    // The scale of m has the sign of the largest value.
    const mirrored = (await codesOf(Float32Array.from(M_MAP, (value) => -value))).m;
    expect(Array.from(mirrored.scales)).toEqual([-1]);
    expect([...mirrored.codes]).toEqual(range(0, 256));
    expect([...(await codesOf(Float32Array.from(V_MAP, Math.sqrt))).v.codes]).toEqual(range(0, 256));
  });

  it.each([1, -1])('of values beside every edge, direction %i', async (direction) => {
    // Away from zero is up for positive values.
    const beside = 1 + direction * 3 * EDGE_TOLERANCE;
    const m = await codesOf(Float32Array.of(...edges(M_MAP).map((edge) => edge * beside), 1));
    expect([...m.m.codes]).toEqual([
      ...range(0, 127).map((code) => (direction === 1 ? code : code + 1)),
      ...range(127, 128).map((code) => (direction === 1 ? code + 1 : code)),
      255,
    ]);
    const v = await codesOf(Float32Array.of(...edges(V_MAP).map((edge) => Math.sqrt(edge * beside)), 1));
    // Below the first edge v is not 0 either.
    const expected = range(0, 255).map((code) => Math.max(1, direction === 1 ? code + 1 : code));
    expect([...v.v.codes]).toEqual([...expected, 255]);
  });

  it('of zeros, and of what is too small for a scale', async () => {
    const zeros = await codesOf(new Float32Array(300));
    for (const { scales } of [zeros.m, zeros.v]) expect(Array.from(scales)).toEqual([0, 0]);
    expect(new Set(zeros.v.codes)).toEqual(new Set([0]));
    const tiny = await codesOf(new Float32Array(300).fill(1e-25));
    expect(new Set(tiny.m.codes)).toEqual(new Set([255]));
    expect(new Set(tiny.v.codes)).toEqual(new Set([0]));
  });
});

it('leaves everything as it was when the norm is not finite', async () => {
  const size = 700;
  const codes = Uint8Array.from({ length: size }, (_, i) => (i * 7) % 256);
  const before = { m: { codes, scales: [1, 2, 3] }, v: { codes, scales: [4, 5, 6] } };
  await guarded(device.gpu, async (use) => {
    const values = randomValues(size, 'param');
    const param = use.input([size], values);
    const moments = upload(use, before);
    writeAdamw(state, HYPER, 1);
    device.gpu.write(state.clip, Float32Array.of(NaN, NaN, 1));
    adamw8bitStep(param, use.input([size], values), moments, state, lrRanges(size));
    expect(await use.read(param)).toEqual(values);
    const after = await download(use, moments, size);
    expect(after.m.codes).toEqual(codes);
    expect(after.v.codes).toEqual(codes);
    expect(Array.from(after.m.scales)).toEqual([1, 2, 3]);
    expect(Array.from(after.v.scales)).toEqual([4, 5, 6]);
  });
});

it('gives the same bits for tensors that are larger than a binding', async () => {
  const size = 2 * 16_384 + 77;
  const { gpu } = device;
  const run = () =>
    guarded(gpu, async (use) => {
      const param = use.input([size], randomValues(size, 'param'));
      const moments = upload(use, { m: zero(size), v: zero(size) });
      noClip();
      for (let t = 1; t <= 2; t++) {
        writeAdamw(state, HYPER, t);
        const gradient = use.input([size], randomValues(size, `gradient ${t}`));
        adamw8bitStep(param, gradient, moments, state, lrRanges(size));
      }
      const { m, v } = await download(use, moments, size);
      return [await use.read(param), m.codes, m.scales, v.codes, v.scales];
    });
  const whole = await run();
  const { limits } = gpu.device;
  const small = { maxStorageBufferBindingSize: 16_384 * 4 };
  Object.defineProperty(gpu.device, 'limits', { value: small, configurable: true });
  try {
    for (const [i, values] of (await run()).entries()) expectClose(values, whole[i]!, 0, `result ${i}`);
  } finally {
    Object.defineProperty(gpu.device, 'limits', { value: limits, configurable: true });
  }
});

it('refuses shapes that disagree', async () => {
  await guarded(device.gpu, async (use) => {
    const param = use.input([300], new Float32Array(300));
    const moments = upload(use, { m: zero(300), v: zero(300) });
    const step = (other: Partial<QuantizedMoments>, gradient = param) =>
      adamw8bitStep(param, gradient, { ...moments, ...other }, state, lrRanges(300));
    expect(() => step({}, use.input([299], new Float32Array(299)))).toThrow(ShapeError);
    expect(() => step({ mCodes: moments.mScales })).toThrow(/adamw8bitStep\.mCodes/);
    expect(() => step({ vScales: moments.vCodes })).toThrow(/adamw8bitStep\.vScales/);
  });
});
