/** The benchmark of training: one report of the parts that are asked for. */
import type { AdapterChoice } from '../gpu/adapter.ts';
import { Gpu } from '../gpu/gpu.ts';
import { FROZEN, type ModelSettings } from '../model/qwen2_5_vl.ts';
import { Policy } from '../rollout/policy.ts';
import { log } from '../util/log.ts';
import { measureSteps, type StepResult } from './grpo-step.ts';
import { measureHeadMemory, type HeadMemoryResult } from './head-memory.ts';
import { describeMachine, type Machine } from './machine.ts';
import { measureMatmul, type MatmulResult } from './matmul.ts';
import { checkMemory, type MemoryCheck } from './memory-check.ts';
import { TRAIN_PARTS, type Scale, type TrainPart } from './parts.ts';
import { measureSharedPrefix, type SharedPrefixResult } from './shared-prefix.ts';

export interface TrainBenchOptions {
  /** Folder of the small model, whose tokenizer the larger ones take. */
  model: string;
  adapter: AdapterChoice;
  /** Rounds after a warm-up. */
  runs: number;
  /** A Python interpreter with transformers; undefined for none. */
  python: string | undefined;
  parts: readonly TrainPart[];
  /** The widths of published models are divided by it. */
  scale: Scale;
}

export interface TrainBenchReport {
  benchmark: 'train';
  machine: Machine;
  settings: Pick<TrainBenchOptions, 'model' | 'runs' | 'scale'>;
  matmul?: MatmulResult[];
  prefix?: SharedPrefixResult;
  head?: HeadMemoryResult;
  memory?: MemoryCheck[];
  step?: StepResult[];
}

const FULL: ModelSettings = { ...FROZEN, training: 'full', freezeVision: false };

/** @throws {GpuError} when there is no such adapter, {CheckpointError} when the model folder is not whole */
export async function benchTrain(options: TrainBenchOptions): Promise<TrainBenchReport> {
  const { model, adapter, runs, python, parts, scale } = options;
  const withGpu = async <T>(measure: (gpu: Gpu) => Promise<T> | T): Promise<T> => {
    const gpu = await Gpu.open(adapter);
    try {
      return await measure(gpu);
    } finally {
      gpu.close();
    }
  };
  const { machine, isSoftware } = await withGpu((gpu) => ({
    machine: describeMachine(gpu),
    isSoftware: gpu.isSoftware,
  }));
  const report: TrainBenchReport = { benchmark: 'train', machine, settings: { model, runs, scale } };
  const measure: Readonly<Record<TrainPart, () => Promise<void>>> = {
    matmul: async () => {
      report.matmul = await withGpu((gpu) => measureMatmul(gpu, runs));
    },
    prefix: async () => {
      report.prefix = await withGpu(async (gpu) =>
        measureSharedPrefix(await Policy.load(gpu, model, FULL), runs),
      );
    },
    head: async () => {
      report.head = await measureHeadMemory(adapter, scale);
    },
    memory: async () => {
      report.memory = await checkMemory(model, adapter, scale);
    },
    step: async () => {
      report.step = await measureSteps({ model, adapter, runs, python }, isSoftware);
    },
  };
  for (const part of TRAIN_PARTS) {
    if (!parts.includes(part)) continue;
    log.info(part);
    await measure[part]();
  }
  return report;
}
