/* IPv4 through a whole dataplane: what is forwarded, what is answered and what is dropped, and why. */
import { describe, expect, it } from 'vitest';
import { LinkFlag } from '../../src/core/links.js';
import { Conf4, Net4 } from '../../src/route/conf.js';
import { RouteType } from '../../src/route/fib.js';
import { Neighbour, Nud } from '../../src/tables/neighbours.js';
import { isRight } from '../../src/wire/checksum.js';
import { formatIpv4At, formatMacAt } from '../../src/wire/format.js';
import { numbersOf } from '../support/network.js';
import { type Ip4Options, icmp, ip4, pattern, udp } from '../support/packets.js';
import { Router, wordsOf } from '../support/router.js';

const [R0, R1, H0, H1] = ['02:00:00:00:0b:00', '02:00:00:00:0b:01', '02:00:00:00:10:09', '02:00:00:00:11:09'];

function permanent(router: Router, link: string, address: string, mac: string): void {
  const { neighbours } = router.dataplane.inet;
  const number = router.link(link);
  const slot = neighbours.insert4(router.dataplane.links.namespace[number], number, wordsOf(address)[0], true);
  const { high, low } = numbersOf(mac);
  const row = slot << Neighbour.SHIFT;
  neighbours.rows[row + Neighbour.MAC_HIGH] = high;
  neighbours.rows[row + Neighbour.MAC_LOW] = low;
  neighbours.rows[row + Neighbour.STATE] = Nud.PERMANENT;
}

/** Two subnets; 10.0.N.9 is known on eN. */
function router(): Router {
  const made = new Router().interface('e0', R0).interface('e1', R1);
  made.address('e0', '10.0.0.1/24').address('e1', '10.0.1.1/24');
  permanent(made, 'e0', '10.0.0.9', H0);
  permanent(made, 'e1', '10.0.1.9', H1);
  return made;
}

function packet(options: Partial<Ip4Options> = {}): Uint8Array {
  const { source = '10.0.0.9', destination = '10.0.1.9' } = options;
  const payload = udp(source, destination, 1000, 9, pattern(18));
  return ip4({ to: R0, from: H0, source, destination, protocol: 17, payload, ...options });
}

/** An IPv4 packet to be carried in another. */
function inner(n: number): Uint8Array {
  return ip4({ to: R0, from: H0, source: `192.0.2.${n}`, destination: '198.51.100.1', payload: pattern(8) }).subarray(
    14,
  );
}

/** As the sentence of a capture: enough to see what a frame is. */
function summary(frame: Uint8Array): string {
  const isFine = isRight(frame, 14, (frame[14] & 15) << 2, 0) ? '' : ' BAD CHECKSUM';
  const what = frame[23] === 1 ? `icmp ${frame[34]}/${frame[35]}` : `protocol ${frame[23]}`;
  return `${formatMacAt(frame, 6)} > ${formatMacAt(frame, 0)} ${formatIpv4At(frame, 26)} > ${formatIpv4At(frame, 30)} ttl ${frame[22]} ${what}${isFine}`;
}

