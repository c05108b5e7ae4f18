/* Flows with NAT: what happens when ports run out, and when a link, its address or the way change. */
import { describe, expect, it } from 'vitest';
import { Flow, Flows, KindFlag, Status } from '../../src/conntrack/flows.js';
import { CtStat } from '../../src/conntrack/stats.js';
import { DropReason } from '../../src/core/drop.js';
import { Nat } from '../../src/netfilter/nat.js';
import { NatSources } from '../../src/netfilter/nat-sources.js';
import { FibOp, Rule, RuleAction } from '../../src/route/fib.js';
import { finish, pseudo4, sumBytes } from '../../src/wire/checksum.js';
import { write16, write32 } from '../../src/wire/field.js';
import * as ipv4 from '../../src/wire/ipv4.js';
import { wordsOf } from '../support/router.js';
import { NatWalk } from './nat-walk.js';

const MASQUERADE = 'iptables -t nat -A POSTROUTING -o e1 -j MASQUERADE';
const SYN = 0x02;
const [ACK, FIN_ACK, SYN_ACK] = [0x10, 0x11, 0x12];

interface Segment {
  from?: string;
  to?: string;
  sport?: number;
  dport?: number;
  flags?: number;
  sequence?: number;
  acknowledged?: number;
}

function packet(protocol: number, from: string, to: string, transport: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + transport.length);
  ipv4.write(bytes, 0, protocol, wordsOf(from)[0], wordsOf(to)[0], transport.length);
  bytes.set(transport, 20);
  return bytes;
}

function udp(sport: number, from = '10.0.0.9', to = '10.0.1.9', dport = 53): Uint8Array {
  const bytes = new Uint8Array(8);
  write16(bytes, 0, sport);
  write16(bytes, 2, dport);
  write16(bytes, 4, 8);
  return packet(17, from, to, bytes);
}

function tcp({
  from = '10.0.0.9',
  to = '10.0.1.9',
  sport = 1000,
  dport = 80,
  flags = SYN,
  ...rest
}: Segment): Uint8Array {
  const bytes = new Uint8Array(20);
  write16(bytes, 0, sport);
  write16(bytes, 2, dport);
  write32(bytes, 4, rest.sequence ?? 0);
  write32(bytes, 8, rest.acknowledged ?? 0);
  bytes[12] = 0x50;
  bytes[13] = flags;
  write16(bytes, 14, 500);
  write16(bytes, 16, finish(pseudo4(wordsOf(from)[0], wordsOf(to)[0], 6, 20) + sumBytes(bytes, 0, 20)));
  return packet(6, from, to, bytes);
}

/** The source port that a packet came out with. */
function port(out: { bytes: Uint8Array } | undefined): number | undefined {
  return out === undefined ? undefined : (out.bytes[20] << 8) | out.bytes[21];
}

