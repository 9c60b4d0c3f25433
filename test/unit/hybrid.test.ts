import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { HybridReward, MAX_ANSWER_CHARS } from '../../src/reward/hybrid.ts';
import type { RewardRow, Score } from '../../src/reward/sample.ts';
import { ConfigError, DataError } from '../../src/util/errors.ts';

const ROW: RewardRow = {
  id: 'train:7',
  problem: 'How many?',
  answer: '8',
  category: 'count',
  reward: 'rule',
  images: [],
  columns: {},
};
const RIGHT = '<think>3+5</think><answer>8</answer>';
const MAX_TOKENS = 100;

const folder = mkdtempSync(join(tmpdir(), 'wethink-hybrid-'));
afterAll(() => rmSync(folder, { recursive: true }));
const opened: HybridReward[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((hybrid) => hybrid.close()));
});

async function open(...overrides: string[]): Promise<HybridReward> {
  const { reward } = parseConfig('model: {path: m}\ndata: {train_files: t}', 'a.yaml', overrides);
  const hybrid = await HybridReward.open(reward, MAX_TOKENS);
  opened.push(hybrid);
  return hybrid;
}

async function score(
  hybrid: HybridReward,
  response: string,
  row: Partial<RewardRow> = {},
  responseTokens: number | null = null,
): Promise<Score> {
  const [found] = await hybrid.score([{ row: { ...ROW, ...row }, response, responseTokens }]);
  return found!;
}

