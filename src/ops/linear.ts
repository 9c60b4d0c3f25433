/**
 * Linear layers: y = x Wᵀ + b + residual, plus low-rank updates (LoRA, arXiv 2106.09685) of ranges of the
 * outputs, and their gradients. Weights larger than one binding are walked in slices of rows.
 */
import type * as tf from '@tensorflow/tfjs';
import { currentGpu } from '../gpu/gpu.ts';
import { ShapeError } from '../util/errors.ts';
import { asTensor, checkShape, defineOp } from './op.ts';
import { launchColumnSum, launchProductNn, launchProductNt, launchProductTn } from './product.ts';
import { checkStored, FORMATS, type Scales, type Weight, weightSlices } from './weight.ts';

/** y[:, firstRow …] += scale · (x downᵀ) upᵀ */
export interface LowRankUpdate {
  /** f32 [R, K], R a multiple of 4: A of LoRA. */
  down: tf.Tensor;
  /** f32 [rows, R], rows a multiple of 4: B of LoRA. */
  up: tf.Tensor;
  /** Where its rows start among the outputs, a multiple of 4. */
  firstRow: number;
  scale: number;
}

export interface LinearOptions {
  /** f32 [M] */
  bias?: tf.Tensor | undefined;
  /** f32 [N, M] */
  residual?: tf.Tensor | undefined;
  /** At most as many as a projection is stacked of. */
  updates?: readonly LowRankUpdate[];
}

/** Queries, keys and values are the largest stack. */
const MOST_UPDATES = 3;

interface Attrs extends Record<string, number | readonly number[] | Scales | undefined> {
  format: number;
  /** Of a quantised weight: no input, because nothing frozen needs the tape. */
  weightScales: Scales | undefined;
  firstRows: readonly number[];
  scales: readonly number[];
}

type Input = 'x' | 'w' | 'bias' | 'residual' | `down${number}` | `up${number}`;

/** The operation with a number of low-rank updates, whose scaled inner products are outputs for the gradient. */
function defineLinear(updates: number) {
  const each = Array.from({ length: updates }, (_, i) => i);
  return defineOp<Input, Attrs>({
    name: `WethinkLinear${updates}`,
    saveInputs: ['x', 'w', ...each.flatMap((i): Input[] => [`down${i}`, `up${i}`])],
    saveOutputs: [false, ...each.map(() => true)],
    forward({ x, w, bias, residual, ...adapters }, { format, weightScales, firstRows, scales }) {
      const gpu = currentGpu();
      const out = gpu.empty([x.shape[0], w.shape[0]]);
      for (const slice of weightSlices(w, Infinity, weightScales)) {
        launchProductNt(x, slice, FORMATS[format]!, out, { bias, residual, offset: slice.firstRow });
      }
      const inner = each.map((i) => {
        const [down] = weightSlices(adapters[`down${i}`]!);
        const [up] = weightSlices(adapters[`up${i}`]!);
        const product = gpu.empty([x.shape[0], down!.rows]);
        launchProductNt(x, down!, 'f32', product, { scale: scales[i]! });
        launchProductNt(product, up!, 'f32', out, { offset: firstRows[i]!, accumulate: true });
        return product;
      });
      return [out, ...inner];
    },
    gradient([dy], [x, w, ...saved], { format, weightScales, firstRows, scales }) {
      const gpu = currentGpu();
      const [down, up] = [0, 1].map((half) => each.map((i) => weightSlices(saved[2 * i + half]!)[0]!));
      const inner = saved.slice(2 * updates);
      /** The gradient of each scaled inner product. */
      const dInner = each.map((i) => {
        const d = gpu.empty(inner[i]!.shape);
        launchProductNn(dy!, up![i]!, 'f32', d, { offset: firstRows[i]!, scale: scales[i]! });
        return asTensor(d);
      });
      const gradients: Partial<Record<Input, () => tf.Tensor>> = {
        x: () => {
          const dx = gpu.empty(x!.shape);
          for (const slice of weightSlices(w!, Infinity, weightScales)) {
            const { firstRow } = slice;
            launchProductNn(dy!, slice, FORMATS[format]!, dx, { offset: firstRow, accumulate: firstRow > 0 });
          }
          for (const i of each) launchProductNn(dInner[i]!, down![i]!, 'f32', dx, { accumulate: true });
          return asTensor(dx);
        },
        w: () => {
          const dw = gpu.empty(w!.shape);
          for (const slice of weightSlices(dw)) launchProductTn(dy!, x!, slice, slice.firstRow);
          return asTensor(dw);
        },
        bias: () => {
          const sum = gpu.empty([dy!.shape[1]!]);
          launchColumnSum(dy!, sum);
          return asTensor(sum);
        },
        // A clone shares the buffer; the tape may free each gradient on its own.
        residual: () => dy!.clone(),
      };
      for (const i of each) {
        gradients[`down${i}`] = () => {
          const d = gpu.empty([down![i]!.rows, x!.shape[1]!]);
          launchProductTn(dInner[i]!, x!, weightSlices(d)[0]!);
          return asTensor(d);
        };
        gradients[`up${i}`] = () => {
          const d = gpu.empty([up![i]!.rows, inner[i]!.shape[1]!]);
          launchProductTn(dy!, inner[i]!, weightSlices(d)[0]!, firstRows[i]);
          return asTensor(d);
        };
      }
      return gradients;
    },
  });
}

