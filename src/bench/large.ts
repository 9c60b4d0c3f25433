/**
 * Tokens in a second of a model of published size on a GPU: groups of responses to long prompts with a picture,
 * against `generate` of transformers on the same GPU and against what its memory bandwidth allows.
 */
import { noisePrompt } from '../rollout/noise-prompt.ts';
import type { Policy } from '../rollout/policy.ts';
import { CopyBandwidth } from './copy-bandwidth.ts';
import { FixedGeneration } from './generation.ts';
import { roundsOf, type Rounds } from './median.ts';
import { Peer, type Absent, type PeerFacts, type PeerModel } from './peer.ts';
import { alternate, peerRatios, peerRounds } from './rounds.ts';
import { decodeWeightBytes } from './traffic.ts';

export interface LargeOptions {
  promptTokens: number;
  /** Patches along a side of the picture in each prompt. */
  pictureSide: number;
  /** Tokens of each response. */
  tokens: number;
  /** Responses to each prompt. */
  group: number;
  /** Responses in flight, one measurement each. */
  batches: readonly number[];
  runs: number;
  python: string | undefined;
  peerModel: PeerModel;
}

interface LargeBatch {
  responses: number;
  /** Tokens in a second of whole generations, the prompts' computation included. */
  tokensPerSecond: { engine: Rounds; transformers: Rounds | Absent };
  ratio: Rounds | Absent;
  /** GB read and written in a second of copying. */
  copyGBps: Rounds;
  /** Tokens in a second if every step read weights and cache at the speed of a copy, and did nothing else. */
  boundTokensPerSecond: number;
  /** Median over the bound, of whole generations. */
  boundShare: number;
  /** As above, without the prompts' computation. */
  decodeBoundShare: number;
}

export interface LargeResult {
  promptTokens: number;
  tokens: number;
  group: number;
  weightBytes: number;
  batches: LargeBatch[];
  peer: PeerFacts | Absent;
}

/** Tokens of the generation that is taken off, with the prompts, to see decoding alone. */
const SHORT_TOKENS = 32;
/** Of a value in the peer's cache, and the least that we could do with. */
const KV_VALUE_BYTES = 2;

export async function measureLarge(policy: Policy, options: LargeOptions): Promise<LargeResult> {
  const { promptTokens, tokens, group, python, peerModel } = options;
  const peer = await Peer.start(python, peerModel);
  const copy = await CopyBandwidth.open(policy.model.gpu);
  const batches: LargeBatch[] = [];
  try {
    for (const responses of options.batches) {
      batches.push(await measureBatch(policy, peer, copy, responses, options));
    }
  } finally {
    if (!('absent' in peer)) peer.close();
    copy.dispose();
  }
  return {
    promptTokens,
    tokens,
    group,
    weightBytes: decodeWeightBytes(policy),
    batches,
    peer: 'absent' in peer ? peer : peer.facts,
  };
}

async function measureBatch(
  policy: Policy,
  peer: Peer | Absent,
  copy: CopyBandwidth,
  responses: number,
  { promptTokens, pictureSide, tokens, group, runs }: LargeOptions,
): Promise<LargeBatch> {
  const prompts = Array.from({ length: responses / group }, (_, i) =>
    noisePrompt(policy, promptTokens, pictureSide, i + 1),
  );
  const requests = prompts.map((prompt) => ({ prompt, count: group }));
  const generation = new FixedGeneration(policy, requests, tokens);
  const short = new FixedGeneration(policy, requests, SHORT_TOKENS);
  const sampled = responses * tokens;
  const work = {
    inputIds: prompts.map((prompt) => [...prompt.tokens]),
    grids: prompts.flatMap(({ images }) => images.map(({ grid }) => grid)),
    responses: group,
    tokens,
  };
  const peerRate = async (one: Peer): Promise<number> => {
    await policy.model.gpu.sync();
    return sampled / (await one.generate(work));
  };
  const rates = await alternate(
    runs,
    {
      engine: async (round) => sampled / (await generation.seconds(round)),
      short: (round) => short.seconds(round),
      copy: () => copy.measure(),
    },
    'absent' in peer ? peer : () => peerRate(peer),
  );
  const engine = roundsOf(rates.own.engine);
  const decodeSeconds = sampled / engine.median - roundsOf(rates.own.short).median;
  const decodeRate = (responses * (tokens - SHORT_TOKENS)) / roundsOf([decodeSeconds]).median;
  const stepBytes =
    decodeWeightBytes(policy) + cacheBytes(policy, prompts.length * promptTokens + (responses * tokens) / 2);
  const copyGBps = roundsOf(rates.own.copy);
  const bound = (responses * copyGBps.median * 1e9) / stepBytes;
  return {
    responses,
    tokensPerSecond: { engine, transformers: peerRounds(rates.peer) },
    ratio: peerRatios(rates.own.engine, rates.peer),
    copyGBps,
    boundTokensPerSecond: bound,
    boundShare: engine.median / bound,
    decodeBoundShare: decodeRate / bound,
  };
}

/** Keys and values of so many tokens in all layers. */
function cacheBytes({ model }: Policy, tokens: number): number {
  const { layers, kvHeads, headDim } = model.architecture.text;
  return 2 * layers * kvHeads * headDim * tokens * KV_VALUE_BYTES;
}
