/** What a dispatch binds: tensors, or parts of them, by the names that the kernel declares. */
import type * as tf from '@tensorflow/tfjs';
import { ShapeError } from '../util/errors.ts';
import type { Kernel, KernelConstants } from './kernel.ts';

/** A tensor, or a part of one as bytes (offset in multiples of 256, the binding alignment). */
export type Operand = tf.TensorInfo | { tensor: tf.TensorInfo; offset: number; size: number };

export interface Dispatch {
  /** Every storage binding of the kernel by the name it has there. */
  operands: Readonly<Record<string, Operand>>;
  params?: Readonly<Record<string, number>>;
  constants?: KernelConstants;
  /** Workgroups in x, y, z. */
  grid: readonly [number, number?, number?];
}

/** @throws {ShapeError} when the operands are not those that the kernel declares */
export function bindOperands(
  { source, label }: Kernel,
  operands: Dispatch['operands'],
  bufferOf: (tensor: tf.TensorInfo) => GPUBuffer,
): GPUBindGroupEntry[] {
  const { bindings } = source;
  if (Object.keys(operands).length !== bindings.length) {
    throw new ShapeError({
      where: label,
      expected: `operands ${bindings.map(({ name }) => name).join(', ')}`,
      found: Object.keys(operands).join(', '),
    });
  }
  return bindings.map(({ index, name }) => {
    const operand = operands[name];
    if (!operand) throw new ShapeError({ where: label, expected: `operand ${name}`, found: 'none' });
    if ('tensor' in operand) {
      const { tensor, offset, size } = operand;
      return { binding: index, resource: { buffer: bufferOf(tensor), offset, size } };
    }
    return { binding: index, resource: { buffer: bufferOf(operand) } };
  });
}

/** Workgroups for `count` invocations of `size` each, folded into y where x alone would pass the limit. */
export function gridFor(count: number, size: number): [number, number] {
  const groups = Math.ceil(count / size);
  const x = Math.min(groups, 32768);
  return [Math.max(1, x), Math.max(1, Math.ceil(groups / x))];
}
