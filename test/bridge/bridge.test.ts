import { describe, expect, it } from 'vitest';
import { StormClass } from '../../src/bridge/storm.js';
import { Gso, Vnet } from '../../src/core/arena.js';
import { Counter, LinkFlag, Total } from '../../src/core/links.js';
import { PortState } from '../../src/datapath.js';
import { FdbFlag } from '../../src/tables/fdb.js';
import { A, B, BROADCAST, C, D, frame, mac } from '../support/frames.js';
import { Network } from '../support/network.js';

const MULTICAST = '01:00:5e:01:02:03';
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** br0 with p1, p2, p3, all up. */
function threePorts(): Network {
  return new Network().bridge().ports(['p1', 'p2', 'p3']);
}

const ALL = ['p1', 'p2', 'p3'];

/** Where a frame that comes in by p1 comes out. */
function fromP1(network: Network, source: string, destination: string): string[] {
  return network.send('p1', frame(source, destination)).outputs(...ALL);
}

describe('learning', () => {
  it('floods a frame to an unknown station to all other ports', () => {
    const network = threePorts();
    expect(fromP1(network, A, B)).toEqual(['p2', 'p3']);
    expect(network.drops()).toEqual({});
    network.expectConserved();
  });

  it('sends a frame to a known station by its port alone, unchanged', () => {
    const network = threePorts();
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    const sent = frame(A, B, { length: 777, fill: 0x33 });
    network.send('p1', sent);
    expect(network.take('p2')).toEqual([sent]);
    expect(network.outputs('p1', 'p3')).toEqual([]);
    network.expectConserved();
  });

  it('learns from every kind of frame: unicast, broadcast, multicast and those that are dropped later', () => {
    const network = threePorts();
    network.send('p1', frame(A, BROADCAST), frame(B, MULTICAST), frame(C, mac(99)), frame(D, C));
    expect(network.stations()).toEqual([`${A} p1`, `${B} p1`, `${C} p1`, `${D} p1`]);
    expect(network.drops('p1')).toEqual({ same_port: 1 });
  });

  it('learns of the frames of one burst in order', () => {
    const network = threePorts();
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    // B speaks on p1 in the middle of a burst: what came before goes to p2, what comes after is on the same port.
    network.send('p1', frame(A, B), frame(B, BROADCAST), frame(A, B));
    expect(network.take('p2')).toEqual([frame(A, B), frame(B, BROADCAST)]);
    expect(network.drops('p1')).toEqual({ same_port: 1 });
  });

  it('keeps the stations of two bridges apart', () => {
    const network = threePorts().bridge('br1').ports(['q1', 'q2'], 'br1');
    network.send('p1', frame(A, BROADCAST)).send('q2', frame(A, BROADCAST));
    network.outputs('p2', 'p3', 'q1');
    expect(network.where(A, 'br0')).toBe('p1');
    expect(network.where(A, 'br1')).toBe('q2');
    expect(network.send('p3', frame(B, A)).outputs('p1', 'p2', 'q1', 'q2')).toEqual(['p1']);
    expect(network.send('q1', frame(B, A)).outputs('p1', 'p2', 'q1', 'q2')).toEqual(['q2']);
  });

  it('does not learn on a port with learning off, and forwards all the same', () => {
    const network = threePorts().options('p1', 0, LinkFlag.LEARNING);
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2', 'p3']);
    expect(network.stations()).toEqual([]);
  });

  it('learns no more than the limit of a port, forwards the rest, and counts them', () => {
    const network = threePorts().options('p1', 0, 0, PortState.FORWARDING, 3);
    for (let n = 0; n < 10; n++) expect(fromP1(network, mac(n), BROADCAST)).toEqual(['p2', 'p3']);
    expect(network.stations()).toHaveLength(3);
    expect(network.counter('p1', Counter.LEARN_REFUSED)).toBe(7);
    network.send('p2', frame(B, BROADCAST));
    expect(network.where(B)).toBe('p2');
  });

  it('takes limits beyond 31 bits for what they are: no limits', () => {
    const network = threePorts().bridgeOptions({ learnLimit: 0xffffffff, ageingMs: 0xffffffff });
    network.options('p1', 0, 0, PortState.FORWARDING, 0xffffffff);
    network.dataplane.setStorm(network.link('p1'), StormClass.BROADCAST, 0xffffffff, network.now);
    for (let n = 0; n < 10; n++) expect(fromP1(network, mac(n), BROADCAST)).toEqual(['p2', 'p3']);
    expect(network.stations()).toHaveLength(10);
  });

  it('learns no more than the limit of a bridge', () => {
    const network = threePorts().bridgeOptions({ learnLimit: 2 });
    network.send('p1', frame(A, BROADCAST)).send('p2', frame(B, BROADCAST)).send('p3', frame(C, BROADCAST));
    expect(network.stations()).toEqual([`${A} p1`, `${B} p2`]);
  });
});

