/** How much of a plain copy's bandwidth the weights of a decode step reach, one response at a time. */
import { noisePrompt } from '../rollout/noise-prompt.ts';
import type { Policy } from '../rollout/policy.ts';
import { CopyBandwidth } from './copy-bandwidth.ts';
import { FixedGeneration } from './generation.ts';
import { roundsOf, type Rounds } from './median.ts';
import { alternate } from './rounds.ts';

export interface TrafficResult {
  model: { layers: number; hidden: number; intermediate: number; vocab: number; format: string };
  /** Bytes of the matrices that a decode step reads. */
  weightBytes: number;
  /** Seconds of a decode step of one response. */
  stepSeconds: Rounds;
  /** GB of weights in a second of decoding. */
  decodeGBps: Rounds;
  /** GB read and written in a second of copying. */
  copyGBps: Rounds;
  /** Of the medians. */
  ratio: number;
}

/** So short that its computation hardly varies. */
const PROMPT_TOKENS = 4;
/**
 * Tokens of a shorter and a longer generation, whose difference is a number of steps: multiples of the steps that
 * the engine submits together.
 */
const SOFTWARE_TOKENS = [4, 16] as const;
const GPU_TOKENS = [32, 160] as const;

/** @throws {ShapeError} when a longer generation took no longer than a shorter one */
export async function measureTraffic(policy: Policy, runs: number): Promise<TrafficResult> {
  const { gpu, head, architecture } = policy.model;
  const { layers, hidden, intermediate, vocab } = architecture.text;
  const weightBytes = decodeWeightBytes(policy);
  const [few, many] = gpu.isSoftware ? SOFTWARE_TOKENS : GPU_TOKENS;
  const requests = [{ prompt: noisePrompt(policy, PROMPT_TOKENS, 0, 1), count: 1 }];
  const shorter = new FixedGeneration(policy, requests, few);
  const longer = new FixedGeneration(policy, requests, many);
  const copy = await CopyBandwidth.open(gpu);
  const decodeRate = async (round: number): Promise<number> => {
    const seconds = (await longer.seconds(round)) - (await shorter.seconds(round));
    return (weightBytes * (many - few)) / seconds / 1e9;
  };
  try {
    const { own } = await alternate(runs, { decode: decodeRate, copy: () => copy.measure() });
    const [decodeGBps, copyGBps] = [roundsOf(own.decode), roundsOf(own.copy)];
    return {
      model: { layers, hidden, intermediate, vocab, format: head.format },
      weightBytes,
      stepSeconds: roundsOf(own.decode.map((rate) => weightBytes / 1e9 / rate)),
      decodeGBps,
      copyGBps,
      ratio: decodeGBps.median / copyGBps.median,
    };
  } finally {
    copy.dispose();
  }
}

/** Bytes of all matrices of the decoder and of the head; of the embedding a step reads only a row for a token. */
export function decodeWeightBytes({ model }: Policy): number {
  const layers = model.layers.base
    .all()
    .filter(({ name, kind }) => kind === 'matrix' && name.startsWith('model.language_model.layers.'));
  return [model.head, ...layers].reduce(
    (sum, { tensor, scales }) => sum + (tensor.size + (scales?.tensor.size ?? 0)) * 4,
    0,
  );
}
