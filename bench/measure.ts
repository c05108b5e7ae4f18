/*
 * How a number is made: who takes part, what a run yields, and how runs become rows.
 *
 * The machine's speed drifts by a third within minutes, so a figure alone says little. All who take part are started once, each
 * in a scene of its own; then, round by round, each works alone while the others stand still. A row compares the medians of
 * the same rounds. The first round only warms up. The order rotates, so that nobody always comes first.
 *
 * CPU time is that of all cores together, from /proc/stat (user, nice, system, irq, softirq; 1/100 s), because a part of the
 * kernel's work belongs to no process: whatever else the machine does is in it too, so leave it alone meanwhile.
 */
import { busySeconds, clock } from './counters.js';
import { lastLine, missing, sleep } from './program.js';
import { Scene } from './scene.js';

export interface Options {
  /** Length of one run. */
  seconds: number;
  rounds: number;
  /** Where progress is told. */
  say(line: string): void;
}

/** Who joins a's eth0 and b's eth0: Sluice or a peer. */
export interface Bridge {
  readonly name: string;
  /** Why it cannot take part on this machine. */
  absent(): string | undefined;
  start(scene: Scene): Promise<void>;
}

/** What one run yields. */
export interface Sample {
  value: number;
  /** CPU seconds of all cores per million frames; NaN where frames are not what is counted. */
  cpu: number;
  /** The share of the time that each core was busy. */
  cores: number[];
  /** Of round trips: the 99th percentile beside the median. */
  p99?: number;
}

/** At least and goal: of the ratio, or of the value where there is no peer. `below`: they are upper bounds. */
export interface Target {
  least: number;
  goal: number;
  below?: boolean;
}

/** One line of the report: Sluice beside one peer. A figure that could not be had is null, and `skipped` says why. */
export interface Row {
  name: string;
  unit: string;
  value: number | null;
  runs: number[];
  peer: string | null;
  peer_value: number | null;
  ratio: number | null;
  cpu_s_per_mpkt: number | null;
  p99?: number | null;
  peer_runs?: number[];
  peer_p99?: number | null;
  peer_cpu_s_per_mpkt?: number | null;
  /** Share of the time that core 0, core 1, … was busy. */
  cores?: number[];
  peer_cores?: number[];
  least?: number;
  goal?: number;
  /** The target is an upper bound. */
  below?: boolean;
  skipped?: string;
}

/** One file of bench/: one number, or a few that are measured alike. */
export interface Measure {
  readonly names: string[];
  /** One sentence for the report. */
  readonly about: string;
  run(names: string[], options: Options): Promise<Row[]>;
}

export interface Contest {
  name: string;
  unit: string;
  subject: Bridge;
  peers: { bridge: Bridge; target?: Target }[];
  /** For a contest without peers. */
  target?: Target;
  /** Why it cannot be measured on this machine. */
  absent?(): string | undefined;
  /** Done once in each scene, when the bridge stands. */
  prepare?(scene: Scene): Promise<void>;
  /** Instead of a short sample. */
  warmUp?(scene: Scene): Promise<unknown>;
  sample(scene: Scene, seconds: number): Promise<Sample>;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Counts frames, time and CPU over `work`; `toValue` makes the value of them. */
export async function observe(
  count: () => number,
  work: () => Promise<void>,
  toValue: (frames: number, seconds: number) => number,
): Promise<Sample> {
  const [frames, busy, start] = [count(), busySeconds(), clock()];
  await work();
  const [after, busyAfter, end] = [count(), busySeconds(), clock()];
  const spent = busyAfter.map((seconds, core) => seconds - busy[core]);
  return {
    value: toValue(after - frames, end - start),
    cpu: (spent.reduce((sum, x) => sum + x, 0) / (after - frames)) * 1e6,
    cores: spent.map((seconds) => seconds / (end - start)),
  };
}

/** Why nothing can be measured between namespaces here. */
function wireAbsent(): string | undefined {
  if (process.getuid?.() !== 0) return 'making network namespaces needs root';
  return missing('ip', 'taskset', 'g++', 'ping');
}

interface Entrant {
  bridge: Bridge;
  scene?: Scene;
  samples: Sample[];
  /** Why there is no figure. */
  failed?: string;
}

async function guarded(entrant: Entrant, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    entrant.failed = lastLine((error as Error).message);
    entrant.scene?.close();
  }
}

