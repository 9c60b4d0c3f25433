import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../io/float16.ts';
import { linear } from '../linear.ts';
import type { IntegerLayout, Weight } from '../weight.ts';
import { type Check, checkDifferentiable, hostTensor, type KernelTest, uploadInts } from './case.ts';
import { INTEGER_COLUMNS, INTEGER_LAYOUTS, integerWeight } from './integers.ts';

/** Rows, inputs, outputs: a tail in every tile. */
const [N, K, M] = [9, 12, 20];

/** The rounding of sums of up to 20 products. */
const TOLERANCE = 2e-6;

export const linearTest: KernelTest = {
  name: 'linear',
  kernels: [
    'linear/linear_nt',
    'linear/linear_nt_tall',
    'linear/linear_nt_tile',
    'linear/linear_nt_split',
    'linear/linear_nn',
    'linear/linear_nn_tall',
    'linear/linear_nn_tile',
    'linear/linear_tn',
    'linear/linear_tn_tall',
    'linear/linear_tn_tile',
    'linear/column_sum',
  ],
  tolerance: TOLERANCE,
  launch: () => [...full(), ...packed('bf16'), ...packed('f16'), ...INTEGER_LAYOUTS.flatMap(integers)],
};

function full(): Check[] {
  return checkDifferentiable({
    label: 'f32 weight and bias',
    inputs: [hostTensor([N, K], 1), hostTensor([M, K], 2), hostTensor([M], 3)],
    run: ([x, tensor, bias]) => linear(x!, { tensor: tensor!, format: 'f32', shape: [M, K] }, { bias }),
    reference: ([x, w, bias]) => product(x!, w!, bias),
  });
}

function packed(format: 'bf16' | 'f16'): Check[] {
  const { values } = hostTensor([M, K], 2);
  const bits = format === 'bf16' ? f32ToBf16(values) : f32ToF16(values);
  const exact = format === 'bf16' ? bf16ToF32(bits) : f16ToF32(bits);
  const tensor = uploadInts([M, K / 2], [...new Int32Array(bits.buffer)]);
  const weight: Weight = { tensor, format, shape: [M, K] };
  return checkDifferentiable({
    label: `${format} weight`,
    inputs: [hostTensor([N, K], 1)],
    run: ([x]) => linear(x!, weight),
    reference: ([x]) => product(x!, exact),
  });
}

function integers(layout: IntegerLayout): Check[] {
  const inner = INTEGER_COLUMNS;
  const { weight, values } = integerWeight(layout, [M, inner]);
  return checkDifferentiable({
    label: `${layout.format} weight in groups of ${layout.group}, ${layout.scales} scales`,
    inputs: [hostTensor([N, inner], 1)],
    run: ([x]) => linear(x!, weight),
    reference: ([x]) => product(x!, values, undefined, inner),
  });
}

/** x_NK · w_MKᵀ + bias_M */
export function product(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  bias?: ArrayLike<number>,
  inner = K,
): Float64Array {
  const columns = w.length / inner;
  return Float64Array.from({ length: (x.length / inner) * columns }, (_, i) => {
    const [n, m] = [Math.floor(i / columns), i % columns];
    let sum = bias?.[m] ?? 0;
    for (let k = 0; k < inner; k++) sum += x[n * inner + k]! * w[m * inner + k]!;
    return sum;
  });
}
