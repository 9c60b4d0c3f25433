/** The commands that need no training, as processes. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorld, readRows, removeWorld, row, wethink, writeRows } from './world.ts';

let world: string;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => removeWorld(world));

/** Runs a command that must succeed and returns its standard output. */
async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await wethink(world, ...args);
  expect(stderr).not.toMatch(/Error/);
  expect(status).toBe(0);
  return stdout;
}

function rows<T>(name: string): Promise<T[]> {
  return readRows(join(world, name));
}

interface Score {
  id: string;
  prompt_token_ids: number[];
  token_ids: number[];
  logprobs: number[];
  sum_logprob: number;
}

async function score(data: string, ...more: string[]): Promise<Score[]> {
  const args = `score --model model --adapter embedded --data ${data} --out ${data}.scores`.split(' ');
  expect(await run(...args, ...more)).toBe('');
  return rows(`${data}.scores`);
}

it('shows help with examples for every command', async () => {
  const help = await run('--help');
  const names = [...help.matchAll(/^ {2}wethink ([a-z]+)/gm)].map(([, name]) => name!);
  expect(names).toEqual(expect.arrayContaining(['train', 'sft', 'generate', 'score', 'reward', 'config']));
  for (const name of names) expect(await run(name, '--help')).toMatch(/Examples:/);
});

it('prints a configuration that resolves to itself', async () => {
  const first = await run('config', 'run.yaml', 'optim.lr=3e-5', '--json');
  expect(JSON.parse(first)).toMatchObject({ optim: { lr: 3e-5 }, rollout: { n: 2 } });
  await writeRows(join(world, 'resolved.yaml'), [JSON.parse(first)]);
  expect(await run('config', 'resolved.yaml', '--json')).toBe(first);
});

it('finds every kernel right on the embedded adapter', async () => {
  const report = JSON.parse(await run('doctor', '--adapter', 'embedded', '--json')) as {
    adapter: { kind: string };
    selfTest: { ok: boolean }[];
  };
  expect(report.adapter.kind).toBe('embedded');
  expect(report.selfTest.length).toBeGreaterThan(5);
  expect(report.selfTest.every(({ ok }) => ok)).toBe(true);
});

describe('score', () => {
  it('gives the very numbers that generate sampled with', async () => {
    const question = ['--image', 'images/a.png', '--prompt', 'What is the sum?'];
    const args = 'generate --model model --adapter embedded --max-tokens 6 --temperature 0.8 --json'.split(
      ' ',
    );
    const answer = JSON.parse(await run(...args, ...question)) as Score;
    expect(answer.token_ids.length).toBeGreaterThan(0);
    await writeRows(join(world, 'sampled.jsonl'), [row({ token_ids: answer.token_ids })]);
    const [scored] = await score('sampled.jsonl', '--temperature', '0.8');
    expect(scored!.prompt_token_ids).toEqual(answer.prompt_token_ids);
    expect(scored!.token_ids).toEqual(answer.token_ids);
    expect(scored!.logprobs).toEqual(answer.logprobs);
  });

  it('accounts for every row in order, whatever stands beside it', async () => {
    const answers = ['5', '<think>2+3</think><answer>5</answer>', ''];
    // More rows than one batch holds; neighbours with one prompt share it.
    const given = Array.from({ length: 70 }, (_, i) =>
      row({ problem: `What is ${i >> 2} + 3?`, image_path: '', response: answers[i % 3] }),
    );
    await writeRows(join(world, 'many.jsonl'), given);
    await writeRows(join(world, 'alone.jsonl'), [given[66]]);
    const scores = await score('many.jsonl', '--micro-batch-tokens', '200');
    expect(scores.map(({ id }) => id)).toEqual(given.map((_, i) => `many:${i + 1}`));
    const [alone] = await score('alone.jsonl');
    expect({ ...scores[66], id: alone!.id }).toEqual(alone);
    for (const { token_ids, logprobs, sum_logprob } of scores) {
      expect(logprobs.length).toBe(token_ids.length);
      expect(sum_logprob).toBe(logprobs.reduce((a, b) => a + b, 0));
    }
    // The answer that is empty is the end token alone.
    expect(scores[2]!.token_ids).toEqual([scores[0]!.token_ids.at(-1)]);
  });
});
