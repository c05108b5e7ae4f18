import { describe, expect, it } from 'vitest';
import { CtInfo, UNTRACKED, Vnet } from '../../src/core/arena.js';
import { CtFlag, Extension, NatFlag, NatRange } from '../../src/netfilter/ops.js';
import type { ConntrackParts, NatParts } from '../../src/netfilter/parts.js';
import { Hook, TableId, Verdict } from '../../src/netfilter/rule.js';
import { DEFAULT_TIMEOUT, Member, MemberFlag, SetType } from '../../src/tables/ipset.js';
import { fold, pseudo4, sumBytes } from '../../src/wire/checksum.js';
import { from4, from6, H1 } from '../route/stack.js';
import { pattern, tcp, udp } from '../support/packets.js';
import { wordsOf } from '../support/router.js';
import { Stand } from './stand.js';

const FROM = '10.0.0.9';
const TO = '10.0.0.1';

const datagram = from4({ payload: udp(FROM, TO, 1000, 7, pattern(20)) });
const datagram6 = from6({ payload: udp('2001:db8::9', '2001:db8::1', 1000, 7, pattern(20)) });

async function standOf(rules: string[], tool = 'iptables'): Promise<Stand> {
  const stand = new Stand();
  for (const rule of rules) expect(await stand.add(rule, tool)).toBe('');
  return stand;
}

/** A frame's mark after a walk that lets it go on. */
function markOf(stand: Stand, mark = 0, flow = 0): number {
  const frame = stand.frame(datagram);
  stand.at(frame, { mark, flow });
  expect(stand.walk(TableId.MANGLE)).toBe(Verdict.ACCEPT);
  return stand.router.dataplane.arena.mark[frame];
}

/** Of conntrack, what these targets use. */
function flowsOf(marks: Map<number, number>): ConntrackParts {
  const parts: Partial<ConntrackParts> = {
    mark: (flow) => marks.get(flow) ?? 0,
    setMark: (flow, mark) => {
      marks.set(flow, mark);
    },
    protocol: () => 17,
    tuple: (_flow, direction, into) => {
      into.fill(0);
      into[0] = wordsOf(direction === 0 ? FROM : TO)[0];
      into[4] = wordsOf(direction === 0 ? TO : FROM)[0];
      into[8] = direction === 0 ? (1000 << 16) | 7 : (7 << 16) | 1000;
    },
  };
  return parts as ConntrackParts;
}

describe('marks', () => {
  it('MARK sets, and, or, xor', async () => {
    const cases: Array<[string, number]> = [
      ['--set-mark 0x12', 0x12],
      ['--set-mark 0x10/0xf0', 0x1234_5618],
      ['--set-xmark 0xff/0x0f', 0x1234_56f7 ^ 0x80],
      ['--and-mark 0xff', 0x78],
      ['--or-mark 0x107', 0x1234_577f],
      ['--xor-mark 0xff', 0x1234_5687],
    ];
    for (const [words, expected] of cases) {
      const stand = await standOf([`-t mangle -A PREROUTING -j MARK ${words}`]);
      const [value, mask] = /set-xmark (\S+)\/(\S+)/.exec(words)?.slice(1).map(Number) ?? [];
      const wanted = mask === undefined ? expected : (0x1234_5678 & ~mask) ^ value;
      expect([words, markOf(stand, 0x1234_5678)]).toEqual([words, wanted]);
    }
  });

  it('CONNMARK saves, restores, sets and shifts', async () => {
    const marks = new Map([[1, 0xabcd]]);
    const restore = await standOf(['-t mangle -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff']);
    restore.parts.conntrack = flowsOf(marks);
    expect(markOf(restore, 0x5500, 1)).toBe(0x55cd);
    expect(markOf(restore, 0x5500, 0)).toBe(0x5500);
    const save = await standOf(['-t mangle -A PREROUTING -j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xf0']);
    save.parts.conntrack = flowsOf(marks);
    markOf(save, 0x77, 1);
    expect(marks.get(1)).toBe(0xab7d);
    const set = await standOf(['-t mangle -A PREROUTING -j CONNMARK --set-xmark 0xf/0xff']);
    set.parts.conntrack = flowsOf(marks);
    markOf(set, 0, 1);
    expect(marks.get(1)).toBe(0xab0f);
  });

  it('HMARK gives both directions of a flow one mark, in its range', async () => {
    const rule =
      '-t mangle -A PREROUTING -j HMARK --hmark-tuple src,dst,sport,dport --hmark-mod 7 --hmark-offset 100 --hmark-rnd 0xfeed';
    const stand = await standOf([rule]);
    const back = from4({ source: TO, destination: FROM, payload: udp(TO, FROM, 7, 1000, pattern(20)) });
    const marks = [datagram, back].map((bytes) => {
      const frame = stand.frame(bytes);
      stand.at(frame);
      stand.walk(TableId.MANGLE);
      return stand.router.dataplane.arena.mark[frame];
    });
    expect(marks[0]).toBe(marks[1]);
    expect(marks[0]).toBeGreaterThanOrEqual(100);
    expect(marks[0]).toBeLessThan(107);
  });
});

