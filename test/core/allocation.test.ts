import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const DIST = join(import.meta.dirname, '../../dist');
const CHILD = join(import.meta.dirname, 'forward.mjs');
const isBuilt = existsSync(join(DIST, 'src/engine.js'));

/** What the two measurements themselves, and a late compilation, leave on the heap: an eighth of a byte a frame. */
const NOISE_BYTES = 128 * 1024;

describe('the engine', () => {
  it.skipIf(!isBuilt)(
    `allocates nothing for a million frames${isBuilt ? '' : ' (dist/ is not built: npm run build)'}`,
    () => {
      const child = spawnSync(process.execPath, ['--expose-gc', CHILD, DIST, '1000000'], { encoding: 'utf8' });
      expect(child.status, child.stderr).toBe(0);
      const result = JSON.parse(child.stdout);
      expect(result.stations).toBe(3000);
      expect(result.transmitted).toBeGreaterThan(1_000_000);
      expect(result.drops).toBeGreaterThan(10_000);
      // No garbage collection in between: what was allocated is still there to be counted.
      expect(result.collections.during).toBe(0);
      expect(result.collections.total).toBeGreaterThan(0);
      expect(result.heap).toBeLessThan(NOISE_BYTES);
      expect(result.external).toBeLessThan(NOISE_BYTES);
    },
  );
});
