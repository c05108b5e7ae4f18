/* The neighbours' state machine, its queues, garbage and links: through a whole dataplane, time being what the test says. */
import { describe, expect, it } from 'vitest';
import { Conf4, Net4 } from '../../src/route/conf.js';
import { Update } from '../../src/route/neighbour-states.js';
import { Neighbour, NeighbourFamily, Nud } from '../../src/tables/neighbours.js';
import { A, arp, B, BROADCAST, Lan, macOption, nd, R, S, solicitedNode, text, X } from '../support/lan.js';
import { numbersOf } from '../support/network.js';
import { ip4, pattern, udp } from '../support/packets.js';
import { wordsOf } from '../support/router.js';

const HOST = '10.0.0.9';
const REACHABLE_MS = 30_000;

function update(lan: Lan, mac: string | undefined, state: Nud, flags = 0, address = HOST): number {
  const { states } = lan.dataplane.inet.neighbour;
  const slot = states.create4(lan.link('e0'), wordsOf(address)[0], false, lan.now);
  const { high, low } = mac === undefined ? { high: 0, low: 0 } : numbersOf(mac);
  return states.update(slot, mac !== undefined, high, low, state, flags, lan.now);
}

/** Brings the host's entry into a state as traffic would. */
const BRING: Record<string, (lan: Lan) => void> = {
  absent: () => {},
  INCOMPLETE: (lan) => lan.toHost(1),
  REACHABLE: (lan) => lan.toHost(1).answers(HOST, A),
  STALE: (lan) => update(lan, A, Nud.STALE),
  DELAY: (lan) => {
    update(lan, A, Nud.STALE);
    lan.toHost(1);
  },
  PROBE: (lan) => {
    update(lan, A, Nud.STALE);
    lan.toHost(1).wait(5000);
  },
  FAILED: (lan) => lan.toHost(1).wait(3000),
  NOARP: (lan) => update(lan, A, Nud.NOARP, Update.ADMIN),
  PERMANENT: (lan) => update(lan, A, Nud.PERMANENT, Update.ADMIN),
};

const EVENTS: Record<string, (lan: Lan) => void> = {
  frame: (lan) => lan.toHost(2),
  answer: (lan) => lan.wait(1001).answers(HOST, A),
  'other’s answer': (lan) => lan.wait(1001).answers(HOST, B),
  'other’s answer at once': (lan) => lan.answers(HOST, B),
  news: (lan) => lan.send('e0', arp({ mac: A, ip: HOST, target: '10.0.0.77' })),
  'gratuitous news': (lan) => lan.send('e0', arp({ mac: B, ip: HOST, target: HOST })),
};

/** In each state, what each event leads to: [state, link-layer address]. */
const TRANSITIONS: Array<[from: string, event: string, to: string]> = [
  ['absent', 'frame', 'INCOMPLETE'],
  ['absent', 'answer', 'absent'],
  ['absent', 'news', 'absent'],
  ['absent', 'gratuitous news', 'absent'],
  ['INCOMPLETE', 'frame', 'INCOMPLETE'],
  ['INCOMPLETE', 'answer', `REACHABLE ${A}`],
  ['INCOMPLETE', 'other’s answer at once', `REACHABLE ${B}`],
  ['INCOMPLETE', 'news', `DELAY ${A}`],
  ['INCOMPLETE', 'gratuitous news', `DELAY ${B}`],
  ['REACHABLE', 'frame', `REACHABLE ${A}`],
  ['REACHABLE', 'answer', `REACHABLE ${A}`],
  ['REACHABLE', 'other’s answer', `REACHABLE ${B}`],
  ['REACHABLE', 'other’s answer at once', `REACHABLE ${A}`],
  ['REACHABLE', 'news', `REACHABLE ${A}`],
  ['REACHABLE', 'gratuitous news', `STALE ${B}`],
  ['STALE', 'frame', `DELAY ${A}`],
  ['STALE', 'answer', `REACHABLE ${A}`],
  ['STALE', 'other’s answer', `REACHABLE ${B}`],
  ['STALE', 'other’s answer at once', `STALE ${A}`],
  ['STALE', 'news', `STALE ${A}`],
  ['STALE', 'gratuitous news', `STALE ${B}`],
  ['DELAY', 'frame', `DELAY ${A}`],
  ['DELAY', 'answer', `REACHABLE ${A}`],
  ['DELAY', 'news', `DELAY ${A}`],
  ['DELAY', 'gratuitous news', `STALE ${B}`],
  ['PROBE', 'frame', `PROBE ${A}`],
  ['PROBE', 'answer', `REACHABLE ${A}`],
  ['PROBE', 'other’s answer', `REACHABLE ${B}`],
  ['PROBE', 'news', `PROBE ${A}`],
  ['PROBE', 'gratuitous news', `STALE ${B}`],
  ['FAILED', 'frame', 'INCOMPLETE'],
  ['FAILED', 'answer', `REACHABLE ${A}`],
  ['FAILED', 'news', `STALE ${A}`],
  ['FAILED', 'gratuitous news', `STALE ${B}`],
  ['NOARP', 'frame', `NOARP ${A}`],
  ['NOARP', 'other’s answer', `NOARP ${A}`],
  ['NOARP', 'gratuitous news', `NOARP ${A}`],
  ['PERMANENT', 'frame', `PERMANENT ${A}`],
  ['PERMANENT', 'other’s answer', `PERMANENT ${A}`],
  ['PERMANENT', 'gratuitous news', `PERMANENT ${A}`],
];