describe('CT', () => {
  it('says with what a flow begins; the first rule decides', async () => {
    const stand = await standOf(['-t raw -A PREROUTING -j CT --zone 5', '-t raw -A PREROUTING -j CT --zone 6']);
    stand.pass(datagram, { table: TableId.RAW });
    const { template } = stand.parts;
    expect([template.isSet, template.zone, template.zoneFlags]).toEqual([true, 5, 0]);
    template.isSet = false;
    // What has a flow already, as what comes by lo, keeps it.
    stand.pass(datagram, { table: TableId.RAW, flow: 3 });
    expect(template.isSet).toBe(false);
  });

  it('takes the zone from the mark, for one direction', async () => {
    const stand = await standOf(['-t raw -A PREROUTING -j CT --zone-orig mark']);
    stand.pass(datagram, { table: TableId.RAW, mark: 0x70009 });
    expect([stand.parts.template.zone, stand.parts.template.zoneFlags]).toEqual([9, CtFlag.ZONE_ORIGINAL]);
  });

  it('NOTRACK has the packet not tracked', async () => {
    const stand = await standOf(['-t raw -A PREROUTING -j NOTRACK']);
    const frame = stand.frame(datagram);
    stand.at(frame);
    expect(stand.walk(TableId.RAW)).toBe(Verdict.ACCEPT);
    expect(stand.router.dataplane.arena.flow[frame]).toBe(UNTRACKED);
  });
});

describe('NAT', () => {
  it('is asked for what the rule says', async () => {
    const asked: unknown[] = [];
    const note = (what: string, range: Int32Array, at: number, manip?: number): Verdict => {
      asked.push([what, manip, range[at + NatRange.FLAGS], range[at + NatRange.FIRST], range[at + NatRange.LOW_PORT]]);
      return Verdict.ACCEPT;
    };
    const nat: NatParts = {
      setup: (_packet, _flow, range, at, manip) => note('setup', range, at, manip),
      masquerade: (_packet, _flow, range, at) => note('masquerade', range, at),
      redirect: (_packet, _flow, range, at) => note('redirect', range, at),
    };
    const stand = await standOf([
      '-t nat -A PREROUTING -p udp --dport 7 -j DNAT --to-destination 10.9.9.9:80',
      '-t nat -A POSTROUTING -p udp -j MASQUERADE --random',
      '-t nat -A OUTPUT -p udp -j REDIRECT --to-ports 99',
      '-t nat -A INPUT -j SNAT --to-source 10.8.8.8',
    ]);
    stand.parts.nat = nat;
    for (const hook of [Hook.PREROUTING, Hook.POSTROUTING, Hook.OUTPUT, Hook.INPUT]) {
      stand.pass(datagram, { hook, table: TableId.NAT, flow: 4 });
      expect(stand.packet.isVolatile).toBe(true);
    }
    expect(asked).toEqual([
      ['setup', 1, NatFlag.ADDRESSES | NatFlag.PORTS, wordsOf('10.9.9.9')[0], 80],
      ['masquerade', undefined, NatFlag.RANDOM, 0, 0],
      ['redirect', undefined, NatFlag.PORTS, 0, 99],
      ['setup', 0, NatFlag.ADDRESSES, wordsOf('10.8.8.8')[0], 0],
    ]);
    // Without a flow there is nothing to bind: the next rule's turn.
    stand.pass(datagram, { table: TableId.NAT });
    expect(asked.length).toBe(4);
  });
});

