/** The tests that need root and a real kernel: `npm run test:kernel`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/kernel/**/*.kernel.ts'],
    globalSetup: ['test/kernel/global-setup.ts'],
    // Mostly waiting for other programs and for packets: more at once than there are cores.
    maxConcurrency: 8,
    maxWorkers: 3,
    // Ends what hangs: on a quiet machine the longest takes half a minute, with all changes two.
    testTimeout: 900_000,
    hookTimeout: 120_000,
  },
});