describe('roaming', () => {
  it('follows a station that moves with its first frame, and counts the move', () => {
    const network = threePorts();
    network
      .send('p1', frame(A, BROADCAST))
      .send('p2', frame(A, BROADCAST))
      .outputs(...ALL);
    expect(network.where(A)).toBe('p2');
    expect(network.counter('p2', Counter.STATION_MOVES)).toBe(1);
    expect(network.send('p3', frame(B, A)).outputs(...ALL)).toEqual(['p2']);
  });

  it('does not move a station to a port that has reached its limit', () => {
    const network = threePorts().options('p2', 0, 0, PortState.FORWARDING, 1);
    network.send('p1', frame(A, BROADCAST)).send('p2', frame(B, BROADCAST)).send('p2', frame(A, BROADCAST));
    expect(network.where(A)).toBe('p1');
    expect(network.counter('p2', Counter.LEARN_REFUSED)).toBe(1);
  });

  it.each([
    ['static sticky', FdbFlag.STATIC | FdbFlag.STICKY],
    ['sticky', FdbFlag.STICKY],
  ])('leaves a %s entry where it is, and forwards the frame', (_, flag) => {
    const network = threePorts();
    network.station(A, 'p1', flag);
    expect(network.send('p2', frame(A, BROADCAST)).outputs(...ALL)).toEqual(['p1', 'p3']);
    expect(network.where(A)).toBe('p1');
  });

  it("does not learn the bridge's own address from a frame, and forwards it", () => {
    const network = threePorts();
    network.station(D, 'br0', FdbFlag.STATIC | FdbFlag.LOCAL | FdbFlag.OF_BRIDGE);
    expect(fromP1(network, D, BROADCAST)).toEqual(['p2', 'p3']);
    expect(network.where(D)).toBe('br0');
  });

  it('takes an entry that a command made dynamic for one that was learned', () => {
    const network = threePorts();
    network.station(A, 'p1', 0);
    network.send('p2', frame(A, BROADCAST));
    expect(network.where(A)).toBe('p2');
    expect(network.wait(301_000).stations()).toEqual([]);
  });
});

