/** Tensors that are read in several parts arrive as they are stored, in every form that a parameter takes. */
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bf16ToF32, f32ToBf16 } from '../../src/io/float16.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import { loadParameters } from '../../src/model/load-parameters.ts';
import type { StackSpec } from '../../src/model/stacks.ts';
import { WeightFiles } from '../../src/model/weight-files.ts';
import { quantizeRows } from '../../src/model/quantize.ts';
import { CheckpointError } from '../../src/util/errors.ts';
import { openGpu, randomValues } from './harness.ts';

/** A small part, and one of 20 MB in bf16: more than is read at a time. */
const COLUMNS = 2048;
const PARTS = [
  { name: 'layer.gate_proj.weight', shape: [4, COLUMNS], kind: 'matrix' },
  { name: 'layer.up_proj.weight', shape: [5001, COLUMNS], kind: 'matrix' },
] as const;
const STACK: StackSpec = { name: 'layer.weight', shape: [5005, COLUMNS], kind: 'matrix', parts: PARTS };
const INT8 = { format: 'int8', group: 64, scales: 'f16' } as const;

const opened = openGpu();
const bits = PARTS.map(({ name, shape: [rows, columns] }) => {
  // Random values take long; a period that no row has tells parts and rows apart as well.
  const block = f32ToBf16(randomValues(9973, name));
  return Uint16Array.from({ length: rows * columns }, (_, i) => block[i % block.length]!);
});
let folder = '';
let files: WeightFiles;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-load-'));
  const tensors = PARTS.map(({ name, shape }, i) => ({
    name,
    shape,
    dtype: 'BF16' as const,
    data: bits[i]!,
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  files = await WeightFiles.open(folder);
});
afterAll(async () => {
  await files.close();
  await rm(folder, { recursive: true });
});

const load = (isTrainable: boolean, quantization?: typeof INT8) =>
  loadParameters(opened.gpu, [STACK], { kind: 'files', files }, () => isTrainable, { quantization });

/** Compares bytes: element by element takes long at this size. */
function expectBytes(actual: ArrayBufferView, expected: ArrayBufferView): void {
  const [a, b] = [actual, expected].map((view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength));
  expect(a!.equals(b!)).toBe(true);
}

it.each([
  ['packed, frozen', false],
  ['in f32, trainable', true],
])('%s', async (_, isTrainable) => {
  const parameters = await load(isTrainable);
  for (const [i, { name }] of PARTS.entries()) {
    expectBytes(await parameters.read(name), isTrainable ? bf16ToF32(bits[i]!) : bits[i]!);
  }
  parameters.dispose();
});

it('rounded to integers', async () => {
  const parameters = await load(false, INT8);
  const { tensor, scales } = parameters.get(STACK.name);
  const values = new Float32Array(STACK.shape[0]! * COLUMNS);
  let at = 0;
  for (const part of bits) {
    values.set(bf16ToF32(part), at);
    at += part.length;
  }
  const expected = quantizeRows(values, COLUMNS, INT8, 'test');
  expectBytes(await opened.gpu.readInts(tensor), expected.words);
  expectBytes(await opened.gpu.readInts(scales!.tensor), expected.scales);
  parameters.dispose();
});

it('fails by the name of the tensor when the file shrinks under it', async () => {
  await truncate(join(folder, 'model.safetensors'), 18 * 2 ** 20);
  for (const isTrainable of [false, true]) {
    await expect(load(isTrainable)).rejects.toThrow(CheckpointError);
    await expect(load(isTrainable)).rejects.toThrow(/tensor layer\.up_proj\.weight[^]*bytes/);
  }
});