async function enter(bridge: Bridge, contest: Contest, options: Options): Promise<Entrant> {
  const failed = wireAbsent() ?? contest.absent?.() ?? bridge.absent();
  const entrant: Entrant = { bridge, samples: [], ...(failed === undefined ? {} : { failed }) };
  if (failed !== undefined) return entrant;
  await guarded(entrant, async () => {
    entrant.scene = new Scene();
    await bridge.start(entrant.scene);
    await contest.prepare?.(entrant.scene);
    await (contest.warmUp?.(entrant.scene) ?? contest.sample(entrant.scene, Math.min(1, options.seconds)));
    entrant.scene.park();
  });
  return entrant;
}

async function play(entrant: Entrant, contest: Contest, options: Options): Promise<void> {
  const { scene } = entrant;
  if (scene === undefined || entrant.failed !== undefined) return;
  await guarded(entrant, async () => {
    scene.resume();
    const sample = await contest.sample(scene, options.seconds);
    scene.park();
    entrant.samples.push(sample);
    options.say(`${contest.name}: ${entrant.bridge.name} ${sample.value.toFixed(3)} ${contest.unit}`);
  });
}

/** What the machine does while all who take part stand still, as a share of one core. */
async function othersShare(): Promise<number> {
  const total = (): number => busySeconds().reduce((sum, seconds) => sum + seconds, 0);
  const [busy, start] = [total(), clock()];
  await sleep(0.5);
  return (total() - busy) / (clock() - start);
}

/** Sluice and its peers, interleaved; a row for each peer, or one without peer if there are none. */
export async function contend(contest: Contest, options: Options): Promise<Row[]> {
  const entrants: Entrant[] = [];
  try {
    for (const bridge of [contest.subject, ...contest.peers.map((peer) => peer.bridge)]) {
      const entrant = await enter(bridge, contest, options);
      entrants.push(entrant);
      if (entrant.failed !== undefined) options.say(`${contest.name}: without ${bridge.name}: ${entrant.failed}`);
    }
    const others = await othersShare();
    if (others > 0.1) options.say(`${contest.name}: not alone: others use ${Math.round(others * 100)} % of a core`);
    for (let round = 0; round < options.rounds; round++) {
      for (let i = 0; i < entrants.length; i++) await play(entrants[(i + round) % entrants.length], contest, options);
    }
  } finally {
    for (const entrant of entrants) entrant.scene?.close();
  }
  const [subject, ...peers] = entrants;
  if (peers.length === 0) return [row(contest, subject, undefined, contest.target)];
  return peers.map((peer, i) => row(contest, subject, peer, contest.peers[i].target));
}

/** A figure of an entrant: the median over its runs, or null. */
function middle(entrant: Entrant | undefined, of: (sample: Sample) => number): number | null {
  if (entrant === undefined || entrant.failed !== undefined || entrant.samples.length === 0) return null;
  const value = median(entrant.samples.map(of));
  return Number.isFinite(value) ? round(value) : null;
}

/** Four significant digits: more would be noise. */
export const round = (value: number): number => Number(value.toPrecision(4));

const tail = (sample: Sample): number => sample.p99 ?? Number.NaN;

function cores(entrant: Entrant): number[] {
  const count = entrant.samples[0]?.cores.length ?? 0;
  return Array.from({ length: count }, (_, core) => round(median(entrant.samples.map((sample) => sample.cores[core]))));
}

function row(contest: Contest, subject: Entrant, peer?: Entrant, target?: Target): Row {
  const value = middle(subject, (sample) => sample.value);
  const peerValue = middle(peer, (sample) => sample.value);
  const failed = [subject, ...(peer === undefined ? [] : [peer])].find((entrant) => entrant.failed !== undefined);
  return {
    name: contest.name,
    unit: contest.unit,
    value,
    runs: subject.samples.map((sample) => round(sample.value)),
    peer: peer?.bridge.name ?? null,
    peer_value: peerValue,
    ratio: value === null || peerValue === null ? null : round(value / peerValue),
    cpu_s_per_mpkt: middle(subject, (sample) => sample.cpu),
    cores: cores(subject),
    ...(subject.samples[0]?.p99 === undefined ? {} : { p99: middle(subject, tail) }),
    ...(peer === undefined
      ? {}
      : {
          peer_runs: peer.samples.map((sample) => round(sample.value)),
          peer_cpu_s_per_mpkt: middle(peer, (sample) => sample.cpu),
          peer_cores: cores(peer),
          ...(peer.samples[0]?.p99 === undefined ? {} : { peer_p99: middle(peer, tail) }),
        }),
    ...target,
    ...(failed === undefined ? {} : { skipped: `${failed.bridge.name}: ${failed.failed}` }),
  };
}
