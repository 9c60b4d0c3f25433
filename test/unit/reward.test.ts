import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { RewardConfig } from '../../src/config/schema.ts';
import { extractAnswer } from '../../src/reward/extract.ts';
import { formatScore } from '../../src/reward/format.ts';
import { MAX_ANSWER_CHARS, scoreResponse } from '../../src/reward/hybrid.ts';
import type { RewardRow } from '../../src/reward/verdict.ts';
import { checkGoldAnswers, chooseVerifier } from '../../src/reward/verifier.ts';
import { DataError } from '../../src/util/errors.ts';

const ROW: RewardRow = {
  id: 'train:7',
  problem: 'How many?',
  answer: '8',
  category: 'count',
  reward: 'rule',
};

function config(...overrides: string[]): RewardConfig {
  return parseConfig('model: {path: m}\ndata: {train_files: t}', 'a.yaml', overrides).reward;
}

const DEFAULTS = config();

describe('formatScore', () => {
  it.each<[string, 0 | 1]>([
    ['<think>3+5</think><answer>8</answer>', 1],
    ['<think>\na\n</think>\n\n<answer> 8 </answer>\n', 1],
    ['  <think></think><answer></answer>', 1],
    ['<think>a < b </ think></think><answer>8</answer>', 1],
    ['', 0],
    ['8', 0],
    ['<answer>8</answer>', 0],
    ['<think>a</think>8', 0],
    ['<think>a</think><answer>8', 0],
    ['<think>a<answer>8</answer>', 0],
    ['<think>a</think> so <answer>8</answer>', 0],
    ['hm <think>a</think><answer>8</answer>', 0],
    ['<think>a</think><answer>8</answer> done', 0],
    ['<answer>8</answer><think>a</think>', 0],
    ['<think>a<answer>8</answer></think>', 0],
    ['<think>a</think><answer>8</answer><answer>9</answer>', 0],
    ['<think>a</think><think>b</think><answer>8</answer>', 0],
    ['<think>a<think>b</think></think><answer>8</answer>', 0],
    ['<think>a</think><answer><answer>8</answer></answer>', 0],
    ['<think>a</answer></think><answer>8</answer>', 0],
    ['<THINK>a</THINK><ANSWER>8</ANSWER>', 0],
    ['<think >a</think><answer>8</answer>', 0],
    ['<think>a<answer>8</think></answer>', 0],
    ['</think><think><answer></answer>', 0],
  ])('%j gets %d', (response, score) => {
    expect(formatScore(response)).toBe(score);
  });
});

describe('extractAnswer', () => {
  it.each([
    ['<think>3+5</think><answer> 8\n</answer>', '8', 'answer_tag'],
    ['<answer>7</answer> no, <answer>8</answer>', '8', 'answer_tag'],
    ['<answer>the sum is \\boxed{8}</answer>', '8', 'answer_tag'],
    ['<answer></answer>', '', 'answer_tag'],
    ['<answer>a <answer>8</answer>', '8', 'answer_tag'],
    ['\\boxed{7} then \\boxed{\\frac{1}{2}}', '\\frac{1}{2}', 'boxed'],
    ['\\boxed{7 and \\boxed{8}', '8', 'boxed'],
    ['\\boxed{\\boxed{8}}', '8', 'boxed'],
    ['\\boxed{\\{1, 2\\}}', '\\{1, 2\\}', 'boxed'],
    ['\\boxed{7} \\boxed{8', '7', 'boxed'],
    ['\\fbox{B}', 'B', 'boxed'],
    ['<think>\\boxed{7}</think> so \\boxed{8}', '8', 'boxed'],
    ['<think>the answer is 7</think> The answer is 8.', '8', 'phrase'],
    ['Final answer: **3.5** cm. Done.', '3.5** cm', 'phrase'],
    ['The answer is 7. Wait, the answer is $8$\nmore', '8', 'phrase'],
    ['<think>the answer is 7</think>', '', 'none'],
    ['<answer>8', '', 'none'],
    ['8</answer>', '', 'none'],
    ['</answer>8<answer>', '', 'none'],
    ['it is 8', '', 'none'],
    ['\\boxed{', '', 'none'],
    ['}}}\\boxed', '', 'none'],
    ['', '', 'none'],
  ])('%j gives %j from %s', (response, text, source) => {
    expect(extractAnswer(response)).toEqual({ text, source });
  });
});

