import { describe, expect, it } from 'vitest';
import { roundsOf } from '../../src/bench/median.ts';
import { alternate, peerRatios, peerRounds, ratios } from '../../src/bench/rounds.ts';
import { ServiceError } from '../../src/util/errors.ts';
import { setLogLevel } from '../../src/util/log.ts';

setLogLevel('warn');

describe('roundsOf', () => {
  it.each([
    [[3], 3],
    [[4, 1], 2.5],
    [[9, 1, 5], 5],
    [[8, 1, 2, 4], 3],
  ])('takes the median of %j', (values, median) => {
    expect(roundsOf(values)).toEqual({ median, rounds: values });
  });

  it.each([[[]], [[1, Number.NaN]], [[1, 0]], [[-1]], [[Infinity]]])('refuses %j', (values) => {
    expect(() => roundsOf(values)).toThrow(/finite numbers above 0/);
  });
});

describe('alternate', () => {
  it('warms up once, lets each run once a round, and changes who is first', async () => {
    const turns: string[] = [];
    const run = (name: string) => (round: number) => {
      turns.push(`${name}${round}`);
      return Promise.resolve(round * 10);
    };
    const results = await alternate(2, { a: run('a'), b: run('b') }, run('p'));
    expect(turns).toEqual(['a0', 'b0', 'p0', 'b1', 'p1', 'a1', 'p2', 'a2', 'b2']);
    expect(results).toEqual({ own: { a: [10, 20], b: [10, 20] }, peer: [10, 20] });
  });

  it('goes on without a peer that is missing or fails, and with nothing else', async () => {
    const own = { a: (round: number) => Promise.resolve(round) };
    expect(await alternate(2, own, { absent: 'no Python' })).toEqual({
      own: { a: [1, 2] },
      peer: { absent: 'no Python' },
    });
    const failing = (round: number) =>
      round < 2 ? Promise.resolve(1) : Promise.reject(new ServiceError('out of memory'));
    expect(await alternate(3, own, failing)).toEqual({
      own: { a: [1, 2, 3] },
      peer: { absent: 'out of memory' },
    });
    await expect(alternate(1, { a: () => Promise.reject(new ServiceError('ours')) })).rejects.toThrow('ours');
  });
});

it('compares round by round', () => {
  expect(ratios([4, 9, 2], [2, 3, 4])).toEqual({ median: 2, rounds: [2, 3, 0.5] });
  expect(peerRatios([4], [2])).toEqual({ median: 2, rounds: [2] });
  expect(peerRatios([4], { absent: 'no Python' })).toEqual({ absent: 'no Python' });
  expect(peerRounds([4])).toEqual({ median: 4, rounds: [4] });
});