describe('ports that run out', () => {
  it('drops what finds none, counts it, and leaves nothing behind', () => {
    const walk = new NatWalk().rule(`${MASQUERADE} -p udp --to-ports 6000-6003`);
    for (let i = 0; i < 4; i++) expect(port(walk.send('e0', udp(7000 + i)))).toBeGreaterThanOrEqual(6000);
    for (let i = 4; i < 7; i++) expect(walk.send('e0', udp(7000 + i))).toBeUndefined();
    expect(walk.drops).toEqual([DropReason.NAT_EXHAUSTED, DropReason.NAT_EXHAUSTED, DropReason.NAT_EXHAUSTED]);
    expect(walk.nat.exhausted).toBe(3);
    expect(walk.conntrack.stats[CtStat.INSERT_FAILED]).toBe(3);
    expect(walk.flows()).toHaveLength(4);
    expect(walk.nat.size).toBe(4);
    expect(port(walk.send('e0', udp(7000, '10.0.0.9', '10.0.1.10')))).toBe(6000);
  });

  it('has one port for each destination', () => {
    const walk = new NatWalk().rule(`${MASQUERADE} -p udp --to-ports 6000`);
    for (let last = 9; last < 13; last++)
      expect(port(walk.send('e0', udp(7000 + last, '10.0.0.9', `10.0.1.${last}`)))).toBe(6000);
    expect(walk.send('e0', udp(7100))).toBeUndefined();
  });

  it('takes a port again whose flow has expired', () => {
    const walk = new NatWalk().rule(`${MASQUERADE} -p udp --to-ports 6000`);
    expect(port(walk.send('e0', udp(7000)))).toBe(6000);
    expect(walk.send('e0', udp(7001))).toBeUndefined();
    walk.now = (walk.now + 31_000) | 0;
    expect(port(walk.send('e0', udp(7001)))).toBe(6000);
    expect(walk.nat.size).toBe(1);
  });

  it('echo requests with one id to one host get ids of their own', () => {
    const echo = (from: string): Uint8Array => {
      const bytes = Uint8Array.of(8, 0, 0, 0, 0, 77, 0, 1);
      write16(bytes, 2, finish(sumBytes(bytes, 0, 8)));
      return packet(1, from, '10.0.1.9', bytes);
    };
    const walk = new NatWalk(() => 500).rule(MASQUERADE);
    const ids = ['10.0.0.9', '10.0.0.10'].map((from) => walk.send('e0', echo(from))?.bytes.slice(24, 26));
    expect(ids).toEqual([Uint8Array.of(0, 77), Uint8Array.of(1, 244)]);
    const second = walk.flows().find((line) => line.includes('10.0.0.10'));
    expect(second).toBe('icmp 10.0.0.10,10.0.1.9,8,0,77 10.0.1.9,10.0.1.1,0,0,500');
  });
});

describe('a TCP flow that is as good as over', () => {
  /** From one socket to the end, by the one port there is. */
  function closed(walk: NatWalk, sequence: number): void {
    const answer = { from: '10.0.1.9', to: '10.0.1.1', sport: 80, dport: 6000 };
    walk.send('e0', tcp({ sequence }));
    walk.send('e1', tcp({ ...answer, flags: SYN_ACK, sequence: 9000, acknowledged: sequence + 1 }));
    walk.send('e0', tcp({ flags: ACK, sequence: sequence + 1, acknowledged: 9001 }));
    walk.send('e0', tcp({ flags: FIN_ACK, sequence: sequence + 1, acknowledged: 9001 }));
    walk.send('e1', tcp({ ...answer, flags: FIN_ACK, sequence: 9001, acknowledged: sequence + 2 }));
    walk.send('e0', tcp({ flags: ACK, sequence: sequence + 2, acknowledged: 9002 }));
  }

  const RULE = `${MASQUERADE} -p tcp --to-ports 6000-6001`;

  it('gives its port to one whose sequence numbers are ahead', () => {
    const walk = new NatWalk(() => 0).rule(RULE);
    closed(walk, 5000);
    walk.send('e0', tcp({ from: '10.0.0.12', sport: 6001, sequence: 1 }));
    expect(walk.flows()).toHaveLength(2);
    expect(port(walk.send('e0', tcp({ from: '10.0.0.10', sport: 1001, sequence: 99_000 })))).toBe(6000);
    expect(walk.flows().some((line) => line.includes('10.0.0.9'))).toBe(false);
  });

  it('keeps it from one whose sequence numbers are behind', () => {
    const walk = new NatWalk(() => 0).rule(RULE);
    closed(walk, 5000);
    walk.send('e0', tcp({ from: '10.0.0.12', sport: 6001, sequence: 1 }));
    expect(walk.send('e0', tcp({ from: '10.0.0.10', sport: 1001, sequence: 100 }))).toBeUndefined();
    expect(walk.flows().some((line) => line.includes('10.0.0.9'))).toBe(true);
  });

  it('keeps it while it lives', () => {
    const walk = new NatWalk(() => 0).rule(`${MASQUERADE} -p tcp --to-ports 6000`);
    walk.send('e0', tcp({ sequence: 5000 }));
    expect(walk.send('e0', tcp({ from: '10.0.0.10', sport: 1001, sequence: 99_000 }))).toBeUndefined();
  });
});

