/** Which variants of kernels suit an adapter. */
import { GpuError } from '../util/errors.ts';
import type { AdapterKind } from './adapter.ts';

/**
 * - `gpu`: the threads of a workgroup share work through its memory and barriers.
 * - `cpu`: a driver computes on the CPU, where barriers are ruinous; each thread works by itself.
 * - `wide-cpu`: as well, with eight lanes or more (AVX2), where larger tiles of a product pay.
 */
export const KERNEL_FAMILIES = ['gpu', 'cpu', 'wide-cpu'] as const;
export type KernelFamily = (typeof KERNEL_FAMILIES)[number];

const WIDE_LANES = 8;

/**
 * The family for an adapter; `WETHINK_VARIANTS` overrides it, to test every variant on any adapter.
 * @throws {GpuError} when the variable names no family
 */
export function familyFor(kind: AdapterKind, { info }: GPUAdapter): KernelFamily {
  const wanted = process.env['WETHINK_VARIANTS'];
  if (wanted !== undefined) {
    const family = KERNEL_FAMILIES.find((known) => known === wanted);
    if (family) return family;
    throw new GpuError({ where: 'WETHINK_VARIANTS', expected: KERNEL_FAMILIES.join(', '), found: wanted });
  }
  if (kind === 'real') return 'gpu';
  return (info.subgroupMinSize ?? 0) >= WIDE_LANES ? 'wide-cpu' : 'cpu';
}
