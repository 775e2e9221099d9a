/** What takes its time: random clusters, and every line of every golden case. `npm run test:property`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/property/**/*.test.ts'], testTimeout: 600_000, isolate: false, maxWorkers: 2 },
});
