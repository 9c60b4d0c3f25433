/** Generations of a fixed size, which is what is timed. */
import { performance } from 'node:perf_hooks';
import type { Policy } from '../rollout/policy.ts';
import { RolloutEngine, type EngineOptions, type RolloutRequest } from '../rollout/rollout.ts';

/** Rows of one pass over prompts. */
const PREFILL_ROWS = 4096;

/** One engine with all its responses in flight; it is worth one warm-up. */
export class FixedGeneration {
  readonly #policy: Policy;
  readonly #engine: RolloutEngine;
  readonly #requests: readonly RolloutRequest[];
  readonly #tokens: number;

  /**
   * @param tokens of every response, whatever would end it
   * @param options of the engine, instead of its own
   */
  constructor(
    policy: Policy,
    requests: readonly RolloutRequest[],
    tokens: number,
    options: Pick<EngineOptions, 'pace'> = {},
  ) {
    this.#policy = policy;
    const maxSequences = requests.reduce((sum, { count }) => sum + count, 0);
    this.#engine = new RolloutEngine(policy, {
      maxSequences,
      maxRows: PREFILL_ROWS,
      stopAtEnd: false,
      ...options,
    });
    this.#requests = requests;
    this.#tokens = tokens;
  }

  /** Generates at temperature 1. @param step another one, other responses */
  async run(step: number): Promise<void> {
    await this.#engine.generate(this.#requests, {
      temperature: 1,
      maxTokens: this.#tokens,
      seed: 1,
      step,
    });
  }

  /** As `run`, from an idle device. @returns seconds */
  async seconds(step: number): Promise<number> {
    await this.#policy.model.gpu.sync();
    const start = performance.now();
    await this.run(step);
    return (performance.now() - start) / 1000;
  }
}
