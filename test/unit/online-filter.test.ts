/** Which groups online filtering keeps, how often it tries, and what it says when it finds too few. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Episode } from '../../src/grpo/episode.ts';
import { checkFilterKey, filteredGroups } from '../../src/train/online-filter.ts';
import { ConfigError, DataError } from '../../src/util/errors.ts';

type Known = number | null;

/** One response with this accuracy; it is well formed, so that its reward is 0.3 above 0.7 times that. */
function episode(accuracy: Known, promptIndex: number): Episode {
  const parts = { accuracy, format: 1 };
  const reward = accuracy === null ? null : 0.7 * accuracy + 0.3;
  return { promptIndex, reward: { reward, parts, method: 'judge', extracted: '' } } as unknown as Episode;
}

/** Hands out the next groups at each call, and records what it is told. */
function source(accuracies: readonly (readonly Known[])[], size: number) {
  const firstPrompts: number[] = [];
  const generate = (firstPrompt: number): Promise<Episode[][]> => {
    firstPrompts.push(firstPrompt);
    const batch = accuracies.slice(firstPrompt, firstPrompt + size);
    return Promise.resolve(batch.map((group, g) => group.map((value) => episode(value, firstPrompt + g))));
  };
  return { generate, firstPrompts };
}

function configOf(...overrides: string[]): Config {
  const required = ['model.path=m', 'data.train_files=t', 'data.rollout_batch_size=2'];
  return parseConfig('', 'test.yaml', [...required, ...overrides]);
}

const ON = 'algorithm.online_filtering=true';
const indices = (groups: Episode[][]): number[] => groups.map(([first]) => first!.promptIndex);

describe('filteredGroups', () => {
  it('takes what comes where it is off', async () => {
    const { generate, firstPrompts } = source(
      [
        [1, 1],
        [0, 0],
      ],
      2,
    );
    const { groups, generated, filterMetrics } = await filteredGroups(configOf(), 1, generate);
    expect(indices(groups)).toEqual([0, 1]);
    expect(generated).toBe(groups);
    expect(filterMetrics).toEqual({});
    expect(firstPrompts).toEqual([0]);
  });

  it('tries until the batch is full, each time with other prompts, and drops the surplus', async () => {
    const all = [
      [1, 1],
      [0, 0],
      [1, 0],
      [0, 0],
      [0, 1],
      [0.5, 0.4],
    ];
    const { generate, firstPrompts } = source(all, 2);
    const { groups, generated, filterMetrics } = await filteredGroups(configOf(ON), 1, generate);
    expect(indices(groups)).toEqual([2, 4]);
    expect(indices(generated)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(firstPrompts).toEqual([0, 2, 4]);
    expect(filterMetrics).toEqual({
      'filter/num_try_make_batch': 3,
      'filter/generated_groups': 6,
      'filter/kept_groups': 3,
    });
  });

  it('leaves groups out whose mean is a bound', async () => {
    const bounds = ['algorithm.filter_low=0.25', 'algorithm.filter_high=0.75'];
    const all = [
      [0, 0.5],
      [0.5, 1],
      [0.5, 0.25],
      [0.5, 0.75],
    ];
    const { groups } = await filteredGroups(configOf(ON, ...bounds), 1, source(all, 2).generate);
    expect(indices(groups)).toEqual([2, 3]);
  });

  it('averages over the responses whose reward is known, and leaves out groups without any', async () => {
    // By their known responses: all right, half right, nothing known, half right.
    const all = [
      [1, null, 1],
      [1, 0, null],
      [null, null, null],
      [null, 1, 0],
    ];
    const { groups } = await filteredGroups(configOf(ON), 1, source(all, 2).generate);
    expect(indices(groups)).toEqual([1, 3]);
    // The format is known of every response, but those of the first group would be compared with nothing.
    const format = ['algorithm.filter_key=format', 'algorithm.filter_high=1.5'];
    const judged = source(
      [
        [null, null],
        [1, null],
        [0, 0],
        [1, 1],
      ],
      2,
    );
    const { groups: formed } = await filteredGroups(configOf(ON, ...format), 1, judged.generate);
    expect(indices(formed)).toEqual([1, 2]);
  });

  it('filters by the whole reward on demand', async () => {
    const key = ['algorithm.filter_key=overall', 'algorithm.filter_low=0.4'];
    // Rewards of 0.3, 0.65, 1, 0.65.
    const all = [
      [0, 0],
      [0, 1],
      [1, 1],
      [1, 0],
    ];
    const { groups } = await filteredGroups(configOf(ON, ...key), 1, source(all, 2).generate);
    expect(indices(groups)).toEqual([1, 3]);
  });

  it('gives up after the last try, and says what it found', async () => {
    const all = [
      [1, 1],
      [0, 0],
      [1, 0],
      [0, 0],
      [null, null],
      [0, 0],
      [1, 0],
      [1, 0],
    ];
    const { generate, firstPrompts } = source(all, 2);
    const config = configOf(ON, 'trainer.max_try_make_batch=3');
    const error: unknown = await filteredGroups(config, 7, generate).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(
      /step 7[^]*2 groups with 0.01 < mean accuracy < 0.99 in at most 3 tries[^]*1 of 6 groups; 3 too low, 1 too high, 1 not known/,
    );
    expect(firstPrompts).toEqual([0, 2, 4]);
  });
});

describe('checkFilterKey', () => {
  const weights = { accuracy: 0.7, format: 0.3, brevity: 1 };
  const check = (online_filtering: boolean, filter_key: string) =>
    checkFilterKey({ online_filtering, filter_key }, weights);

  it.each(['overall', 'accuracy', 'brevity'])('knows %s', (key) => {
    expect(() => check(true, key)).not.toThrow();
  });

  it('refuses a part that is not computed, and names those that are', () => {
    expect(() => check(true, 'cosine')).toThrow(ConfigError);
    expect(() => check(true, 'cosine')).toThrow(/one of overall, accuracy, format, brevity.*\n.*cosine/);
    expect(() => check(false, 'cosine')).not.toThrow();
  });
});
