import { currentGpu } from '../../gpu/gpu.ts';
import { asTensor } from '../op.ts';
import { launchSum, launchSumBlocks } from '../reduce.ts';
import { hostTensor, type KernelTest, upload } from './case.ts';

/** Several blocks, the last one short. */
const [COUNT, BLOCK] = [70, 16];
const BLOCKS = Math.ceil(COUNT / BLOCK);

/** The rounding of sums of up to 70 values. */
const TOLERANCE = 2e-6;

export const reduceTest: KernelTest = {
  name: 'reduce',
  kernels: ['reduce/sum_blocks'],
  tolerance: TOLERANCE,
  launch: () => {
    const host = hostTensor([COUNT], 1);
    const values = upload(host);
    const squares = currentGpu().empty([BLOCKS]);
    launchSumBlocks(values, squares, { count: COUNT, block: BLOCK, squares: true });
    const expected = Array.from({ length: BLOCKS }, (_, i) =>
      host.values.subarray(i * BLOCK, (i + 1) * BLOCK).reduce((sum, value) => sum + value * value, 0),
    );
    const total = [...host.values].reduce((a, b) => a + b, 0);
    return [
      { label: 'sums of squares', actual: asTensor(squares), expected },
      { label: 'sum', actual: asTensor(launchSum(values, COUNT, BLOCK)), expected: [total] },
    ];
  },
};
