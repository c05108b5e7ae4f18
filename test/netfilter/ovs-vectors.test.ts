/*
 * Open vSwitch's conntrack vectors, where they are plain conntrack: their packets, forwarded by a router that tracks, and the flows that are
 * expected to be known then. Those with NAT are in nat-ovs.test.ts; the others need Open vSwitch's own actions, or hosts, or
 * have been cut off (the packets of IPv6).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { permanent } from '../route/stack.js';
import { FilteredRouter } from '../support/filtered-router.js';
import { seal4 } from '../support/packets.js';

const FIXTURES = process.env.SLUICE_FIXTURES ?? resolve(import.meta.dirname, '../../../shared/fixtures');
const FILE = join(FIXTURES, 'ovs-conntrack', 'system-traffic-vectors.json');
const missing = existsSync(FILE) ? '' : ' [skipped: the fixture vectors are absent: set SLUICE_FIXTURES]';

interface Vector {
  test: string;
  packets: string[];
  expected_conntrack: string[];
}

const vectors = missing === '' ? (JSON.parse(readFileSync(FILE, 'utf8')) as Vector[]) : [];
const ROUTER = ['02:00:00:00:0b:00', '02:00:00:00:0b:01'];
const TRACKED = '*filter\n-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n';

/** Of an expected flow: name, addresses both ways, ports where they are told, the zone left out. */
function expected(line: string): string {
  const tuples = [...line.matchAll(/src=([^,]*),dst=([^,]*)/g)].map(
    ([, source, destination]) => `${source}>${destination}`,
  );
  return [line.split(',')[0], ...tuples].join(' ');
}

/** The same of one of ours. */
const withoutPorts = (line: string): string => line.replaceAll(/:\d+(?=[> ]|$)/g, '');

async function router(): Promise<FilteredRouter> {
  const made = new FilteredRouter().interface('e0', ROUTER[0]).interface('e1', ROUTER[1]);
  made.address('e0', '10.1.0.1/16');
  made.route('10.1.1.2/32', { dev: 'e1' });
  permanent(made, 'e1', '10.1.1.2', '02:00:00:00:11:09');
  await made.restore(TRACKED);
  return made;
}

/** A packet as a router takes it: to its MAC, and with a TTL, which bridges do not need. */
function toRouter(hex: string): Uint8Array {
  const frame = Uint8Array.from(Buffer.from(hex, 'hex'));
  frame.set([2, 0, 0, 0, 0x0b, 0], 0);
  frame[22] = 64;
  return seal4(frame);
}

function vector(name: string): Vector {
  const found = vectors.find((one) => one.test === `conntrack - ${name}`);
  if (found === undefined) throw new Error(`there is no vector "${name}"`);
  return found;
}

describe.skipIf(missing !== '')(`Open vSwitch's vectors of plain conntrack${missing}`, () => {
  test.each(['IPv4 fragmentation with fragments specified', 'IPv4 fragmentation out of order'])('%s', async (name) => {
    const { packets, expected_conntrack } = vector(name);
    const made = await router();
    for (const packet of packets) made.send('e0', toRouter(packet));
    made.run('e0');
    expect(made.flows().map(withoutPorts)).toEqual(expected_conntrack.map(expected));
    const out = made.take('e1');
    expect(out.length, 'cut as it came').toBe(packets.length);
  });

  test('generic IP protocol: VRRP to its group', async () => {
    const { packets } = vector('generic IP protocol');
    const made = await router();
    const frame = toRouter(packets[0]);
    // To a host of ours: a router has no use for what goes to a group of the link.
    frame.set([10, 1, 1, 2], 30);
    seal4(frame);
    made.send('e0', frame).run('e0');
    expect(made.flows().map(withoutPorts)).toEqual(['112 192.168.0.30>10.1.1.2 10.1.1.2>192.168.0.30']);
  });
});
