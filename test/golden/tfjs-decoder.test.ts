/** The decoder that rollouts are measured against is the same model: its greedy tokens are the engine's. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { TfjsDecoder } from '../../src/bench/tfjs-decoder.ts';
import { FROZEN } from '../../src/model/qwen2_5_vl.ts';
import { Policy } from '../../src/rollout/policy.ts';
import { RolloutEngine } from '../../src/rollout/rollout.ts';
import { openGpu } from '../parity/harness.ts';

const FOLDER = 'checkpoints/mini';
const TOKENS = 32;
const QUESTIONS = [
  'What is 2 + 3?',
  'Which digit is larger, 4 or 7? Answer with the digit alone.',
  'How many digits are there?',
  'Is the sum of 1, 2 and 6 even or odd, and what is it?',
];

const opened = openGpu();

it('gives the greedy tokens of the engine', async () => {
  const { gpu } = opened;
  const policy = await Policy.load(gpu, FOLDER, FROZEN);
  const decoder = await TfjsDecoder.load(gpu, FOLDER);
  const engine = new RolloutEngine(policy, { maxSequences: 4, maxRows: 256, stopAtEnd: false });
  const prompts = await Promise.all(
    QUESTIONS.map((problem) => policy.prompt({ problem, images: [], systemPrompt: null, where: 'test' })),
  );
  const ours = await engine.generate(
    prompts.map((prompt) => ({ prompt, count: 1 })),
    { temperature: 0, maxTokens: TOKENS, seed: 1, step: 0 },
  );
  const greedy = { tokens: TOKENS, temperature: 0, seed: 1, banned: policy.tokenizer.placeholderIds };
  for (const [i, prompt] of prompts.entries()) {
    const expected = [...ours[i]![0]!.tokens];
    // Two responses, so that the prompt is spread.
    const found = await decoder.generate(prompt.tokens, { ...greedy, responses: 2 });
    expect([...found], QUESTIONS[i]).toEqual([...expected, ...expected]);
  }
  decoder.dispose();
  policy.model.dispose();
});

it('samples each response by itself, by the seed, and keeps no tensor', async () => {
  const { gpu } = opened;
  const policy = await Policy.load(gpu, FOLDER, FROZEN);
  const decoder = await TfjsDecoder.load(gpu, FOLDER);
  const { tokens } = await policy.prompt({
    problem: QUESTIONS[0]!,
    images: [],
    systemPrompt: null,
    where: 'test',
  });
  const before = tf.memory().numTensors;
  const options = { responses: 8, tokens: 12, temperature: 1, banned: [] };
  const draw = (seed: number) => decoder.generate(tokens, { ...options, seed });
  const first = await draw(1);
  expect(await draw(1)).toEqual(first);
  expect(await draw(100)).not.toEqual(first);
  const responses = Array.from({ length: 8 }, (_, i) => first.slice(i * 12, (i + 1) * 12).join());
  expect(new Set(responses).size).toBeGreaterThan(1);
  expect(tf.memory().numTensors).toBe(before);
  decoder.dispose();
  policy.model.dispose();
});
