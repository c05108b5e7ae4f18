/*
 * The benchmarks' C++ twin is made of the shim's own files and calls them as the engine does: whoever changes what they
 * promise must change the twin, too. Here it forwards after it has slept, and after it was so late that its queues were full.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { forwardingRate } from '../../bench/frames.js';
import { type Bridge, contend } from '../../bench/measure.js';
import { twinPacket, twinTap } from '../../bench/peers/twin.js';
import { missing as notInstalled } from '../../bench/program.js';
import { closeScenes, type Scene } from '../../bench/scene.js';
import { program } from '../../bench/twin/programs.js';
import { lackingNamespaces, titled } from '../support/requirements.js';

const missing = lackingNamespaces('ping') || (notInstalled('g++', 'taskset') ?? '');

/** Lets more frames arrive than any queue holds while the twin stands still. A full queue tells of no further frame. */
async function overfill(scene: Scene): Promise<void> {
  scene.park();
  scene.run(scene.a, [program('generator'), 'eth0', '--count', '3000']);
  scene.resume();
}

describe.skipIf(missing)(titled('the C++ twin', missing), () => {
  afterAll(closeScenes);

  test.each([
    ['TAPs', twinTap],
    ['AF_PACKET sockets', twinPacket],
  ] satisfies Array<[string, Bridge]>)('forwards between %s', async (_, subject) => {
    const contest = { name: 'twin', unit: 'Mpps', subject, peers: [], prepare: overfill, sample: forwardingRate };
    const [row] = await contend(contest, { seconds: 0.3, rounds: 2, say: () => {} });
    expect(row.skipped).toBeUndefined();
    expect(row.runs).toHaveLength(2);
    // A frame now and then would be a twin that sleeps when it should not: the slowest machine forwards more.
    expect(Math.min(...row.runs)).toBeGreaterThan(0.005);
  });
});
