import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The examples import the package by its name, as its users do.
  resolve: { alias: { kuberules: fileURLToPath(new URL('./src/index.ts', import.meta.url)) } },
  // Two workers, as CI has two cores (vitest would leave one alone), which files share: a third of the time went into
  // starting anew for each, and pure code keeps nothing.
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/property/**'],
    testTimeout: 20_000,
    isolate: false,
    maxWorkers: 2,
  },
});