describe('the state of a neighbour', () => {
  it.each(TRANSITIONS)('%s, %s → %s', (from, event, to) => {
    const lan = new Lan();
    BRING[from](lan);
    expect(lan.neighbour(HOST).split(' ')[0]).toBe(from);
    EVENTS[event](lan);
    expect(lan.neighbour(HOST)).toBe(to);
    lan.remove('e0').expectConserved();
  });

  it('is reachable for half to one and a half times the base, then stale', () => {
    const lan = new Lan();
    BRING.REACHABLE(lan);
    lan.wait(REACHABLE_MS / 2 - 1);
    expect(lan.neighbour(HOST)).toBe(`REACHABLE ${A}`);
    lan.wait(REACHABLE_MS + 1);
    expect(lan.neighbour(HOST)).toBe(`STALE ${A}`);
  });

  it('does not become stale while answers come', () => {
    const lan = new Lan();
    BRING.REACHABLE(lan);
    for (let i = 0; i < 20; i++) {
      lan.wait(10_000).answers(HOST, A);
      expect(lan.neighbour(HOST)).toBe(`REACHABLE ${A}`);
    }
  });

  it('chooses the reachable time anew now and then, differently for each link', () => {
    const lan = new Lan();
    const times = new Set<number>();
    for (let i = 0; i < 20; i++) {
      update(lan, A, Nud.REACHABLE);
      const start = lan.now;
      while (lan.neighbour(HOST) === `REACHABLE ${A}`) lan.wait(100);
      times.add((lan.now - start) | 0);
      lan.wait(300_001);
    }
    expect(times.size).toBeGreaterThan(10);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(REACHABLE_MS / 2);
    expect(Math.max(...times)).toBeLessThanOrEqual(REACHABLE_MS * 1.5 + 100);
  });

  it('is delayed, not stale, when it was used just before its time is over', () => {
    const lan = new Lan();
    BRING.REACHABLE(lan);
    lan.dataplane.inet.neighbour.states.use(
      lan.dataplane.inet.neighbours.lookup4(lan.link('e0'), wordsOf(HOST)[0]),
      lan.now,
    );
    lan.set4(Conf4.NEIGH_DELAY_PROBE_MS, 100_000).wait(REACHABLE_MS * 1.5);
    expect(lan.neighbour(HOST)).toBe(`DELAY ${A}`);
  });

  it('is probed three times at its address, then has failed; who sends is told', () => {
    const lan = new Lan();
    BRING.STALE(lan);
    lan.toHost(1).wait(5000);
    lan.wait(2000);
    const probe = `${A} who-has ${HOST} tell 10.0.0.1/${R}`;
    expect(lan.out()).toEqual([`${A} 10.0.1.9 > ${HOST} id 1`, probe, probe, probe]);
    expect(lan.neighbour(HOST)).toBe(`PROBE ${A}`);
    lan.wait(999);
    expect(lan.neighbour(HOST)).toBe(`PROBE ${A}`);
    lan.wait(1);
    expect(lan.neighbour(HOST)).toBe('FAILED');
    expect(lan.drops()).toEqual({});
  });

  it('has broadcast probes follow with mcast_resolicit', () => {
    const lan = new Lan();
    lan.set4(Conf4.NEIGH_MCAST_RESOLICIT, 1).set4(Conf4.NEIGH_UCAST_SOLICIT, 1);
    BRING.PROBE(lan);
    lan.wait(1500);
    expect(
      lan
        .out()
        .slice(1)
        .map((line) => line.split(' ')[0]),
    ).toEqual([A, BROADCAST]);
  });

  it('leaves out what app_solicit gives to others', () => {
    const lan = new Lan();
    lan.set4(Conf4.NEIGH_APP_SOLICIT, 2).set4(Conf4.NEIGH_MCAST_SOLICIT, 1).toHost(1).wait(10_000);
    expect(lan.out()).toEqual([`${BROADCAST} who-has ${HOST} tell 10.0.0.1/${R}`]);
    expect(lan.out('e1')).toEqual([`${X} 10.0.1.1 > 10.0.1.9 icmp 3/1`]);
  });

  it('is not asked sooner than 10 ms after the last time', () => {
    const lan = new Lan();
    lan.set4(Conf4.NEIGH_RETRANS_MS, 0).toHost(1).wait(9);
    expect(lan.out()).toHaveLength(1);
    lan.wait(1);
    expect(lan.out()).toHaveLength(1);
  });

  it('keeps its times for `ip -s neigh`', () => {
    const lan = new Lan();
    lan.toHost(1);
    const start = lan.now;
    expect((start - lan.row(HOST, Neighbour.CONFIRMED)) | 0).toBe(2 * REACHABLE_MS);
    expect(lan.row(HOST, Neighbour.USED)).toBe(start);
    lan.wait(700).answers(HOST, A);
    expect(lan.row(HOST, Neighbour.CONFIRMED)).toBe((start + 700) | 0);
    expect(lan.row(HOST, Neighbour.UPDATED)).toBe((start + 700) | 0);
    lan.wait(60_000).toHost(2);
    expect(lan.row(HOST, Neighbour.USED)).toBe(lan.now);
    expect(lan.row(HOST, Neighbour.CONFIRMED)).toBe((start + 700) | 0);
  });

  it('does not look recent when the clock has gone round', () => {
    const lan = new Lan();
    update(lan, A, Nud.STALE);
    lan.sleep(2 ** 32 - 2000);
    lan.toHost(1).wait(5000);
    expect(lan.neighbour(HOST)).toBe(`PROBE ${A}`);
  });
});