describe('ageing', () => {
  it('forgets a station 300 s after its last frame', () => {
    const network = threePorts();
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    network.wait(299_900);
    expect(fromP1(network, A, B)).toEqual(['p2']);
    network.wait(200);
    expect(fromP1(network, A, B)).toEqual(['p2', 'p3']);
  });

  it('starts anew with every frame of the station', () => {
    const network = threePorts();
    for (let minute = 0; minute < 20; minute++) network.send('p2', frame(B, BROADCAST)).wait(MINUTE);
    expect(network.where(B)).toBe('p2');
  });

  it('does not start anew with frames to the station', () => {
    const network = threePorts();
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    for (let minute = 0; minute < 5; minute++) {
      expect(fromP1(network, A, B)).toEqual(['p2']);
      network.wait(MINUTE);
    }
    network.wait(1);
    expect(fromP1(network, A, B)).toEqual(['p2', 'p3']);
  });

  it('leaves static entries for ever', () => {
    const network = threePorts();
    network.station(A, 'p3');
    for (let day = 0; day < 30; day++) network.sleep(DAY);
    expect(network.where(A)).toBe('p3');
  });

  it('gives the slots of expired stations back within half a minute, without a frame', () => {
    const network = new Network({ fdbCapacity: 8192 }).bridge().ports(ALL).bridgeOptions({ ageingMs: 5000 });
    for (let n = 0; n < 4000; n++) network.send('p1', frame(mac(n), BROADCAST));
    expect(network.dataplane.fdb.size).toBe(4000);
    expect(network.wait(35_000).dataplane.fdb.size).toBe(0);
    expect(network.dataplane.fdb.learned[network.link('p1')]).toBe(0);
  });

  it('takes a new ageing time at once for stations that are known already', () => {
    const network = threePorts();
    network.send('p2', frame(B, BROADCAST)).wait(20_000);
    expect(network.where(B)).toBe('p2');
    expect(network.bridgeOptions({ ageingMs: 15_000 }).where(B)).toBeUndefined();
  });

  it('learns nobody with an ageing time of 0', () => {
    const network = threePorts().bridgeOptions({ ageingMs: 0 });
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    expect(network.stations()).toEqual([]);
    expect(fromP1(network, A, B)).toEqual(['p2', 'p3']);
  });

  it('of one bridge has nothing to do with that of another', () => {
    const network = threePorts().bridge('br1').ports(['q1', 'q2'], 'br1').bridgeOptions({ ageingMs: 1000 }, 'br1');
    network.send('p1', frame(A, BROADCAST)).send('q1', frame(A, BROADCAST)).wait(2000);
    expect(network.where(A, 'br0')).toBe('p1');
    expect(network.where(A, 'br1')).toBeUndefined();
  });

  it('goes on after the table was empty for longer than half the range of the clock', () => {
    const network = threePorts().bridgeOptions({ ageingMs: 5000 });
    network.send('p1', frame(A, BROADCAST)).wait(2000).down('p1');
    expect(network.dataplane.fdb.size).toBe(0);
    network.sleep(26 * DAY).up('p1');
    network.send('p1', frame(A, BROADCAST)).wait(30_000);
    expect(network.dataplane.fdb.size).toBe(0);
  });
});

describe('flooding', () => {
  it.each([
    ['flood', LinkFlag.FLOOD, mac(99), [MULTICAST, BROADCAST]],
    ['mcast_flood', LinkFlag.MCAST_FLOOD, MULTICAST, [mac(99), BROADCAST]],
    ['bcast_flood', LinkFlag.BCAST_FLOOD, BROADCAST, [mac(99), MULTICAST]],
  ])('leaves out a port with %s off, for its own kind of frame only', (_, flag, stopped, others) => {
    const network = threePorts().options('p2', 0, flag);
    expect(fromP1(network, A, stopped)).toEqual(['p3']);
    for (const other of others) expect(fromP1(network, A, other)).toEqual(['p2', 'p3']);
  });

  it('gates what goes out of a port, not what comes in', () => {
    const network = threePorts().options('p1', 0, LinkFlag.FLOOD | LinkFlag.MCAST_FLOOD | LinkFlag.BCAST_FLOOD);
    for (const destination of [mac(99), MULTICAST, BROADCAST])
      expect(fromP1(network, A, destination)).toEqual(['p2', 'p3']);
  });

  it('does not keep a known station from being reached by a port with flood off', () => {
    const network = threePorts().options('p2', 0, LinkFlag.FLOOD);
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    expect(fromP1(network, A, B)).toEqual(['p2']);
  });

  it('drops a frame to an unknown station that no port may flood, and says so', () => {
    const network = threePorts().options('p2', 0, LinkFlag.FLOOD).options('p3', 0, LinkFlag.FLOOD);
    expect(fromP1(network, A, B)).toEqual([]);
    expect(network.drops('p1')).toEqual({ no_egress: 1 });
    network.expectConserved();
  });

  it('takes broadcast and multicast frames up to br0 too, unknown unicast ones not', () => {
    const network = threePorts();
    fromP1(network, A, BROADCAST);
    fromP1(network, A, MULTICAST);
    fromP1(network, A, mac(99));
    expect(network.counter('br0', Counter.DELIVERED)).toBe(2);
    expect(network.counter('p1', Counter.RX_MULTICAST)).toBe(2);
    network.expectConserved();
  });

  it('counts a clone for every copy beyond the first', () => {
    const network = new Network().bridge().ports(['p1', 'p2', 'p3', 'p4', 'p5']);
    network.send('p1', frame(A, B));
    expect(network.dataplane.links.totals[Total.CLONED]).toBe(3);
    network.send('p1', frame(A, BROADCAST));
    // Four ports and br0.
    expect(network.dataplane.links.totals[Total.CLONED]).toBe(3 + 4);
    network.expectConserved();
  });

  it('reaches all of a thousand ports with one frame', () => {
    const names = Array.from({ length: 1023 }, (_, i) => `t${i}`);
    const network = new Network({ heads: 128 }).bridge().ports(names);
    network.send('t0', frame(A, B));
    expect(network.outputs(...names)).toHaveLength(1022);
    network.expectConserved();
  });

  it('of a bridge with one port drops what is for nobody', () => {
    const network = new Network().bridge().ports(['p1']);
    network.send('p1', frame(A, B));
    expect(network.outputs('p1')).toEqual([]);
    expect(network.drops('p1')).toEqual({ no_egress: 1 });
  });
});

