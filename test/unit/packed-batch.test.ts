import { beforeAll, describe, expect, it } from 'vitest';
import { loadArchitecture, type ModelArchitecture } from '../../src/model/config.ts';
import { packGroups, rowsOfGroup, type PackedBatch, type PromptGroup } from '../../src/model/packed-batch.ts';
import { mropePositions } from '../../src/processor/mrope.ts';
import type { Grid } from '../../src/processor/patches.ts';
import type { Prompt } from '../../src/processor/prompt.ts';
import { DataError } from '../../src/util/errors.ts';

/** Image token 299, four patches to a feature, windows of 2 x 2 features. */
const MODEL = 'test/golden/models/tied_4to1';
const IMAGE = 299;
/** Numbers of a patch. */
const PATCH = 3;

let architecture: ModelArchitecture;
beforeAll(async () => {
  architecture = await loadArchitecture(MODEL);
});

const ints = (...values: number[]): Int32Array => Int32Array.from(values);

/** A prompt whose patch p holds p, p + 0.25 and p + 0.5, counted over all its pictures from `patch` on. */
function promptOf(tokens: readonly number[], grids: readonly Grid[] = [], patch = 0): Prompt {
  const images = grids.map((grid) => {
    const count = grid[0] * grid[1] * grid[2];
    const patches = Float32Array.from(
      { length: count * PATCH },
      (_, i) => patch + Math.floor(i / PATCH) + (i % PATCH) / 4,
    );
    patch += count;
    return { patches, grid };
  });
  const mrope = mropePositions(tokens, grids, { imagePadId: IMAGE, spatialMergeSize: 2 });
  return { text: '', tokens: Int32Array.from(tokens), images, ...mrope };
}

const lines = (values: Int32Array, width: number): number[][] =>
  Array.from({ length: values.length / width }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);

/** Key rows that a query row sees. */
function seen({ ranges }: PackedBatch, row: number): number[] {
  const [a, b, c, d] = [...ranges.subarray(row * 4, row * 4 + 4)] as [number, number, number, number];
  const span = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  return [...span(a, b), ...span(c, d)];
}

describe('packGroups', () => {
  // A prompt of six tokens, four of them a picture, with responses of three tokens and of one; then a prompt of
  // two tokens with a response of two.
  const groups: PromptGroup[] = [
    {
      prompt: promptOf([5, IMAGE, IMAGE, IMAGE, IMAGE, 6], [[1, 4, 4]]),
      responses: [ints(7, 8, 300), ints(9)],
    },
    { prompt: promptOf([10, 11]), responses: [ints(12, 13)] },
  ];
  let batch: PackedBatch;
  beforeAll(() => {
    batch = packGroups(groups, architecture);
  });

  it('gives the last token of a response no row', () => {
    expect(groups.map(rowsOfGroup)).toEqual([8, 3]);
    expect([...batch.source]).toEqual([5, -1, -2, -3, -4, 6, 7, 8, 10, 11, 12]);
  });

  it('predicts each token from the row before it, the first from the end of the prompt', () => {
    expect([...batch.headRows]).toEqual([5, 6, 7, 5, 9, 10]);
    expect([...batch.targets]).toEqual([7, 8, 300, 9, 12, 13]);
    expect([...batch.promptEnds]).toEqual([5, 9]);
  });

  it('goes on counting positions after the picture, the same for every response', () => {
    // Six tokens, but the picture of 2 x 2 advances by 2 only: the responses start at 4.
    expect(lines(batch.positions, 11)).toEqual([
      [0, 1, 1, 1, 1, 3, 4, 5, 0, 1, 2],
      [0, 1, 1, 2, 2, 3, 4, 5, 0, 1, 2],
      [0, 1, 2, 1, 2, 3, 4, 5, 0, 1, 2],
    ]);
  });

  it('lets responses see the prompt and themselves, and nothing of each other', () => {
    expect(lines(batch.ranges, 4)).toEqual([
      ...[1, 2, 3, 4, 5, 6].map((end) => [0, 0, 0, end]),
      [0, 6, 6, 7],
      [0, 6, 6, 8],
      [0, 0, 8, 9],
      [0, 0, 8, 10],
      [8, 10, 10, 11],
    ]);
  });

  it('tells each key which queries can see it', () => {
    expect(lines(batch.inverse, 2)).toEqual([
      ...[0, 1, 2, 3, 4, 5].map((row) => [row, 8]),
      [6, 8],
      [7, 8],
      [8, 11],
      [9, 11],
      [10, 11],
    ]);
  });

  it('packs a prompt alone for a prefill', () => {
    const prefill = packGroups([{ prompt: promptOf([1, 2, 3]), responses: [] }], architecture);
    expect([...prefill.source]).toEqual([1, 2, 3]);
    expect([...prefill.promptEnds]).toEqual([2]);
    expect(prefill.headRows).toHaveLength(0);
    expect(prefill.vision).toBeNull();
  });

  it('takes an image token inside a response for text', () => {
    const { source } = packGroups([{ prompt: promptOf([1]), responses: [ints(IMAGE, 2)] }], architecture);
    expect([...source]).toEqual([1, IMAGE]);
  });
});

