/** Seconds of a step by phase, under EasyR1's names. */
import type { Metrics } from './run-folder.ts';

export class Stopwatch {
  readonly #start = performance.now();
  readonly #seconds = new Map<string, number>();

  async time<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.#seconds.set(phase, (this.#seconds.get(phase) ?? 0) + (performance.now() - start) / 1000);
    return result;
  }

  /** Of a phase so far; 0 for one that was not. */
  seconds(phase: string): number {
    return this.#seconds.get(phase) ?? 0;
  }

  metrics(episodes: readonly { tokens: Int32Array; prompt: { tokens: Int32Array } }[]): Metrics {
    const total = (performance.now() - this.#start) / 1000;
    const tokens = episodes.reduce(
      (sum, { tokens: own, prompt }) => sum + own.length + prompt.tokens.length,
      0,
    );
    const phases = [...this.#seconds].map(([phase, seconds]) => [`timing_s/${phase}`, seconds]);
    return {
      ...(Object.fromEntries(phases) as Metrics),
      'timing_s/step': total,
      'perf/total_num_tokens': tokens,
      'perf/throughput': tokens / total,
    };
  }
}
