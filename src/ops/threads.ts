/** How the threads of a kernel are grouped. */
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor, type Dispatch } from '../gpu/operands.ts';

/** Fewer threads than this are spread. */
const FEW = 4096;

/**
 * Workgroups of a kernel whose threads work long and may be few, as in decoding: a driver that computes on the CPU
 * gives a workgroup to one core, and needs small ones to use all.
 */
export function longThreads(count: number): Required<Pick<Dispatch, 'constants' | 'grid'>> {
  const size = currentGpu().isSoftware && count < FEW ? 8 : 64;
  return { constants: { WORKGROUP: size }, grid: gridFor(count, size) };
}
