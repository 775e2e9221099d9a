/**
 * What takes its time: random clusters, every line of every golden case, what is in ../shared, and IPVS on a kernel in
 * memory. `npm run test:property`.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/property/**/*.test.ts'], testTimeout: 600_000, isolate: false, maxWorkers: 2 },
});