describe('HybridReward', () => {
  it('adds 0.7 accuracy and 0.3 format', async () => {
    const hybrid = await open();
    expect(await score(hybrid, RIGHT)).toEqual({
      reward: 1,
      parts: { accuracy: 1, format: 1 },
      method: 'number',
      extracted: '8',
      source: 'answer_tag',
    });
    expect((await score(hybrid, '<answer>8</answer>')).reward).toBe(0.7);
    expect((await score(hybrid, '<think>a</think><answer>9</answer>')).reward).toBe(0.3);
    expect(await score(hybrid, '<think>a</think><answer></answer>')).toMatchObject({
      reward: 0.3,
      note: 'no answer',
    });
    expect(await score(hybrid, '')).toMatchObject({ reward: 0, source: 'none', note: 'no answer' });
  });

  it('keeps the order of a batch over verifiers', async () => {
    const hybrid = await open();
    const answers = ['8', 'B', 'yes', 'a cat', '2\\sqrt{3}', '9'];
    const samples = answers.flatMap((answer) =>
      ['8', 'B', 'yes', 'a cat', '\\sqrt{12}'].map((given) => ({
        row: { ...ROW, answer },
        response: `<answer>${given}</answer>`,
        responseTokens: null,
      })),
    );
    const right = (await hybrid.score(samples)).map(({ parts }) => parts['accuracy']);
    expect(right).toEqual(answers.flatMap((_, a) => [0, 1, 2, 3, 4].map((g) => (g === a ? 1 : 0))));
  });

  it('takes other weights, and partial credit for the format', async () => {
    const hybrid = await open(
      'reward.accuracy_weight=2',
      'reward.format_weight=0.5',
      'reward.format_partial_credit=true',
    );
    expect((await score(hybrid, RIGHT)).reward).toBe(2.5);
    expect((await score(hybrid, '<answer>8</answer>')).reward).toBe(2.25);
  });

  it("accepts the row's aliases, and takes its tolerance", async () => {
    const hybrid = await open();
    const row = { answer: 'New York City', columns: { aliases: ['NYC', 'the Big Apple'] } };
    for (const answer of ['new york city', 'NYC', 'Big Apple']) {
      expect((await score(hybrid, `<answer>${answer}</answer>`, row)).parts['accuracy']).toBe(1);
    }
    expect((await score(hybrid, '<answer>York</answer>', row)).parts['accuracy']).toBe(0);
    const near = '<answer>8.3</answer>';
    expect((await score(hybrid, near)).parts['accuracy']).toBe(0);
    expect((await score(hybrid, near, { columns: { tolerance: 0.05 } })).parts['accuracy']).toBe(1);
    await expect(score(hybrid, near, { columns: { tolerance: '5%' } })).rejects.toThrow(
      /train:7[^]*tolerance/,
    );
    await expect(score(hybrid, near, { columns: { aliases: 'nine' } })).rejects.toThrow(DataError);
  });

  it('refuses an answer that is no answer but a text', async () => {
    const long = `${'8 '.repeat(MAX_ANSWER_CHARS / 2)}8`;
    expect(await score(await open(), `<answer>${long}</answer>`)).toMatchObject({
      reward: 0,
      note: expect.stringContaining('2000 characters') as string,
    });
    // A text may be long.
    const text = 'red ball '.repeat(1000);
    const hybrid = await open();
    expect((await score(hybrid, `<answer>${text}</answer>`, { answer: text })).parts['accuracy']).toBe(1);
    expect((await score(hybrid, `<answer>${text.repeat(3)}</answer>`, { answer: text })).note).toMatch(
      /20000/,
    );
  });

  it('throws for a gold answer that its verifier cannot read, instead of giving 0', async () => {
    const hybrid = await open('reward.verifier_by_reward={rule: number}');
    await expect(score(hybrid, RIGHT, { answer: 'a cat' })).rejects.toThrow(/train:7[^]*a number[^]*"a cat"/);
    await expect(score(hybrid, RIGHT, { reward: 'odd' })).rejects.toThrow(/reward "odd": 1 row/);
  });

  it('adds shaping terms and functions, and says of which weight each part is', async () => {
    const path = join(folder, 'my.ts');
    writeFileSync(path, 'export const short = ({ response }) => (response.length < 40 ? 1 : null);');
    const hybrid = await open(
      'reward.overlong={weight: 0.5, buffer_tokens: 50}',
      'reward.repetition.weight=0.1',
      `reward.functions=['${path}:short']`,
      'reward.function_weights=[2]',
    );
    expect(hybrid.weights).toEqual({ accuracy: 0.7, format: 0.3, overlong: 0.5, repetition: 0.1, short: 2 });
    const found = await score(hybrid, RIGHT, {}, 75);
    expect(found.parts).toEqual({ accuracy: 1, format: 1, overlong: -0.5, repetition: 0, short: 1 });
    expect(found.reward).toBeCloseTo(1 - 0.25 + 2, 12);
    const long = await score(hybrid, `${RIGHT} and so on and so on`, {}, 10);
    expect(long.parts['short']).toBeNull();
    expect(long.reward).toBeCloseTo(0.7 + 0.1 * long.parts['repetition']!, 12);
    await expect(score(hybrid, RIGHT)).rejects.toThrow(/length of the response/);
  });

  it('adds the cosine of the length by what the answer is worth', async () => {
    const hybrid = await open('reward.cosine.weight=1');
    expect((await score(hybrid, RIGHT, {}, 0)).parts['cosine']).toBe(1);
    expect((await score(hybrid, '<answer>9</answer>', {}, 100)).parts['cosine']).toBe(-0.5);
  });

  it('says what is missing when answers are to be assessed and there is no model', async () => {
    const hybrid = await open();
    await expect(score(hybrid, RIGHT, { reward: 'model' })).rejects.toThrow(ConfigError);
    await expect(hybrid.checkRows([{ ...ROW, reward: 'model' }])).rejects.toThrow(/reward\.judge\.base_url/);
    await expect(hybrid.checkRows([{ ...ROW, reward: 'reward_model' }])).rejects.toThrow(
      /reward\.model\.path/,
    );
  });
});

