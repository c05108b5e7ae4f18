/* `sluice bench`: the benchmarks, loaded only when they are asked for. */
import type { Terminal } from './terminal.js';

export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const { bench } = await import('../../bench/run.js');
  return bench(words, terminal);
}
