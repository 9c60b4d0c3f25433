/**
 * GPU memory: every buffer of tensors is counted here under the line of the budget that it belongs to (not parameters
 * and read-backs, which are small), so that running out is an error with names instead of a driver's silence
 * (software drivers "allocate" anything).
 */
import { GpuError } from '../util/errors.ts';

/** The lines of the budget, and what each holds. */
export const MEMORY_LINES = {
  weights: 'weights of the policy and its rotary tables',
  reference: 'weights of the reference policy',
  adapter: 'LoRA matrices',
  gradients: 'gradients of what is trained',
  optimizer: "AdamW's moments",
  activations: 'what passes compute, and free buffers kept for them',
  kv: 'keys and values of sampling, and the state of its slots',
  workspace: 'what a decode step computes',
} as const;

export type MemoryLine = keyof typeof MEMORY_LINES;

/** Bytes by line. */
export type MemoryUse = Readonly<Record<MemoryLine, number>>;

const NAMES = Object.keys(MEMORY_LINES) as MemoryLine[];

/** What can be done about a line that takes too much. */
const ADVICE: Readonly<Record<MemoryLine, string>> = {
  weights: 'set model.quantization (with lora.rank above 0), or take a smaller model',
  reference:
    'set algorithm.kl_coef=0, or train an adapter (model.lora.rank above 0), which needs no reference',
  adapter: 'lower model.lora.rank',
  gradients: 'train an adapter (model.lora.rank above 0)',
  optimizer: 'set optim.strategy=adamw_8bit, or train an adapter (model.lora.rank above 0)',
  activations: 'set model.gradient_checkpointing=true, or lower trainer.micro_batch_tokens',
  kv: 'lower rollout.max_sequences or data.max_response_length',
  workspace: 'lower rollout.max_sequences',
};

export class MemoryBudget {
  readonly #limitBytes: number;
  readonly #isEnforced: boolean;
  #used = noUse();
  #totalBytes = 0;
  #peak = noUse();
  #peakBytes = 0;

  /**
   * @param limitBytes upper bound of all buffers together; Infinity for none
   * @param isEnforced false counts on beyond the bound, for a plan that is to show by how much
   */
  constructor(limitBytes: number, isEnforced = true) {
    this.#limitBytes = limitBytes;
    this.#isEnforced = isEnforced;
  }

  /** The most that was in use at once. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** What was in use then. */
  get peak(): MemoryUse {
    return this.#peak;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Infinity where there is no limit. */
  get remainingBytes(): number {
    return this.#limitBytes - this.#totalBytes;
  }

  /** @throws {GpuError} when the budget does not hold `sizeBytes` more */
  add(line: MemoryLine, sizeBytes: number): void {
    if (this.#isEnforced && this.#totalBytes + sizeBytes > this.#limitBytes) {
      throw new GpuError({
        where: `GPU memory for ${line}`,
        expected: `at most ${mebibytes(this.#limitBytes)} in all (trainer.gpu.memory_budget_gb)`,
        found: `${mebibytes(sizeBytes)} more on top of ${describeUse(this.#used)}`,
        fix: `${ADVICE[line]}; \`wethink doctor CONFIG\` predicts what a configuration needs`,
      });
    }
    this.#used[line] += sizeBytes;
    this.#totalBytes += sizeBytes;
    if (this.#totalBytes <= this.#peakBytes) return;
    this.#peakBytes = this.#totalBytes;
    this.#peak = { ...this.#used };
  }

  remove(line: MemoryLine, sizeBytes: number): void {
    this.#used[line] -= sizeBytes;
    this.#totalBytes -= sizeBytes;
  }
}

function noUse(): Record<MemoryLine, number> {
  return Object.fromEntries(NAMES.map((line) => [line, 0])) as Record<MemoryLine, number>;
}

/** One line such as `weights 12.0 MiB, activations 80.5 MiB`. */
function describeUse(use: MemoryUse): string {
  return NAMES.filter((line) => use[line] > 0)
    .map((line) => `${line} ${mebibytes(use[line])}`)
    .join(', ');
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
