/**
 * The kernel self-test of `wethink doctor`: a small case of every kernel, computed in float64 on the host as
 * well. It tells a driver that computes wrongly from one that can be trusted; the parity tests are thorough.
 */
import * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import { KERNEL_FAMILIES, type KernelFamily } from '../gpu/kernel-family.ts';
import { activationTest } from './self-test/activation.ts';
import { attentionTest } from './self-test/attention.ts';
import { benchTest } from './self-test/bench.ts';
import type { Check, KernelTest } from './self-test/case.ts';
import { embeddingTest } from './self-test/embedding.ts';
import { grpoTest } from './self-test/grpo.ts';
import { linearTest } from './self-test/linear.ts';
import { logprobTest } from './self-test/logprob.ts';
import { normTest } from './self-test/norm.ts';
import { optimTest } from './self-test/optim.ts';
import { reduceTest } from './self-test/reduce.ts';
import { rotaryTest } from './self-test/rotary.ts';
import { sampleTest } from './self-test/sample.ts';

/** One test a kernel family. */
export const KERNEL_TESTS: readonly KernelTest[] = [
  linearTest,
  normTest,
  activationTest,
  embeddingTest,
  rotaryTest,
  attentionTest,
  logprobTest,
  sampleTest,
  grpoTest,
  reduceTest,
  optimTest,
  benchTest,
];

export interface SelfTestResult {
  name: string;
  /** Paths below `kernels/` without ending. */
  kernels: string[];
  /** The largest error, relative to the largest value of the same output; NaN when an output holds one. */
  error: number;
  tolerance: number;
  /** The output with that error, when it is too large. */
  worst: string;
  ok: boolean;
}

/** Runs every kernel. A wrong result is reported, not thrown. @throws {GpuError} when the device fails */
export async function selfTest(
  gpu: Gpu,
  tests: readonly KernelTest[] = KERNEL_TESTS,
): Promise<SelfTestResult[]> {
  const results: SelfTestResult[] = [];
  for (const { name, kernels, tolerance, launch } of tests) {
    const hasVariants = kernels.some((path) => /_(split|tile|wide|tall)$/.test(path));
    tf.engine().startScope(name);
    let error = 0;
    let worst = '';
    const cleanups: (() => void)[] = [];
    try {
      const run = () => launch((free) => cleanups.push(free));
      const checks = hasVariants ? KERNEL_FAMILIES.flatMap((family) => withFamily(gpu, family, run)) : run();
      for (const check of checks) {
        const found = await relativeError(gpu, check);
        // NaN wins over any number, and nothing wins over NaN.
        if (found <= error || Number.isNaN(error)) continue;
        error = found;
        worst = check.label;
      }
    } finally {
      for (const free of cleanups) free();
      tf.engine().endScope(name);
    }
    results.push({ name, kernels: [...kernels], error, tolerance, worst, ok: error <= tolerance });
  }
  return results;
}

/** Launches the variants of one family. */
function withFamily<T>(gpu: Gpu, family: KernelFamily, launch: () => T): T {
  const own = gpu.family;
  gpu.family = family;
  try {
    return launch();
  } finally {
    gpu.family = own;
  }
}

async function relativeError(gpu: Gpu, { actual, expected }: Check): Promise<number> {
  const found = actual.dtype === 'int32' ? await gpu.readInts(actual) : await gpu.read(actual);
  if (found.length !== expected.length) return NaN;
  let largest = 0;
  let error = 0;
  for (let i = 0; i < found.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    if (!Number.isFinite(difference)) return NaN;
    largest = Math.max(largest, Math.abs(expected[i]!));
    error = Math.max(error, difference);
  }
  return error / (largest || 1);
}