describe('a port that is', () => {
  it('isolated reaches only those that are not', () => {
    const network = threePorts().options('p1', LinkFlag.ISOLATED).options('p2', LinkFlag.ISOLATED);
    expect(fromP1(network, A, BROADCAST)).toEqual(['p3']);
    expect(fromP1(network, A, mac(99))).toEqual(['p3']);
    network
      .send('p2', frame(B, BROADCAST))
      .send('p3', frame(C, BROADCAST))
      .outputs(...ALL);
    expect(fromP1(network, A, B)).toEqual([]);
    expect(network.drops('p1')).toEqual({ isolated: 1 });
    expect(fromP1(network, A, C)).toEqual(['p3']);
    expect(network.send('p3', frame(C, A)).outputs(...ALL)).toEqual(['p1']);
    network.expectConserved();
  });

  it('a hairpin sends frames back out where they came in', () => {
    const network = threePorts().options('p1', LinkFlag.HAIRPIN);
    expect(fromP1(network, A, BROADCAST)).toEqual(['p1', 'p2', 'p3']);
    fromP1(network, B, BROADCAST);
    expect(fromP1(network, A, B)).toEqual(['p1']);
    network.expectConserved();
  });

  it('no hairpin drops a frame for a station behind it', () => {
    const network = threePorts();
    network.send('p1', frame(A, BROADCAST), frame(B, BROADCAST)).outputs(...ALL);
    expect(fromP1(network, A, B)).toEqual([]);
    expect(network.drops('p1')).toEqual({ same_port: 1 });
  });

  it('an isolated hairpin sends nothing back', () => {
    const network = threePorts().options('p1', LinkFlag.HAIRPIN | LinkFlag.ISOLATED);
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2', 'p3']);
  });

  it('locked lets in only stations that its forwarding database has, and learns none', () => {
    const network = threePorts().options('p1', LinkFlag.LOCKED);
    expect(fromP1(network, A, BROADCAST)).toEqual([]);
    expect(network.stations()).toEqual([]);
    network.station(A, 'p1');
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2', 'p3']);
    expect(network.drops('p1')).toEqual({ port_locked: 1 });
  });

  it('locked does not let in a station of another port, nor the own address, and does not move it', () => {
    const network = threePorts().options('p1', LinkFlag.LOCKED);
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    network.station(D, 'p1', FdbFlag.STATIC | FdbFlag.LOCAL);
    expect(fromP1(network, B, BROADCAST)).toEqual([]);
    expect(fromP1(network, D, BROADCAST)).toEqual([]);
    expect(network.where(B)).toBe('p2');
    expect(network.drops('p1')).toEqual({ port_locked: 2 });
  });

  it('locked forgets a dynamic entry when it has expired', () => {
    const network = threePorts().options('p1', LinkFlag.LOCKED, LinkFlag.LEARNING);
    network.station(A, 'p1', 0);
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2', 'p3']);
    network.wait(300_001);
    expect(fromP1(network, A, BROADCAST)).toEqual([]);
  });
});