describe('checkRows', () => {
  it('lists the rows whose answer their verifier cannot use', async () => {
    const rows = [ROW, { ...ROW, id: 'train:9', answer: 'a cat' }];
    await expect((await open()).checkRows(rows)).resolves.toBeUndefined();
    const all = await open('reward.verifier_by_category={count: number}');
    await expect(all.checkRows(rows)).rejects.toThrow(DataError);
    await expect(all.checkRows(rows)).rejects.toThrow(
      /1 of 2 rows[^]*train:9[^]*number[^]*"a cat"[^]*verifier_by/,
    );
    for (const name of ['choice', 'yes_no', 'box', 'detection']) {
      const wrong = await open(`reward.verifier_by_category={count: ${name}}`);
      await expect(wrong.checkRows(rows)).rejects.toThrow(/2 of 2 rows/);
    }
    await expect((await open()).checkRows([{ ...ROW, reward: 'odd' }])).rejects.toThrow(
      /reward "odd": 1 row/,
    );
    const aliases = { ...ROW, reward: 'number', columns: { aliases: ['eight', 'a lot'] } };
    await expect((await open()).checkRows([aliases])).rejects.toThrow(/a lot/);
  });
});

describe('hostile responses', () => {
  // Far above what linear work takes here (a few milliseconds) and far below what backtracking would take.
  const LIMIT_MS = 2500;
  let hybrid: HybridReward;
  beforeAll(async () => {
    const { reward } = parseConfig('model: {path: m}\ndata: {train_files: t}', 'a.yaml');
    hybrid = await HybridReward.open(reward, MAX_TOKENS);
    // Starts the threads.
    await hybrid.score([{ row: ROW, response: RIGHT, responseTokens: null }]);
  });
  afterAll(() => hybrid.close());

  it.each([
    ['open tags', '<think>'.repeat(100_000)],
    ['answer tags', '<answer>'.repeat(100_000)],
    ['closed answer tags', '</answer><answer>'.repeat(60_000)],
    ['open boxes', '\\boxed{'.repeat(100_000)],
    ['nested boxes', `${'\\boxed{'.repeat(60_000)}6${'}'.repeat(60_000)}`],
    ['phrases', 'the answer is '.repeat(60_000)],
    ['stars', `the answer is ${'* '.repeat(300_000)}`],
    ['white space', `<think>a</think>${' '.repeat(600_000)}x<answer>6</answer>`],
    ['a megabyte of answer', `<answer>${'9'.repeat(1_000_000)}</answer>`],
    ['a tower of powers', '<answer>9^9^9^9</answer>'],
    ['a tower of braces', '<answer>9^{9^{9^{9^{9}}}}!!!</answer>'],
    ...[
      '1',
      '1,',
      '1 1/',
      '-',
      '1/2 ',
      '\\frac{',
      'a.',
      '(A)',
      'A ',
      '\\text{',
      "'",
      '**',
      '=',
      'a-',
      '{,}',
      '10^',
      '9',
      '{',
      '(',
      '[',
      'x+',
      '\\sqrt{',
      '9!',
      '[0,1],',
      '{"bbox_2d":[0,0,1,1],"label":"a"},',
    ].flatMap((part) =>
      // As long as is read at all: of most answers, and of those that may be long.
      [MAX_ANSWER_CHARS, 10 * MAX_ANSWER_CHARS].map((length): [string, string] => [
        `${length} characters of ${part}`,
        `<answer>${part.repeat(Math.floor(length / part.length))}</answer>`,
      ]),
    ),
  ])('%s cost little', async (_, response) => {
    const rows: Partial<RewardRow>[] = [
      { answer: '8' },
      { answer: 'B', problem: 'Which? (A) 7 (B) 9' },
      { answer: 'yes' },
      { answer: 'a cat' },
      { answer: '\\frac{\\sqrt{2}}{x+1}' },
      { answer: '1, 2 and 3', reward: 'list' },
      { answer: '[1, 2, 3, 4]', reward: 'box' },
      { answer: '[{"bbox_2d": [1, 2, 3, 4], "label": "cat"}]', reward: 'detection' },
    ];
    const start = performance.now();
    const scores = await hybrid.score(
      rows.map((row) => ({ row: { ...ROW, ...row }, response, responseTokens: null })),
    );
    expect(performance.now() - start).toBeLessThan(LIMIT_MS);
    for (const { parts } of scores) expect(parts['accuracy']).toBeLessThan(0.5);
  });
});
