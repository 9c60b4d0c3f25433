import { describe, expect, it } from 'vitest';
import { formatScore } from '../../src/reward/format.ts';

describe('formatScore', () => {
  // response, score, score with partial credit
  it.each<[string, 0 | 1, number]>([
    ['<think>3+5</think><answer>8</answer>', 1, 1],
    ['<think>\na\n</think>\n\n<answer> 8 </answer>\n', 1, 1],
    ['  <think></think><answer></answer>', 1, 1],
    ['<think>a < b </ think></think><answer>8</answer>', 1, 1],
    ['', 0, 0],
    ['8', 0, 0],
    ['<answer>8</answer>', 0, 0.5],
    ['<think>a</think>8', 0, 0.5],
    ['<think>a</think><answer>8', 0, 0.75],
    ['<think>a<answer>8</answer>', 0, 0.75],
    ['<think>a</think> so <answer>8</answer>', 0, 0.75],
    ['hm <think>a</think><answer>8</answer>', 0, 0.75],
    ['<think>a</think><answer>8</answer> done', 0, 0.75],
    ['<answer>8</answer><think>a</think>', 0, 0.75],
    ['<think>a<answer>8</answer></think>', 0, 0.75],
    ['<think>a</think><answer>8</answer><answer>9</answer>', 0, 0.5],
    ['<think>a</think><think>b</think><answer>8</answer>', 0, 0.5],
    ['<think>a<think>b</think></think><answer>8</answer>', 0, 0.5],
    ['<think>a</think><answer><answer>8</answer></answer>', 0, 0.5],
    ['<think>a</answer></think><answer>8</answer>', 0, 0.75],
    ['<THINK>a</THINK><ANSWER>8</ANSWER>', 0, 0],
    ['<think >a</think><answer>8</answer>', 0, 0.75],
    ['<think>a<answer>8</think></answer>', 0, 0.75],
    ['</think><think><answer></answer>', 0, 0.75],
    ['<think>'.repeat(9), 0, 0],
  ])('%j gets %d, or %d with partial credit', (response, score, partial) => {
    expect(formatScore(response, false)).toBe(score);
    expect(formatScore(response, true)).toBe(partial);
  });
});