describe('the state of a port', () => {
  it.each([
    ['disabled', PortState.DISABLED, false],
    ['listening', PortState.LISTENING, false],
    ['learning', PortState.LEARNING, true],
    ['blocking', PortState.BLOCKING, false],
  ])('%s lets nothing in or out', (_, state, learns) => {
    const network = threePorts().options('p1', 0, 0, state);
    expect(fromP1(network, A, BROADCAST)).toEqual([]);
    expect(network.drops('p1')).toEqual({ port_not_forwarding: 1 });
    expect(network.where(A)).toBe(learns ? 'p1' : undefined);
    expect(network.send('p2', frame(B, BROADCAST)).outputs(...ALL)).toEqual(['p3']);
    network.station(C, 'p1');
    expect(network.send('p2', frame(B, C)).outputs(...ALL)).toEqual([]);
    expect(network.drops('p2')).toEqual({ egress_not_forwarding: 1 });
    network.expectConserved();
  });

  it('learning does not learn on a port with learning off', () => {
    const network = threePorts().options('p1', 0, LinkFlag.LEARNING, PortState.LEARNING);
    expect(fromP1(network, A, BROADCAST)).toEqual([]);
    expect(network.stations()).toEqual([]);
  });

  it('disabled by a command keeps the stations of the port', () => {
    const network = threePorts();
    network.send('p1', frame(A, BROADCAST)).options('p1', 0, 0, PortState.DISABLED);
    expect(network.where(A)).toBe('p1');
  });
});

describe('link-local addresses', () => {
  const groups = Array.from({ length: 16 }, (_, i) => i);
  const address = (last: number): string => `01:80:c2:00:00:${last.toString(16).padStart(2, '0')}`;

  it.each(groups)('01:80:c2:00:00:0%i is treated as the kernel does', (last) => {
    const network = threePorts();
    const out = fromP1(network, A, address(last));
    expect(out).toEqual(last === 0 ? ['p2', 'p3'] : []);
    expect(network.drops()).toEqual(last === 1 ? { pause_frame: 1 } : {});
    expect(network.counter('p1', Counter.DELIVERED)).toBe(last > 1 ? 1 : 0);
    expect(network.where(A)).toBe(last === 1 ? undefined : 'p1');
    network.expectConserved();
  });

  it('are forwarded when group_fwd_mask has their bit, and only those', () => {
    const network = threePorts().bridgeOptions({ mask: 0x4008 });
    for (const last of groups) {
      const isForwarded = last === 0 || last === 3 || last === 14;
      expect(fromP1(network, A, address(last))).toEqual(isForwarded ? ['p2', 'p3'] : []);
    }
  });

  it("are forwarded when their port's own mask has their bit", () => {
    const network = threePorts();
    network.dataplane.setPort(
      network.link('p1'),
      network.dataplane.links.flags[network.link('p1')],
      PortState.FORWARDING,
      0,
      1 << 2,
    );
    expect(fromP1(network, A, address(2))).toEqual(['p2', 'p3']);
    expect(network.send('p2', frame(B, address(2))).outputs(...ALL)).toEqual([]);
  });

  it('never let PAUSE through by a mask', () => {
    const network = threePorts().bridgeOptions({ mask: 0xffff });
    expect(fromP1(network, A, address(1))).toEqual([]);
  });

  it('are all forwarded by a transparent bridge, PAUSE too', () => {
    const network = threePorts().bridgeOptions({ isTransparent: true });
    for (const last of groups) expect(fromP1(network, A, address(last))).toEqual(['p2', 'p3']);
  });

  it('obey mcast_flood when they are forwarded', () => {
    const network = threePorts().options('p2', 0, LinkFlag.MCAST_FLOOD);
    expect(fromP1(network, A, address(0))).toEqual(['p3']);
  });

  it('reach the stack of a port in any state, and are learned from in learning and forwarding only', () => {
    for (const state of [
      PortState.DISABLED,
      PortState.LISTENING,
      PortState.LEARNING,
      PortState.FORWARDING,
      PortState.BLOCKING,
    ]) {
      const network = threePorts().options('p1', 0, 0, state);
      fromP1(network, A, address(14));
      expect(network.counter('p1', Counter.DELIVERED)).toBe(1);
      const learns = state === PortState.LEARNING || state === PortState.FORWARDING;
      expect(network.where(A)).toBe(learns ? 'p1' : undefined);
    }
  });

  it('end at 0f: the next sixteen are multicast like any other', () => {
    const network = threePorts();
    expect(fromP1(network, A, '01:80:c2:00:00:10')).toEqual(['p2', 'p3']);
    expect(fromP1(network, A, '01:80:c2:00:01:0e')).toEqual(['p2', 'p3']);
    expect(fromP1(network, A, '01:80:c2:01:00:0e')).toEqual(['p2', 'p3']);
  });
});

