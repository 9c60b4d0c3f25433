/** Greedy generation against transformers: 32 tokens of every golden model and prompt, through the KV cache. */
import { describe, expect, it } from 'vitest';
import { FROZEN, Qwen2_5_VL } from '../../src/model/qwen2_5_vl.ts';
import { scoreGroups } from '../../src/model/score.ts';
import type { ProcessorConfig } from '../../src/processor/processor-config.ts';
import { Tokenizer } from '../../src/processor/tokenizer.ts';
import { Policy } from '../../src/rollout/policy.ts';
import { RolloutEngine, type Sampling } from '../../src/rollout/rollout.ts';
import { openGpu } from '../parity/harness.ts';
import { caseNames, casePrompt, modelFolder, readJson } from './golden-models.ts';

const GREEDY: Sampling = { temperature: 0, maxTokens: 32, seed: 1, step: 0 };
const SAMPLED: Sampling = { temperature: 1, maxTokens: 12, seed: 7, step: 3 };

const opened = openGpu();

/** A policy over a golden model. Its ids are not the tokenizer's: the text of a response means nothing here. */
async function openPolicy(modelName: string): Promise<Policy> {
  const tokenizer = await Tokenizer.load('checkpoints/mini');
  const model = await Qwen2_5_VL.load(opened.gpu, modelFolder(modelName), FROZEN);
  return new Policy('', model, tokenizer, {} as ProcessorConfig);
}

describe.each(['tied_4to1', 'untied_2to1', 'untied_2to1_bf16'])('%s', (modelName) => {
  it('gives the same 32 greedy tokens, alone and all prompts at once', async () => {
    const { greedy } = readJson<{ greedy: Record<string, number[]> }>(`reference/forward_${modelName}.json`);
    const policy = await openPolicy(modelName);
    const engine = new RolloutEngine(policy, { maxSequences: 16, maxRows: 64, stopAtEnd: false });
    const prompts = await Promise.all(caseNames.map(casePrompt));
    const together = await engine.generate(
      prompts.map((prompt) => ({ prompt, count: 1 })),
      GREEDY,
    );
    for (const [i, name] of caseNames.entries()) {
      expect([...together[i]![0]!.tokens], name).toEqual(greedy[name]);
      const alone = await engine.generate([{ prompt: prompts[i]!, count: 1 }], GREEDY);
      expect([...alone[0]![0]!.tokens], name).toEqual(greedy[name]);
    }
    engine.dispose();
  });
});

describe('sampling', () => {
  it('does not depend on how many responses are in flight', async () => {
    const policy = await openPolicy('tied_4to1');
    const prompts = await Promise.all(caseNames.map(casePrompt));
    const requests = prompts.map((prompt) => ({ prompt, count: 3 }));
    const results = [];
    for (const maxSequences of [64, 4, 1]) {
      const engine = new RolloutEngine(policy, { maxSequences, maxRows: 200, stopAtEnd: false });
      const groups = await engine.generate(requests, SAMPLED);
      results.push(groups.map((group) => group.map(({ tokens, logprobs }) => [[...tokens], [...logprobs]])));
      engine.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect(results[0]![0]![0]).not.toEqual(results[0]![0]![1]);
  });

  it('tells of each request as soon as its responses are there, while others are still to come', async () => {
    const policy = await openPolicy('tied_4to1');
    const prompts = (await Promise.all(caseNames.map(casePrompt))).slice(0, 4);
    // Waves of four: the first request ends in the first wave, the last one in the third.
    const engine = new RolloutEngine(policy, { maxSequences: 4, maxRows: 200, stopAtEnd: false });
    const told: [request: number, tokens: number[][]][] = [];
    const soFar: number[] = [];
    const groups = await engine.generate(
      prompts.map((prompt) => ({ prompt, count: 3 })),
      SAMPLED,
      (request, responses) => {
        told.push([request, responses.map(({ tokens }) => [...tokens])]);
        // Reads of the later waves are still to be waited for.
        setImmediate(() => soFar.push(told.length));
      },
    );
    expect(told).toEqual(groups.map((group, g) => [g, group.map(({ tokens }) => [...tokens])]));
    expect(soFar[0]).toBe(1);
    engine.dispose();
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
    engine.dispose();
  });
});
