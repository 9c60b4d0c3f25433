/** The benchmark of rollouts: one report of the parts that are asked for, each on models of its own. */
import type { AdapterChoice } from '../gpu/adapter.ts';
import { Gpu } from '../gpu/gpu.ts';
import { FROZEN, type ModelSettings } from '../model/qwen2_5_vl.ts';
import { Policy } from '../rollout/policy.ts';
import { log } from '../util/log.ts';
import { measureHost, type HostResult } from './host-cost.ts';
import { measureLarge, type LargeResult } from './large.ts';
import { describeMachine, type Machine } from './machine.ts';
import { ROLLOUT_PARTS, type RolloutPart, type Scale } from './parts.ts';
import {
  RANDOM_BF16,
  scaled,
  TWO_LAYERS_OF_7B,
  WHOLE_3B,
  withModelFolder,
  type ModelShape,
} from './shapes.ts';
import { measureTokens, type TokensResult } from './tokens.ts';
import { measureTraffic, type TrafficResult } from './traffic.ts';

export interface RolloutBenchOptions {
  /** Path or name of the model of `tokens` and `host`, whose tokenizer the others take too. */
  model: string;
  adapter: AdapterChoice;
  responses: number;
  tokens: number;
  /** Rounds after a warm-up. */
  runs: number;
  /** A Python interpreter with transformers; undefined for none. */
  python: string | undefined;
  parts: readonly RolloutPart[];
  /** The widths of published models are divided by it. */
  scale: Scale;
}

/** Why a part was not measured. */
interface Skipped {
  skipped: string;
}

export interface RolloutBenchReport {
  benchmark: 'rollout';
  machine: Machine;
  settings: Omit<RolloutBenchOptions, 'adapter' | 'parts' | 'python'>;
  tokens?: TokensResult;
  host?: HostResult;
  traffic?: TrafficResult;
  large?: LargeResult | Skipped;
}

/** What is asked of a GPU: the picture takes 256 of a prompt's tokens. */
const LARGE = { promptTokens: 1024, pictureSide: 32, tokens: 512, group: 8, batches: [8, 64] } as const;

/** @throws {GpuError} when there is no such adapter, {CheckpointError} when the model folder is not whole */
export async function benchRollout(options: RolloutBenchOptions): Promise<RolloutBenchReport> {
  const { model, adapter, parts, python, scale, ...sizes } = options;
  const gpu = await Gpu.open(adapter);
  const report: RolloutBenchReport = {
    benchmark: 'rollout',
    machine: describeMachine(gpu),
    settings: { model, scale, ...sizes },
  };
  const withPolicy = async <T>(
    folder: string,
    settings: ModelSettings,
    measure: (policy: Policy) => Promise<T>,
  ): Promise<T> => {
    const policy = await Policy.load(gpu, folder, settings);
    try {
      return await measure(policy);
    } finally {
      policy.model.dispose();
      await gpu.sync();
    }
  };
  const withShape = async <T>(shape: ModelShape, measure: (policy: Policy) => Promise<T>): Promise<T> => {
    const settings = { ...FROZEN, ...RANDOM_BF16 };
    return withModelFolder(scaled(shape, scale), model, (folder) => withPolicy(folder, settings, measure));
  };
  const measure: Readonly<Record<RolloutPart, () => Promise<void>>> = {
    tokens: async () => {
      report.tokens = await withPolicy(model, FROZEN, (policy) =>
        measureTokens(policy, { ...sizes, python }),
      );
    },
    host: async () => {
      report.host = await withPolicy(model, FROZEN, (policy) => measureHost(policy, sizes));
    },
    traffic: async () => {
      report.traffic = await withShape(TWO_LAYERS_OF_7B, (policy) => measureTraffic(policy, sizes.runs));
    },
    large: async () => {
      report.large = gpu.isSoftware
        ? { skipped: `${gpu.name} computes on the CPU` }
        : await withShape(WHOLE_3B, (policy) =>
            measureLarge(policy, {
              ...LARGE,
              runs: sizes.runs,
              python,
              peerModel: { folder: policy.folder, device: 'cuda', dtype: 'bfloat16', random: true },
            }),
          );
    },
  };
  try {
    for (const part of ROLLOUT_PARTS) {
      if (!parts.includes(part)) continue;
      log.info(part);
      await measure[part]();
    }
    return report;
  } finally {
    gpu.close();
  }
}
