import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { RewardConfig } from '../../src/config/schema.ts';
import { RouteProblems } from '../../src/reward/gold.ts';
import { routeOf } from '../../src/reward/routes.ts';
import type { RewardRow } from '../../src/reward/sample.ts';

const ROW: RewardRow = {
  id: 'train:7',
  problem: 'How many?',
  answer: '8',
  category: 'arithmetic',
  reward: 'rule',
  images: [],
  columns: {},
};

function config(...overrides: string[]): RewardConfig {
  return parseConfig('model: {path: m}\ndata: {train_files: t}', 'a.yaml', overrides).reward;
}

const DEFAULTS = config();

describe('routeOf', () => {
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
    ['A, C', '', 'choice'],
    ['\\text{A and C}', '', 'choice'],
    ['1:3', '', 'math'],
    ['3:45', '', 'text'],
    ['\\frac{-1}{2}', '', 'math'],
    ['7', 'Which? (A) 7 (B) 9', 'choice'],
    ['Yes', 'Overlap? (A) Yes (B) No', 'choice'],
    ['8', 'Which? (A) 7 (B) 9', 'number'],
    ['2\\sqrt{2}', '', 'math'],
    ['(9, 10)', '', 'math'],
    ['[0, 1)', '', 'math'],
    ['x^2+1', '', 'math'],
    ['y = 2x + 1', '', 'math'],
    ['\\frac{\\pi}{2}', '', 'math'],
    ['a cat', '', 'text'],
    ['Route 66', '', 'text'],
    ['10 Downing Street', '', 'text'],
    ['no one knows', '', 'text'],
    ['K', '', 'text'],
  ])('sends the answer %j of %j to %s by its shape', (answer, problem, name) => {
    expect(routeOf({ ...ROW, answer, problem }, DEFAULTS)).toBe(name);
  });

  it.each([
    ['Multiple-Choice', 'choice'],
    ['mcq', 'choice'],
    ['Yes/No', { column: 'reward', value: 'Yes/No' }],
    ['true_false', 'yes_no'],
    ['IoU', 'box'],
    ['math', 'math'],
    ['descriptive', 'judge'],
    ['LLM', 'judge'],
    ['reward_model', 'reward_model'],
    ['', 'number'],
    ['fib', 'number'],
    ['frobnicate', { column: 'reward', value: 'frobnicate' }],
    ['constructor', { column: 'reward', value: 'constructor' }],
    ['__proto__', { column: 'reward', value: '__proto__' }],
  ])('takes the reward %j for %j', (reward, route) => {
    expect(routeOf({ ...ROW, reward }, DEFAULTS)).toEqual(route);
  });

  it('goes by the reward, then by the category, then by the shape', () => {
    const mapped = config('reward.verifier_by_category={arithmetic: math, "*": text}');
    expect(routeOf({ ...ROW, reward: 'number' }, mapped)).toBe('number');
    expect(routeOf(ROW, mapped)).toBe('math');
    expect(routeOf({ ...ROW, category: 'history' }, mapped)).toBe('text');
    expect(routeOf({ ...ROW, category: 'history' }, DEFAULTS)).toBe('number');
    expect(routeOf({ ...ROW, category: 'MC', answer: 'cat' }, DEFAULTS)).toBe('choice');
  });

  it('adds to the defaults, and lets "*" stand for every other value', () => {
    const mapped = config('reward.verifier_by_reward={Rule: text, "*": yes_no}');
    expect(routeOf(ROW, mapped)).toBe('text');
    expect(routeOf({ ...ROW, reward: 'number' }, mapped)).toBe('number');
    expect(routeOf({ ...ROW, reward: 'frobnicate' }, mapped)).toBe('yes_no');
  });

  it('takes the judge for "model" where there is one, else the reward model', () => {
    const open = { ...ROW, reward: 'model' };
    const path = 'reward.model.path=models/rm';
    expect(routeOf(open, config(path))).toBe('reward_model');
    expect(routeOf(open, config(path, 'reward.judge.base_url=http://localhost:1/v1'))).toBe('judge');
  });
});

describe('RouteProblems', () => {
  it('names every value that leads nowhere, with the number of its rows', () => {
    const problems = new RouteProblems();
    for (const reward of ['odd', 'rule', 'odd', 'strange', '']) problems.add({ ...ROW, reward }, DEFAULTS);
    expect(() => problems.throwIfAny()).toThrow(
      /reward "odd": 2 rows\n {2}reward "strange": 1 row\n[^]*verifier_by_reward/,
    );
    const fine = new RouteProblems();
    expect(fine.add(ROW, DEFAULTS)).toBe('number');
    expect(() => fine.throwIfAny()).not.toThrow();
  });
});
