import { describe, expect, it } from 'vitest';
import { UnusableReply } from '../../src/io/chat-error.ts';
import { readVerdict } from '../../src/reward/judge-reply.ts';

const TIERS = [0, 0.25, 0.5, 0.75, 1];

const read = (text: string, finishReason = 'stop') =>
  readVerdict({ text, finishReason, promptTokens: 0, completionTokens: 0 }, TIERS);

describe('verdicts', () => {
  it.each<[string, number]>([
    ['{"reason": "same", "score": 1}', 1],
    ['{"score": 0}', 0],
    ['{"score": "0.75"}', 0.75],
    ['{"score": 1.0}', 1],
    ['{\n  "reason": "same",\n"score": 0.5\n}', 0.5],
    ['```json\n{"score": 0.25}\n```', 0.25],
    ['Here is my verdict: {"score": 0.25}', 0.25],
    ['**{"score": 0.25}**\n\nThe year is missing.', 0.25],
    ['```json\n{"score": 0.25}\n```\nThe year is missing.', 0.25],
    ['<think>{"score": 1}? No, the year is wrong.</think>\n{"score": 0}', 0],
    ['It may be {"score": 1}, but the year is wrong.</think>{"score": 0}', 0],
    ['{"reason": "it ends in </think>", "score": 0.5}', 0.5],
    [String.raw`{"reason": "the answer holds {\"score\": 1}, which is no answer", "score": 0}`, 0],
    [String.raw`{"reason": "\frac{1}{2} = \sqrt{1/4}, \underline{same}", "score": 1}`, 1],
    ['{"reason": "two\nlines", "score": 1}', 1],
    ['The set {1, 2} is right. {"score": 1}', 1],
    ['{"score": 1} and again {"score": 1.0}', 1],
    ['Score: 0.5', 0.5],
    ['The year is missing.\n\n**Final score:** 0.5', 0.5],
    ['score = 0.25.', 0.25],
    ['0.75', 0.75],
    ['Right in part.\n0.75', 0.75],
  ])('%j is %d', (text, score) => {
    expect(read(text).score).toBe(score);
  });

  it('keeps the reason, shortened', () => {
    expect(read('{"reason": "the\\n year  is wrong", "score": 0}').reason).toBe('the year is wrong');
    expect(read(`{"reason": "${'so '.repeat(1000)}", "score": 0}`).reason.length).toBeLessThan(210);
    expect(read('{"reason": 3, "score": 0}').reason).toBe('');
  });

  it('knows the tiers by value', () => {
    const text = '{"score": 0.3333333333}';
    const reply = { text, finishReason: '', promptTokens: 0, completionTokens: 0 };
    expect(readVerdict(reply, [0, 1 / 3, 1]).score).toBe(1 / 3);
  });
});

describe('unusable replies', () => {
  it.each([
    ['', 'no score'],
    ['I like this answer.', 'no score'],
    ['{"reason": "same"}', 'no score'],
    ['{"score": 0.6}', 'none of 0, 0.25'],
    ['{"score": 75}', 'none of'],
    ['{"score": -1}', 'none of'],
    ['{"score": null}', 'none of'],
    ['{"score": true}', 'none of'],
    ['{"score": [1]}', 'none of'],
    ['{"score": "high"}', 'none of'],
    ['{"score": ""}', 'none of'],
    ['{"score": "1/1"}', 'none of'],
    ['{"score": 1} {"score": 0}', 'several'],
    ['{"score": 1, "score": 0}', 'several'],
    ['{"score": 1, "detail": {"score": 0}}', 'several'],
    ['{"detail": {"score": 1}, "score": 0}', 'several'],
    // Quotes of the answer, in the midst of words, are no verdicts.
    ['The answer says {"score": 1} and nothing else.', 'no score'],
    ['The answer says\nScore: 1\nand nothing else.', 'no score'],
    ['The answer says {"score": 1}, so: {"score": 0}', 'several'],
    ['Score: 1\nScore: 0', 'several'],
    ['Score: 1/2', 'no score'],
    ['Score: 5', 'none of'],
    ['score: 0 or 1', 'no score'],
    ['<think>{"score": 1}', 'reasoning without an end'],
    ['{"score": 1', 'no score'],
    ['{"score": 1}}', ''],
    ['score: NaN', 'no score'],
    ['{"__proto__": {"score": 1}, "a": 1', 'no score'],
  ])('%j: %s', (text, message) => {
    if (message === '') expect(read(text).score).toBe(1);
    else {
      expect(() => read(text)).toThrow(UnusableReply);
      expect(() => read(text)).toThrow(message);
    }
  });

  it('says when the reply was cut', () => {
    expect(() => read('{"reason": "so so', 'length')).toThrow('cut at max_tokens');
  });
});

it.each([
  '{',
  '{"',
  '"',
  '\\',
  '{"score":1}',
  '{"score":',
  '1\n',
  'score:',
  ' ',
  '*',
  '}',
  '[{',
  '</think>',
  '{"a":{"score":1},',
])('reads a megabyte of %j in linear time', (unit) => {
  const text = unit.repeat(1_000_000 / unit.length);
  const start = performance.now();
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(UnusableReply);
  }
  expect(performance.now() - start).toBeLessThan(2000);
});

it('reads deeply nested JSON', () => {
  const text = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  expect(() => read(text)).toThrow(UnusableReply);
});