describe('what is told of changes', () => {
  it('is what rtnetlink tells', () => {
    const lan = new Lan();
    const told: string[] = [];
    lan.dataplane.inet.neighbour.states.onChange = (slot, isGone) => {
      told.push(`${isGone ? 'deleted ' : ''}${lan.dataplane.inet.neighbours.state(slot)}`);
    };
    lan.toHost(1);
    expect(told.splice(0)).toEqual([]);
    lan.answers(HOST, A).wait(REACHABLE_MS * 1.5);
    expect(told.splice(0)).toEqual([`${Nud.REACHABLE}`, `${Nud.STALE}`]);
    lan.toHost(2).wait(5000);
    expect(told.splice(0)).toEqual([`${Nud.PROBE}`]);
    lan.wait(3000);
    expect(told.splice(0)).toEqual([`${Nud.FAILED}`]);
    lan.remove('e0');
    expect(told.splice(0)).toEqual([`deleted ${Nud.FAILED}`]);
  });
});

describe('frames that wait', () => {
  const ids = (lines: string[]): number[] =>
    lines.filter((line) => line.includes(' id ')).map((line) => Number(line.split(' id ')[1]));

  it('are 256 small ones at most, of which the newest stay, in order', () => {
    const lan = new Lan();
    for (let id = 1; id <= 260; id++) lan.toHost(id);
    expect(lan.drops()).toEqual({ neighbour_queue: 4 });
    lan.out();
    lan.answers(HOST, A);
    expect(ids(lan.out())).toEqual(Array.from({ length: 256 }, (_, i) => i + 5));
    expect(lan.drops('e1')).toEqual({ neighbour_queue: 4 });
    lan.expectConserved();
  });

  it.each([
    [1400, 92],
    [500, 166],
    [18, 256],
  ])('of %i bytes of payload are %i, as in Linux', (length, most) => {
    const lan = new Lan();
    const [source, destination] = ['10.0.1.9', HOST];
    const payload = udp(source, destination, 1000, 9, pattern(length));
    for (let id = 1; id <= 300; id++)
      lan.send('e1', ip4({ to: S, from: X, source, destination, protocol: 17, id, payload }));
    expect(lan.drops()).toEqual({ neighbour_queue: 300 - most });
    lan.remove('e0').expectConserved();
  });

  it('are as many as unres_qlen_bytes says', () => {
    const lan = new Lan();
    lan.set4(Conf4.NEIGH_QUEUE_BYTES, 3 * 832);
    for (let id = 1; id <= 5; id++) lan.toHost(id);
    lan.out();
    lan.answers(HOST, A);
    expect(ids(lan.out())).toEqual([3, 4, 5]);
  });

  it('are one at least, as in Linux', () => {
    const lan = new Lan();
    lan.set4(Conf4.NEIGH_QUEUE_BYTES, 0).toHost(1).toHost(2);
    expect(lan.drops()).toEqual({ neighbour_queue: 1 });
    lan.answers(HOST, A);
    expect(ids(lan.out())).toEqual([2]);
  });

  it('never take more than a quarter of the arena', () => {
    const lan = new Lan();
    for (let id = 1; id <= 600; id++) lan.toHost(id, `10.0.0.${10 + (id % 40)}`);
    expect(lan.dataplane.inet.neighbour.states.queue.size).toBe(512);
    expect(lan.drops()).toEqual({ neighbour_queue: 88 });
    lan.wait(4000);
    expect(lan.dataplane.inet.neighbour.states.queue.size).toBe(0);
    lan.expectConserved();
  });

  it('are each answered with host unreachable when nobody answers', () => {
    const lan = new Lan();
    lan.dataplane.inet.conf.set('net4', 0, Net4.ICMP_RATELIMIT_MS, 0);
    lan.toHost(1).toHost(2).wait(2999);
    expect(lan.out('e1')).toEqual([]);
    lan.wait(1);
    expect(lan.out('e1')).toEqual(new Array(2).fill(`${X} 10.0.1.1 > 10.0.1.9 icmp 3/1`));
    expect(lan.drops('e1')).toEqual({ neighbour_failed: 2 });
    lan.expectConserved();
  });

  it('and IPv6 ones with address unreachable', () => {
    const lan = new Lan();
    lan.toHost(1, 'fd00::9').wait(3000);
    expect(lan.out('e1')).toEqual([`${X} fd01::1 > fd01::9 icmp6 1/3`]);
  });

  it('may be errors themselves: those about them end there', () => {
    const lan = new Lan();
    const source = '10.0.0.50';
    const payload = udp(source, '10.0.0.51', 1, 2, pattern(4));
    lan.send('e0', ip4({ to: R, from: A, source, destination: '10.0.0.51', protocol: 17, payload }));
    lan.wait(10_000);
    // The packet; the redirect and the unreachable about it, whose receiver does not answer either.
    expect(lan.drops()).toEqual({ neighbour_failed: 3 });
    lan.expectConserved();
  });

  it('go when the link does that they came by', () => {
    const lan = new Lan();
    lan.toHost(1).toHost(2);
    lan.remove('e1');
    expect(lan.dataplane.inet.neighbour.states.queue.size).toBe(0);
    expect(lan.drops()).toEqual({ namespace_gone: 2 });
    lan.answers(HOST, A);
    expect(ids(lan.out())).toEqual([]);
    lan.expectConserved();
  });

  it('go when the link does that they should leave by, without a word', () => {
    const lan = new Lan();
    lan.toHost(1).toHost(2);
    lan.remove('e0');
    expect(lan.drops()).toEqual({ namespace_gone: 2 });
    expect(lan.out('e1')).toEqual([]);
    expect(lan.count()).toBe(1);
    lan.expectConserved();
  });
});

