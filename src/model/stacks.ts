/**
 * How the stored tensors lie on the GPU: projections of one input are stacked by rows, so that one product computes
 * them. Everything else is a stack of one.
 */
import type { ParameterSpec } from './parameter-table.ts';

/** Tensors in one. Its name and shape are those of the whole, in the naming of the parts. */
export interface StackSpec extends ParameterSpec {
  /** In the order of their rows. */
  parts: readonly ParameterSpec[];
}

/** Parts and whole, below a block's name. */
const STACKS = [
  { parts: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'], whole: 'self_attn.qkv_proj' },
  { parts: ['mlp.gate_proj', 'mlp.up_proj'], whole: 'mlp.gate_up_proj' },
] as const;

/** The whole that a tensor is a part of; itself when it stands alone. */
function wholeOf(name: string): string {
  for (const { parts, whole } of STACKS) {
    const part = parts.find((candidate) => name.includes(`.${candidate}.`));
    if (part) return name.replace(part, whole);
  }
  return name;
}

/** Stacks in the order of their first parts. Parts of one stack stand in `specs` in the order of their rows. */
export function stackedTable(specs: readonly ParameterSpec[]): StackSpec[] {
  const stacks = new Map<string, ParameterSpec[]>();
  for (const spec of specs) {
    const whole = wholeOf(spec.name);
    const parts = stacks.get(whole);
    if (parts) parts.push(spec);
    else stacks.set(whole, [spec]);
  }
  return [...stacks].map(([name, parts]) => {
    const [{ shape, kind }] = parts as [ParameterSpec];
    const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
    return { name, kind, shape: [rows, ...shape.slice(1)], parts };
  });
}

/** A tensor that is not stacked. */
export function alone(spec: ParameterSpec): StackSpec {
  return { ...spec, parts: [spec] };
}