describe('flows of a MASQUERADE', () => {
  function twenty(): NatWalk {
    const walk = new NatWalk().rule(MASQUERADE);
    for (let i = 0; i < 20; i++) walk.send('e0', udp(7000 + i));
    walk.send('e0', udp(7100, '10.0.0.9', '172.20.1.1'));
    walk.send('e1', udp(7200, '10.0.1.9', '10.0.0.9'));
    return walk;
  }

  it('go when their link goes', () => {
    const walk = twenty();
    walk.nat.linkGone(walk.router.link('e1'));
    expect(walk.nat.timers(walk.now)).toBe(-1);
    expect(walk.flows()).toEqual(['udp 10.0.1.9,10.0.0.9,7200,53 10.0.0.9,10.0.1.9,53,7200']);
    expect(walk.nat.size).toBe(0);
  });

  it('stay when another link goes', () => {
    const walk = twenty();
    walk.nat.linkGone(walk.router.link('e0'));
    walk.nat.timers(walk.now);
    expect(walk.flows()).toHaveLength(22);
  });

  it('go when their address goes, others stay', () => {
    const walk = twenty();
    walk.nat.addressGone(walk.router.link('e1'), Int32Array.from(wordsOf('10.0.1.1')));
    walk.nat.timers(walk.now);
    expect(walk.flows()).toHaveLength(2);
    expect(walk.flows().some((line) => line.includes('172.16.9.1'))).toBe(true);
  });

  it('are looked for a bounded number of rows a call', () => {
    const walk = new NatWalk(undefined, 20_000).rule(MASQUERADE);
    for (let i = 0; i < 9000; i++) walk.send('e0', udp(7000 + i));
    walk.nat.linkGone(walk.router.link('e1'));
    const left: number[] = [];
    for (let due = 0; due === 0; ) {
      due = walk.nat.timers(walk.now);
      left.push(walk.conntrack.count[0]);
    }
    expect(left[0]).toBeGreaterThan(4000);
    expect(left.at(-1)).toBe(0);
  });

  it('end with the packet that leaves by another link', () => {
    const walk = twenty();
    const frame = walk.frameOf(udp(7000));
    walk.at(frame, 0, walk.router.link('e0'), 0);
    walk.conntrack.in(walk.packet, 0);
    walk.at(frame, 4, 0, walk.router.link('e0'));
    expect(walk.nat.finish(walk.packet)).not.toBe(0);
    expect(walk.drops).toEqual([DropReason.NAT_FAILED]);
    expect(walk.flows().some((line) => line.includes(',7000,'))).toBe(false);
  });

  it.each([
    ['protocol', [[Rule.PROTOCOL, 17]]],
    [
      'mark',
      [
        [Rule.MARK, 7],
        [Rule.MASK, -1],
      ],
    ],
    [
      'ports',
      [
        [Rule.SPORT_LOW, 7000],
        [Rule.SPORT_HIGH, 7000],
        [Rule.DPORT_LOW, 53],
        [Rule.DPORT_HIGH, 53],
      ],
    ],
    ['TOS', [[Rule.TOS, 8]]],
    ['link', [[Rule.IIF, 1]]],
  ] as const)('have the address that is near the next hop, which a rule of routing finds by the %s', (_name, words) => {
    const walk = new NatWalk().rule(MASQUERADE);
    const { inet } = walk.router.dataplane;
    const row = new Int32Array(Rule.WORDS);
    row[Rule.ACTION] = RuleAction.LOOKUP;
    row[Rule.TARGET] = 1;
    row[Rule.SUPPRESS_LENGTH] = -1;
    for (const [word, value] of words) row[word] = value;
    if (row[Rule.IIF] !== 0) row[Rule.IIF] = inet.loopback[0];
    inet.fib.apply(Int32Array.of(FibOp.MERGED, 0, 4, -1));
    inet.fib.setRules(0, 4, row);
    // What was looked up before this packet was another one.
    inet.fib.setFlow(0, 0, 0, 6);
    walk.arena.mark.fill(7);
    const datagram = udp(7000, '10.0.0.9', '172.20.1.1');
    datagram[1] = 8;
    expect(walk.send('e0', datagram)?.bytes.slice(12, 16)).toEqual(Uint8Array.of(172, 16, 9, 1));
  });

  it('need an address on their link', () => {
    const walk = new NatWalk().rule(MASQUERADE);
    for (const link of ['e0', 'e1']) {
      walk.router.dataplane.inet.addresses.set4(walk.router.link(link), new Int32Array(0), 0);
    }
    expect(walk.send('e0', udp(7000))).toBeUndefined();
    expect(walk.drops).toEqual([DropReason.NAT_FAILED]);
  });
});