describe('the table’s limits', () => {
  function limited(first: number, second: number, third: number): Lan {
    const lan = new Lan();
    const { conf } = lan.dataplane.inet;
    conf.set('net4', 0, Net4.NEIGH_GC_THRESH1, first);
    conf.set('net4', 0, Net4.NEIGH_GC_THRESH2, second);
    conf.set('net4', 0, Net4.NEIGH_GC_THRESH3, third);
    return lan;
  }
  const host = (i: number): string => `10.0.0.${10 + i}`;

  it('refuse one more than gc_thresh3 while all others are being asked, counted', () => {
    const lan = limited(1, 2, 4);
    for (let i = 0; i < 6; i++) lan.toHost(i, host(i));
    expect([0, 1, 2, 3, 4, 5].map((i) => lan.neighbour(host(i)))).toEqual([
      ...new Array(4).fill('INCOMPLETE'),
      'absent',
      'absent',
    ]);
    expect(lan.drops()).toEqual({ neighbour_table: 2 });
    lan.wait(4000).toHost(7, host(7));
    expect(lan.neighbour(host(7))).toBe('INCOMPLETE');
    lan.remove('e0').expectConserved();
  });

  it('do not count permanent ones', () => {
    const lan = limited(1, 2, 4);
    for (let i = 0; i < 50; i++) lan.known('e0', host(i), A);
    lan.toHost(1, host(51));
    expect(lan.neighbour(host(51))).toBe('INCOMPLETE');
    lan.remove('e0').expectConserved();
  });

  it('give up the oldest that have not changed for five seconds, down to gc_thresh2', () => {
    const lan = limited(100, 4, 6);
    for (let i = 0; i < 6; i++) update(lan, A, Nud.STALE, 0, host(i));
    update(lan, A, Nud.STALE, Update.ADMIN | Update.EXT_LEARNED, host(1));
    lan.wait(6000).toHost(1, host(9));
    expect([0, 1, 2, 3, 4, 5, 9].map((i) => lan.neighbour(host(i)))).toEqual([
      'absent',
      `STALE ${A}`,
      ...new Array(4).fill(`STALE ${A}`),
      'INCOMPLETE',
    ]);
    lan.remove('e0').expectConserved();
  });

  it('between gc_thresh2 and 3 look for room every five seconds only', () => {
    const lan = limited(100, 2, 100);
    for (let i = 0; i < 4; i++) update(lan, A, Nud.STALE, 0, host(i));
    expect(lan.count()).toBe(5);
    lan.wait(6000);
    update(lan, A, Nud.STALE, 0, host(5));
    expect(lan.count()).toBe(4);
    update(lan, A, Nud.STALE, 0, host(6));
    expect(lan.count()).toBe(5);
  });

  it('are each namespace’s own', () => {
    const lan = limited(1, 2, 3);
    for (let i = 0; i < 3; i++) lan.toHost(i, host(i));
    lan.namespace(1, 'lo1').interface('f0', '02:00:00:00:02:01', 1500, 1);
    const { states } = lan.dataplane.inet.neighbour;
    expect(states.create4(lan.link('e0'), 1, false, lan.now)).toBe(-1);
    expect(states.create4(lan.link('f0'), 1, false, lan.now)).toBeGreaterThanOrEqual(0);
    lan.remove('e0').expectConserved();
  });

  it('leave few entries alone for ever', () => {
    const lan = new Lan();
    update(lan, A, Nud.STALE);
    lan.wait(3_600_000);
    expect(lan.neighbour(HOST)).toBe(`STALE ${A}`);
  });

  it('have those go that were not used for gc_stale_time, and the failed, once there are gc_thresh1', () => {
    const lan = limited(3, 100, 200);
    update(lan, A, Nud.STALE, 0, host(1));
    update(lan, A, Nud.STALE, 0, host(2));
    lan.toHost(1, host(3)).wait(31_000);
    expect([1, 2, 3].map((i) => lan.neighbour(host(i)))).toEqual([`STALE ${A}`, `STALE ${A}`, 'absent']);
    update(lan, A, Nud.STALE, 0, host(4));
    lan.wait(10_000).toHost(2, host(2)).wait(1000).answers(host(2), A);
    lan.wait(60_000);
    expect([1, 2].map((i) => lan.neighbour(host(i)).split(' ')[0])).toEqual(['absent', 'STALE']);
    expect(lan.neighbour('10.0.1.9', 'e1')).toBe(`PERMANENT ${X}`);
  });

  it('look through a great many in pieces', () => {
    const lan = limited(1, 100_000, 100_000);
    const { states } = lan.dataplane.inet.neighbour;
    for (let i = 0; i < 5000; i++) {
      const slot = states.create4(lan.link('e0'), 0x0a000000 + i, false, lan.now);
      states.update(slot, true, 2, i, Nud.STALE, 0, lan.now);
    }
    lan.wait(59_000);
    expect(lan.count()).toBe(5001);
    lan.wait(60_000);
    expect(lan.count()).toBe(1);
  });
});

