/** The benchmark as a process, on small sizes: what it reports, not how fast anything is. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RolloutBenchReport } from '../../src/bench/rollout-bench.ts';
import type { TrainBenchReport } from '../../src/bench/train-bench.ts';
import { makeWorld, removeWorld, wethink } from './world.ts';

const SMALL = '--adapter embedded --model model --responses 4 --tokens 8 --runs 2 --scale 8'.split(' ');

let world: string;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => removeWorld(world));

async function bench(...args: string[]): Promise<RolloutBenchReport> {
  const { status, stdout, stderr } = await wethink(world, 'bench', 'rollout', ...SMALL, '--json', ...args);
  expect(stderr).not.toMatch(/Error/);
  expect(status).toBe(0);
  return JSON.parse(stdout) as RolloutBenchReport;
}

/** A measurement of two rounds. */
const measured = {
  median: expect.any(Number) as unknown,
  rounds: [expect.any(Number) as unknown, expect.any(Number) as unknown],
};

/** Every number of a report below some key. JSON has null for NaN and infinity. */
function numbers(value: unknown): unknown[] {
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(numbers) : [value];
}

describe('wethink bench rollout', () => {
  it('measures every part that a driver on the CPU can', async () => {
    const { machine, settings, tokens, host, traffic, large } = await bench(
      '--peer',
      'no-such-python',
      '--out',
      'results/rollout.json',
    );
    expect(machine).toMatchObject({ adapter: { kind: 'embedded' }, cores: expect.any(Number) as unknown });
    expect(Object.keys(machine.versions)).toEqual(expect.arrayContaining(['wethink', 'node', 'webgpu']));
    expect(settings).toEqual({ model: 'model', scale: 8, responses: 4, tokens: 8, runs: 2 });

    const absent = { absent: expect.stringContaining('no-such-python') as unknown };
    expect(tokens).toMatchObject({
      responses: 4,
      tokens: 8,
      tokensPerSecond: { engine: measured, tfjs: measured, transformers: absent },
      ratio: { tfjs: measured, transformers: absent },
    });
    const { engine, tfjs } = tokens!.tokensPerSecond;
    expect(tokens!.ratio.tfjs.rounds).toEqual(engine.rounds.map((rate, i) => rate / tfjs.rounds[i]!));

    expect(host).toMatchObject({ encodeMicroseconds: measured, submitMicroseconds: measured, created: 0 });
    expect(host!.dispatchesPerStep).toBeGreaterThan(10);
    expect(host!.stagingBuffers).toBeGreaterThan(0);

    // Two layers and the head of a 7B model at an eighth of the width.
    expect(traffic).toMatchObject({
      model: { layers: 2, hidden: 448 },
      decodeGBps: measured,
      copyGBps: measured,
    });
    const [hidden, keyWidth, inner, vocabulary] = [448, 64, 2368, 16384];
    const layer = 2 * hidden * hidden + 2 * hidden * keyWidth + 3 * hidden * inner;
    const bytesOf = { f32: 4, bf16: 2 }[traffic!.model.format as 'f32' | 'bf16'];
    expect(traffic!.weightBytes).toBe((2 * layer + hidden * vocabulary) * bytesOf);
    expect(traffic!.ratio).toBe(traffic!.decodeGBps.median / traffic!.copyGBps.median);
    for (const value of [tokens!.tokensPerSecond.engine, tokens!.ratio.tfjs, traffic!].flatMap(numbers)) {
      if (typeof value === 'string') continue;
      expect(value).toBeGreaterThan(0);
    }
    expect(large).toEqual({ skipped: expect.stringContaining('computes on the CPU') as unknown });
    const written = await readFile(join(world, 'results/rollout.json'), 'utf8');
    expect(JSON.parse(written)).toMatchObject({ benchmark: 'rollout', tokens, host, traffic });
  });

  it('says what a peer complained of instead of failing', async () => {
    // Node takes the script for JavaScript and fails, as a Python without the packages would.
    const { tokens, host } = await bench('--only', 'tokens', '--peer', process.execPath);
    expect(tokens!.peer).toEqual({
      absent: expect.stringContaining('ERR_UNKNOWN_FILE_EXTENSION') as unknown,
    });
    expect(tokens!.tokensPerSecond.engine.median).toBeGreaterThan(0);
    expect(host).toBeUndefined();
  });

  it.each([
    [['--only', 'tokens,speed'], /--only: expected some of tokens, host, traffic, large, found speed/],
    [['--runs', '0'], /--runs: expected a whole number above 0/],
    [['--scale', '3'], /scale/],
  ])('refuses %j', async (args, message) => {
    const { status, stderr } = await wethink(world, 'bench', 'rollout', ...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('wethink bench train', () => {
  it('measures every part at a small size', async () => {
    const args = '--adapter embedded --model model --runs 1 --scale 8 --peer none --json'.split(' ');
    const { status, stdout, stderr } = await wethink(world, 'bench', 'train', ...args);
    expect(stderr).not.toMatch(/Error/);
    expect(status).toBe(0);
    const { matmul, prefix, head, memory, step } = JSON.parse(stdout) as TrainBenchReport;
    const products = ['forward', 'inputGradient', 'weightGradient'];
    expect(matmul!.map(({ product }) => product)).toEqual([...products, ...products]);
    expect(prefix!.rows).toEqual({ shared: 512 + 8 * 127, repeated: 8 * (512 + 127) });
    expect(head).toMatchObject({ vocabulary: 18_992, width: 256, tokens: 256 });
    expect(head!.ratio).toBe(head!.peakBytes / (head!.sliceBytes + head!.inputBytes));
    expect(memory).toHaveLength(3);
    for (const { name, plannedBytes, measuredBytes } of memory!)
      expect(plannedBytes, name).toBe(measuredBytes);
    expect(step).toMatchObject([
      { prompts: 8, group: 8, responseTokens: 64, peer: { absent: 'not asked for' } },
    ]);
    expect(numbers({ matmul, prefix, head, memory, step })).not.toContain(null);
  });

  it('knows its parts', async () => {
    const { status, stderr } = await wethink(world, 'bench', 'train', '--only', 'tokens');
    expect(status).toBe(2);
    expect(stderr).toMatch(/expected some of matmul, prefix, head, memory, step/);
  });
});
