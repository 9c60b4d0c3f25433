import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { launchAdjust } from '../../src/ops/sample-adjust.ts';
import { chunkCount, launchCut } from '../../src/ops/sample-cut.ts';
import { samplePlan, type SampleOptions } from '../../src/ops/sample-options.ts';
import {
  createSampleState,
  startSlots,
  freeSampleState,
  type SampleState,
} from '../../src/ops/sample-state.ts';
import { guarded, openGpu, randomValues, type Guarded } from './harness.ts';
import { adjusted, distribution, kept, NO_RESTRICTIONS } from './reference/sample-cut.ts';

// Sums of up to 150,000 exponentials in f32; shares closer to the bound than this may fall on either side.
const SHARE_TOLERANCE = 1e-5;

/** Not what JavaScript writes, but what arithmetic gives on x86. */
const NEGATIVE_NAN = 0xffc00000;

const device = openGpu();

const noState = {
  slot: 0,
  input: 0,
  promptId: 0,
  responseId: 0,
  promptRows: [0, 0],
  ownRow: 0,
  position: 0,
  maxLength: 9,
} as const;

/** The ids of each row that adjustment and truncation leave, with logits held in slices of `sliceColumns`. */
async function keptRows(
  use: Guarded,
  rows: readonly Float32Array[],
  state: SampleState,
  options: SampleOptions,
  sliceColumns = 512,
): Promise<{ x: Float32Array; ids: number[] }[]> {
  const { gpu } = device;
  const V = rows[0]!.length;
  const plan = samplePlan(options);
  const tops = gpu.empty([rows.length, chunkCount(V)]);
  const slices = Array.from({ length: Math.ceil(V / sliceColumns) }, (_, i) => {
    const firstRow = i * sliceColumns;
    const columns = Math.min(sliceColumns, V - firstRow);
    const stride = Math.ceil(columns / 4) * 4;
    // What lies past the columns must not matter.
    const values = new Float32Array(rows.length * stride).fill(1e9);
    rows.forEach((row, n) => values.set(row.subarray(firstRow, firstRow + columns), n * stride));
    const slice = { firstRow, rows: columns, adjusted: gpu.empty([rows.length, stride]) };
    launchAdjust(use.input([rows.length, stride], values), slice, { ...slice, tops }, state, plan);
    return slice;
  });
  const cut = new Float32Array((await use.readInts(launchCut(slices, tops, plan))).buffer);
  const x = rows.map(() => new Float32Array(V));
  for (const { firstRow, rows: columns, adjusted } of slices) {
    const values = await use.read(adjusted);
    const stride = adjusted.shape[1]!;
    x.forEach((row, n) => row.set(values.subarray(n * stride, n * stride + columns), firstRow));
  }
  return x.map((row, n) => {
    const lowest = Math.max(cut[4 * n + 1]!, cut[4 * n]! + Math.log(plan.minP));
    return { x: row, ids: [...row.keys()].filter((v) => row[v]! >= lowest) };
  });
}

/** Values by their distribution. */
const SHAPES: Record<string, (V: number) => Float32Array> = {
  normal: (V) => randomValues(V, 'normal', 3),
  ties: (V) => randomValues(V, 'ties', 6).map((x) => Math.round(x) / 4),
  equal: (V) => new Float32Array(V).fill(-1.25),
  dominant: (V) => randomValues(V, 'dominant').map((x, v) => (v === V >> 1 ? 60 : x)),
  negative: (V) => randomValues(V, 'negative').map((x) => -100 - Math.abs(x)),
  huge: (V) => randomValues(V, 'huge', 1e4),
  tiny: (V) => randomValues(V, 'tiny', 1e-30),
  zeros: (V) => randomValues(V, 'zeros').map((x) => (x > 1 ? x : x > 0 ? 0 : -0)),
  rising: (V) => Float32Array.from({ length: V }, (_, v) => (20 * v) / V - 10),
  neighbours: (V) => Float32Array.from({ length: V }, (_, v) => 1 + ((7 * v) % V) * 2 ** -23),
  lows: (V) => randomValues(V, 'lows').map((x, v) => [x, -1e30, -Infinity, -3.4028e38, 2 * x][v % 5] ?? x),
};

const OPTIONS: readonly Partial<SampleOptions>[] = [
  { topK: 1 },
  { topK: 7 },
  { topK: 1_000_000 },
  { topP: 1e-9 },
  { topP: 0 },
  { topP: 0.4 },
  { topP: 0.95 },
  { topP: 0.9999 },
  { minP: 0.05 },
  { minP: 1 },
  { temperature: 0.3, topK: 50, topP: 0.9 },
  { temperature: 2, topK: 200, topP: 0.7, minP: 0.01 },
];

