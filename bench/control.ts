/*
 * What commands cost: half an Internet table by `sluice ip -b`; a thousand namespaces; and 10,000 route changes a second while
 * packets are forwarded, of which none may be lost.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatIpv4 } from '../src/wire/format.js';
import { clock } from './counters.js';
import { generatorArguments } from './frames.js';
import { halfTable } from './half-table.js';
import { type Contest, contend, type Measure, type Row, type Sample } from './measure.js';
import { lastLine, sleep } from './program.js';
import { LOAD_CORE, type Scene } from './scene.js';
import { sluice, sluiceCommand, sluiceRouter } from './sluice.js';
import { xorshift } from './xorshift.js';

const NAMESPACES = 1000;
const CHANGES_PER_SECOND = 10_000;
/** Frames a second that cross the router meanwhile: far below what it can do, so that a loss is a stall. */
const FRAMES_PER_SECOND = 50_000;
/** Changes are written so many at a time. */
const CHUNK = 100;

const seconds = (value: number): Sample => ({ value, cpu: Number.NaN, cores: [] });

function file(scene: Scene, name: string, lines: string[]): string {
  const path = join(scene.folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

function routes(verb: string, gateway = '10.9.2.2'): string[] {
  return halfTable(xorshift(4711)).map(
    ([address, length]) => `route ${verb} ${formatIpv4(address)}/${length} via ${gateway} dev t2`,
  );
}

/** The table is loaded, and taken out again so that the next run starts as this one did. */
async function loadTable(scene: Scene): Promise<Sample> {
  const add = file(scene, 'add', routes('add'));
  const start = clock();
  sluice(scene, 'ip', '-b', add);
  const spent = clock() - start;
  sluice(scene, 'ip', '-b', file(scene, 'del', routes('del')));
  return seconds(spent);
}

function residentMiB(scene: Scene): number {
  const [pid] = scene.pids();
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Each with lo and one end of a veth pair, both up, and an address. */
function namespaces(): string[] {
  return Array.from({ length: NAMESPACES }, (_, n) => [
    `netns add n${n}`,
    `link add v${n} type veth peer name eth0 netns n${n}`,
    `link set v${n} up`,
    `netns exec n${n} ip link set lo up`,
    `netns exec n${n} ip link set eth0 up`,
    `netns exec n${n} ip addr add 10.${100 + (n >> 8)}.${n & 255}.2/24 dev eth0`,
  ]).flat();
}

async function makeNamespaces(scene: Scene): Promise<{ time: number; memory: number }> {
  const lines = namespaces();
  const batch = file(scene, 'namespaces', lines);
  const before = residentMiB(scene);
  const start = clock();
  sluice(scene, 'ip', '-b', batch);
  const time = clock() - start;
  const memory = residentMiB(scene) - before;
  const gone = Array.from({ length: NAMESPACES }, (_, n) => `netns del n${n}`);
  sluice(scene, 'ip', '-b', file(scene, 'gone', gone));
  return { time, memory };
}

/** Frames that were sent and did not arrive while routes changed. */
async function changeRoutes(scene: Scene, time: number): Promise<Sample> {
  const before = scene.received(scene.b);
  const count = Math.round(time * FRAMES_PER_SECOND);
  const words = ['--count', String(count), '--rate', String(FRAMES_PER_SECOND), '--router', '1'];
  const load = scene.spawn(scene.a, LOAD_CORE, generatorArguments(words));
  const batch = scene.spawn(scene.m, LOAD_CORE, sluiceCommand(scene, 'ip', '-b', '-'));
  await feed(batch.child.stdin, time);
  if ((await batch.ended) !== 0) throw new Error(`cannot change routes: ${lastLine(batch.output)}`);
  if ((await load.ended) !== 0) throw new Error(`cannot send frames: ${lastLine(load.output)}`);
  await sleep(0.2);
  const { sent } = JSON.parse(lastLine(load.output)) as { sent: number };
  return seconds(sent - (scene.received(scene.b) - before));
}

/** Routes that are not in the frames' way come and go, among them more special ones of 198.19.0.0/16 that lead to the same place. */
function changeOf(n: number): string {
  const k = n >> 1;
  const prefix = (k & 1) === 0 ? `198.19.${(k >> 1) & 255}.0/24` : `100.${(k >> 9) & 255}.${(k >> 1) & 255}.0/24`;
  return `route ${(n & 1) === 0 ? 'add' : 'del'} ${prefix} via 10.9.2.2 dev t2\n`;
}

async function feed(into: NodeJS.WritableStream, time: number): Promise<void> {
  const start = clock();
  const total = Math.round(time * CHANGES_PER_SECOND);
  for (let n = 0; n < total; n += CHUNK) {
    const lines = Array.from({ length: CHUNK }, (_, i) => changeOf(n + i)).join('');
    into.write(lines);
    const ahead = n / CHANGES_PER_SECOND - (clock() - start);
    if (ahead > 0) await sleep(ahead);
  }
  into.end();
}

const shared = { subject: sluiceRouter, peers: [] };

const contests: Contest[] = [
  {
    ...shared,
    name: 'route-load',
    unit: 's',
    target: { least: 3, goal: 0.5, below: true },
    sample: loadTable,
  },
  {
    ...shared,
    name: 'namespaces-time',
    unit: 's',
    target: { least: 5, goal: 1, below: true },
    sample: async (scene) => seconds((await makeNamespaces(scene)).time),
  },
  {
    ...shared,
    name: 'namespaces-memory',
    unit: 'MiB',
    target: { least: 200, goal: 50, below: true },
    // The first time: memory that was used once stays with the process.
    warmUp: async () => undefined,
    sample: async (scene) => seconds((await makeNamespaces(scene)).memory),
  },
  {
    ...shared,
    name: 'route-churn-lost',
    unit: 'frames',
    target: { least: 0, goal: 0, below: true },
    sample: changeRoutes,
  },
];

export const control: Measure = {
  names: contests.map((contest) => contest.name),
  about: 'commands in bulk',
  async run(names, options) {
    const rows: Row[] = [];
    for (const contest of contests) {
      // Memory is measured once: the second time the process has it already.
      const rounds = contest.name === 'namespaces-memory' ? 1 : options.rounds;
      if (names.includes(contest.name)) rows.push(...(await contend(contest, { ...options, rounds })));
    }
    return rows;
  },
};