describe('bad frames', () => {
  it.each([
    ['a multicast', '03:00:00:00:00:01'],
    ['the broadcast', BROADCAST],
    ['the zero', '00:00:00:00:00:00'],
  ])('from %s address are dropped and not learned', (_, source) => {
    const network = threePorts();
    expect(fromP1(network, source, BROADCAST)).toEqual([]);
    expect(network.drops('p1')).toEqual({ source_invalid: 1 });
    expect(network.stations()).toEqual([]);
    network.expectConserved();
  });

  it('shorter than an Ethernet header are dropped, all lengths of them', () => {
    const network = threePorts();
    for (let length = 0; length < 14; length++) network.send('p1', frame(A, BROADCAST).subarray(0, length));
    expect(network.outputs(...ALL)).toEqual([]);
    expect(network.drops('p1')).toEqual({ runt: 14 });
    network.expectConserved();
  });

  it('of nothing but an Ethernet header are forwarded', () => {
    const network = threePorts();
    network.send('p1', frame(A, B, { length: 14 }));
    expect(network.take('p2')).toEqual([frame(A, B, { length: 14 })]);
  });

  it('between good ones do not disturb them', () => {
    const network = threePorts();
    const good = [1, 2, 3].map((fill) => frame(A, B, { fill }));
    network.send('p1', good[0], new Uint8Array(3), good[1], frame('01:00:00:00:00:01', B), good[2]);
    expect(network.take('p2')).toEqual(good);
  });
});

describe('storm control', () => {
  const cases: Array<[string, StormClass, string, string]> = [
    ['broadcast', StormClass.BROADCAST, BROADCAST, 'storm_broadcast'],
    ['multicast', StormClass.MULTICAST, MULTICAST, 'storm_multicast'],
    ['unknown unicast', StormClass.UNKNOWN, mac(99), 'storm_unknown'],
  ];

  it.each(cases)('lets %s frames through at their rate in the long run', (_, storm, destination, reason) => {
    const network = threePorts();
    network.dataplane.setStorm(network.link('p1'), storm, 50, network.now);
    // 1,000 a second for 20 s, across the wrap of the clock.
    for (let ms = 0; ms < 20_000; ms++) {
      network.send('p1', frame(A, destination));
      network.now = (network.now + 1) | 0;
    }
    const through = network.take('p2').length;
    expect(through).toBeGreaterThanOrEqual(20 * 50);
    expect(through).toBeLessThanOrEqual(20 * 50 + 5);
    expect(network.drops('p1')).toEqual({ [reason]: 20_000 - through });
    network.expectConserved();
  });

  it.each(cases)('of %s frames leaves the other kinds and known stations alone', (name, storm) => {
    const network = threePorts();
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    network.dataplane.setStorm(network.link('p1'), storm, 1, network.now);
    for (const [other, , destination] of cases) {
      if (other === name) continue;
      for (let i = 0; i < 100; i++) network.send('p1', frame(A, destination));
    }
    for (let i = 0; i < 100; i++) network.send('p1', frame(A, B));
    expect(network.drops()).toEqual({});
  });

  it('lets a tenth of a second through at once, and at least one', () => {
    const network = threePorts();
    const burst = (limit: number): number => {
      network.dataplane.setStorm(network.link('p1'), StormClass.BROADCAST, limit, network.now);
      for (let i = 0; i < 500; i++) network.send('p1', frame(A, BROADCAST));
      return network.take('p2').length;
    };
    expect(burst(1000)).toBe(100);
    expect(burst(5)).toBe(1);
  });

  it('of one port does not concern another', () => {
    const network = threePorts();
    network.dataplane.setStorm(network.link('p1'), StormClass.BROADCAST, 1, network.now);
    for (let i = 0; i < 10; i++) network.send('p1', frame(A, BROADCAST)).send('p2', frame(B, BROADCAST));
    expect(network.drops()).toEqual({ storm_broadcast: 9 });
    expect(network.drops('p1')).toEqual({ storm_broadcast: 9 });
  });

  it('ends with a limit of 0, and with leaving the bridge', () => {
    const network = threePorts();
    const p1 = network.link('p1');
    network.dataplane.setStorm(p1, StormClass.BROADCAST, 1, network.now);
    network.dataplane.setStorm(p1, StormClass.BROADCAST, 0, network.now);
    for (let i = 0; i < 10; i++) network.send('p1', frame(A, BROADCAST));
    network.dataplane.setStorm(p1, StormClass.BROADCAST, 1, network.now);
    network.leave('p1').join('p1', 'br0');
    for (let i = 0; i < 10; i++) network.send('p1', frame(A, BROADCAST));
    expect(network.drops()).toEqual({});
  });

  it('is fair again after a port was silent for longer than half the range of the clock', () => {
    const network = threePorts();
    network.dataplane.setStorm(network.link('p1'), StormClass.BROADCAST, 10, network.now);
    for (let i = 0; i < 5; i++) network.send('p1', frame(A, BROADCAST));
    network.outputs(...ALL);
    network.sleep(26 * DAY);
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2', 'p3']);
  });

  it('does not stop a station from being learned', () => {
    const network = threePorts();
    network.dataplane.setStorm(network.link('p1'), StormClass.BROADCAST, 1, network.now);
    network.send('p1', frame(A, BROADCAST), frame(B, BROADCAST));
    expect(network.drops()).toEqual({ storm_broadcast: 1 });
    expect(network.where(B)).toBe('p1');
  });
});

