/**
 * Bulk TCP by iperf3, one stream, all offloads on: superframes of up to 64 KiB. Client and server share the load's core, so the
 * kernel bridge, which works in their context, has that core for all of it.
 */
import { type Contest, contend, type Measure, observe, type Row, type Sample } from './measure.js';
import { kernelBridge } from './peers/kernel-bridge.js';
import { twinPacket, twinTap } from './peers/twin.js';
import { lastLine, missing } from './program.js';
import { LOAD_CORE, type Scene } from './scene.js';
import { sluicePacket, sluiceTap } from './sluice.js';

/** Value in Gb/s of payload; the CPU time is per million frames at the far eth0, superframes and those of acknowledgements. */
export async function tcpRate(scene: Scene, seconds: number, server: string): Promise<Sample> {
  const listener = scene.spawn(scene.b, LOAD_CORE, ['iperf3', '-s', '-1', '--forceflush']);
  await listener.says('listening');
  let report = '';
  const sample = await observe(
    () => scene.received(scene.b) + scene.received(scene.a),
    async () => {
      const client = scene.spawn(scene.a, LOAD_CORE, [
        'iperf3',
        '-c',
        server,
        '-t',
        String(Math.ceil(seconds)),
        '-f',
        'm',
      ]);
      if ((await client.ended) !== 0) throw new Error(`cannot run iperf3: ${lastLine(client.output)}`);
      report = client.output;
    },
    () => 0,
  );
  await listener.ended;
  const received = /([\d.]+) Mbits\/sec\s+receiver/.exec(report);
  if (received === null) throw new Error(`cannot read iperf3: ${lastLine(report)}`);
  return { ...sample, value: Number(received[1]) / 1000 };
}

const shared = {
  unit: 'Gb/s',
  absent: () => missing('iperf3'),
  prepare: (scene: Scene) => scene.address('10.9.0.1', '10.9.0.2'),
  sample: (scene: Scene, seconds: number) => tcpRate(scene, seconds, '10.9.0.2'),
};

const contests: Contest[] = [
  {
    ...shared,
    name: 'tap-tcp',
    subject: sluiceTap,
    peers: [
      { bridge: twinTap, target: { least: 0.95, goal: 1 } },
      { bridge: kernelBridge, target: { least: 0.9, goal: 1.1 } },
    ],
  },
  {
    ...shared,
    name: 'packet-tcp',
    subject: sluicePacket,
    peers: [{ bridge: kernelBridge, target: { least: 0.6, goal: 0.9 } }, { bridge: twinPacket }],
  },
];

export const tcp: Measure = {
  names: contests.map((contest) => contest.name),
  about: 'bulk TCP with offloads',
  async run(names, options) {
    const rows: Row[] = [];
    for (const contest of contests) if (names.includes(contest.name)) rows.push(...(await contend(contest, options)));
    return rows;
  },
};