const TABLE = [
  ...[5, 127, 128, 129, 513, 4099].map((V) => ({ V, sliceColumns: 512, options: OPTIONS })),
  { V: 9001, sliceColumns: 10_240, options: OPTIONS.slice(-3) },
  { V: 151_936, sliceColumns: 131_072, options: [OPTIONS[1]!, OPTIONS[6]!, OPTIONS.at(-1)!] },
];

it.each(TABLE)('keeps what the definitions say, V=$V in slices of $sliceColumns', async (row) => {
  const { V, sliceColumns, options } = row;
  const banned = [V - 1];
  const state = createSampleState({ slots: Object.keys(SHAPES).length, maxTokens: 9, endTokens: [], banned });
  const shapes = Object.entries(SHAPES);
  const rows = shapes.map(([, values]) => values(V));
  for (const option of options) {
    const all = { ...NO_RESTRICTIONS, ...option };
    await guarded(device.gpu, async (use) => {
      const found = await keptRows(use, rows, state, all, sliceColumns);
      shapes.forEach(([shape], n) => {
        const label = `${shape}, ${JSON.stringify(option)}`;
        const x = adjusted(rows[n]!, all, new Set(), banned);
        const ids = new Set(found[n]!.ids);
        const needed = [...kept(x, all, -SHARE_TOLERANCE)].filter((v) => !ids.has(v));
        expect(needed, `${label}: missing`).toEqual([]);
        const allowed = kept(x, all, SHARE_TOLERANCE);
        expect(
          [...ids].filter((v) => !allowed.has(v)),
          `${label}: too many`,
        ).toEqual([]);
        // Rounding decides at most about the few ids at the border.
        if (all.topP === 1 && all.minP === 0) expect(ids.size, label).toBe(allowed.size);
      });
    });
  }
  freeSampleState(state);
});

interface Goldens {
  prompt: number[];
  response: number[];
  end: number[];
  banned: number[];
  cases: { options: Record<string, number>; steps: number[]; kept: number[]; logprobs: number[] }[];
}
const golden = JSON.parse(
  readFileSync(new URL('../golden/sampling.json', import.meta.url), 'utf8'),
) as Goldens;

it.each(golden.cases)(
  'keeps what `transformers` keeps: $options',
  async ({ options, steps, kept, logprobs }) => {
    const V = steps.length;
    const inVocabulary = (ids: number[]) => ids.filter((id) => id < V);
    const state = createSampleState({
      slots: 1,
      maxTokens: 9,
      endTokens: inVocabulary(golden.end),
      banned: inVocabulary(golden.banned),
      seenVocabulary: V,
    });
    startSlots(
      state,
      [{ ...noState, promptTokens: inVocabulary([...golden.prompt, ...golden.response]) }],
      1,
      1,
    );
    device.gpu.write(state.length_B, Int32Array.of(golden.response.length));
    const logits = Float32Array.from(steps, (step) => step / 64);
    await guarded(device.gpu, async (use) => {
      const [row] = await keptRows(use, [logits], state, {
        temperature: options['temperature'] ?? 1,
        topK: options['top_k'] ?? 0,
        topP: options['top_p'] ?? 1,
        minP: options['min_p'] ?? 0,
        repetitionPenalty: options['repetition_penalty'] ?? 1,
        minTokens: options['min_new_tokens'] ?? 0,
      });
      const { x, ids } = row!;
      expect(ids).toEqual(kept);
      const p = distribution(Float64Array.from(x), new Set(ids));
      ids.forEach((v, i) => expect(Math.log(p[v]!), `log-probability of ${v}`).toBeCloseTo(logprobs[i]!, 5));
    });
    freeSampleState(state);
  },
);

it('leaves out what is not a number', async () => {
  const state = createSampleState({ slots: 3, maxTokens: 9, endTokens: [], banned: [] });
  const rows = [
    Float32Array.of(1, NaN, 3, NaN, 2, -1),
    new Float32Array(6).fill(NaN),
    Float32Array.of(0, 5, NaN, NaN, NaN, NaN),
  ];
  new Uint32Array(rows[2]!.buffer)[0] = NEGATIVE_NAN;
  await guarded(device.gpu, async (use) => {
    const options = { temperature: 1, topK: 2, topP: 0.999 };
    const found = await keptRows(use, rows, state, options);
    expect(found.map(({ ids }) => ids)).toEqual([[2, 4], [], [1]]);
  });
  freeSampleState(state);
});
