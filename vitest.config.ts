import { defineConfig } from 'vitest/config';

// Tests that open a GPU device run one file at a time: software drivers use every core already.
const serial = { fileParallelism: false, testTimeout: 300_000, hookTimeout: 300_000 };

// These need a chat server and published models, which scripts/services.ts brings; `npm test` stays offline.
const services = { test: { name: 'services', include: ['test/services/**/*.test.ts'], ...serial } };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { test: { name: 'compile', include: ['test/compile/**/*.test.ts'], ...serial } },
      { test: { name: 'parity', include: ['test/parity/**/*.test.ts'], ...serial } },
      { test: { name: 'golden', include: ['test/golden/**/*.test.ts'], ...serial } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...serial } },
      ...(process.env['WETHINK_SERVICES'] === undefined ? [] : [services]),
    ],
  },
});
