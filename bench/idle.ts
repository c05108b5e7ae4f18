/** What a daemon with eight TAPs on a bridge costs while nothing happens: its CPU time, and how often it wakes. */
import { readdirSync, readFileSync } from 'node:fs';
import { clock } from './counters.js';
import { type Bridge, type Contest, contend, type Measure, type Row, type Sample } from './measure.js';
import { sleep } from './program.js';
import type { Scene } from './scene.js';
import { bridge, sluiceTap, startSluice } from './sluice.js';

const PORTS = ['t1', 't2', 't3', 't4', 't5', 't6', 't7', 't8'];

const sluiceIdle: Bridge = {
  ...sluiceTap,
  async start(scene) {
    const taps = PORTS.map((port, i) => `link add ${port} type tap peer name e${i} netns ${scene.a} up`);
    await startSluice(scene, [...taps, ...bridge(PORTS)]);
  },
};

/** Sums a number over the threads of a process. */
function overThreads(pid: number, file: string, number: RegExp): number {
  const tasks = `/proc/${pid}/task`;
  const texts = readdirSync(tasks).map((task) => readFileSync(`${tasks}/${task}/${file}`, 'utf8'));
  return texts.reduce((sum, text) => sum + Number(number.exec(text)?.[1] ?? 0), 0);
}

/** Nanoseconds on a core. */
const cpuTime = (pid: number): number => overThreads(pid, 'schedstat', /^(\d+)/);
/** A thread that waited and runs again has switched voluntarily once. */
const wakeUps = (pid: number): number => overThreads(pid, 'status', /^voluntary_ctxt_switches:\s*(\d+)/m);

async function perSecond(scene: Scene, seconds: number, count: (pid: number) => number): Promise<Sample> {
  const [pid] = scene.pids();
  // To be stopped and continued, as an entrant is, wakes every thread.
  await sleep(1);
  const [before, start] = [count(pid), clock()];
  await sleep(seconds);
  return { value: (count(pid) - before) / (clock() - start), cpu: Number.NaN, cores: [] };
}

async function cpuShare(scene: Scene, seconds: number): Promise<Sample> {
  const sample = await perSecond(scene, seconds, cpuTime);
  return { ...sample, value: sample.value / 1e7 };
}

const contests: Contest[] = [
  {
    name: 'idle-cpu',
    unit: '% of a core',
    subject: sluiceIdle,
    peers: [],
    target: { least: 1, goal: 0, below: true },
    sample: cpuShare,
  },
  {
    name: 'idle-wakeups',
    unit: '1/s',
    subject: sluiceIdle,
    peers: [],
    sample: (scene, seconds) => perSecond(scene, seconds, wakeUps),
  },
];

export const idle: Measure = {
  names: contests.map((contest) => contest.name),
  about: 'a daemon with 8 TAPs and no traffic',
  async run(names, options) {
    const rows: Row[] = [];
    for (const each of contests) if (names.includes(each.name)) rows.push(...(await contend(each, options)));
    return rows;
  },
};
