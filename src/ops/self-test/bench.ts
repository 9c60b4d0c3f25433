import { copyBytes } from '../copy.ts';
import { hostTensor, type KernelTest, upload } from './case.ts';

/** Vectors of four words: more than a workgroup, and no multiple of a thread's run. */
const VECTORS = 301;
/** Vectors that the copy leaves out. */
const LEFT = 2;

/** A copy. */
const TOLERANCE = 0;

export const benchTest: KernelTest = {
  name: 'bench',
  kernels: ['bench/copy'],
  tolerance: TOLERANCE,
  launch: () => {
    const source = hostTensor([VECTORS * 4], 1);
    const target = hostTensor([VECTORS * 4], 2);
    const actual = upload(target);
    copyBytes(upload(source), actual, (VECTORS - LEFT) * 16);
    const copied = source.values.slice(0, (VECTORS - LEFT) * 4);
    return [{ label: 'copy', actual, expected: [...copied, ...target.values.slice(copied.length)] }];
  },
};
