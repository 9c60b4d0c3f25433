/** What flows through a training step: one prompt with one of its sampled responses. */
import type { Row } from '../data/row.ts';
import type { Prompt } from '../processor/prompt.ts';

export interface Episode {
  row: Row;
  prompt: Prompt;
  /** Number of the prompt among all that the step has generated for, and of the response in its group. */
  promptIndex: number;
  responseIndex: number;
  /** Sampled token ids, the end token included. */
  tokens: Int32Array;
  /** [T] log-probability of each token under the policy that sampled it, at the sampling temperature. */
  logprobs: Float32Array;
  /** [T] entropy of the distribution that each token was sampled from, in nats; null where it is not known. */
  entropies: Float32Array | null;
  /** [T] log-probability under the reference policy; null without a KL term. */
  refLogprobs: Float32Array | null;
  /** The response as text, without special tokens. */
  text: string;
  /** Why it ended: an end token, or the length limit. */
  end: 'stop' | 'length';
  reward: EpisodeReward;
  /** What the divergence from the reference policy takes off the reward; 0 where it is part of the loss, or nowhere. */
  klPenalty: number;
  advantage: number;
}

/** The hybrid reward of the response, or one given from outside (replay). */
export interface EpisodeReward {
  /**
   * The weighted sum that GRPO compares inside the group; null when its assessment failed: the episode then stays
   * out of its group's mean and deviation, and has the advantage 0.
   */
  reward: number | null;
  /** null: not known, or does not apply. */
  parts: Readonly<Record<string, number | null>>;
  /** The verifier or model that judged the answer; empty before one has. */
  method: string;
  /** The answer as it was found in the response. */
  extracted: string;
}

/** The reward that is compared inside the group; null when it is not known. */
export function netReward({ reward, klPenalty }: Pick<Episode, 'reward' | 'klPenalty'>): number | null {
  return reward.reward === null ? null : reward.reward - klPenalty;
}
