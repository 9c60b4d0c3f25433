import { describe, expect, it } from 'vitest';
import { extractAnswer } from '../../src/reward/extract.ts';
import { cpuMsSince } from './cpu-time.ts';

describe('extractAnswer', () => {
  it.each([
    ['<think>3+5</think><answer> 8\n</answer>', '8', 'answer_tag'],
    ['<answer>7</answer> no, <answer>8</answer>', '8', 'answer_tag'],
    ['<answer>the sum is \\boxed{8}</answer>', '8', 'answer_tag'],
    ['<answer></answer>', '', 'answer_tag'],
    ['<answer>a <answer>8</answer>', '8', 'answer_tag'],
    ['<answer>red\nblue</answer>', 'red\nblue', 'answer_tag'],
    ['<answer>7</answer><answer>8', '7', 'answer_tag'],
    ['\\boxed{7} then \\boxed{\\frac{1}{2}}', '\\frac{1}{2}', 'boxed'],
    ['\\boxed{7 and \\boxed{8}', '8', 'boxed'],
    ['\\boxed{\\boxed{8}}', '8', 'boxed'],
    ['\\boxed{\\{1, 2\\}}', '\\{1, 2\\}', 'boxed'],
    ['\\boxed{7} \\boxed{8', '7', 'boxed'],
    ['\\fbox{B}', 'B', 'boxed'],
    ['\\boxed {8}', '8', 'boxed'],
    ['so $\\boxed 15$.', '15', 'boxed'],
    ['so \\boxed x', 'x', 'boxed'],
    ['<think>\\boxed{7}</think> so \\boxed{8}', '8', 'boxed'],
    ['<answer>so \\boxed{8}', '8', 'boxed'],
    ['<think>the answer is 7</think> The answer is 8.', '8', 'phrase'],
    ['Final answer: **3.5** cm. Done.', '3.5 cm', 'phrase'],
    ['The answer is 7. Wait, the answer is $8$\nmore', '8', 'phrase'],
    ['The final answer is 8.', '8', 'phrase'],
    ['**Answer:** 8', '8', 'phrase'],
    ['**Answer**: 8', '8', 'phrase'],
    ['**Final Answer:**\n\n8', '8', 'phrase'],
    ['Answer:\n8\nbecause', '8', 'phrase'],
    ['ANSWER: B', 'B', 'phrase'],
    ['The answer is: **73**.', '73', 'phrase'],
    ['Answer is $x$', 'x', 'phrase'],
    ['The answer is:\n\\[\nx = 5\n\\]\nDone.', 'x = 5', 'phrase'],
    ['The answer is: $$x = 5$$', 'x = 5', 'phrase'],
    ['The correct option is (B).', '(B)', 'phrase'],
    ['3 + 15 = 18\n#### 18', '18', 'phrase'],
    ['The answers are 3 and 4.', '3 and 4', 'phrase'],
    ['<think>hm</think>There are 70 and 3, so **73**.', '73', 'phrase'],
    ['First **70**.\nIn all **73**', '73', 'phrase'],
    ['**70** and **3**', '', 'none'],
    ['**Step 1:**', '', 'none'],
    ['<think>the answer is 7</think>', '', 'none'],
    ['<think>\\boxed{7}</think>', '', 'none'],
    ['<answer>8', '', 'none'],
    ['8</answer>', '', 'none'],
    ['</answer>8<answer>', '', 'none'],
    ['it is 8', '', 'none'],
    ['the answer is', '', 'none'],
    ['\\boxed{', '', 'none'],
    ['}}}\\boxed', '', 'none'],
    ['', '', 'none'],
  ])('%j gives %j from %s', (response, text, source) => {
    expect(extractAnswer(response)).toEqual({ text, source });
  });

  it.each([
    '<think>',
    '<answer>',
    '</answer><answer>',
    '</answer>',
    '\\boxed{',
    '\\boxed{}',
    '\\boxed ',
    '\\boxed 1',
    '{}',
    'the answer is ',
    'answer: ',
    'answer is **',
    '#### ',
    '####',
    '**',
    '* ',
    '$$',
    'answer:$$',
    '\n',
    ' ',
    '. ',
    '1.',
  ])('reads a megabyte of %j in linear time', (part) => {
    const response = part.repeat(Math.floor(1_000_000 / part.length));
    const start = process.cpuUsage();
    extractAnswer(`the answer is ${response}`);
    extractAnswer(response);
    // Linear work takes some 50 ms, quadratic work hours.
    expect(cpuMsSince(start)).toBeLessThan(1000);
  });
});
