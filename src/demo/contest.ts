/*
 * The same measurement on both sides in turn, so that what else the machine does falls on both alike; medians at the end.
 */
import { DemoFailure } from './failure.js';
import type { HostProcess } from './host-process.js';
import { HOSTS } from './hosts.js';
import { median } from './median.js';
import type { Screen } from './screen.js';

export interface Side {
  name: string;
  /** a, b, … */
  hosts: readonly HostProcess[];
}

export interface Measure {
  name: string;
  unit: string;
  sample(side: Side, report: (value: number) => void): Promise<number>;
}

export interface Score {
  measure: Measure;
  /** The median of each side, in the order of the sides. */
  medians: number[];
}

export const ROUNDS = 5;
const ROUND_MS = 600;
/** Small frames flow for so long before they are counted. */
const LEAD_MS = 100;

export const STREAM: Measure = {
  name: 'TCP a → b, one stream',
  unit: 'Gb/s',
  async sample({ hosts: [a, b] }, report) {
    const port = await a.run('serve', {});
    return b.run('receive', { address: HOSTS[0].ipv4, port, ms: ROUND_MS }, report);
  },
};

export const SMALL_FRAMES: Measure = {
  name: '64-byte frames a → b',
  unit: 'Mpps',
  async sample({ hosts: [a, b] }, report) {
    const [from, to] = [HOSTS[0].mac, HOSTS[1].mac];
    const load = a.run('blast', { to, from, ms: ROUND_MS + 2 * LEAD_MS });
    const [rate] = await Promise.all([b.run('count', { leadMs: LEAD_MS, ms: ROUND_MS }, report), load]);
    return rate;
  },
};

export function figure(value: number, unit: string): string {
  return `${value.toFixed(2)} ${unit}`;
}

async function sample(measure: Measure, side: Side, show: (value: number) => void): Promise<number> {
  const value = await measure.sample(side, show);
  if (value > 0) return value;
  throw new DemoFailure(
    'measure',
    `"${measure.name}" on ${side.name}`,
    'nothing arrived',
    'see the drops in "sluice status"',
  );
}

/** Plays the rounds, with live progress, and prints the medians in a line. */
export async function contend(screen: Screen, measure: Measure, sides: readonly Side[]): Promise<Score> {
  const samples: number[][] = sides.map(() => []);
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [i, side] of sides.entries()) {
      const show = (value: number) =>
        screen.live(`  ${measure.name}: round ${round} of ${ROUNDS}, ${side.name} ${figure(value, measure.unit)}`);
      samples[i].push(await sample(measure, side, show));
    }
  }
  const medians = samples.map(median);
  const text = sides.map((side, i) => `${side.name} ${figure(medians[i], measure.unit)}`).join(', ');
  screen.line(`  ${measure.name.padEnd(24)} ${text}`);
  return { measure, medians };
}
