import { defineConfig } from 'vitest/config';

/*
 * Unit tests run side by side, one worker a core. The end-to-end tests come after them and start real daemons in real
 * namespaces: two files at a time at most, and patience, since the machine may have two slow cores.
 */
const E2E = 'test/e2e/**/*.test.ts';

export default defineConfig({
  test: {
    globalSetup: 'test/support/set-up.ts',
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [E2E],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: [E2E],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
