/** A plain copy, to measure what bandwidth a kernel can have. Launcher only. */
import { currentGpu } from '../gpu/gpu.ts';
import { gridFor, type Operand } from '../gpu/operands.ts';
import { ShapeError } from '../util/errors.ts';

const VECTOR_BYTES = 16;
/** Vectors of a thread on a software driver: the fastest there (one: half of it; sixteen: half on Mesa's). */
const SOFTWARE_RUN = 4;

/**
 * Launches a copy of `bytes` bytes.
 * @param bytes a multiple of 16
 * @throws {ShapeError} when it is not
 */
export function copyBytes(source: Operand, copied: Operand, bytes: number): void {
  if (bytes % VECTOR_BYTES !== 0) {
    throw new ShapeError({ where: 'copyBytes', expected: 'a multiple of 16 bytes', found: `${bytes}` });
  }
  const gpu = currentGpu();
  const run = gpu.isSoftware ? SOFTWARE_RUN : 1;
  const count = bytes / VECTOR_BYTES;
  gpu.dispatch('bench/copy', {
    operands: { source, copied },
    params: { count, run },
    grid: gridFor(Math.ceil(count / run), 64),
  });
}
