/* IP packets of a bridge at netfilter's hooks, in memory. test/e2e/bridge-netfilter.test.ts has the same beside the kernel. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Family, Hook, Rule, TableId } from '../../src/netfilter/rule.js';
import { Conf4, Net4 } from '../../src/route/conf.js';
import { FdbFlag } from '../../src/tables/fdb.js';
import { permanent } from '../route/stack.js';
import { FilteredRouter } from '../support/filtered-router.js';
import { A, B, C } from '../support/frames.js';
import { ip4, udp } from '../support/packets.js';
import { Router } from '../support/router.js';
import { ACCEPT, baseChain, DROP } from '../support/rules.js';

const BRIDGE = '02:00:00:00:00:f0';
const HOSTS: Record<string, string> = { [A]: '10.0.0.1', [B]: '10.0.0.2', [C]: '10.0.0.3', [BRIDGE]: '10.0.0.254' };

function datagram(from: string, to: string, sport: number, dport = 53): Uint8Array {
  const [source, destination] = [HOSTS[from], HOSTS[to]];
  const payload = udp(source, destination, sport, dport, new Uint8Array(20));
  return ip4({ to, from, source, destination, protocol: 17, payload });
}

let router: Router;

beforeEach(() => {
  router = new Router().bridge().equip('br0', BRIDGE, 0).address('br0', '10.0.0.254/24').ports(['a', 'b', 'c']);
  router.station(A, 'a');
  router.station(B, 'b');
  router.station(C, 'c');
  router.station(BRIDGE, 'br0', FdbFlag.STATIC | FdbFlag.LOCAL | FdbFlag.OF_BRIDGE);
  router.dataplane.inet.conf.set('net4', 0, Net4.BRIDGE_NF_CALL, 1);
});

const flows = (): number => router.dataplane.netfilter.conntrack.count[0];

describe('packets that a bridge forwards', () => {
  it('begin their flows each for itself, though they come in one burst', () => {
    router.dataplane.netfilter.setTracking(0, Family.IPV4, true);
    router.send('a', ...[1, 2, 3].map((sport) => datagram(A, B, sport)));
    expect(router.take('b')).toHaveLength(3);
    expect(flows()).toBe(3);
    router.send('b', ...[1, 2, 3].map((dport) => datagram(B, A, 53, dport)));
    expect(router.take('a')).toHaveLength(3);
    expect(flows()).toBe(3);
    router.expectConserved();
  });

  it('to br0 itself, too', () => {
    router.dataplane.netfilter.setTracking(0, Family.IPV4, true);
    router.send('a', ...[1, 2].map((sport) => datagram(A, BRIDGE, sport)), datagram(A, B, 3));
    // br0 also asks for a, whom it has something to tell.
    expect(router.take('b').filter((frame) => frame[13] === 0)).toHaveLength(1);
    expect(flows()).toBe(3);
  });

  it('pass FORWARD with the bridge as both links', () => {
    const { patterns } = router.dataplane.netfilter;
    patterns.define(1, true);
    patterns.add(1, router.link('br0'));
    const row = { [Rule.LINKS]: (1 << 16) | 1 };
    baseChain(router.dataplane, [Family.IPV4, TableId.FILTER, Hook.FORWARD], [{ ...DROP, row }, ACCEPT]);
    router.send('a', datagram(A, B, 1), datagram(A, C, 1));
    expect(router.outputs('b', 'c')).toEqual([]);
    expect(router.drops()).toEqual({ rule: 2 });
    router.expectConserved();
  });

  it('pass nothing where the sysctl is off', () => {
    router.dataplane.inet.conf.set('net4', 0, Net4.BRIDGE_NF_CALL, 0);
    baseChain(router.dataplane, [Family.IPV4, TableId.FILTER, Hook.FORWARD], [DROP]);
    router.send('a', datagram(A, B, 1));
    expect(router.outputs('b', 'c')).toEqual(['b']);
    router.expectConserved();
  });

  it('of a port that does not even learn ask nobody', () => {
    router.dataplane.netfilter.setTracking(0, Family.IPV4, true);
    baseChain(router.dataplane, [Family.IPV4, TableId.RAW, Hook.PREROUTING], [DROP]);
    router.options('a', 0, 0, 0);
    router.send('a', datagram(A, B, 1));
    expect(Object.keys(router.drops())).toEqual(['port_not_forwarding']);
  });
});

describe('packets that a bridge shows, and others', () => {
  const RULES = `*raw
-A PREROUTING -p udp --dport 99 -j DROP
COMMIT
*mangle
-A PREROUTING -s 10.0.0.1
COMMIT
*filter
-A INPUT -m conntrack --ctstate NEW -j DROP
COMMIT
`;
  const H1 = '02:00:00:00:11:09';
  const E1 = '02:00:00:00:0b:01';
  let filtered: FilteredRouter;

  beforeEach(async () => {
    filtered = new FilteredRouter();
    filtered.bridge().equip('br0', BRIDGE, 0).address('br0', '10.0.0.254/24').ports(['a', 'b']);
    filtered.interface('e1', E1).address('e1', '10.0.1.1/24');
    filtered.station(A, 'a');
    filtered.station(B, 'b');
    filtered.station(BRIDGE, 'br0', FdbFlag.STATIC | FdbFlag.LOCAL | FdbFlag.OF_BRIDGE);
    permanent(filtered, 'br0', '10.0.0.1', A);
    permanent(filtered, 'e1', '10.0.1.9', H1);
    const { conf } = filtered.dataplane.inet;
    for (const name of ['br0', 'e1']) conf.set('link4', filtered.link(name), Conf4.FORWARDING, 1);
    conf.set('net4', 0, Net4.BRIDGE_NF_CALL, 1);
    await filtered.restore(RULES);
  });

  it('are counted once at PREROUTING where they are routed afterwards', async () => {
    const ends = { to: BRIDGE, from: A, source: '10.0.0.1', destination: '10.0.1.9' };
    const frame = ip4({ ...ends, protocol: 17, payload: udp('10.0.0.1', '10.0.1.9', 5, 53, new Uint8Array(20)) });
    for (let i = 0; i < 10; i++) filtered.send('a', frame);
    expect(filtered.take('e1')).toHaveLength(10);
    expect(await filtered.save('mangle')).toContain('[10:480] -A PREROUTING -s 10.0.0.1/32');
  });

  it('leave nothing behind for those that are not shown', async () => {
    for (let i = 0; i < 4; i++) filtered.send('a', datagram(A, B, 7)).send('b', datagram(B, A, 53, 7));
    filtered.dataplane.inet.conf.set('net4', 0, Net4.BRIDGE_NF_CALL, 0);
    filtered.dataplane.netfilter.changed();
    for (let i = 0; i < 12; i++) filtered.send('a', datagram(A, BRIDGE, 5, 99));
    expect(await filtered.save('raw')).toContain('[12:576] -A PREROUTING -p udp -m udp --dport 99 -j DROP');
  });
});
