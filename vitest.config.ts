import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/*
 * Unit tests run side by side, one worker a core. The end-to-end tests come after them and start real daemons in real
 * namespaces: three files at a time, as they wait for the kernel most of the time, and patience, since the machine may
 * have two slow cores.
 */

// A dataplane reserves memory of which a test touches little. Above this size, in bytes, the allocator asks the kernel, whose pages
// come zeroed when they are touched; else, once some have been freed, it zeroes all of it each time.
process.env.MALLOC_MMAP_THRESHOLD_ ??= String(1 << 20);

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
          // By itself it leaves one core idle.
          maxWorkers: availableParallelism(),
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
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
