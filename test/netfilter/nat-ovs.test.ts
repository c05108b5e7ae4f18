/* Vectors of Open vSwitch that have NAT and packets of their own. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { finish, pseudo6, sumBytes } from '../../src/wire/checksum.js';
import { NatWalk } from './nat-walk.js';

const FIXTURES = process.env.SLUICE_FIXTURES ?? resolve(import.meta.dirname, '../../../shared/fixtures');
const FILE = join(FIXTURES, 'ovs-conntrack', 'system-traffic-vectors.json');
const reason = existsSync(FILE) ? '' : ' (the fixture vectors are absent: set SLUICE_FIXTURES)';

interface Vector {
  test: string;
  packets: string[];
  expected_conntrack: string[];
}

/** IP packets of a vector, and its flows as NatWalk writes them. */
function vector(name: string): { packets: Uint8Array[]; flows: string[] } {
  const all = JSON.parse(readFileSync(FILE, 'utf8')) as Vector[];
  const found = all.find((one) => one.test === name);
  if (found === undefined) throw new Error(`there is no vector "${name}"`);
  const packets = found.packets.map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')).slice(14));
  return { packets, flows: found.expected_conntrack.map(flowOf) };
}

function flowOf(text: string): string {
  const [name] = text.split(',');
  const tuples = [...text.matchAll(/=\((src=[^)]*)\)/g)].map(([, tuple]) => {
    const field = (key: string): string => new RegExp(`${key}=([^,]*)`).exec(tuple)?.[1] ?? '';
    const rest = name === 'icmp' ? ['type', 'code', 'id'] : ['sport', 'dport'];
    return ['src', 'dst', ...rest].map(field).join();
  });
  return [name, ...tuples].join(' ');
}

describe.skipIf(reason !== '')(`Open vSwitch's vectors${reason}`, () => {
  it('echo requests of three hosts with one id get ids of their own', () => {
    const { packets, flows } = vector('conntrack - SNAT with icmp_id');
    const random = [501, 502];
    const walk = new NatWalk(() => random.shift() ?? 0);
    walk.rule('iptables -t nat -A POSTROUTING -j SNAT --to-source 10.0.0.201');
    for (const packet of packets) expect(walk.send('e0', packet)).toBeDefined();
    expect(walk.flows()).toEqual(flows);
  });

  it('an ICMPv6 error about a translated port quotes the port that its receiver knows', () => {
    const { packets, flows } = vector('conntrack - ICMPv6 related NAT with single port');
    const walk = new NatWalk().rule('ip6tables -t nat -A PREROUTING -p udp -j DNAT --to-destination [fc00::2]:8080');
    const [first, error] = packets;
    walk.send('e0', first);
    expect(walk.flows()).toEqual(flows);
    const out = walk.send('e1', error)?.bytes ?? new Uint8Array(0);
    expect(finish(pseudo6(out, 8, 58, out.length - 40) + sumBytes(out, 40, out.length - 40))).toBe(0);
    // From the address that was asked, about the packet as it was sent, but for its hop limit.
    expect(out.slice(8, 24)).toEqual(first.slice(24, 40));
    expect(out.slice(56)).toEqual(first.slice(8));
  });
});
