/** TAP to TAP through a router beside the kernel's over veth: 64-byte frames to 1,000 destinations, and bulk TCP in superframes. */
import { routingRate } from './frames.js';
import { type Contest, contend, type Measure, type Row } from './measure.js';
import { kernelRouter } from './peers/kernel-router.js';
import { missing } from './program.js';
import type { Scene } from './scene.js';
import { sluiceRouter } from './sluice.js';
import { tcpRate } from './tcp.js';

const contests: Contest[] = [
  {
    name: 'tap-router',
    unit: 'Mpps',
    subject: sluiceRouter,
    peers: [{ bridge: kernelRouter, target: { least: 1, goal: 1.5 } }],
    sample: (scene, seconds) => routingRate(scene, seconds, 1),
  },
  {
    name: 'tap-router-tcp',
    unit: 'Gb/s',
    absent: () => missing('iperf3'),
    subject: sluiceRouter,
    peers: [{ bridge: kernelRouter, target: { least: 0.9, goal: 1.3 } }],
    prepare: (scene: Scene) => scene.addressApart('10.9.1.2', '10.9.2.2', '10.9.1.1', '10.9.2.1'),
    sample: (scene, seconds) => tcpRate(scene, seconds, '10.9.2.2'),
  },
];

export const tapRouter: Measure = {
  names: contests.map((contest) => contest.name),
  about: 'TAP to TAP through a router',
  async run(names, options) {
    const rows: Row[] = [];
    for (const contest of contests) if (names.includes(contest.name)) rows.push(...(await contend(contest, options)));
    return rows;
  },
};
