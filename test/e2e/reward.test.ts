/** The hybrid reward as a command and in a run, with endpoints that fail on purpose. */
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mixedRows } from '../../scripts/mixed-rewards.ts';
import { type Finished, makeWorld, readRows, removeWorld, row, wethink, writeRows } from './world.ts';

const MINI = fileURLToPath(new URL('../../checkpoints/mini/', import.meta.url));

let world: string;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => removeWorld(world));

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

interface Result {
  id: string;
  reward: number | null;
  parts: Record<string, number | null>;
  method: string;
  extracted: string;
  source: string;
  note?: string;
}

function rows<T>(name: string): Promise<T[]> {
  return readRows(join(world, name));
}

function reward(...overrides: string[]): Promise<Finished> {
  return wethink(world, 'reward', '--data', 'responses.jsonl', '--out', 'rewards.jsonl', ...overrides);
}

async function rewarded(given: readonly unknown[], ...overrides: string[]): Promise<Result[]> {
  await writeRows(join(world, 'responses.jsonl'), given);
  const { status, stderr } = await reward(...overrides);
  expect(stderr).not.toMatch(/Error/);
  expect(status).toBe(0);
  return rows('rewards.jsonl');
}

/** A judge that gives every answer 0.5; `fails` says which calls, counted from 0, it answers with a 500. */
async function judge(fails: (call: number) => boolean): Promise<string> {
  let calls = 0;
  const server = createServer((_, response) => {
    const failed = fails(calls++);
    response.writeHead(failed ? 500 : 200, { 'content-type': 'application/json' });
    const message = { role: 'assistant', content: '{"reason": "half of it", "score": 0.5}' };
    const reply = { choices: [{ index: 0, message, finish_reason: 'stop' }] };
    response.end(JSON.stringify(failed ? { error: { message: 'out of luck' } } : reply));
  });
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

/** Settings of a judge that is asked once an answer. */
const once = (url: string) => [
  `reward.judge.base_url=${url}`,
  'reward.judge.max_retries=0',
  'reward.judge.cache_file=null',
];

// It takes two to three seconds, half of them to start; backtracking would take forever.
const LIMIT_MS = 20_000;

const RESPONSE = '<think>a</think><answer>something like five</answer>';

describe('wethink reward', () => {
  it('says reward, parts, method, what was read where, and why an answer is wrong', async () => {
    const responses = ['<think>2+3</think><answer>5</answer>', 'the answer is 5', '<answer>5 or 6</answer>'];
    const given = responses.map((response) => row({ response }));
    const method = 'number';
    expect(await rewarded(given, 'reward.format_weight=0.5')).toEqual([
      {
        id: 'responses:1',
        reward: 0.7 + 0.5,
        parts: { accuracy: 1, format: 1 },
        method,
        extracted: '5',
        source: 'answer_tag',
      },
      {
        id: 'responses:2',
        reward: 0.7,
        parts: { accuracy: 1, format: 0 },
        method,
        extracted: '5',
        source: 'phrase',
      },
      {
        id: 'responses:3',
        reward: 0,
        parts: { accuracy: 0, format: 0 },
        method,
        extracted: '5 or 6',
        source: 'answer_tag',
        note: 'several different numbers',
      },
    ]);
  });

  it('scores rows of every kind as they are meant, hostile ones among them, in little time', async () => {
    const mixed = mixedRows(2000, 7);
    const hostile = [
      '9'.repeat(1_000_000),
      '9^9^9^9',
      '{'.repeat(2000),
      '\\frac{'.repeat(300),
      '9!'.repeat(900),
    ];
    const rowsOfHostile = hostile.flatMap((answer) =>
      (['math', 'number', 'list', 'box'] as const).map((reward) => ({
        problem: 'How much?',
        answer: '[1, 2, 3, 4]',
        ...(reward === 'number' ? { answer: '8' } : {}),
        reward,
        response: `<think></think><answer>${answer}</answer>`,
        right: false,
      })),
    );
    const given = [...mixed, ...rowsOfHostile];
    const start = performance.now();
    const results = await rewarded(given);
    expect(performance.now() - start).toBeLessThan(LIMIT_MS);
    const wrong = given.filter(({ right }, i) => results[i]!.parts['accuracy']! > 0.9 !== right);
    expect(wrong).toEqual([]);
  });

  it('refuses values of reward that it does not know, with their numbers of rows, before it scores any', async () => {
    const given = ['odd', 'rule', 'odd', 'strange'].map((kind) => row({ reward: kind, response: '5' }));
    await writeRows(join(world, 'responses.jsonl'), given);
    const { status, stderr } = await reward();
    expect(status).toBe(2);
    expect(stderr).toMatch(/"odd": 2 rows[^]*"strange": 1 row\b[^]*verifier_by_reward/);
    const mapped = await rewarded(given, 'reward.verifier_by_reward={odd: text, strange: count}');
    expect(mapped.map(({ method }) => method)).toEqual(['text', 'number', 'text', 'count']);
  });

  it('names the rows whose answers their verifiers cannot read, whatever the responses are', async () => {
    const given = [row(), row({ answer: 'a cat', reward: 'number' }), row({ answer: '?', reward: 'box' })];
    await writeRows(
      join(world, 'responses.jsonl'),
      given.map((one) => ({ ...one, response: '' })),
    );
    const { status, stderr } = await reward();
    expect(status).toBe(2);
    expect(stderr).toMatch(/2 of 3 rows[^]*responses\.jsonl:2\n[^]*"a cat"[^]*responses\.jsonl:3\n/);
  });

  it('runs user functions with the columns of the row', async () => {
    const source =
      'export const german = ({ row, responseTokens }) => row.columns.lang === "de" ? responseTokens : null;';
    await writeFile(join(world, 'mine.ts'), source);
    const given = [
      row({ response: RESPONSE, lang: 'de', response_tokens: 7 }),
      row({ response: RESPONSE, lang: 'de', token_ids: [1, 2, 3] }),
      row({ response: RESPONSE, lang: 'en' }),
    ];
    const results = await rewarded(
      given,
      "reward.functions=['./mine.ts:german']",
      'reward.function_weights=[0.1]',
    );
    expect(results.map(({ parts }) => parts['german'])).toEqual([7, 3, null]);
    expect(results.map((result) => result.reward!.toFixed(2))).toEqual(['1.70', '1.30', '1.00']);
  });

  it('gives null where the judge failed, and scores the others', async () => {
    const url = await judge((call) => call % 3 === 0);
    const given = Array.from({ length: 30 }, (_, i) =>
      row({ reward: 'model', response: `${RESPONSE} ${i}` }),
    );
    const results = await rewarded(given, ...once(url), 'reward.max_failed_fraction=0.5');
    const failed = results.filter((result) => result.reward === null);
    expect(failed.length).toBe(10);
    for (const { parts, note } of failed) {
      expect(parts['accuracy']).toBeNull();
      expect(note).toMatch(/out of luck/);
    }
    const scored = results.filter((result) => result.reward !== null);
    expect(scored.every(({ parts, method }) => parts['accuracy'] === 0.5 && method === 'judge')).toBe(true);
  });

  it("stops with the endpoint's own error when too many assessments fail", async () => {
    await writeRows(join(world, 'responses.jsonl'), [row({ reward: 'model', response: RESPONSE })]);
    const broken = await reward(...once(await judge(() => true)));
    expect(broken.status).toBe(2);
    expect(broken.stderr).toMatch(/1 failed[^]*out of luck[^]*max_failed_fraction/);
    const gone = await judge(() => true);
    await new Promise((closed) => servers.pop()!.close(closed));
    const absent = await reward(...once(gone));
    expect(absent.status).toBe(2);
    expect(absent.stderr).toMatch(/ECONNREFUSED/);
  });
});

describe('wethink train', () => {
  interface Group {
    group: {
      reward: number | null;
      parts: Record<string, number | null>;
      method: string;
      advantage: number;
    }[];
  }

  it('leaves responses whose assessment failed out of their groups, and goes on', async () => {
    const url = await judge((call) => call % 4 === 3);
    const answer = 'export const noise = ({ response }) => (response.length % 7) / 7;';
    await writeFile(join(world, 'noise.ts'), answer);
    await writeRows(join(world, 'open.jsonl'), [
      row({ reward: 'model', problem: 'What is the sum of the digits?\n<image>' }),
      row({ reward: 'model', problem: 'Find the largest digit in the picture.\n<image>' }),
    ]);
    const overrides = [
      ...once(url),
      `model.path=${MINI}`,
      'data.train_files=open.jsonl',
      'data.rollout_batch_size=2',
      'data.max_response_length=16',
      'rollout.n=4',
      'trainer.max_steps=2',
      'reward.max_failed_fraction=1',
      "reward.functions=['./noise.ts:noise']",
      'trainer.experiment_name=open',
    ];
    const { status, stderr } = await wethink(world, 'train', 'run.yaml', ...overrides);
    expect(stderr).not.toMatch(/Error/);
    expect(status).toBe(0);
    const metrics = await rows<Record<string, number>>('runs/wethink/open/metrics.jsonl');
    expect(metrics.length).toBe(2);
    let failed = 0;
    for (const step of ['000001', '000002']) {
      const groups = await rows<Group>(`runs/wethink/open/rollouts/step_${step}.jsonl`);
      for (const { group } of groups) {
        const known = group.filter(({ reward: value }) => value !== null);
        const mean = known.reduce((sum, { reward: value }) => sum + value!, 0) / known.length;
        for (const { reward: value, parts, method, advantage } of group) {
          expect(method).toBe('judge');
          failed += value === null ? 1 : 0;
          if (value === null) expect([parts['accuracy'], advantage]).toEqual([null, 0]);
          else if (Math.abs(value - mean) > 1e-6) expect(Math.sign(advantage)).toBe(Math.sign(value - mean));
        }
      }
    }
    // The policy has learnt to answer: about a quarter of 16 answers.
    expect(failed).toBeGreaterThan(1);
  });
});
