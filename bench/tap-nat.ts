/** TAP to TAP through a router with MASQUERADE and many rules, beside the kernel's with the same rules; and bulk TCP through MASQUERADE. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { routingRate } from './frames.js';
import { type Bridge, type Contest, contend, type Measure, type Row, type Target } from './measure.js';
import { kernelRouter } from './peers/kernel-router.js';
import { missing } from './program.js';
import { natRouter } from './rule-set.js';
import type { Scene } from './scene.js';
import { sluice, sluiceRouter } from './sluice.js';
import { tcpRate } from './tcp.js';

function ruleFile(scene: Scene, out: string, rules: number): string {
  const path = join(scene.folder, 'rules');
  writeFileSync(path, natRouter(out, rules));
  return path;
}

const sluiceNat = (rules: number): Bridge => ({
  ...sluiceRouter,
  async start(scene) {
    await sluiceRouter.start(scene);
    sluice(scene, 'iptables-restore', ruleFile(scene, 't2', rules));
  },
});

const kernelNat = (rules: number): Bridge => ({
  name: 'kernel router',
  absent: () => kernelRouter.absent() ?? missing('iptables-restore'),
  async start(scene) {
    await kernelRouter.start(scene);
    scene.run(scene.m, ['iptables-restore', ruleFile(scene, 'p2', rules)]);
  },
});

const withRules = (name: string, rules: number, target: Target): Contest => ({
  name,
  unit: 'Mpps',
  subject: sluiceNat(rules),
  peers: [{ bridge: kernelNat(rules), target }],
  sample: (scene, seconds) => routingRate(scene, seconds, 1),
});

const contests: Contest[] = [
  withRules('tap-nat-1k', 1000, { least: 5, goal: 8 }),
  withRules('tap-nat-10k', 10_000, { least: 40, goal: 70 }),
  {
    name: 'tap-nat-tcp',
    unit: 'Gb/s',
    absent: () => missing('iperf3'),
    subject: sluiceNat(0),
    peers: [{ bridge: kernelNat(0), target: { least: 0.9, goal: 1.2 } }],
    prepare: (scene: Scene) => scene.addressApart('10.9.1.2', '10.9.2.2', '10.9.1.1', '10.9.2.1'),
    sample: (scene, seconds) => tcpRate(scene, seconds, '10.9.2.2'),
  },
];

export const tapNat: Measure = {
  names: contests.map((contest) => contest.name),
  about: 'TAP to TAP through MASQUERADE and many rules',
  async run(names, options) {
    const rows: Row[] = [];
    for (const contest of contests) if (names.includes(contest.name)) rows.push(...(await contend(contest, options)));
    return rows;
  },
};
