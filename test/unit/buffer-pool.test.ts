import { globals } from 'webgpu';
import { beforeAll, expect, it } from 'vitest';
import { BufferPool } from '../../src/gpu/buffer-pool.ts';
import { MemoryBudget } from '../../src/gpu/memory.ts';
import { PlanningDevice } from '../../src/gpu/planning-device.ts';
import { GpuError } from '../../src/util/errors.ts';

const STORAGE = 0x80;

beforeAll(() => {
  Object.assign(globalThis, globals);
});

function openPool(limitBytes: number) {
  const limits = {} as GPUSupportedLimits;
  const device = new PlanningDevice({ limits } as GPUAdapter) as unknown as GPUDevice;
  const budget = new MemoryBudget(limitBytes);
  let submissions = 0;
  const pool = new BufferPool(device, budget, 'activations', () => (submissions += 1));
  return { device, budget, pool, submissions: () => submissions };
}

it('reuses a free buffer of the same size and usage', () => {
  const { pool, budget } = openPool(Infinity);
  const first = pool.acquireBuffer(64, STORAGE);
  pool.releaseBuffer(first);
  expect(pool.acquireBuffer(64, STORAGE)).toBe(first);
  expect(pool.acquireBuffer(64, STORAGE)).not.toBe(first);
  expect(budget.totalBytes).toBe(128);
});

it('gives up free buffers of sizes long unused where the budget has no room, after what uses them is submitted', () => {
  const { pool, budget, submissions } = openPool(100);
  const [old, recent] = [pool.acquireBuffer(40, STORAGE), pool.acquireBuffer(44, STORAGE)];
  pool.releaseBuffer(old);
  pool.releaseBuffer(recent);
  pool.acquireBuffer(50, STORAGE);
  expect(submissions()).toBe(1);
  expect(budget.totalBytes).toBe(94);
  expect(pool.acquireBuffer(44, STORAGE)).toBe(recent);
});

it('is refused what the budget cannot hold without all free buffers', () => {
  const { pool, budget } = openPool(100);
  pool.acquireBuffer(60, STORAGE);
  pool.releaseBuffer(pool.acquireBuffer(30, STORAGE));
  expect(() => pool.acquireBuffer(41, STORAGE)).toThrow(GpuError);
  expect(budget.totalBytes).toBe(60);
  expect(budget.peakBytes).toBe(90);
});

it('keeps the free buffers of a recorded plan, which uses them at every replay', () => {
  const { device } = openPool(0);
  const budget = new MemoryBudget(100);
  const pool = new BufferPool(device, budget, 'workspace');
  pool.releaseBuffer(pool.acquireBuffer(60, STORAGE));
  expect(() => pool.acquireBuffer(50, STORAGE)).toThrow(GpuError);
  expect(budget.totalBytes).toBe(60);
});
