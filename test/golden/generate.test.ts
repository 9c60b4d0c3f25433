/** Greedy generation against transformers: 64 tokens of every golden model and prompt, through the KV cache. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, vi } from 'vitest';
import { FROZEN, Qwen2_5_VL } from '../../src/model/qwen2_5_vl.ts';
import { scoreGroups } from '../../src/model/score.ts';
import type { ProcessorConfig } from '../../src/processor/processor-config.ts';
import { Tokenizer } from '../../src/processor/tokenizer.ts';
import { DecodeSession } from '../../src/rollout/decode-session.ts';
import { Policy } from '../../src/rollout/policy.ts';
import { RolloutEngine, type Sampling } from '../../src/rollout/rollout.ts';
import { openGpu } from '../parity/harness.ts';
import { caseNames, casePrompt, modelFolder, readJson } from './golden-models.ts';

const GREEDY: Sampling = { temperature: 0, maxTokens: 64, seed: 1, step: 0 };
const SAMPLED: Sampling = { temperature: 1, maxTokens: 12, seed: 7, step: 3 };

const opened = openGpu();

/** A policy over a golden model. Its ids are not the tokenizer's: the text of a response means nothing here. */
async function openPolicy(modelName: string): Promise<Policy> {
  const tokenizer = await Tokenizer.load('checkpoints/mini');
  const model = await Qwen2_5_VL.load(opened.gpu, modelFolder(modelName), FROZEN);
  return new Policy({ folder: '', name: '', revision: null }, model, tokenizer, {} as ProcessorConfig);
}

describe.each(['tied_4to1', 'untied_2to1', 'untied_2to1_bf16'])('%s', (modelName) => {
  it('gives the same 64 greedy tokens, alone and sixteen prompts at once', async () => {
    const { greedy } = readJson<{ greedy: Record<string, number[]> }>(`reference/forward_${modelName}.json`);
    const policy = await openPolicy(modelName);
    const engine = new RolloutEngine(policy, { maxSequences: 16, maxRows: 64, stopAtEnd: false });
    const prompts = await Promise.all(caseNames.map(casePrompt));
    const together = await engine.generate(
      Array.from({ length: 16 }, (_, i) => ({ prompt: prompts[i % prompts.length]!, count: 1 })),
      GREEDY,
    );
    for (const [i, [response]] of together.entries()) {
      expect([...response!.tokens]).toEqual(greedy[caseNames[i % caseNames.length]!]);
    }
    for (const [i, name] of caseNames.entries()) {
      const alone = await engine.generate([{ prompt: prompts[i]!, count: 1 }], GREEDY);
      expect([...alone[0]![0]!.tokens], name).toEqual(greedy[name]);
    }
  });
});

