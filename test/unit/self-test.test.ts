import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KERNEL_TESTS } from '../../src/ops/self-test.ts';

it('names every kernel in the self-test', () => {
  const files = readdirSync(new URL('../../kernels/', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.wgsl'))
    .map((name) => name.slice(0, -'.wgsl'.length));
  const named = KERNEL_TESTS.flatMap(({ kernels }) => kernels);
  expect(named.toSorted()).toEqual(files.toSorted());
});

it('names every family after its folder', () => {
  for (const { name, kernels } of KERNEL_TESTS) {
    expect(new Set(kernels.map((path) => path.split('/')[0]))).toEqual(new Set([name]));
  }
});
