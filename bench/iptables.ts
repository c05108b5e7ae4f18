/** What changing rules costs: a restore of 10,000 rules beside the real tool's, and one rule more where there are 100,000. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '../src/control/client.js';
import { clock } from './counters.js';
import { generatorArguments } from './frames.js';
import { type Bridge, type Contest, contend, type Measure, median, type Row, type Sample } from './measure.js';
import { kernelRouter } from './peers/kernel-router.js';
import { lastLine, missing, sleep } from './program.js';
import { natRouter } from './rule-set.js';
import { LOAD_CORE, type Scene } from './scene.js';
import { sluice, sluiceRouter } from './sluice.js';

const RULES = 10_000;
const MANY = 100_000;
/** Frames a second that cross the router while rules change: a loss is a stall. */
const FRAMES_PER_SECOND = 50_000;
const CHANGES_PER_SECOND = 50;

const plain = (value: number): Sample => ({ value, cpu: Number.NaN, cores: [] });

function ruleFile(scene: Scene, rules: number): string {
  const path = join(scene.folder, 'rules');
  writeFileSync(path, natRouter('eth1', rules));
  return path;
}

/** How each scene restores a file. */
const restorers = new WeakMap<Scene, (path: string) => void>();

const sluiceTool: Bridge = {
  ...sluiceRouter,
  async start(scene) {
    await sluiceRouter.start(scene);
    restorers.set(scene, (path) => void sluice(scene, 'iptables-restore', path));
  },
};

const realTool: Bridge = {
  name: 'iptables-restore',
  absent: () => kernelRouter.absent() ?? missing('iptables-restore'),
  async start(scene) {
    await kernelRouter.start(scene);
    restorers.set(scene, (path) => void scene.run(scene.m, ['iptables-restore', path]));
  },
};

async function restore(scene: Scene): Promise<Sample> {
  const path = ruleFile(scene, RULES);
  const start = clock();
  restorers.get(scene)?.(path);
  return plain(clock() - start);
}

interface Changes {
  /** Median of what one took, ms. */
  timeMs: number;
  /** Frames that were sent and did not arrive. */
  lost: number;
}

/** Rules are added in the middle of 100,000 and deleted again, straight by the socket, while frames are forwarded. */
async function changeRules(scene: Scene, seconds: number): Promise<Changes> {
  const before = scene.received(scene.b);
  const count = Math.round(seconds * FRAMES_PER_SECOND);
  const words = ['--count', String(count), '--rate', String(FRAMES_PER_SECOND), '--router', '1'];
  const load = scene.spawn(scene.a, LOAD_CORE, generatorArguments(words));
  const client = await Client.connect(join(scene.folder, 'sluice.sock'));
  const times: number[] = [];
  for (let n = 0; n < seconds * CHANGES_PER_SECOND; n++) {
    const words = n % 2 === 0 ? ['-I', 'FORWARD', String(MANY >> 1)] : ['-D', 'FORWARD'];
    const start = clock();
    const rule = ['-s', '192.0.2.77', '-p', 'udp', '--dport', '9', '-j', 'DROP'];
    await client.request({ op: 'iptables.run', tool: 'iptables', words: [...words, ...rule] });
    times.push((clock() - start) * 1000);
    await sleep(1 / CHANGES_PER_SECOND);
  }
  client.close();
  if ((await load.ended) !== 0) throw new Error(`cannot send frames: ${lastLine(load.output)}`);
  await sleep(0.2);
  const { sent } = JSON.parse(lastLine(load.output)) as { sent: number };
  return { timeMs: median(times), lost: sent - (scene.received(scene.b) - before) };
}

const manyRules: Bridge = {
  ...sluiceRouter,
  async start(scene) {
    await sluiceRouter.start(scene);
    sluice(scene, 'iptables-restore', ruleFile(scene, MANY));
  },
};

const contests: Contest[] = [
  {
    name: 'iptables-restore',
    unit: 's',
    subject: sluiceTool,
    peers: [{ bridge: realTool, target: { least: 1.5, goal: 1, below: true } }],
    sample: restore,
  },
  {
    name: 'rule-change',
    unit: 'ms',
    subject: manyRules,
    peers: [],
    target: { least: 5, goal: 1, below: true },
    sample: async (scene, seconds) => plain((await changeRules(scene, seconds)).timeMs),
  },
  {
    name: 'rule-change-lost',
    unit: 'frames',
    subject: manyRules,
    peers: [],
    target: { least: 0, goal: 0, below: true },
    sample: async (scene, seconds) => plain((await changeRules(scene, seconds)).lost),
  },
];

export const iptables: Measure = {
  names: contests.map((contest) => contest.name),
  about: 'changing rules',
  async run(names, options) {
    const rows: Row[] = [];
    for (const contest of contests) if (names.includes(contest.name)) rows.push(...(await contend(contest, options)));
    return rows;
  },
};