describe('a flow without a rule', () => {
  it('is never bound by a rule that comes later', () => {
    const walk = new NatWalk();
    expect(port(walk.send('e0', udp(7000)))).toBe(7000);
    walk.rule(MASQUERADE);
    expect(walk.send('e0', udp(7000))?.bytes.slice(12, 16)).toEqual(Uint8Array.of(10, 0, 0, 9));
    expect(walk.send('e0', udp(7001))?.bytes.slice(12, 16)).toEqual(Uint8Array.of(10, 0, 1, 1));
  });

  it('gets another port where its own is another flow’s outside', () => {
    const walk = new NatWalk(() => 11).rule(
      'iptables -t nat -A PREROUTING -d 10.0.1.99 -j DNAT --to-destination 10.0.1.9',
    );
    walk.send('e0', udp(7000));
    expect(port(walk.send('e0', udp(7000, '10.0.0.9', '10.0.1.99')))).toBe(1024 + 11);
    const back = walk.send('e1', udp(53, '10.0.1.9', '10.0.0.9', 1035));
    expect(back?.bytes.slice(12, 16)).toEqual(Uint8Array.of(10, 0, 1, 99));
    expect(port(back)).toBe(53);
    expect(((back?.bytes[22] ?? 0) << 8) | (back?.bytes[23] ?? 0)).toBe(7000);
  });
});

describe('Nat', () => {
  it('has 16 random bits of the stack where nobody gives others', () => {
    const walk = new NatWalk();
    const nat = new Nat(walk.router.dataplane.inet, walk.conntrack);
    const seen = new Set(Array.from({ length: 200 }, () => nat.random16()));
    expect(seen.size).toBeGreaterThan(190);
    for (const value of seen) expect(value).toBeLessThan(65_536);
  });
});

describe('NatSources', () => {
  it('finds every flow of a source, and no others, through growth and removal', () => {
    const flows = new Flows(false, 20_000);
    const sources = new NatSources(flows, Int32Array.of(3, 5, 7, 9));
    const model = new Map<number, Set<number>>();
    let seed = 1;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return Math.floor((seed / 0x80000000) * n);
    };
    const of = new Map<number, number>();
    for (let round = 0; round < 30_000; round++) {
      if (of.size !== 0 && random(3) === 0) {
        const index = [...of.keys()][random(Math.min(of.size, 50))];
        model.get(of.get(index) ?? 0)?.delete(index);
        of.delete(index);
        sources.remove(index);
        flows.release(index);
        continue;
      }
      const index = flows.allocate();
      const source = random(400) * random(20);
      flows.words[index * Flow.WORDS4 + Flow.KIND] = 17 | Flow.KEY_FLAG | KindFlag.IN_NAT_TABLE;
      flows.words[index * Flow.WORDS4 + Flow.STATUS] = Status.SRC_NAT;
      flows.words.set([CLIENT, 1, (source << 16) | 53], index * Flow.WORDS4 + Flow.ORIGINAL);
      sources.setLink(index, source & 0xfff);
      sources.insert(index);
      of.set(index, source);
      model.set(source, (model.get(source) ?? new Set()).add(index));
    }
    expect(sources.size).toBe(of.size);
    for (const [source, expected] of model) {
      const found: number[] = [];
      const tuple = Int32Array.of(CLIENT, 1, (source << 16) | 99);
      for (let i = sources.first(tuple, 0, 17 | Flow.KEY_FLAG, 0); i !== 0; i = sources.next(i)) {
        if (of.get(i) === source) found.push(i);
      }
      expect(found.sort()).toEqual([...expected].sort());
    }
    for (const [index, source] of of) expect(sources.link(index)).toBe(source & 0xfff);
  });
});

const CLIENT = 0x0a000009;