describe('the MTU', () => {
  it('lets a frame of MTU, Ethernet header and one VLAN tag leave, and not a byte more', () => {
    const network = threePorts();
    network.dataplane.setMtu(network.link('p2'), 1400);
    network.send('p1', frame(A, BROADCAST, { length: 1418 })).send('p1', frame(A, BROADCAST, { length: 1419 }));
    expect(network.take('p2').map((sent) => sent.length)).toEqual([1418]);
    expect(network.take('p3').map((sent) => sent.length)).toEqual([1418, 1419]);
    expect(network.drops('p2')).toEqual({ tx_mtu: 1 });
    network.expectConserved();
  });

  it('of the port a frame comes in by does not matter', () => {
    const network = threePorts();
    network.dataplane.setMtu(network.link('p1'), 100);
    expect(network.send('p1', frame(A, BROADCAST, { length: 1514 })).outputs(...ALL)).toEqual(['p2', 'p3']);
  });

  it('does not hold up a superframe, which may be cut before it leaves', () => {
    const network = threePorts();
    const bytes = frame(A, BROADCAST, { length: 60_000 });
    network.memory('p1').feed(bytes, [Vnet.NEEDS_CSUM | (Gso.TCPV4 << 8), 54, 1448, 34, 16]);
    network.run('p1');
    expect(network.take('p2')).toEqual([bytes]);
    expect(network.drops()).toEqual({});
    network.expectConserved();
  });

  it('holds up a long frame with a partial checksum alone', () => {
    const network = threePorts();
    network.memory('p1').feed(frame(A, BROADCAST, { length: 2000 }), [Vnet.NEEDS_CSUM, 0, 0, 34, 16]);
    expect(network.run('p1').outputs(...ALL)).toEqual([]);
    expect(network.drops()).toEqual({ tx_mtu: 2 });
  });
});