describe('a link', () => {
  function known(): Lan {
    const lan = new Lan();
    update(lan, A, Nud.STALE);
    lan.known('e0', '10.0.0.8', B);
    lan.toHost(1, '10.0.0.7').toHost(2, 'fd00::9');
    lan.out();
    return lan;
  }
  const states = (lan: Lan): string[] =>
    [HOST, '10.0.0.8', '10.0.0.7', 'fd00::9'].map((address) => lan.neighbour(address));

  it('that goes down forgets its neighbours', () => {
    const lan = known();
    lan.dataplane.inet.neighbour.linkDown(lan.link('e0'));
    expect(states(lan)).toEqual(new Array(4).fill('absent'));
    expect(lan.drops('e1')).toEqual({ tx_link_down: 2 });
    expect(lan.neighbour('10.0.1.9', 'e1')).toBe(`PERMANENT ${X}`);
    lan.expectConserved();
  });

  it('that loses its carrier keeps the permanent ones, and without arp_evict_nocarrier all of IPv4', () => {
    const lan = known();
    lan.set4(Conf4.ARP_EVICT_NOCARRIER, 1);
    lan.dataplane.inet.conf.set('all4', 0, Conf4.ARP_EVICT_NOCARRIER, 1);
    lan.dataplane.inet.neighbour.carrierDown(lan.link('e0'));
    expect(states(lan)).toEqual(['absent', `PERMANENT ${B}`, 'absent', 'absent']);
    const other = known();
    other.set4(Conf4.ARP_EVICT_NOCARRIER, 0);
    other.dataplane.inet.neighbour.carrierDown(other.link('e0'));
    expect(states(other)).toEqual([`STALE ${A}`, `PERMANENT ${B}`, 'INCOMPLETE', 'absent']);
    other.remove('e0').expectConserved();
  });

  it('drops what waits for a proxy’s answer when it goes', () => {
    const lan = new Lan();
    lan.set4(Conf4.PROXY_ARP, 1).set4(Conf4.NEIGH_PROXY_DELAY_MS, 800).set4(Conf4.NEIGH_PROXY_QUEUE, 2);
    for (let i = 0; i < 5; i++) lan.send('e0', arp({ mac: A, ip: HOST, target: '10.0.1.9' }));
    expect(lan.drops()).toEqual({ neighbour_queue: 2 });
    lan.remove('e0');
    expect(lan.drops()).toEqual({ neighbour_queue: 2, namespace_gone: 3 });
    lan.expectConserved();
  });

  it('without resolution sends to itself', () => {
    const lan = new Lan();
    const { inet } = lan.dataplane;
    lan.dataplane.links.flags[lan.link('e0')] |= 1 << 21;
    lan.toHost(1).toHost(2, 'fd00::9');
    expect(lan.out()).toEqual([`${R} 10.0.1.9 > ${HOST} id 1`, `${R} fd01::9 > fd00::9 protocol 17`]);
    expect(inet.neighbours.count(0, NeighbourFamily.IPV4)).toBe(1);
  });
});

