/** The tests that need root and a kernel with IPVS, such as the one of user-mode-linux: `npm run test:ipvs`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/kernel/**/*.uml.ts'],
    globalSetup: ['test/kernel/global-setup.ts'],
    // One processor, and no quick one: what runs at the same time only makes everything late.
    fileParallelism: false,
    maxConcurrency: 4,
    // Ends what hangs, and before that scripts/uml does.
    testTimeout: process.env.KUBERULES_THOROUGH === '1' ? 7_200_000 : 900_000,
    hookTimeout: 120_000,
  },
});
