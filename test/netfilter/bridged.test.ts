/* IP packets of a bridge at netfilter's hooks, in memory. test/e2e/bridge-netfilter.test.ts has the same beside the kernel. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Family, Hook, Rule, TableId } from '../../src/netfilter/rule.js';
import { Net4 } from '../../src/route/conf.js';
import { FdbFlag } from '../../src/tables/fdb.js';
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