describe('a link that goes down', () => {
  const bringDown: Array<[string, (network: Network) => void]> = [
    ['by command', (network) => network.down('p2')],
    ['by losing its carrier', (network) => network.dataplane.setCarrier(network.link('p2'), false)],
    ['by leaving the bridge', (network) => network.leave('p2')],
  ];

  it.each(bringDown)('%s loses the stations it learned, the other ports keep theirs', (_, bring) => {
    const network = threePorts();
    network.send('p1', frame(A, BROADCAST)).send('p2', frame(B, BROADCAST));
    bring(network);
    expect(network.stations()).toEqual([`${A} p1`]);
  });

  it.each([PortState.LEARNING, PortState.BLOCKING, PortState.LISTENING])('in state %i loses them as well', (state) => {
    const network = threePorts();
    network.send('p2', frame(B, BROADCAST)).options('p2', 0, 0, state);
    expect(network.where(B)).toBe('p2');
    expect(network.down('p2').stations()).toEqual([]);
  });

  it('keeps its static entries, whose frames are dropped until it is up again', () => {
    const network = threePorts();
    network.station(B, 'p2');
    network.down('p2');
    expect(fromP1(network, A, B)).toEqual([]);
    expect(network.drops('p1')).toEqual({ egress_not_forwarding: 1 });
    network.up('p2');
    expect(fromP1(network, A, B)).toEqual(['p2']);
  });

  it('loses its static entries too when it leaves the bridge', () => {
    const network = threePorts();
    network.station(B, 'p2');
    expect(network.leave('p2').stations()).toEqual([]);
  });

  it('takes no frames in', () => {
    const network = threePorts();
    network.down('p1');
    expect(fromP1(network, A, BROADCAST)).toEqual([]);
    expect(network.drops('p1')).toEqual({ link_down: 1 });
  });

  it('is not flooded to', () => {
    const network = threePorts();
    network.dataplane.setCarrier(network.link('p2'), false);
    expect(fromP1(network, A, BROADCAST)).toEqual(['p3']);
    expect(network.counter('p2', Counter.CARRIER_CHANGES)).toBe(2);
  });

  it('keeps a dynamic entry that a command makes while it is down', () => {
    const network = threePorts();
    network.down('p2').station(B, 'p2', 0);
    network.options('p2', LinkFlag.ISOLATED);
    expect(network.where(B)).toBe('p2');
  });
});

describe('a bridge', () => {
  it('that is down forwards nothing and has forgotten the stations', () => {
    const network = threePorts();
    network.send('p1', frame(A, BROADCAST)).outputs(...ALL);
    network.down('br0');
    expect(fromP1(network, A, BROADCAST)).toEqual([]);
    expect(network.drops()).toEqual({ port_not_forwarding: 1 });
    expect(network.stations()).toEqual([]);
    network.up('br0');
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2', 'p3']);
  });

  it('takes up frames to its own address and to those of its ports', () => {
    const network = threePorts();
    network.station(C, 'br0', FdbFlag.STATIC | FdbFlag.LOCAL | FdbFlag.OF_BRIDGE);
    network.station(D, 'p2', FdbFlag.STATIC | FdbFlag.LOCAL);
    expect(fromP1(network, A, C)).toEqual([]);
    expect(fromP1(network, A, D)).toEqual([]);
    expect(network.counter('br0', Counter.DELIVERED)).toBe(2);
    expect(network.drops()).toEqual({});
    network.expectConserved();
  });

  it('that is removed leaves its ports without one, and no station behind', () => {
    const network = threePorts();
    network.station(B, 'p2');
    network.station(C, 'br0', FdbFlag.STATIC | FdbFlag.LOCAL | FdbFlag.OF_BRIDGE);
    network.station(D, 'br0', FdbFlag.OF_BRIDGE);
    network.send('p1', frame(A, BROADCAST)).outputs(...ALL);
    network.remove('br0');
    expect(network.dataplane.fdb.size).toBe(0);
    expect(fromP1(network, A, BROADCAST)).toEqual([]);
    expect(network.drops('p1')).toEqual({ no_listener: 1 });
    network.bridge('br1').join('p1', 'br1').join('p2', 'br1');
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2']);
    network.expectConserved();
  });

  it('gives a port that joins it the default options', () => {
    const network = threePorts().options(
      'p1',
      LinkFlag.ISOLATED | LinkFlag.HAIRPIN,
      LinkFlag.LEARNING,
      PortState.BLOCKING,
      1,
    );
    network.leave('p1').join('p1', 'br0');
    expect(fromP1(network, A, BROADCAST)).toEqual(['p2', 'p3']);
    expect(network.where(A)).toBe('p1');
  });

  it('does not forward to a port that has gone to another bridge', () => {
    const network = threePorts().bridge('br1').ports(['q1'], 'br1');
    network.send('p2', frame(B, BROADCAST)).outputs(...ALL);
    network.leave('p2').join('p2', 'br1');
    expect(fromP1(network, A, B)).toEqual(['p3']);
    expect(network.send('p2', frame(B, A)).outputs(...ALL, 'q1')).toEqual(['q1']);
  });
});
