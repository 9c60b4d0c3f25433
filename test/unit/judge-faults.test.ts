import { afterEach, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { AssessmentRequest } from '../../src/reward/assessor.ts';
import { Judge } from '../../src/reward/judge.ts';
import { type Answer, ChatServer, sendJson, sendVerdict, USAGE } from '../services/chat-server.ts';
import { FaultPlan } from '../services/faults.ts';

const TIERS = [0, 0.25, 0.5, 0.75, 1];
const KEY = 'sk-fault-test-0123456789';
const KEY_VARIABLE = 'JUDGE_FAULTS_TEST_KEY';
const SEED = 7;

let server: ChatServer;
let judge: Judge;
afterEach(async () => {
  delete process.env[KEY_VARIABLE];
  await judge.close();
  await server.close();
});

async function open(answer: Answer, options: Record<string, unknown>): Promise<void> {
  process.env[KEY_VARIABLE] = KEY;
  server = await ChatServer.start(answer);
  judge = await Judge.open({
    ...configSchema.shape.reward.parse({}).judge,
    base_url: server.baseUrl,
    api_key_env: KEY_VARIABLE,
    cache_file: null,
    ...options,
  });
}

function requests(count: number): AssessmentRequest[] {
  return Array.from({ length: count }, (_, index) => ({
    row: {
      id: `row ${index}`,
      problem: `Question ${index}`,
      answer: 'gold',
      category: '',
      reward: 'model',
      images: [],
      columns: {},
    },
    response: '',
    extracted: `deserves ${TIERS[index % TIERS.length]}`,
  }));
}

/** What an honest judge says of the requests above. */
const deserved: Answer = ({ user }, response) =>
  sendVerdict(response, Number(/deserves (\S+)/.exec(user)?.[1]));

it('scores every sample or says why not when three calls in ten fail', async () => {
  const plan = new FaultPlan(0.3, SEED);
  const count = 300;
  await open((received, response) => plan.fails(response) || deserved(received, response), {
    max_concurrency: 32,
    timeout_s: 0.5,
    max_retries: 2,
  });
  const assessments = await judge.assess(requests(count));

  const failed = assessments.filter(({ score }) => score === null);
  for (const [index, { score, note }] of assessments.entries()) {
    if (score === null) expect(note).toMatch(/^(HTTP|no |unusable|a reply|an error)/);
    else expect(score).toBe(TIERS[index % TIERS.length]);
  }
  // Three failed tries in a row: 0.3³ of 300 are 8.
  expect(failed.length).toBeGreaterThan(0);
  expect(failed.length).toBeLessThan(30);

  expect(new Set(plan.happened).size).toBe(plan.kinds);
  const attempts = server.received.length;
  const { counters } = judge;
  expect(counters).toMatchObject({
    'judge/assessments': count,
    'judge/calls': count,
    'judge/cache_hits': 0,
    'judge/shared': 0,
    'judge/attempts': attempts,
    'judge/retries': attempts - count,
    'judge/failed_attempts': plan.happened.length,
    'judge/failures': failed.length,
    'judge/prompt_tokens': plan.promptTokens,
    'judge/completion_tokens': (plan.promptTokens / USAGE.prompt_tokens) * USAGE.completion_tokens,
  });
  expect(attempts - plan.happened.length).toBe(count - failed.length);
  // The attempts that hang until their time is over.
  expect(counters['timing_s/judge']).toBeGreaterThan(0.45);
}, 60_000);

it('ends in bounded time when every call fails', async () => {
  const plan = new FaultPlan(1, SEED);
  await open((_received, response) => void plan.fails(response), {
    max_concurrency: 50,
    timeout_s: 0.3,
    max_retries: 1,
  });
  const start = performance.now();
  const assessments = await judge.assess(requests(100));
  // Two rounds of two tries of 0.3 s with at most 1 s between them, and as much again for a slow machine.
  expect(performance.now() - start).toBeLessThan(10_000);
  for (const { score } of assessments) expect(score).toBeNull();
  expect(judge.counters).toMatchObject({
    'judge/failures': 100,
    'judge/attempts': 200,
    'judge/failed_attempts': 200,
    'judge/retries': 100,
  });
  expect(server.received).toHaveLength(200);
}, 30_000);

it('asks once when the key is wrong, and never shows it', async () => {
  const words = `Incorrect API key provided: ${KEY}.`;
  await open((_received, response) => sendJson(response, 401, { error: { message: words } }), {});
  const assessments = await judge.assess(requests(20));
  for (const assessment of assessments) {
    expect(assessment).toEqual({ score: null, note: 'HTTP 401: Incorrect API key provided: ***.' });
  }
  expect(server.received).toHaveLength(20);
  expect(server.received[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
  expect(judge.counters).toMatchObject({ 'judge/calls': 20, 'judge/attempts': 20, 'judge/retries': 0 });
});

it('gives nulls for what waits when it is closed', async () => {
  await open(() => undefined, { max_concurrency: 2 });
  const assessments = judge.assess(requests(10));
  while (server.received.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await judge.close();
  for (const { score, note } of await assessments) {
    expect(score).toBeNull();
    expect(note).toContain('closed');
  }
  expect(judge.counters['judge/failures']).toBe(10);
  expect(server.received).toHaveLength(2);
});
