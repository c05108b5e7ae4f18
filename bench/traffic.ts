/** `sluice bench generator DEVICE …` and `sluice bench sink DEVICE …`: the two ends of a measurement, for use on any device. */
import { spawnSync } from 'node:child_process';
import { clock, received } from './counters.js';
import { sleep } from './program.js';
import { program } from './twin/programs.js';

/** Hands its words to the C++ generator (bench/twin/generator.cc). */
export function generate(words: readonly string[]): number {
  return spawnSync(program('generator'), words, { stdio: 'inherit' }).status ?? 1;
}

/** Prints once a second how many frames a second the device receives. */
export async function sink(device: string, seconds: number, out: (text: string) => void): Promise<number> {
  for (let second = 0; second < seconds; second++) {
    const [before, start] = [received(device), clock()];
    await sleep(1);
    out(`${Math.round((received(device) - before) / (clock() - start))} frames/s\n`);
  }
  return 0;
}
