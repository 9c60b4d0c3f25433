/** What updates did, averaged over the tokens that were trained on: losses, ratios, clipping, gradient norms. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import type { Episode } from '../grpo/episode.ts';
import type { StepOutcome } from '../optim/optimizer.ts';
import type { Metrics } from './run-folder.ts';

/** Columns of `terms_N4` (ops/policy-loss). */
const POLICY_TERM = 0;
const KL = 1;
const SIDE = 3;
/** Values of `SIDE`: which bound holds the ratio. */
const [LOW, HIGH, DUAL] = [-1, 1, 2];

export class UpdateMeter {
  #tokens = 0;
  #policyLoss = 0;
  #kl = 0;
  #clippedHigh = 0;
  #clippedLow = 0;
  #clippedDual = 0;
  #entropy = 0;
  #loss = 0;
  #gradNorm = 0;
  #lr = 0;
  #updates = 0;
  #skipped = 0;
  /** Differences between sampling and the first pass of the first update, before any weight has changed. */
  #diffMax = 0;
  #diffSum = 0;
  #diffTokens = 0;

  get updates(): number {
    return this.#updates;
  }

  async addPass(
    gpu: Gpu,
    episodes: readonly Episode[],
    outputs: { loss: tf.Tensor; terms: tf.Tensor; logprob: tf.Tensor; entropy: tf.Tensor },
  ): Promise<void> {
    const [terms, logprobs, entropies, loss] = await Promise.all([
      gpu.read(outputs.terms),
      gpu.read(outputs.logprob),
      gpu.read(outputs.entropy),
      gpu.read(outputs.loss),
    ]);
    this.#loss += loss[0]!;
    let n = 0;
    for (const { logprobs: sampled } of episodes) {
      for (const old of sampled) {
        this.#policyLoss += terms[n * 4 + POLICY_TERM]!;
        this.#kl += terms[n * 4 + KL]!;
        const side = terms[n * 4 + SIDE]!;
        this.#clippedHigh += side === HIGH ? 1 : 0;
        this.#clippedLow += side === LOW ? 1 : 0;
        this.#clippedDual += side === DUAL ? 1 : 0;
        this.#entropy += entropies[n]!;
        if (this.#updates === 0) {
          const difference = Math.abs(logprobs[n]! - old);
          this.#diffMax = Math.max(this.#diffMax, difference);
          this.#diffSum += difference;
          this.#diffTokens += 1;
        }
        n += 1;
      }
    }
    this.#tokens += n;
  }

  addUpdate({ gradNorm, skipped }: StepOutcome, lr: number): void {
    this.#updates += 1;
    this.#gradNorm += skipped ? 0 : gradNorm;
    this.#skipped += skipped ? 1 : 0;
    this.#lr = lr;
  }

  /**
   * Metrics by EasyR1's names. What is not finite is left out: the updates that made it so were skipped, and
   * `actor/skipped_updates` counts them.
   */
  metrics(): Metrics {
    const applied = Math.max(1, this.#updates - this.#skipped);
    // No token at all where no group had a spread of rewards.
    const tokens = Math.max(1, this.#tokens);
    const metrics = {
      'actor/loss': this.#loss / this.#updates,
      'actor/pg_loss': this.#policyLoss / tokens,
      'actor/kl_loss': this.#kl / tokens,
      'actor/pg_clipfrac_higher': this.#clippedHigh / tokens,
      'actor/pg_clipfrac_lower': this.#clippedLow / tokens,
      'actor/pg_clipfrac_dual': this.#clippedDual / tokens,
      'actor/entropy': this.#entropy / tokens,
      'actor/grad_norm': this.#gradNorm / applied,
      'actor/skipped_updates': this.#skipped,
      'actor/lr': this.#lr,
      'rollout/logprob_diff_max': this.#diffMax,
      'rollout/logprob_diff_mean': this.#diffSum / Math.max(1, this.#diffTokens),
    };
    return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
  }
}
