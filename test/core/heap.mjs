/* How the heap grows while work is done, and how often the garbage collector ran. Needs node --expose-gc. */
import { PerformanceObserver } from 'node:perf_hooks';

const collections = [];
new PerformanceObserver((list) => collections.push(...list.getEntries())).observe({ entryTypes: ['gc'] });

/** What the work itself allocates is there after each of them; what the compiler, late on a busy machine, adds, is not. */
const WINDOWS = 3;

/** Warms up, then does `count` of the work, several times, and answers what the least growth of the heap was. */
export async function growthOf(work, warmUp, count) {
  work(warmUp);
  globalThis.gc();
  const begin = performance.now();
  const windows = [];
  for (let i = 0; i < WINDOWS; i++) {
    const before = process.memoryUsage();
    work(count);
    const after = process.memoryUsage();
    windows.push({ heap: after.heapUsed - before.heapUsed, external: after.external - before.external });
  }
  const end = performance.now();
  // The observer is told when the thread is idle.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const during = collections.filter(({ startTime }) => startTime >= begin && startTime <= end).length;
  const least = (key) => Math.min(...windows.map((window) => window[key]));
  return { heap: least('heap'), external: least('external'), collections: { during, total: collections.length } };
}
