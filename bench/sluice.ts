/** Sluice itself, as a user drives it: its daemon on one core, its links made by `ip -b`. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bridge } from './measure.js';
import { run } from './program.js';
import type { Scene } from './scene.js';
import { root } from './twin/programs.js';

const executable = join(root, 'bin/sluice.js');

function absent(): string | undefined {
  const parts = ['bin/sluice.js', 'dist/src/cli/main.js', 'build/Release/sluice.node'];
  const part = parts.find((path) => !existsSync(join(root, path)));
  return part === undefined ? undefined : `${part} is not there: run "npm run build"`;
}

/** The command line of a Sluice command for the scene's daemon. */
export function sluiceCommand(scene: Scene, ...words: string[]): string[] {
  return ['node', executable, '--socket', join(scene.folder, 'sluice.sock'), ...words];
}

/** Runs a Sluice command against the scene's daemon. */
export function sluice(scene: Scene, ...words: string[]): string {
  return run(sluiceCommand(scene, ...words));
}

/** Starts the daemon in m and makes links by a batch of `ip` commands. */
export async function startSluice(scene: Scene, links: string[]): Promise<void> {
  const daemon = scene.bridge(sluiceCommand(scene, 'up'));
  await daemon.says('sluice: ready');
  const batch = join(scene.folder, 'links');
  writeFileSync(batch, `${links.join('\n')}\n`);
  sluice(scene, 'ip', '-b', batch);
}

/** The words that make br0 of these ports. */
export const bridge = (ports: string[]): string[] => [
  'link add br0 type bridge',
  ...ports.map((port) => `link set ${port} master br0`),
  ...[...ports, 'br0'].map((link) => `link set ${link} up`),
];

export const sluiceTap: Bridge = {
  name: 'Sluice',
  absent,
  async start(scene) {
    const tap = (name: string, side: string) => `link add ${name} type tap peer name eth0 netns ${side} up`;
    await startSluice(scene, [tap('t1', scene.a), tap('t2', scene.b), ...bridge(['t1', 't2'])]);
  },
};

/** MACs of the two hosts beside a router. */
export const FAR = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' };

/** The words that route between two links: 10.9.1.0/24 on one side, 10.9.2.0/24 and beyond it 198.19.0.0/16 on the other. */
export const router = (one: string, other: string): string[] => [
  `addr add 10.9.1.1/24 dev ${one}`,
  `addr add 10.9.2.1/24 dev ${other}`,
  `link set ${one} up`,
  `link set ${other} up`,
  `neigh replace 10.9.1.2 lladdr ${FAR.a} dev ${one} nud permanent`,
  `neigh replace 10.9.2.2 lladdr ${FAR.b} dev ${other} nud permanent`,
  'route add 198.19.0.0/16 via 10.9.2.2',
];

export const sluicePacket: Bridge = {
  name: 'Sluice',
  absent,
  async start(scene) {
    scene.veths();
    const links = ['p1', 'p2'].map((port) => `link add ${port} type packet dev ${port} netns ${scene.m}`);
    await startSluice(scene, [...links, ...bridge(['p1', 'p2'])]);
  },
};

/** The router that ROUTER_LINES make of t1 and t2. */
export const sluiceRouter: Bridge = {
  name: 'Sluice',
  absent,
  async start(scene) {
    const tap = (name: string, side: string, last: number) =>
      `link add ${name} address 02:00:00:00:00:0${last} type tap peer name eth0 netns ${side} address ${FAR[side === scene.a ? 'a' : 'b']} up`;
    await startSluice(scene, [tap('t1', scene.a, 1), tap('t2', scene.b, 2), ...router('t1', 't2')]);
    sluice(scene, 'sysctl', '-w', 'net.ipv4.ip_forward=1');
  },
};