describe('the router', () => {
  it('forwards: one hop less, the right checksum, the next link’s addresses, the rest untouched', () => {
    const made = router();
    const sent = packet();
    const [frame] = made.send('e0', sent).take('e1');
    expect(summary(frame)).toBe(`${R1} > ${H1} 10.0.0.9 > 10.0.1.9 ttl 63 protocol 17`);
    expect(frame.subarray(26)).toEqual(sent.subarray(26));
    expect(frame.length).toBe(sent.length);
    made.expectConserved();
  });

  it('gives the same on the long path as on the short one', () => {
    const [short, long] = [router(), router()];
    long.dataplane.inet.conf.set('link4', long.link('e0'), Conf4.RP_FILTER, 2);
    for (const ttl of [2, 64, 255])
      for (const id of [0, 1, 0x1234, 0xfeff, 0xffff]) {
        const sent = packet({ ttl, id });
        expect(long.send('e0', sent).take('e1')).toEqual(short.send('e0', sent).take('e1'));
      }
  });

  it('cuts off what Ethernet padded', () => {
    const made = router();
    const sent = packet({ padding: 20 });
    expect(made.send('e0', sent).take('e1')[0].length).toBe(sent.length - 20);
  });

  it.each([
    ['another host’s MAC address', packet({ to: H1 }), 'other_host'],
    ['a wrong checksum', packet().fill(0, 24, 26), 'ipv4_checksum'],
    ['a source that is a group', packet({ source: '224.0.0.1' }), 'martian_source'],
    ['its own address as source', packet({ source: '10.0.1.1' }), 'martian_source'],
    ['a loopback destination', packet({ destination: '127.0.0.1' }), 'martian_destination'],
    ['a group that nobody joined', packet({ destination: '239.0.0.1' }), 'not_joined'],
    ['a link-layer broadcast', packet({ to: 'ff:ff:ff:ff:ff:ff' }), 'not_unicast_link'],
  ])('drops what has %s', (_, frame, reason) => {
    const made = router();
    made.send('e0', frame);
    expect(made.drops('e0')).toEqual({ [reason]: 1 });
    expect(made.outputs('e0', 'e1')).toEqual([]);
    made.expectConserved();
  });

  it.each([
    [RouteType.BLACKHOLE, undefined, 'blackhole'],
    [RouteType.UNREACHABLE, 'icmp 3/1', 'unreachable'],
    [RouteType.PROHIBIT, 'icmp 3/13', 'prohibited'],
  ])('answers a route of type %i with %s', (type, answer, reason) => {
    const made = router().route('172.16.0.0/16', { type });
    made.send('e0', packet({ destination: '172.16.0.1' }));
    expect(made.drops('e0')).toEqual({ [reason]: 1 });
    const answers = made.take('e0').map(summary);
    if (answer === undefined) expect(answers).toEqual([]);
    else expect(answers).toEqual([`${R0} > ${H0} 10.0.0.1 > 10.0.0.9 ttl 64 ${answer}`]);
  });

  it('says that no route leads there, and that the time is over', () => {
    const made = router();
    made.send('e0', packet({ destination: '192.0.2.1' }), packet({ ttl: 1 }));
    expect(made.take('e0').map(summary)).toEqual([
      `${R0} > ${H0} 10.0.0.1 > 10.0.0.9 ttl 64 icmp 3/0`,
      `${R0} > ${H0} 10.0.0.1 > 10.0.0.9 ttl 64 icmp 11/0`,
    ]);
    expect(made.drops('e0')).toEqual({ no_route: 1, ttl_expired: 1 });
  });

  it('says what fits where a packet must not be cut, and cuts it where it may', () => {
    const made = router();
    made.dataplane.setMtu(made.link('e1'), 1000);
    const payload = pattern(1300);
    made.send('e0', packet({ payload, fragment: 0x4000 }));
    const [answer] = made.take('e0');
    expect(summary(answer)).toContain('icmp 3/4');
    expect((answer[40] << 8) | answer[41]).toBe(1000);
    made.send('e0', packet({ payload }));
    const fragments = made.take('e1');
    expect(fragments.map((frame) => frame.length)).toEqual([14 + 20 + 976, 14 + 20 + 324]);
    expect(Uint8Array.from(fragments.flatMap((frame) => [...frame.subarray(34)]))).toEqual(payload);
    made.expectConserved();
  });

  it('spreads flows over the next hops of a multipath route, and keeps each on its own', () => {
    const made = router().interface('e2', '02:00:00:00:0b:02').address('e2', '10.0.2.1/24');
    permanent(made, 'e2', '10.0.2.9', H1);
    made.route('172.16.0.0/16', {
      hops: [
        ['10.0.1.9', 'e1', 3],
        ['10.0.2.9', 'e2', 1],
      ],
    });
    const chosen = new Map<string, Set<string>>();
    for (let round = 0; round < 2; round++)
      for (let host = 0; host < 200; host++) {
        const destination = `172.16.${host}.1`;
        made.send('e0', packet({ destination }));
        const set = chosen.get(destination) ?? new Set();
        chosen.set(destination, set.add(made.outputs('e1', 'e2').join()));
      }
    const ways = [...chosen.values()].map((set) => [...set].join());
    expect(ways.every((way) => way === 'e1' || way === 'e2')).toBe(true);
    const first = ways.filter((way) => way === 'e1').length;
    expect(first).toBeGreaterThan(120);
    expect(first).toBeLessThan(180);
  });

  it.each([
    ['addresses', 0, (n: number) => ({ source: `10.0.0.${n}` }), true],
    [
      'addresses, whatever the ports',
      0,
      (n: number) => ({ payload: udp('10.0.0.9', '172.16.0.1', n, 9, pattern(4)) }),
      false,
    ],
    ['ports', 1, (n: number) => ({ payload: udp('10.0.0.9', '172.16.0.1', n, 9, pattern(4)) }), true],
    ['inner addresses', 2, (n: number) => ({ protocol: 4, payload: inner(n) }), true],
    [
      'inner addresses in GRE',
      2,
      (n: number) => ({ protocol: 47, payload: Uint8Array.from([0x20, 0, 8, 0, 0, 0, 0, 5, ...inner(n)]) }),
      true,
    ],
    ['outer addresses of a tunnel', 1, (n: number) => ({ protocol: 4, payload: inner(n) }), false],
    ['chosen fields', 3, (n: number) => ({ payload: udp('10.0.0.9', '172.16.0.1', n, 9, pattern(4)) }), true],
  ])('tells flows by %s (fib_multipath_hash_policy %i)', (_, policy, options, isSpread) => {
    const made = router().interface('e2', '02:00:00:00:0b:02').address('e2', '10.0.2.1/24');
    permanent(made, 'e2', '10.0.2.9', H1);
    made.route('172.16.0.0/16', {
      hops: [
        ['10.0.1.9', 'e1', 1],
        ['10.0.2.9', 'e2', 1],
      ],
    });
    made.dataplane.inet.conf.set('net4', 0, Net4.FIB_MULTIPATH_HASH_POLICY, policy);
    // Source port alone.
    made.dataplane.inet.conf.set('net4', 0, Net4.FIB_MULTIPATH_HASH_FIELDS, 0x10);
    const ways = new Set<string>();
    for (let n = 2; n < 60; n++) {
      made.send('e0', packet({ destination: '172.16.0.1', ...options(n) }));
      ways.add(made.outputs('e1', 'e2').join());
    }
    expect(ways.size).toBe(isSpread ? 2 : 1);
  });

  it('answers echo requests to any of its addresses', () => {
    const made = router();
    const payload = icmp(8, 0, 0x00070001, pattern(56));
    const [answer] = made.send('e0', packet({ destination: '10.0.1.1', protocol: 1, payload })).take('e0');
    expect(summary(answer)).toBe(`${R0} > ${H0} 10.0.1.1 > 10.0.0.9 ttl 64 icmp 0/0`);
    expect(answer.subarray(38)).toEqual(
      ip4({ to: R0, from: H0, source: '1.1.1.1', destination: '1.1.1.1', payload }).subarray(38),
    );
    made.expectConserved();
  });

  it('does not forward where forwarding is off', () => {
    const made = router();
    made.dataplane.inet.conf.set('link4', made.link('e0'), Conf4.FORWARDING, 0);
    made.send('e0', packet());
    expect(made.drops('e0')).toEqual({ forwarding_off: 1 });
  });

  it('forwards a directed broadcast where bc_forwarding says so, and delivers it where not', () => {
    for (const isOn of [0, 1]) {
      const made = router();
      made.route('10.0.1.255', { type: RouteType.BROADCAST, dev: 'e1' });
      const { conf } = made.dataplane.inet;
      conf.set('all4', 0, Conf4.BC_FORWARDING, isOn);
      conf.set('link4', made.link('e0'), Conf4.BC_FORWARDING, isOn);
      const sent = made.send('e0', packet({ destination: '10.0.1.255' })).take('e1');
      const forwarded = `${R1} > ff:ff:ff:ff:ff:ff 10.0.0.9 > 10.0.1.255 ttl 63 protocol 17`;
      expect(sent.map(summary)).toEqual(isOn === 0 ? [] : [forwarded]);
    }
  });

  it('drops a unicast packet to a link-layer group at once where drop_unicast_in_l2_multicast says so', () => {
    const made = router();
    made.dataplane.inet.conf.set('link4', made.link('e0'), Conf4.DROP_UNICAST_IN_L2_MULTICAST, 1);
    made.send('e0', packet({ to: 'ff:ff:ff:ff:ff:ff', destination: '10.0.0.1' }));
    expect(made.drops('e0')).toEqual({ not_unicast_link: 1 });
  });

  it('minds a path’s MTU for others where ip_forward_use_pmtu says so', () => {
    for (const isOn of [0, 1]) {
      const made = router();
      made.dataplane.inet.conf.set('net4', 0, Net4.FORWARD_USE_PMTU, isOn);
      made.dataplane.inet.pmtu.learn4(0, wordsOf('10.0.1.9')[0], 600, false, 600_000, made.now);
      made.send('e0', packet({ payload: pattern(1000), fragment: 0x4000 }));
      expect(made.take('e1').length).toBe(1 - isOn);
      expect(made.drops('e0')).toEqual(isOn === 0 ? {} : { too_big: 1 });
    }
  });

  it('takes a copy of what others hold too', () => {
    const made = new Router()
      .bridge('br0')
      .ports(['t1', 't2', 't3'], 'br0')
      .equip('br0', R0, 0)
      .address('br0', '10.0.0.1/24');
    const request = icmp(8, 0, 1, pattern(8));
    const frame = ip4({
      to: 'ff:ff:ff:ff:ff:ff',
      from: H0,
      source: '10.0.0.9',
      destination: '10.0.0.255',
      protocol: 1,
      payload: request,
    });
    made.send('t1', frame);
    expect(made.outputs('t1', 't2', 't3')).toEqual(['t2', 't3']);
    made.expectConserved();
  });
});