describe('sampling', () => {
  it('does not depend on how many responses are in flight', async () => {
    const policy = await openPolicy('tied_4to1');
    const prompts = await Promise.all(caseNames.map(casePrompt));
    const requests = prompts.map((prompt) => ({ prompt, count: 3 }));
    const results = [];
    // The last one looks as it does on a GPU, at checks that are out of date.
    const ahead = { pace: { stepsPerCheck: 3, checksAhead: 2 } };
    for (const options of [
      { maxSequences: 64 },
      { maxSequences: 4 },
      { maxSequences: 1 },
      { maxSequences: 5, ...ahead },
    ]) {
      const engine = new RolloutEngine(policy, { maxRows: 200, stopAtEnd: false, ...options });
      const groups = await engine.generate(requests, SAMPLED);
      results.push(groups.map((group) => group.map(({ tokens, logprobs }) => [[...tokens], [...logprobs]])));
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect(results[3]).toEqual(results[0]);
    expect(results[0]![0]![0]).not.toEqual(results[0]![0]![1]);
  });

  it('follows from the id of the request, not from its place in the list', async () => {
    const policy = await openPolicy('tied_4to1');
    const prompt = await casePrompt(caseNames[0]!);
    const engine = new RolloutEngine(policy, { maxSequences: 64, maxRows: 200, stopAtEnd: false });
    const tokensOf = async (ids: (number | undefined)[]) => {
      const requests = ids.map((id) => ({ prompt, count: 2, ...(id === undefined ? {} : { id }) }));
      const groups = await engine.generate(requests, SAMPLED);
      return groups.map((group) => group.map(({ tokens }) => [...tokens]));
    };
    const [first, second, third] = await tokensOf([undefined, undefined, undefined]);
    expect(second).not.toEqual(first);
    expect(await tokensOf([2, 1])).toEqual([third, second]);
  });

  it('does not depend on it under a penalty and truncation either', async () => {
    const policy = await openPolicy('tied_4to1');
    const prompts = await Promise.all(caseNames.map(casePrompt));
    const requests = prompts.map((prompt) => ({ prompt, count: 2 }));
    const options = { ...SAMPLED, repetitionPenalty: 1.3, topK: 20, topP: 0.9, minTokens: 4 };
    const results = [];
    for (const maxSequences of [64, 3]) {
      const engine = new RolloutEngine(policy, { maxSequences, maxRows: 200 });
      const groups = await engine.generate(requests, options);
      results.push(groups.map((group) => group.map(({ tokens }) => [...tokens])));
    }
    expect(results[1]).toEqual(results[0]);
    const lengths = results[0]!.flat().map((tokens) => tokens.length);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(4);
  });

  it('ends a response with the token that completes a stop string, whatever is in flight', async () => {
    const policy = await openPolicy('tied_4to1');
    const prompts = (await Promise.all(caseNames.map(casePrompt))).slice(0, 5);
    const requests = prompts.map((prompt) => ({ prompt, count: 4 }));
    const engine = new RolloutEngine(policy, { maxSequences: 64, maxRows: 200, stopAtEnd: false });
    const whole = (await engine.generate(requests, SAMPLED)).flat();
    const decode = (tokens: Int32Array) => policy.tokenizer.decode([...tokens], { skipSpecialTokens: true });
    // Texts that some responses hold somewhere in their midst.
    const stopStrings = [2, 7].map((response) => decode(whole[response]!.tokens.slice(4, 7)));
    expect(stopStrings).not.toContain('');
    const expected = whole.map(({ tokens, logprobs, end }) => {
      const isStopped = (count: number) =>
        stopStrings.some((stop) => decode(tokens.slice(0, count)).includes(stop));
      const at = Array.from(tokens, (_, i) => i + 1).find(isStopped);
      return [
        Array.from(tokens.slice(0, at)),
        Array.from(logprobs.slice(0, at)),
        at === undefined ? end : 'stop',
      ];
    });
    const ahead = { pace: { stepsPerCheck: 2, checksAhead: 1 } };
    for (const options of [{ maxSequences: 64 }, { maxSequences: 3 }, { maxSequences: 3, ...ahead }]) {
      const stopping = new RolloutEngine(policy, { maxRows: 200, stopAtEnd: false, ...options });
      const found = (await stopping.generate(requests, { ...SAMPLED, stopStrings })).flat();
      expect(found.map(({ tokens, logprobs, end }) => [[...tokens], [...logprobs], end])).toEqual(expected);
    }
    expect(expected.filter(([, , end]) => end === 'stop').length).toBeGreaterThanOrEqual(2);
  });

  it('computes a picture once that prompts of several passes show', async () => {
    const policy = await openPolicy('tied_4to1');
    const withPicture = await casePrompt(caseNames.find((name) => name.includes('image'))!);
    // The same picture with other words, and once more as another object; far apart, and a pass holds one prompt.
    const asked = (word: number) => {
      const images = withPicture.images.map((image) => ({ ...image, patches: image.patches.slice() }));
      return { ...withPicture, images, tokens: withPicture.tokens.with(withPicture.tokens.length - 1, word) };
    };
    const requests = [5, 6, 7].map((word) => ({ prompt: asked(word), count: 2 }));
    const engine = new RolloutEngine(policy, { maxSequences: 2, maxRows: 8, stopAtEnd: false });
    const alone = [];
    for (const request of requests) alone.push(...(await engine.generate([request], GREEDY)));
    const computed = vi.spyOn(policy.model, 'visionFeatures');
    const { numTensors } = tf.memory();
    const together = await engine.generate(requests, GREEDY);
    expect(computed).toHaveBeenCalledOnce();
    expect(tf.memory().numTensors, 'tensors that are still held').toBe(numTensors);
    expect(together.flat().map(({ tokens }) => [...tokens])).toEqual(
      alone.flat().map(({ tokens }) => [...tokens]),
    );
    computed.mockRestore();
  });

  it('tells of each request as soon as its responses are there, while others are still to come', async () => {
    const policy = await openPolicy('tied_4to1');
    const prompts = (await Promise.all(caseNames.map(casePrompt))).slice(0, 4);
    // Four slots for twelve responses: the first request ends long before the last one starts.
    const engine = new RolloutEngine(policy, { maxSequences: 4, maxRows: 200, stopAtEnd: false });
    const told: [request: number, tokens: number[][]][] = [];
    const soFar: number[] = [];
    const groups = await engine.generate(
      prompts.map((prompt) => ({ prompt, count: 3 })),
      SAMPLED,
      (request, responses) => {
        told.push([request, responses.map(({ tokens }) => [...tokens])]);
        // Reads of the later responses are still to be waited for.
        setImmediate(() => soFar.push(told.length));
      },
    );
    expect(told).toEqual(groups.map((group, g) => [g, group.map(({ tokens }) => [...tokens])]));
    expect(soFar[0]).toBeLessThan(prompts.length);
  });

  it('moves every slot by one token without creating anything', async () => {
    const policy = await openPolicy('tied_4to1');
    policy.model.rotary.cover(16, 0);
    const shape = { slots: 8, maxTokens: 8, promptRows: 512, longestPrompt: 512, marksSeen: true };
    const session = new DecodeSession(policy.model, shape, [], []);
    const plan = session.plan({ temperature: 1, topK: 5, repetitionPenalty: 1.2 });
    const { device } = opened.gpu;
    const creators = [
      'createBuffer',
      'createBindGroup',
      'createComputePipeline',
      'createShaderModule',
    ] as const;
    const spies = creators.map((name) => vi.spyOn(device, name));
    opened.gpu.replay(plan, 4);
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    // The spies do see what is created.
    session.state.tokens_B.add(1).dispose();
    await opened.gpu.sync();
    expect(spies[1]).toHaveBeenCalled();
    vi.restoreAllMocks();
    session[Symbol.dispose]();
  });

  it('gives each sampled token the log-probability that training computes for it, to the bit', async () => {
    const policy = await openPolicy('untied_2to1');
    const prompts = await Promise.all(caseNames.map(casePrompt));
    const engine = new RolloutEngine(policy, { maxSequences: 16, maxRows: 200, stopAtEnd: false });
    const sampling = { ...SAMPLED, temperature: 0.7 };
    const groups = await engine.generate(
      prompts.map((prompt) => ({ prompt, count: 3 })),
      sampling,
    );
    const scored = await scoreGroups(
      policy.model,
      groups.map((group, g) => ({ prompt: prompts[g]!, responses: group.map(({ tokens }) => tokens) })),
      { temperature: 0.7, maxRows: 4096 },
    );
    groups.forEach((group, g) =>
      group.forEach(({ logprobs, entropies }, r) => {
        expect([...logprobs]).toEqual([...scored[g]![r]!.logprobs]);
        expect([...entropies]).toEqual([...scored[g]![r]!.entropies]);
      }),
    );
  });
});