const linearOps = Array.from({ length: MOST_UPDATES + 1 }, (_, updates) => defineLinear(updates));

/**
 * y_NM = x_NK Wᵀ + bias + residual + updates. Differentiable in x, in an f32 weight, in the bias, in the residual
 * and in the matrices of the updates.
 * @throws {ShapeError} when the shapes disagree or a size is not a multiple of 4
 */
export function linear(
  x_NK: tf.Tensor,
  weight: Weight,
  { bias, residual, updates = [] }: LinearOptions = {},
): tf.Tensor2D {
  const [rows, inner] = weight.shape;
  checkShape('linear.x_NK', x_NK.shape, [null, inner]);
  if (bias) checkShape('linear.bias', bias.shape, [rows]);
  if (residual) checkShape('linear.residual', residual.shape, [x_NK.shape[0], rows]);
  checkStored('linear.weight', weight);
  checkFours('linear.weight', weight.shape);
  for (const { down, up, firstRow } of updates) {
    checkShape('linear.updates.down', down.shape, [null, inner]);
    checkShape('linear.updates.up', up.shape, [null, down.shape[0]]);
    checkFours('linear.updates', [...up.shape, firstRow]);
    if (firstRow + up.shape[0] > rows) {
      throw new ShapeError({
        where: 'linear.updates',
        expected: `rows within ${rows}`,
        found: `${up.shape[0]} from ${firstRow}`,
      });
    }
  }
  const adapters = updates.flatMap(({ down, up }, i) => [
    [`down${i}`, down],
    [`up${i}`, up],
  ]);
  const op = linearOps[updates.length];
  if (!op) {
    throw new ShapeError({
      where: 'linear.updates',
      expected: `at most ${MOST_UPDATES}`,
      found: `${updates.length}`,
    });
  }
  const [y] = op(
    { x: x_NK, w: weight.tensor, bias, residual, ...Object.fromEntries(adapters) },
    {
      format: FORMATS.indexOf(weight.format),
      weightScales: weight.scales,
      firstRows: updates.map(({ firstRow }) => firstRow),
      scales: updates.map(({ scale }) => scale),
    },
  );
  return y as tf.Tensor2D;
}

/**
 * swiglu(x_NK Wᵀ) in one, with the same bits and no gradient.
 * @param weight [2 F, K]: gates, then ups
 * @returns f32 [N, F]; undefined when the weight does not fit a binding, whose slices would part gates from ups
 * @throws {ShapeError} when the shapes disagree or a size is not a multiple of 4
 */
export function gatedLinear(x_NK: tf.Tensor, weight: Weight): tf.Tensor2D | undefined {
  const [rows, inner] = weight.shape;
  checkShape('gatedLinear.x_NK', x_NK.shape, [null, inner]);
  checkFours('gatedLinear.weight', [rows / 2, inner]);
  checkStored('gatedLinear.weight', weight);
  const [slice, ...others] = weightSlices(weight.tensor, Infinity, weight.scales);
  if (others.length > 0) return undefined;
  const out = currentGpu().empty([x_NK.shape[0], rows / 2]);
  launchProductNt(x_NK, slice!, weight.format, out, { gated: true });
  return asTensor(out) as tf.Tensor2D;
}

function checkFours(where: string, sizes: readonly number[]): void {
  if (sizes.every((size) => size % 4 === 0)) return;
  throw new ShapeError({ where, expected: 'multiples of 4', found: `[${sizes.join(', ')}]` });
}