describe('next hops that are groups', () => {
  it.each([
    ['224.0.0.9', '01:00:5e:00:00:09'],
    ['239.255.129.3', '01:00:5e:7f:81:03'],
    ['255.255.255.255', BROADCAST],
    ['ff02::1:ff12:3456', '33:33:ff:12:34:56'],
  ])('%s is %s', (address, mac) => {
    const lan = new Lan();
    const { inet } = lan.dataplane;
    const frame = inet.create(60);
    const at = inet.network(frame);
    inet.arena.bytes.fill(0, at, at + 46);
    const words = wordsOf(address);
    inet.arena.bytes[at] = words.length === 1 ? 0x45 : 0x60;
    if (words.length === 1) inet.neighbour.output4(frame, lan.link('e0'), words[0], lan.now);
    else inet.neighbour.output6(frame, lan.link('e0'), words[0], words[1], words[2], words[3], lan.now);
    lan.dataplane.flush(lan.now);
    const [sent] = lan.take('e0');
    expect(text(sent).split(' ')[0]).toBe(mac);
    expect((sent[12] << 8) | sent[13]).toBe(words.length === 1 ? 0x0800 : 0x86dd);
    lan.expectConserved();
  });
});

describe('the address that is asked as', () => {
  /** A packet made here, from `source`, through e0. */
  function sendFrom(lan: Lan, source: string): string {
    const { inet } = lan.dataplane;
    const bytes = ip4({ to: R, from: R, source, destination: HOST, protocol: 17, payload: pattern(8) }).subarray(14);
    inet.endpoints.send(0, bytes, -1, true, lan.now);
    lan.dataplane.flush(lan.now);
    return lan.out()[0];
  }
  const asks = (ip: string): string => `${BROADCAST} who-has ${HOST} tell ${ip}/${R}`;

  it.each([
    [0, '10.0.1.1', '10.0.1.1'],
    [1, '10.0.1.1', '10.0.0.1'],
    [2, '10.0.1.1', '10.0.0.1'],
    [0, '10.0.0.2', '10.0.0.2'],
    [1, '10.0.0.2', '10.0.0.2'],
    [2, '10.0.0.2', '10.0.0.1'],
  ])('is with arp_announce %i and a packet from %s: %s', (announce, source, asked) => {
    const lan = new Lan();
    lan.address('e0', '10.0.0.2/24').set4(Conf4.ARP_ANNOUNCE, announce);
    const list = lan.dataplane.inet.addresses.of4[lan.link('e0')];
    list[list.length - 1] = 1;
    expect(sendFrom(lan, source)).toBe(asks(asked));
    lan.remove('e0').expectConserved();
  });
});