describe('pictures', () => {
  // Two rows and three columns of features: the window of 2 x 2 first, then the third column.
  const wide: Grid = [1, 4, 6];

  it('puts patches into the order of the windows and points the tokens at them', () => {
    const prompt = promptOf([1, ...Array<number>(6).fill(IMAGE)], [wide]);
    const { source, vision } = packGroups([{ prompt, responses: [] }], architecture);
    expect([...source]).toEqual([1, -1, -2, -5, -3, -4, -6]);
    const firstNumbers = [...vision!.patches].filter((_, i) => i % PATCH === 0);
    expect(firstNumbers).toEqual([0, 1, 3, 4, 2, 5].flatMap((unit) => [0, 1, 2, 3].map((i) => unit * 4 + i)));
    expect([...vision!.patches.subarray(8 * PATCH, 9 * PATCH)]).toEqual([12, 12.25, 12.5]);
  });

  it('counts features through all pictures of all prompts', () => {
    const first = promptOf(
      [IMAGE, 1, IMAGE, IMAGE],
      [
        [1, 2, 2],
        [1, 2, 4],
      ],
    );
    const second = promptOf([2, IMAGE], [[1, 2, 2]], 100);
    const groups = [first, second].map((prompt) => ({ prompt, responses: [ints(3, 4)] }));
    const { source, vision } = packGroups(groups, architecture);
    expect([...source]).toEqual([-1, 1, -2, -3, 3, 2, -4, 3]);
    expect(vision!.layout.patchOrder).toHaveLength(16);
  });

  it('packs a picture once that several prompts show, or one twice', () => {
    const small: Grid = [1, 2, 2];
    const twice = promptOf([1, IMAGE, 9, IMAGE, 2], [small, small]);
    twice.images[1] = { ...twice.images[0]!, patches: twice.images[0]!.patches.slice() };
    const other = promptOf([3, IMAGE, 4, IMAGE, IMAGE], [small, [1, 2, 4]]);
    const groups = [twice, other].map((prompt) => ({ prompt, responses: [] }));
    const { source, vision } = packGroups(groups, architecture);
    expect([...source]).toEqual([1, -1, 9, -1, 2, 3, -1, 4, -2, -3]);
    expect(vision!.layout.patchOrder).toHaveLength(4 + 8);
    expect(vision!.images).toEqual([twice.images[0], other.images[1]]);
  });

  it('refuses more image tokens than features, and fewer', () => {
    const prompt = promptOf([1, IMAGE], [[1, 2, 2]]);
    const more = { ...prompt, tokens: ints(IMAGE, IMAGE) };
    const fewer = { ...prompt, tokens: ints(1, 2) };
    const pack = (broken: Prompt) => () => packGroups([{ prompt: broken, responses: [] }], architecture);
    expect(pack(more)).toThrow(DataError);
    expect(pack(more)).toThrow(/features, 1\n[^]*found: {4}2/);
    expect(pack(fewer)).toThrow(DataError);
    expect(pack(fewer)).toThrow(/features, 1\n[^]*found: {4}0/);
  });
});

it('lets a row see its sequence up to itself and nothing else, whatever is packed with it', () => {
  const groups: PromptGroup[] = [
    { prompt: promptOf([1, 2, 3]), responses: [ints(4, 5, 6, 7), ints(8), ints(9, 10)] },
    { prompt: promptOf([11]), responses: [] },
    { prompt: promptOf([12, IMAGE, 13], [[1, 2, 2]]), responses: [ints(14, 15, 16), ints(17, 18, 19)] },
  ];
  const batch = packGroups(groups, architecture);
  // The sequences one after the other as they would stand without packing, as rows of the pack.
  let start = 0;
  for (const group of groups) {
    const promptEnd = start + group.prompt.tokens.length;
    const promptRows = Array.from({ length: promptEnd - start }, (_, i) => start + i);
    for (const [i, row] of promptRows.entries()) expect(seen(batch, row)).toEqual(promptRows.slice(0, i + 1));
    let own = promptEnd;
    for (const response of group.responses) {
      const rows = Array.from({ length: response.length - 1 }, (_, i) => own + i);
      for (const [i, row] of rows.entries()) {
        expect(seen(batch, row)).toEqual([...promptRows, ...rows.slice(0, i + 1)]);
      }
      own += rows.length;
    }
    start = own;
  }
  expect(start).toBe(batch.source.length);
  for (let query = 0; query < start; query++) {
    for (const key of seen(batch, query)) {
      const [from, to] = [batch.inverse[key * 2]!, batch.inverse[key * 2 + 1]!];
      expect(from <= query && query < to, `key ${key} lists query ${query}`).toBe(true);
    }
  }
});
