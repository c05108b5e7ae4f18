import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Scenario } from './support/scenario.js';

const FOLDER = join(import.meta.dirname, 'scenarios');

describe('scenario', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
    const text = readFileSync(join(FOLDER, file), 'utf8');
    it(`${file}: ${Scenario.titleOf(text)}`, () => {
      expect(Scenario.run(text).expectations).toBeGreaterThan(3);
    });
  }
});

const SETUP = `ip link add br0 type bridge
ip link add p{1,2,3} type memory
ip link set p{1,2,3} master br0 up
ip link set br0 up
`;

describe('a scenario that is wrong', () => {
  it.each([
    ['expects nothing', 'in p1: A > lldp', 'this scenario expects nothing'],
    ['misses a frame', 'in p1: A > B\nout p2: A > B\ntime +1s', 'line 7: before it, out of p3 came unexpectedly A > B'],
    [
      'misses a frame at its end',
      'in p1: A > B\nout p2: A > B',
      'line 6: before it, out of p3 came unexpectedly A > B',
    ],
    ['expects too much', 'in p1: A > B\nout p1: A > B', 'line 6: nothing came out of p1, expected A > B'],
    ['expects too many', 'in p1: A > B\nout p2 x2: A > B', 'line 6: only 1 frames came out of p2, expected A > B'],
    ['expects another frame', 'in p1: A > B\nout p2: A > C', 'line 6: out of p2 came A > B, expected A > C'],
    [
      'expects another length',
      'in p1: A > B len 99\nout p2: A > B',
      'line 6: out of p2 came A > B len 99, expected A > B',
    ],
    ['expects silence', 'in p1: A > B\nout: nothing', 'line 6: before it, out of p2 came unexpectedly A > B'],
    ['misses a drop', 'in p1: A > pause\nfdb: empty', 'line 6: the drops are pause_frame 1, expected none'],
    ['expects another drop', 'in p1: A > pause\ndrops: runt 1', 'line 6: the drops are pause_frame 1, expected runt 1'],
    ['expects another station', 'in p1: A > lldp\nfdb: A p2', 'line 6: the stations are A p1, expected A p2'],
    [
      'expects another delivery',
      'in p1: A > lldp\ndelivered p1: 2',
      'line 6: 1 frames were delivered to p1, expected 2',
    ],
    ['has a word that is unknown', 'bridge link set dev p1 lerning off', 'line 5: a bridge port has no "lerning"'],
    ['has an instruction that is unknown', 'outt p1: A > B', 'line 5: "outt p1: A > B" is not understood'],
    ['names a link that is not there', 'in p9: A > B', 'line 5: there is no link "p9"'],
    [
      'expects another packet',
      'in p1: A > B ip 10.0.0.9 > 10.0.1.9 udp\nout p2: A > B ip 10.0.0.9 > 10.0.1.9 udp ttl 63',
      'line 6: out of p2 came A > B ip 10.0.0.9 > 10.0.1.9 udp len 46, expected A > B ip 10.0.0.9 > 10.0.1.9 udp ttl 63 len 46',
    ],
    [
      'expects an answer to nothing',
      'in p1: A > lldp\nout p1: p1 > A ip 10.0.0.1 > 10.0.0.9 icmp ttl-exceeded',
      'line 6: nothing came in from 10.0.0.9 that an error could quote',
    ],
    ['has a packet field that is unknown', 'in p1: A > B ip 10.0.0.9 > 10.0.1.9 udp ttk 3', 'a packet has no "ttk"'],
    ['has a packet that ends too soon', 'in p1: A > B ip 10.0.0.9 >', 'ends where an address should be'],
    [
      'has a sysctl that is unknown',
      'sysctl net.ipv4.conf.p1.rp_fliter=1',
      'there is no sysctl net.ipv4.conf.p1.rp_fliter',
    ],
    [
      'expects another neighbour',
      'ip neigh add 10.0.0.9 lladdr A dev br0\nneigh br0: none',
      'line 6: the neighbours are 10.0.0.9 A permanent, expected none',
    ],
    [
      'leaves packets waiting',
      'ip addr add 10.0.0.1/24 dev br0\nip link add e0 type memory\nip link set e0 up\n' +
        'in e0: A > e0 ip 192.0.2.1 > 10.0.0.9 udp\nout p{1,2,3}: br0 > broadcast arp who-has 10.0.0.9 tell 10.0.0.1',
      'at its end 1 frames still wait',
    ],
    ['names a station that is none', 'in p1: Alice > B', 'line 5: "Alice" is neither a station nor a MAC address'],
  ])('because it %s is told so with the line', (_, text, message) => {
    expect(() => Scenario.run(SETUP + text)).toThrow(message);
  });
});