describe('addresses of our own', () => {
  const TENTATIVE = 0x40;
  const [GROUP, GROUP_MAC] = solicitedNode('fd00::5');

  function tentative(): { lan: Lan; conflicts: string[] } {
    const lan = new Lan();
    lan.address('e0', 'fd00::5/64').join6('e0', 'fd00::5');
    const list = lan.dataplane.inet.addresses.of6[lan.link('e0')];
    list[list.length - 1] = TENTATIVE;
    const conflicts: string[] = [];
    lan.dataplane.inet.neighbour.onConflict = (link, a, b, c, d) => {
      conflicts.push(`${lan.nameOf(link)} ${[a, b, c, d].map((word) => (word >>> 0).toString(16)).join(':')}`);
    };
    return { lan, conflicts };
  }

  function detect(lan: Lan): Uint8Array {
    const [a, b, c, d] = wordsOf('fd00::5');
    lan.dataplane.inet.neighbour.nd.detect(lan.link('e0'), a, b, c, d, lan.now);
    lan.dataplane.flush(lan.now);
    return lan.take('e0')[0];
  }

  it('are asked for with a nonce, from no address', () => {
    const { lan } = tentative();
    expect(text(detect(lan))).toBe(`${GROUP_MAC} :: > ${GROUP} solicits fd00::5 nonce`);
  });

  it('are not in conflict with the question that comes back to us', () => {
    const { lan, conflicts } = tentative();
    lan.send('e0', detect(lan));
    expect(conflicts).toEqual([]);
  });

  it.each([
    [
      'someone else’s question',
      nd({ type: 135, from: A, to: GROUP_MAC, source: '::', destination: GROUP, target: 'fd00::5' }),
    ],
    [
      'an advertisement',
      nd({
        type: 136,
        from: A,
        to: '33:33:00:00:00:01',
        source: 'fd00::5',
        destination: 'ff02::1',
        target: 'fd00::5',
        flags: 0x20,
        options: macOption(2, A),
      }),
    ],
  ])('are in conflict with %s', (_, frame) => {
    const { lan, conflicts } = tentative();
    lan.send('e0', frame);
    expect(conflicts).toEqual(['e0 fd000000:0:0:5']);
    expect(lan.out()).toEqual([]);
    lan.expectConserved();
  });

  it('are not answered for while tentative', () => {
    const { lan, conflicts } = tentative();
    lan.send(
      'e0',
      nd({
        type: 135,
        from: A,
        to: GROUP_MAC,
        source: 'fd00::9',
        destination: GROUP,
        target: 'fd00::5',
        options: macOption(1, A),
      }),
    );
    expect([lan.out(), conflicts]).toEqual([[], []]);
  });

  it('are told to all by command', () => {
    const { lan } = tentative();
    const [a, b, c, d] = wordsOf('fd00::1');
    lan.dataplane.inet.neighbour.nd.advertise(lan.link('e0'), a, b, c, d, lan.now);
    lan.dataplane.inet.neighbour.arp.announce(lan.link('e0'), wordsOf('10.0.0.1')[0]);
    lan.dataplane.flush(lan.now);
    expect(lan.out()).toEqual([
      `33:33:00:00:00:01 fd00::1 > ff02::1 advertises fd00::1 RO target ${R}`,
      `${BROADCAST} who-has 10.0.0.1 tell 10.0.0.1/${R}`,
    ]);
    lan.expectConserved();
  });
});