describe('what is told', () => {
  it('NFLOG hands the packet on, as much of it as is asked for', async () => {
    const stand = await standOf([
      '-t mangle -A PREROUTING -j NFLOG --nflog-group 3 --nflog-prefix hello --nflog-size 28',
      '-t mangle -A PREROUTING -j NFLOG',
    ]);
    stand.pass(datagram);
    expect(stand.nflogged.map(({ group, prefix, bytes }) => [group, prefix, bytes.length])).toEqual([
      [3, 'hello', 28],
      [0, '', 48],
    ]);
    expect(stand.nflogged[1].bytes).toEqual(datagram.slice(14));
  });

  it('TRACE has the walk told', async () => {
    const stand = await standOf(['-t raw -A PREROUTING -j TRACE']);
    stand.pass(datagram, { table: TableId.RAW });
    expect(stand.traced).toBe(1);
  });

  it('AUDIT writes a record into the log', async () => {
    const stand = await standOf(['-t mangle -A PREROUTING -j AUDIT --type accept']);
    stand.pass(datagram, { mark: 0x11 });
    stand.pass(datagram);
    expect(stand.logged).toEqual([
      '<5>NETFILTER_PKT mark=0x11 saddr=10.0.0.9 daddr=10.0.0.1 proto=17',
      '<5>NETFILTER_PKT mark=0xffffffff saddr=10.0.0.9 daddr=10.0.0.1 proto=17',
    ]);
  });

  it('NFQUEUE drops, as nobody listens, unless it may be passed by', () => {
    const stand = new Stand();
    const words = (flags: number): number => {
      stand.parts.pool.set([1, 1, flags], 100);
      return 100;
    };
    stand.at(stand.frame(datagram));
    expect(stand.targets.run(Extension.NFQUEUE, words(1), stand.packet)).toBe(Verdict.ACCEPT);
    expect(stand.targets.run(Extension.NFQUEUE, words(0), stand.packet)).toBe(Verdict.DROP);
    expect(stand.router.drops()).toEqual({ rule: 1 });
  });
});

describe('SET', () => {
  it('adds, deletes, and takes the mark from a set', async () => {
    const stand = await standOf([
      '-t mangle -A PREROUTING -p udp --dport 7 -j SET --add-set seen src --timeout 30',
      '-t mangle -A PREROUTING -p udp --dport 8 -j SET --del-set seen src',
      '-t mangle -A PREROUTING -m set --match-set seen src -j SET --map-set marks src --map-mark',
    ]);
    stand.sets.create(stand.setNumber('seen'), { type: SetType.HASH_IP, family: 4, timeout: 100 });
    stand.sets.create(stand.setNumber('marks'), { type: SetType.HASH_IP, family: 4, skbinfo: true });
    const member = new Int32Array(Member.WORDS);
    member[Member.ADDRESS] = wordsOf(FROM)[0];
    member[Member.LENGTH] = 32;
    member[Member.TIMEOUT] = DEFAULT_TIMEOUT;
    member[Member.FLAGS] = MemberFlag.HAS_SKBINFO;
    member[Member.SKB_MARK] = 0x21;
    member[Member.SKB_MASK] = 0xff;
    stand.sets.add(stand.setNumber('marks'), member, 0, false, 0);
    expect(markOf(stand, 0x500)).toBe(0x521);
    expect([stand.counted(3), stand.sets.size(stand.setNumber('seen'))]).toEqual([1, 1]);
    stand.pass(from4({ payload: udp(FROM, TO, 1000, 8, pattern(4)) }));
    expect([stand.counted(3), stand.sets.size(stand.setNumber('seen'))]).toEqual([1, 0]);
  });
});

describe('TEE', () => {
  it('sends a copy to another host, one hop older', async () => {
    const stand = await standOf(['-t mangle -A PREROUTING -j TEE --gateway 10.0.1.10']);
    expect(stand.pass(datagram)).toBe(Verdict.ACCEPT);
    stand.router.dataplane.egress.flush(0);
    const [copy] = stand.router.take('e1').map((bytes) => Buffer.from(bytes));
    expect(copy.subarray(0, 6).toString('hex')).toBe(H1.replaceAll(':', ''));
    expect([copy[22], copy.readUInt16BE(20) & 0x4000]).toEqual([datagram[22] - 1, 0x4000]);
    expect(fold(sumBytes(copy, 14, 20))).toBe(0xffff);
    expect(copy.subarray(26)).toEqual(Buffer.from(datagram.slice(26)));
  });

  it('of IPv6 too, and only by the link that is named', async () => {
    const stand = await standOf(['-t mangle -A POSTROUTING -j TEE --gateway 2001:db8:1::a --oif e1'], 'ip6tables');
    stand.pass(datagram6, { hook: Hook.POSTROUTING, out: 'e0' });
    stand.router.dataplane.egress.flush(0);
    const [copy] = stand.router.take('e1').map((bytes) => Buffer.from(bytes));
    expect(copy.subarray(14)).toEqual(Buffer.from(datagram6.slice(14)));
    const other = await standOf(['-t mangle -A POSTROUTING -j TEE --gateway 2001:db8:1::a --oif e0'], 'ip6tables');
    other.pass(datagram6, { hook: Hook.POSTROUTING, out: 'e0' });
    other.router.dataplane.egress.flush(0);
    expect(other.router.outputs('e0', 'e1')).toEqual([]);
  });
});

