import { defineConfig } from 'vitest/config';

// Tests that open a GPU device run one file at a time: software drivers use every core already.
const serial = { fileParallelism: false, testTimeout: 300_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { test: { name: 'compile', include: ['test/compile/**/*.test.ts'], ...serial } },
      { test: { name: 'parity', include: ['test/parity/**/*.test.ts'], ...serial } },
      { test: { name: 'golden', include: ['test/golden/**/*.test.ts'], ...serial } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...serial } },
    ],
  },
});