describe('links inside', () => {
  it('carry a frame from namespace to namespace as it is', () => {
    const made = router().namespace(1, 'lo1').veth('v0', '02:00:00:00:0c:00', 0, 'v1', '02:00:00:00:0c:01', 1);
    made.address('v0', '10.1.0.1/24').address('v1', '10.1.0.2/24');
    made.route('default', { via: '10.1.0.1', dev: 'v1', namespace: 1 });
    permanent(made, 'v0', '10.1.0.2', '02:00:00:00:0c:01');
    permanent(made, 'v1', '10.1.0.1', '02:00:00:00:0c:00');
    const payload = icmp(8, 0, 1, pattern(56));
    const [answer] = made.send('e0', packet({ destination: '10.1.0.2', protocol: 1, payload })).take('e0');
    expect(summary(answer)).toBe(`${R0} > ${H0} 10.1.0.2 > 10.0.0.9 ttl 63 icmp 0/0`);
    expect(made.received('v1')).toBe(1);
    made.expectConserved();
  });

  it('drop what comes to a veth whose other end is down', () => {
    const made = router().namespace(1, 'lo1').veth('v0', '02:00:00:00:0c:00', 0, 'v1', '02:00:00:00:0c:01', 1);
    made.address('v0', '10.1.0.1/24').down('v1');
    permanent(made, 'v0', '10.1.0.2', '02:00:00:00:0c:01');
    made.send('e0', packet({ destination: '10.1.0.2' }));
    expect(made.drops('v0')).toEqual({ tx_link_down: 1 });
    made.expectConserved();
  });

  it('end a broadcast that goes round in circles between two bridges, as far as others are concerned', () => {
    const made = new Router().bridge('a').bridge('b').ports(['t1'], 'a').ports(['t2'], 'b');
    for (const n of [1, 2]) {
      made.veth(`a${n}`, `02:00:00:00:0d:0${n}`, 0, `b${n}`, `02:00:00:00:0e:0${n}`, 0);
      made.join(`a${n}`, 'a').join(`b${n}`, 'b');
    }
    const frame = packet({ to: 'ff:ff:ff:ff:ff:ff' });
    made.memory('t1').feed(frame);
    made.engine.activate(made.link('t1'));
    for (let i = 0; i < 100; i++) made.engine.round(made.now);
    expect(made.engine.isIdle).toBe(false);
    expect(made.take('t2').length).toBeGreaterThan(10);
    made.down('a1');
    made.run();
    expect(made.engine.isIdle).toBe(true);
    made.expectConserved();
  });

  it('tag and untag', () => {
    const made = router();
    const vlan = made.newLink('e0.7');
    made.dataplane.addVirtual(vlan, 3, 1500, 0);
    made.dataplane.setVlan(vlan, made.link('e0'), (0x8100 << 16) | 7);
    made.equip('e0.7', R0, 0).address('e0.7', '10.7.0.1/24');
    permanent(made, 'e0.7', '10.7.0.9', H0);
    expect(made.dataplane.links.flags[made.link('e0')] & LinkFlag.HAS_VLANS).not.toBe(0);
    const plain = packet({ source: '10.7.0.9', destination: '10.0.1.9' });
    const tagged = Uint8Array.from([...plain.subarray(0, 12), 0x81, 0, 0x20, 7, ...plain.subarray(12)]);
    const [routed] = made.send('e0', tagged).take('e1');
    expect(summary(routed)).toBe(`${R1} > ${H1} 10.7.0.9 > 10.0.1.9 ttl 63 protocol 17`);
    const [back] = made
      .send('e1', packet({ to: R1, from: H1, source: '10.0.1.9', destination: '10.7.0.9' }))
      .take('e0');
    expect([...back.subarray(12, 18)]).toEqual([0x81, 0, 0, 7, 8, 0]);
    const other = Uint8Array.from(tagged);
    other[15] = 8;
    made.send('e0', other);
    expect(made.drops('e0')).toEqual({ vlan_unknown: 1 });
    made.remove('e0.7');
    expect(made.dataplane.links.flags[made.link('e0')] & LinkFlag.HAS_VLANS).toBe(0);
    made.expectConserved();
  });
});