describe('checksums', () => {
  /** NOP, MSS: the option's value lies at an odd place. */
  const options = Uint8Array.of(1, 2, 4, 5, 0xb4, 1, 4, 2);
  const syn = from4({ protocol: 6, payload: tcp(FROM, TO, 1000, 80, { flags: 2, options }) });

  function sumOfSegment(bytes: Uint8Array): number {
    const length = bytes.length - 34;
    return fold(fold(pseudo4(wordsOf(FROM)[0], wordsOf(TO)[0], 6, length)) + fold(sumBytes(bytes, 34, length)));
  }

  it('stay right where TCPMSS changes an option at an odd place', async () => {
    const stand = await standOf(['-t mangle -A PREROUTING -p tcp -j TCPMSS --set-mss 1000']);
    const frame = stand.frame(syn);
    stand.at(frame);
    stand.walk(TableId.MANGLE);
    const changed = stand.router.dataplane.arena.contents(frame);
    expect([changed[57], changed[58], sumOfSegment(changed)]).toEqual([3, 0xe8, 0xffff]);
  });

  it('are left alone while they are still to be finished, and finished by CHECKSUM', async () => {
    const rules = ['-p tcp -j TCPMSS --set-mss 1000', '-p tcp -j TCPOPTSTRIP --strip-options sack-permitted'];
    const stand = await standOf(
      [...rules, '-p udp -j CHECKSUM --checksum-fill'].map((rule) => `-t mangle -A PREROUTING ${rule}`),
    );
    const { arena } = stand.router.dataplane;
    const frame = stand.frame(syn);
    const at = frame << Vnet.SHIFT;
    arena.vnet[at + Vnet.FLAGS_TYPE] = Vnet.NEEDS_CSUM;
    arena.vnet[at + Vnet.CSUM_START] = 34;
    arena.vnet[at + Vnet.CSUM_OFFSET] = 16;
    const before = arena.contents(frame).slice(50, 52);
    stand.at(frame);
    stand.walk(TableId.MANGLE);
    expect(arena.contents(frame).slice(50, 52)).toEqual(before);
    const partial = Uint8Array.from(datagram);
    const pseudo = fold(pseudo4(wordsOf(FROM)[0], wordsOf(TO)[0], 17, 28));
    partial.set([pseudo >> 8, pseudo & 0xff], 40);
    const other = stand.frame(partial);
    arena.vnet[(other << Vnet.SHIFT) + Vnet.FLAGS_TYPE] = Vnet.NEEDS_CSUM;
    arena.vnet[(other << Vnet.SHIFT) + Vnet.CSUM_START] = 34;
    arena.vnet[(other << Vnet.SHIFT) + Vnet.CSUM_OFFSET] = 6;
    stand.at(other);
    stand.walk(TableId.MANGLE);
    expect(arena.contents(other)).toEqual(datagram);
    expect(arena.vnet[other << Vnet.SHIFT]).toBe(0);
  });
});

describe('answers', () => {
  it('belong to the flow of what they answer', () => {
    const { arena } = new Stand().router.dataplane;
    for (const [info, expected] of [
      [CtInfo.NEW, CtInfo.RELATED_REPLY],
      [CtInfo.ESTABLISHED, CtInfo.RELATED_REPLY],
      [CtInfo.ESTABLISHED_REPLY, CtInfo.RELATED],
    ]) {
      arena.flow[1] = 7;
      arena.flowInfo[1] = info;
      arena.attach(2, 1);
      expect([arena.flow[2], arena.flowInfo[2]]).toEqual([7, expected]);
    }
  });

  it('do not go to broadcast frames', async () => {
    const stand = await standOf(['-t filter -A INPUT -p tcp -j REJECT --reject-with tcp-reset']);
    const segment = from4({ protocol: 6, payload: tcp(FROM, TO, 1000, 80, { flags: 2 }) });
    segment.fill(0xff, 0, 6);
    expect(stand.pass(segment, { hook: Hook.INPUT, table: TableId.FILTER })).toBe(Verdict.DROP);
    stand.router.dataplane.egress.flush(0);
    expect(stand.router.outputs('e0')).toEqual([]);
  });
});

it('a place is kept for targets written in TypeScript', () => {
  const stand = new Stand();
  stand.at(stand.frame(datagram));
  expect(stand.targets.run(Extension.PROGRAM, 0, stand.packet)).toBe(Verdict.CONTINUE);
});
