/** Matrix products of a linear layer, forward and both gradients, beside TensorFlow.js's `matMul` on the same device. */
import * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import { launchProductNn, launchProductNt, launchProductTn } from '../ops/product.ts';
import { weightSlices } from '../ops/weight.ts';
import { RandomStream } from '../util/random.ts';
import { roundsOf, type Rounds } from './median.ts';
import { alternate, ratios } from './rounds.ts';

/** Rows, inner and outer dimension. */
const SHAPES = [
  [512, 512, 512],
  [64, 512, 2048],
] as const;

/** A round takes at least so long, so that starting and waiting do not count. */
const SECONDS = 0.2;

/** x_NK wᵀ, dy_NM w and dyᵀ x. */
const PRODUCTS = ['forward', 'inputGradient', 'weightGradient'] as const;

export interface MatmulResult {
  rows: number;
  inner: number;
  outer: number;
  product: (typeof PRODUCTS)[number];
  gflops: { own: Rounds; tfjs: Rounds };
  ratio: Rounds;
}

export async function measureMatmul(gpu: Gpu, runs: number): Promise<MatmulResult[]> {
  const results: MatmulResult[] = [];
  for (const [rows, inner, outer] of SHAPES) {
    const random = new RandomStream(1, 'bench-matmul', rows);
    const noise = (...shape: [number, number]): tf.Tensor2D =>
      tf.tensor2d(
        Float32Array.from({ length: shape[0] * shape[1] }, () => random.uniform() - 0.5),
        shape,
      );
    const [x, w, dy] = [noise(rows, inner), noise(outer, inner), noise(rows, outer)];
    const [slice] = weightSlices(w);
    /** Launches into a tensor that is freed at once. */
    const into = (shape: [number, number], launch: (out: tf.TensorInfo) => void) => (): void => {
      const out = gpu.empty(shape);
      launch(out);
      gpu.release(out);
    };
    const contestants = {
      forward: {
        own: into([rows, outer], (out) => launchProductNt(x, slice!, 'f32', out)),
        tfjs: () => tf.matMul(x, w, false, true).dispose(),
      },
      inputGradient: {
        own: into([rows, inner], (out) => launchProductNn(dy, slice!, 'f32', out)),
        tfjs: () => tf.matMul(dy, w).dispose(),
      },
      weightGradient: {
        own: into([outer, inner], (out) => launchProductTn(dy, x, weightSlices(out)[0]!)),
        tfjs: () => tf.matMul(dy, x, true, false).dispose(),
      },
    };
    const flops = 2 * rows * inner * outer;
    for (const product of PRODUCTS) {
      const { own, tfjs } = contestants[product];
      const timed = { own: await pacer(gpu, own), tfjs: await pacer(gpu, tfjs) };
      const rates = await alternate(runs, {
        own: async () => flops / (await timed.own()) / 1e9,
        tfjs: async () => flops / (await timed.tfjs()) / 1e9,
      });
      results.push({
        rows,
        inner,
        outer,
        product,
        gflops: { own: roundsOf(rates.own.own), tfjs: roundsOf(rates.own.tfjs) },
        ratio: ratios(rates.own.own, rates.own.tfjs),
      });
    }
    tf.dispose([x, w, dy]);
  }
  return results;
}

/** Measures the seconds of one call, over as many as a round takes. */
async function pacer(gpu: Gpu, work: () => void): Promise<() => Promise<number>> {
  const seconds = async (times: number): Promise<number> => {
    await gpu.sync();
    const start = performance.now();
    for (let i = 0; i < times; i++) work();
    await gpu.sync();
    return (performance.now() - start) / 1000 / times;
  };
  await seconds(1);
  const times = Math.max(1, Math.ceil(SECONDS / (await seconds(2))));
  return () => seconds(times);
}
