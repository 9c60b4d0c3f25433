import { describe, expect, it } from 'vitest';
import { microBatches, passGroups } from '../../src/model/micro-batches.ts';
import type { PromptGroup } from '../../src/model/packed-batch.ts';
import { RandomStream } from '../../src/util/random.ts';

/** A group by the lengths of its prompt and its responses. */
function group(promptLength: number, ...responseLengths: number[]): PromptGroup {
  return {
    prompt: {
      text: '',
      tokens: new Int32Array(promptLength),
      positions: new Int32Array(3 * promptLength),
      images: [],
      ropeDelta: 0,
    },
    responses: responseLengths.map((length, i) => new Int32Array(length).fill(i)),
  };
}

const rows = ({ prompt, responses }: PromptGroup): number =>
  responses.reduce((sum, { length }) => sum + length, prompt.tokens.length);

describe('microBatches', () => {
  it('fills a pass to its last row', () => {
    const groups = [group(4, 3, 3), group(5, 5)];
    expect(microBatches(groups, 20)).toEqual([
      [
        { group: 0, responses: [0, 1] },
        { group: 1, responses: [0] },
      ],
    ]);
    expect(microBatches(groups, 19)).toEqual([
      [{ group: 0, responses: [0, 1] }],
      [{ group: 1, responses: [0] }],
    ]);
  });

  it('splits a group that no pass holds by its responses, the prompt in each part', () => {
    expect(microBatches([group(10, 5, 5, 5)], 20)).toEqual([
      [{ group: 0, responses: [0, 1] }],
      [{ group: 0, responses: [2] }],
    ]);
  });

  it('starts a group that is to be split in a pass of its own, and fills up its last', () => {
    const groups = [group(1, 1), group(10, 5, 5, 5), group(2, 3)];
    expect(microBatches(groups, 20)).toEqual([
      [{ group: 0, responses: [0] }],
      [{ group: 1, responses: [0, 1] }],
      [
        { group: 1, responses: [2] },
        { group: 2, responses: [0] },
      ],
    ]);
  });

  it('gives a response that is too long a pass of its own', () => {
    expect(microBatches([group(10, 2, 30, 2)], 16)).toEqual([
      [{ group: 0, responses: [0] }],
      [{ group: 0, responses: [1] }],
      [{ group: 0, responses: [2] }],
    ]);
  });

  it('packs prompts alone, for a prefill', () => {
    expect(microBatches([group(6), group(6), group(30), group(1)], 12)).toEqual([
      [
        { group: 0, responses: [] },
        { group: 1, responses: [] },
      ],
      [{ group: 2, responses: [] }],
      [{ group: 3, responses: [] }],
    ]);
  });

  it('makes no pass of nothing', () => {
    expect(microBatches([], 16)).toEqual([]);
  });

  it('holds every response once, in order, within the bound', () => {
    const random = new RandomStream(1, 'micro-batches');
    for (let trial = 0; trial < 200; trial++) {
      const groups = Array.from({ length: 1 + random.integer(6) }, () =>
        group(
          1 + random.integer(12),
          ...Array.from({ length: 1 + random.integer(5) }, () => 1 + random.integer(9)),
        ),
      );
      const maxRows = 4 + random.integer(60);
      const passes = microBatches(groups, maxRows);
      const order = passes.flat().flatMap(({ group, responses }) => responses.map((r) => [group, r]));
      expect(order).toEqual(groups.flatMap(({ responses }, g) => responses.map((_, r) => [g, r])));
      for (const pass of passes) {
        const parts = passGroups(groups, pass);
        const single = parts.length === 1 && parts[0]!.responses.length === 1;
        if (!single) expect(parts.reduce((sum, part) => sum + rows(part), 0)).toBeLessThanOrEqual(maxRows);
      }
    }
  });
});

it('passGroups takes the responses of the pass and the whole prompt', () => {
  const groups = [group(3, 1, 2), group(4, 1, 2, 3)];
  const [first, second] = passGroups(groups, [
    { group: 1, responses: [2, 0] },
    { group: 0, responses: [] },
  ]);
  expect(first!.prompt).toBe(groups[1]!.prompt);
  expect(first!.responses).toEqual([groups[1]!.responses[2], groups[1]!.responses[0]]);
  expect(second!.responses).toEqual([]);
});