describe('what is no ARP packet', () => {
  it('is dropped by name', () => {
    const lan = new Lan();
    const whole = arp({ mac: A, ip: HOST, target: '10.0.0.1' });
    for (let length = 14; length < whole.length; length++) lan.send('e0', whole.subarray(0, length));
    expect(lan.drops()).toEqual({ arp_invalid: whole.length - 14 });
    expect(lan.out()).toEqual([]);
    lan.expectConserved();
  });

  it('nor is garbage harmful', () => {
    const lan = new Lan();
    let seed = 99;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) | 0;
      return (seed >>> 8) % n;
    };
    const samples = [
      arp({ mac: A, ip: HOST, target: '10.0.0.1' }),
      nd({
        type: 135,
        from: A,
        to: solicitedNode('fd00::1')[1],
        source: 'fd00::9',
        destination: solicitedNode('fd00::1')[0],
        target: 'fd00::1',
        options: macOption(1, A),
      }),
      nd({
        type: 136,
        from: A,
        to: R,
        source: 'fd00::9',
        destination: 'fd00::1',
        target: 'fd00::9',
        flags: 0x60,
        options: macOption(2, A),
      }),
      nd({
        type: 137,
        from: A,
        to: R,
        source: 'fe80::9',
        destination: 'fd00::1',
        target: 'fe80::8',
        more: 'fd01::9',
        options: macOption(2, A),
      }),
    ];
    for (let i = 0; i < 20_000; i++) {
      const frame = samples[random(samples.length)].slice();
      for (let n = random(4); n >= 0; n--) frame[12 + random(frame.length - 12)] = random(256);
      lan.send('e0', frame.subarray(0, frame.length - (random(4) === 0 ? random(20) : 0)));
      if (i % 100 === 0) lan.wait(random(2000));
      if (i % 500 === 0) lan.take('e0');
    }
    lan.remove('e0').remove('e1').wait(60_000).expectConserved();
  });
});
