/**
 * Round trips of ICMP echo through the bridge (bench/twin/echo.cc, which stops its clock where ping does). Hot: the next request
 * follows the answer, as `ping -f -c 20000`; cold: five a second, as `ping -i 0.2 -c 100`, so that everybody
 * sleeps in between. The requests are spread over the rounds, whatever `--seconds` says.
 */
import { type Contest, contend, type Measure, type Options, type Row, type Sample } from './measure.js';
import { kernelBridge } from './peers/kernel-bridge.js';
import { twinTap } from './peers/twin.js';
import { lastLine } from './program.js';
import { LOAD_CORE, type Scene } from './scene.js';
import { sluiceTap } from './sluice.js';
import { program } from './twin/programs.js';

const FAR = '10.9.0.2';

/** p50 in µs, and p99 beside it. */
async function roundTrips(scene: Scene, count: number, pauseMs: number): Promise<Sample> {
  const words = [program('echo'), FAR, '--count', String(count), '--interval', String(pauseMs)];
  const echo = scene.spawn(scene.a, LOAD_CORE, words);
  if ((await echo.ended) !== 0) throw new Error(`cannot time round trips: ${lastLine(echo.output)}`);
  const { p50, p99 } = JSON.parse(echo.output) as { p50: number; p99: number };
  return { value: p50, p99, cpu: Number.NaN, cores: [] };
}

function contest(name: string, target: { least: number; goal: number }, requests: number, pauseMs: number): Contest {
  return {
    name,
    unit: 'us',
    subject: sluiceTap,
    peers: [{ bridge: kernelBridge, target: { ...target, below: true } }, { bridge: twinTap }],
    prepare: (scene) => scene.address('10.9.0.1', FAR),
    warmUp: (scene) => roundTrips(scene, 5000, 0),
    sample: (scene) => roundTrips(scene, requests, pauseMs),
  };
}

export const latency: Measure = {
  names: ['latency-hot', 'latency-cold'],
  about: 'ping round trip, p50',
  async run(names, options: Options) {
    const share = (requests: number): number => Math.ceil(requests / options.rounds);
    const contests = [
      contest('latency-hot', { least: 5, goal: 3 }, share(20_000), 0),
      contest('latency-cold', { least: 2, goal: 1.5 }, share(100), 200),
    ];
    const rows: Row[] = [];
    for (const each of contests) if (names.includes(each.name)) rows.push(...(await contend(each, options)));
    return rows;
  },
};