describe('chooseVerifier', () => {
  it.each([
    ['8', 'How many?', 'number'],
    ['-1/2', '', 'number'],
    ['1,000', '', 'number'],
    ['5 cm', '', 'number'],
    ['seven', '', 'number'],
    ['Yes', '', 'yes_no'],
    ['false.', '', 'yes_no'],
    ['B', '', 'choice'],
    ['(C)', '', 'choice'],
    ['7', 'Which? (A) 7 (B) 9', 'choice'],
    ['Yes', 'Overlap? (A) Yes (B) No', 'choice'],
    ['8', 'Which? (A) 7 (B) 9', 'number'],
    ['(9,10)', '', 'text'],
    ['3:4', '', 'text'],
    ['a cat', '', 'text'],
    ['Route 66', '', 'text'],
    ['10 Downing Street', '', 'text'],
    ['2\\sqrt{2}', '', 'text'],
    ['no one knows', '', 'text'],
    ['K', '', 'text'],
  ])('sends the answer %j of %j to %s', (answer, problem, name) => {
    expect(chooseVerifier({ ...ROW, answer, problem }, DEFAULTS)).toBe(name);
  });

  it("goes by the row's reward first, then by its category, then by the shape", () => {
    const mapped = config(
      'reward.verifier_by_reward={rule: text}',
      'reward.verifier_by_category={count: yes_no}',
    );
    expect(chooseVerifier(ROW, mapped)).toBe('text');
    expect(chooseVerifier({ ...ROW, reward: '' }, mapped)).toBe('yes_no');
    expect(chooseVerifier({ ...ROW, reward: '', category: 'x' }, mapped)).toBe('number');
    expect(chooseVerifier({ ...ROW, reward: 'text' }, DEFAULTS)).toBe('text');
    expect(chooseVerifier({ ...ROW, reward: 'constructor', category: '__proto__' }, DEFAULTS)).toBe('number');
  });
});

describe('checkGoldAnswers', () => {
  it('lists the rows whose answer their verifier cannot use', () => {
    const rows = [ROW, { ...ROW, id: 'train:9', answer: 'a cat' }];
    expect(() => checkGoldAnswers(rows, DEFAULTS)).not.toThrow();
    const all = config('reward.verifier_by_category={count: number}');
    expect(() => checkGoldAnswers(rows, all)).toThrow(DataError);
    expect(() => checkGoldAnswers(rows, all)).toThrow(
      /1 of 2 rows[^]*train:9[^]*number[^]*"a cat"[^]*verifier_by/,
    );
    for (const name of ['choice', 'yes_no']) {
      const wrong = config(`reward.verifier_by_category={count: ${name}}`);
      expect(() => checkGoldAnswers(rows, wrong)).toThrow(/2 of 2 rows/);
    }
  });
});

describe('scoreResponse', () => {
  it('adds 0.7 accuracy and 0.3 format', () => {
    expect(scoreResponse(ROW, '<think>3+5</think><answer>8</answer>', DEFAULTS)).toEqual({
      reward: 1,
      parts: { accuracy: 1, format: 1 },
      method: 'number',
      extracted: '8',
      source: 'answer_tag',
    });
    expect(scoreResponse(ROW, '<answer>8</answer>', DEFAULTS).reward).toBe(0.7);
    expect(scoreResponse(ROW, '<think>a</think><answer>9</answer>', DEFAULTS).reward).toBe(0.3);
    expect(scoreResponse(ROW, '<think>a</think><answer></answer>', DEFAULTS)).toMatchObject({
      reward: 0.3,
      note: 'no answer',
    });
    expect(scoreResponse(ROW, '', DEFAULTS)).toMatchObject({ reward: 0, source: 'none', note: 'no answer' });
  });

  it('takes other weights', () => {
    const even = config('reward.accuracy_weight=2', 'reward.format_weight=0.5');
    expect(scoreResponse(ROW, '<think>a</think><answer>8</answer>', even).reward).toBe(2.5);
  });

  it('refuses an answer that is no answer but a text', () => {
    const long = `${'8 '.repeat(MAX_ANSWER_CHARS / 2)}8`;
    expect(scoreResponse(ROW, `<answer>${long}</answer>`, DEFAULTS)).toMatchObject({
      reward: 0,
      note: expect.stringContaining('2000 characters'),
    });
  });

  it('throws for a gold answer that its verifier cannot read, instead of giving 0', () => {
    const row = { ...ROW, answer: 'a cat' };
    const numbers = config('reward.verifier_by_reward={rule: number}');
    expect(() => scoreResponse(row, '<answer>8</answer>', numbers)).toThrow(/train:7[^]*a number[^]*"a cat"/);
  });

  // Far above what linear work takes here (a few milliseconds) and far below what backtracking would take.
  const LIMIT_MS = 1500;
  it.each([
    ['open tags', '<think>'.repeat(100_000)],
    ['answer tags', '<answer>'.repeat(100_000)],
    ['closed answer tags', '</answer><answer>'.repeat(60_000)],
    ['open boxes', '\\boxed{'.repeat(100_000)],
    ['nested boxes', `${'\\boxed{'.repeat(60_000)}6${'}'.repeat(60_000)}`],
    ['phrases', 'the answer is '.repeat(60_000)],
    ['stars', `the answer is ${'* '.repeat(300_000)}`],
    ['white space', `<think>a</think>${' '.repeat(600_000)}x<answer>6</answer>`],
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
    ].map((part): [string, string] => [
      `an answer of ${part}`,
      `<answer>${part.repeat(Math.floor(MAX_ANSWER_CHARS / part.length))}</answer>`,
    ]),
  ])('stays fast on %s', (_, response) => {
    const start = performance.now();
    for (const [answer, problem] of [
      ['8', ''],
      ['B', 'Which? (A) 7 (B) 9'],
      ['yes', ''],
      ['a cat', ''],
    ] as const) {
      expect(scoreResponse({ ...ROW, answer, problem }, response, DEFAULTS).parts.accuracy).toBe(0);
    }
    expect(performance.now() - start).toBeLessThan(LIMIT_MS);
  });
});
