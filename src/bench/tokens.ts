/**
 * Tokens in a second: the rollout engine, the same model in ordinary TensorFlow.js operations on the same device,
 * and `generate` of transformers with PyTorch on the CPU, by turns.
 */
import type { Policy } from '../rollout/policy.ts';
import { FixedGeneration } from './generation.ts';
import { roundsOf, type Rounds } from './median.ts';
import { Peer, type Absent, type PeerFacts } from './peer.ts';
import { shortQuestion } from './short-question.ts';
import { alternate, peerRatios, peerRounds, ratios } from './rounds.ts';
import { TfjsDecoder } from './tfjs-decoder.ts';

export interface TokensOptions {
  responses: number;
  tokens: number;
  runs: number;
  /** A Python interpreter; undefined for none. */
  python: string | undefined;
}

export interface TokensResult {
  promptTokens: number;
  responses: number;
  tokens: number;
  /** Tokens in a second of whole generations, the prompt's computation included. */
  tokensPerSecond: { engine: Rounds; tfjs: Rounds; transformers: Rounds | Absent };
  /** The engine's tokens in a second over those of the others, round by round. */
  ratio: { tfjs: Rounds; transformers: Rounds | Absent };
  peer: PeerFacts | Absent;
}

/** @throws {CheckpointError} when the policy's folder has no weights */
export async function measureTokens(policy: Policy, options: TokensOptions): Promise<TokensResult> {
  const { responses, tokens, runs, python } = options;
  const { gpu } = policy.model;
  const prompt = await shortQuestion(policy);
  const generation = new FixedGeneration(policy, [{ prompt, count: responses }], tokens);
  const decoder = await TfjsDecoder.load(gpu, policy.folder);
  const model = { folder: policy.folder, device: 'cpu', dtype: 'float32', random: false } as const;
  const peer = await Peer.start(python, model);
  const sampled = responses * tokens;
  const banned = policy.tokenizer.placeholderIds;
  const tfjsRate = async (round: number): Promise<number> => {
    await gpu.sync();
    const start = performance.now();
    await decoder.generate(prompt.tokens, {
      responses,
      tokens,
      temperature: 1,
      seed: round * tokens,
      banned,
    });
    return (sampled / (performance.now() - start)) * 1000;
  };
  const work = { inputIds: [[...prompt.tokens]], grids: [], responses, tokens };
  const peerRate = async (one: Peer): Promise<number> => {
    await gpu.sync();
    return sampled / (await one.generate(work));
  };
  try {
    const rates = await alternate(
      runs,
      { engine: async (round) => sampled / (await generation.seconds(round)), tfjs: tfjsRate },
      'absent' in peer ? peer : () => peerRate(peer),
    );
    const { engine, tfjs } = rates.own;
    return {
      promptTokens: prompt.tokens.length,
      responses,
      tokens,
      tokensPerSecond: {
        engine: roundsOf(engine),
        tfjs: roundsOf(tfjs),
        transformers: peerRounds(rates.peer),
      },
      ratio: { tfjs: ratios(engine, tfjs), transformers: peerRatios(engine, rates.peer) },
      peer: 'absent' in peer ? peer : peer.facts,
    };
  } finally {
    if (!('absent' in peer)) peer.close();
    decoder.dispose();
  }
}
