import { expect, it } from 'vitest';
import { GpuError } from '../../src/util/errors.ts';
import { openGpu, randomValues } from './harness.ts';

const device = openGpu();

it('reads a range of a tensor', async () => {
  const values = randomValues(100, 'values');
  const tensor = device.gpu.persistent('workspace', [10, 10], values);
  expect(await device.gpu.read(tensor, { start: 37, count: 5 })).toEqual(values.slice(37, 42));
  expect(await device.gpu.read(tensor, { start: 100, count: 0 })).toHaveLength(0);
  device.gpu.free(tensor);
});

it('refuses a tensor above the largest buffer, and counts nothing of it', () => {
  const { gpu } = device;
  const before = gpu.budget.totalBytes;
  const rows = gpu.device.limits.maxBufferSize / 16;
  expect(() => gpu.persistent('weights', [rows + 1, 4])).toThrow(GpuError);
  expect(() => gpu.persistent('weights', [rows + 1, 4])).toThrow(/largest buffer/);
  expect(gpu.budget.totalBytes).toBe(before);
});
