/* Conntrack's own business: what begins, meets, ends and limits flows. What protocols make of packets is in kernel-answers.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Conntrack } from '../../src/conntrack/conntrack.js';
import { Expect, Expected } from '../../src/conntrack/expectations.js';
import { FlowRow, Helper, readRow } from '../../src/conntrack/flow-row.js';
import { Direction, Flow, KindFlag, Status } from '../../src/conntrack/flows.js';
import { CtSetting } from '../../src/conntrack/settings.js';
import { CtStat } from '../../src/conntrack/stats.js';
import { Template } from '../../src/conntrack/template.js';
import { applyProfile, CT_SYSCTLS } from '../../src/conntrack/timeouts.js';
import { CtEvent } from '../../src/conntrack/tracker.js';
import { Tuple } from '../../src/conntrack/tuple.js';
import { Vnet } from '../../src/core/arena.js';
import { Hook } from '../../src/netfilter/rule.js';
import { parseIpv4 } from '../../src/wire/format.js';
import { ip4, ip6, udp } from '../support/packets.js';
import { random } from '../tables/lpm-model.js';
import { flowText } from './flow-text.js';
import { Tracked } from './tracked.js';

const SEED = Number(process.env.SLUICE_SEED ?? 20_261_122);
const MAC = '02:00:00:00:00:01';
const DATA = Uint8Array.of(1, 2, 3, 4);

function packet(source: string, sport: number, destination: string, dport: number): Uint8Array {
  const is6 = source.includes(':');
  const payload = udp(source, destination, sport, dport, DATA);
  const options = { to: MAC, from: MAC, source, destination, payload };
  return (is6 ? ip6({ ...options, nextHeader: 17 }) : ip4({ ...options, protocol: 17 })).subarray(14);
}

const question = (port = 5000): Uint8Array => packet('10.0.0.9', port, '10.0.1.9', 53);
const answer = (port = 5000): Uint8Array => packet('10.0.1.9', 53, '10.0.0.9', port);

function stat(conntrack: Conntrack, which: number, namespace = 0): number {
  return conntrack.stats[(namespace << CtStat.SHIFT) + which];
}

/** Flows that have been answered for long: they are ASSURED. */
function assured(made: Tracked, from: number, count: number): void {
  for (let i = 0; i < count; i++) made.send(question(from + i));
  made.now = (made.now + 2500) | 0;
  for (let i = 0; i < count; i++) made.send(answer(from + i));
  for (let i = 0; i < count; i++) made.send(question(from + i));
}

function udpTuple(source: string, sport: number, destination: string, dport: number): Tuple {
  const tuple = new Tuple();
  tuple.protocol = 17;
  tuple.words[0] = parseIpv4(source) ?? 0;
  tuple.words[1] = parseIpv4(destination) ?? 0;
  tuple.ports = (sport << 16) | dport;
  return tuple;
}

describe('a flow', () => {
  it('exists when its first packet has left, not before', () => {
    const made = new Tracked();
    const { flow } = made.begin(question());
    expect(made.conntrack.pending).toBe(flow);
    expect(made.flows()).toEqual([]);
    // It was dropped on its way; the next packet begins anew.
    expect(made.send(question()).what).toBe('NEW');
    expect(made.flows()).toHaveLength(1);
    expect(made.conntrack.count[0]).toBe(1);
  });

  it('that never was counts no longer than until the timers are looked at', () => {
    const made = new Tracked();
    made.begin(question());
    expect(made.conntrack.count[0]).toBe(1);
    expect(made.conntrack.timers(made.now)).toBe(-1);
    expect(made.conntrack.count[0]).toBe(0);
  });

  it('is one of its namespace', () => {
    const made = new Tracked();
    made.send(question());
    expect(made.send(answer(), { namespace: 5 }).what).toBe('NEW');
    expect(made.send(answer()).what).toBe('ESTABLISHED');
    expect(made.flows(5)).toHaveLength(1);
  });

  it('counts as absent once it has expired, and its row comes back later', () => {
    const made = new Tracked();
    made.send(question());
    made.now = (made.now + 30_000) | 0;
    expect(made.flows()).toEqual([]);
    expect(made.conntrack.count[0]).toBe(1);
    expect(made.send(answer()).what).toBe('NEW');
    expect(made.conntrack.count[0]).toBe(1);
    made.now = (made.now + 30_000) | 0;
    made.conntrack.timers(made.now);
    expect(made.conntrack.count[0]).toBe(0);
    expect(made.conntrack.timers(made.now)).toBe(-1);
  });

  it('is swept in rounds of a bounded number of rows', () => {
    const made = new Tracked();
    for (let i = 0; i < 5000; i++) made.send(question(1000 + i));
    made.now = (made.now + 31_000) | 0;
    const pauses: number[] = [];
    while (made.conntrack.count[0] !== 0 && pauses.length < 20) {
      const before = made.conntrack.count[0];
      pauses.push(made.conntrack.timers(made.now));
      expect(before - made.conntrack.count[0]).toBeLessThanOrEqual(2048);
      made.now = (made.now + pauses[pauses.length - 1]) | 0;
    }
    expect(made.conntrack.count[0]).toBe(0);
    expect(pauses).toHaveLength(3);
  });

  it('keeps its number while the packet that ended it is under way', () => {
    const made = new Tracked();
    const { flow } = made.send(question());
    made.conntrack.kill(flow);
    expect(made.conntrack.isFlow(flow)).toBe(true);
    expect(made.conntrack.status(flow) & Status.DYING).toBe(Status.DYING);
    expect(made.flows()).toEqual([]);
    expect(made.conntrack.count[0]).toBe(0);
    expect(made.send(question()).what).toBe('NEW');
    expect(made.flows()).toHaveLength(1);
  });

  it("of a packet that was seen before stays the packet's", () => {
    const made = new Tracked();
    made.begin(question());
    const { frame } = made.packet;
    made.conntrack.confirm(made.packet);
    const flow = made.arena.flow[frame];
    made.packet.hook = Hook.PREROUTING;
    made.conntrack.in(made.packet, 0);
    expect(made.arena.flow[frame]).toBe(flow);
    expect(made.flows()[0].packets).toEqual([0, 0]);
  });

  it('is not begun by a packet that is not to be tracked', () => {
    const made = new Tracked();
    const loaded = made.load(question());
    made.arena.flow[loaded.frame] = -1;
    made.conntrack.in(loaded, 0);
    expect(made.arena.flow[loaded.frame]).toBe(-1);
    expect(made.conntrack.count[0]).toBe(0);
  });
});

describe('checksums', () => {
  const spoiled = (): Uint8Array => {
    const ip = question().slice();
    ip[26] ^= 1;
    return ip;
  };

  it('count where a packet comes in, unless settings say otherwise', () => {
    const made = new Tracked();
    expect(made.send(spoiled()).what).toBe('INVALID');
    expect(stat(made.conntrack, CtStat.INVALID)).toBe(1);
    expect(made.send(spoiled(), { hook: Hook.OUTPUT }).what).toBe('NEW');
    made.conntrack.settings[CtSetting.CHECKSUM] = 0;
    expect(made.send(spoiled()).what).toBe('NEW');
  });

  it('that are partial are fine', () => {
    const made = new Tracked();
    const loaded = made.load(spoiled());
    made.arena.vnet[loaded.frame << Vnet.SHIFT] = Vnet.NEEDS_CSUM;
    made.conntrack.in(loaded, 0);
    expect(made.arena.flow[loaded.frame]).toBeGreaterThan(0);
  });
});

describe('a full namespace', () => {
  it('drops what would begin a flow where all flows are assured', () => {
    const made = new Tracked();
    made.conntrack.settings[CtSetting.MAX] = 50;
    assured(made, 1000, 50);
    expect(made.send(question(9000)).what).toBe('DROPPED');
    expect(made.dropped).toEqual(['conntrack_full']);
    expect(stat(made.conntrack, CtStat.DROP)).toBe(1);
    expect(made.conntrack.count[0]).toBe(50);
    // Flows that exist go on, other namespaces have limits of their own.
    expect(made.send(answer(1000)).what).toBe('ESTABLISHED');
    expect(made.send(question(9000), { namespace: 1 }).what).toBe('NEW');
  });

  it('lets established flows survive a flood of new ones', () => {
    const made = new Tracked();
    made.conntrack.settings[CtSetting.MAX] = 2000;
    assured(made, 1000, 500);
    for (let i = 0; i < 20_000; i++) made.send(packet('10.9.0.1', 1 + (i % 60_000), `10.8.${i >> 8}.${i & 255}`, 80));
    for (let i = 0; i < 500; i++) expect(made.send(answer(1000 + i)).what).toBe('ESTABLISHED');
    expect(made.conntrack.count[0]).toBeLessThanOrEqual(2000);
    expect(made.conntrack.count[0]).toBeGreaterThan(1500);
    expect(stat(made.conntrack, CtStat.EARLY_DROP)).toBeGreaterThan(10_000);
  });

  it('has no limit with 0, and the store has one of its own', () => {
    const made = new Tracked({ capacity: 100 });
    made.conntrack.settings[CtSetting.MAX] = 0;
    assured(made, 1000, 100);
    expect(made.send(question(9000)).what).toBe('DROPPED');
    expect(made.conntrack.count[0]).toBe(100);
  });
});

describe('zones', () => {
  const both = 7 | Template.ORIGINAL | Template.REPLY;

  it('tell equal tuples apart', () => {
    const made = new Tracked();
    expect(made.send(question()).what).toBe('NEW');
    expect(made.send(question(), { template: both }).what).toBe('NEW');
    expect(made.send(answer()).what).toBe('ESTABLISHED');
    expect(made.send(answer(), { template: 8 | Template.ORIGINAL | Template.REPLY }).what).toBe('NEW');
    expect(made.send(answer(), { template: both }).what).toBe('ESTABLISHED');
    expect(made.flows().map(({ zone }) => zone)).toEqual([0, 7, 8]);
  });

  it('may count for the original direction alone', () => {
    const made = new Tracked();
    const original = 7 | Template.ORIGINAL;
    expect(made.send(question(), { template: original }).what).toBe('NEW');
    expect(made.send(answer()).what).toBe('ESTABLISHED');
    expect(made.send(question(), { template: original }).what).toBe('ESTABLISHED');
    expect(made.send(question(), { template: 9 | Template.ORIGINAL }).what).toBe('DROPPED');
    expect(made.dropped).toEqual(['conntrack_clash']);
  });
});

describe('NAT', () => {
  it('changes what the answers of a pending flow have', () => {
    const made = new Tracked();
    const { flow } = made.begin(question());
    const reply = udpTuple('10.0.1.9', 53, '192.0.2.1', 60_000);
    expect(made.conntrack.isTaken(flow, reply)).toBe(false);
    made.conntrack.alterReply(flow, reply);
    made.conntrack.confirm(made.packet);
    expect(made.send(packet('10.0.1.9', 53, '192.0.2.1', 60_000)).what).toBe('ESTABLISHED');
    expect(made.begin(answer()).what).toBe('NEW');
    const { flow: second } = made.begin(question(5001));
    expect(made.conntrack.isTaken(second, reply)).toBe(true);
  });

  it('that gives two flows the same answers loses the second one', () => {
    const made = new Tracked();
    made.send(question());
    made.begin(question(5001));
    made.conntrack.alterReply(made.conntrack.pending, udpTuple('10.0.1.9', 53, '10.0.0.9', 5000));
    made.conntrack.confirm(made.packet);
    expect(made.dropped).toEqual(['conntrack_clash']);
    expect(stat(made.conntrack, CtStat.INSERT_FAILED)).toBe(1);
    expect(made.conntrack.count[0]).toBe(1);
  });

  it('is told when a flow of its table is over', () => {
    const made = new Tracked();
    const gone: number[] = [];
    made.conntrack.watcher = { gone: (flow) => gone.push(flow) };
    const { flow } = made.send(question());
    made.send(question(5001));
    const { conntrack } = made;
    conntrack.wordsOf(flow)[conntrack.at(flow) + Flow.KIND] |= KindFlag.IN_NAT_TABLE;
    conntrack.ctnetlink.flush(0, 0, 100, made.now);
    expect(gone).toEqual([flow]);
  });
});

describe('an expectation', () => {
  function expecting(made: Tracked, master: number, dport: number): Expected {
    const { draft } = made.conntrack.expectations;
    draft.fill(0);
    draft[Expect.KEY] = 17 | Flow.KEY_FLAG;
    draft.set(udpTuple('10.0.1.9', 0, '10.0.0.9', dport).words.subarray(0, 3), Expect.TUPLE);
    draft.fill(-1, Expect.SOURCE_MASK, Expect.SOURCE_MASK + 4);
    draft[Expect.MASTER] = master;
    draft[Expect.HELPER] = Helper.TFTP;
    return made.conntrack.expectations.add(made.now, 300_000, 1);
  }

  it('makes the flow that meets it RELATED, once', () => {
    const made = new Tracked();
    const { flow } = made.send(question());
    made.conntrack.setMark(flow, 77);
    expect(expecting(made, flow, 6000)).toBe(Expected.OK);
    expect(made.send(packet('10.0.1.9', 1234, '10.0.0.9', 6001)).what).toBe('NEW');
    const met = made.send(packet('10.0.1.9', 1234, '10.0.0.9', 6000));
    expect(met.what).toBe('RELATED');
    expect(made.conntrack.extensions.master(met.flow)).toBe(flow);
    expect(made.conntrack.extensions.mark(met.flow)).toBe(77);
    expect(made.conntrack.extensions.helper(met.flow)).toBe(Helper.TFTP);
    expect(made.send(packet('10.0.0.9', 6000, '10.0.1.9', 1234)).what).toBe('ESTABLISHED');
    expect(made.send(packet('10.0.1.9', 1235, '10.0.0.9', 6000)).what).toBe('NEW');
    expect(stat(made.conntrack, CtStat.EXPECT_NEW)).toBe(1);
  });

  it('is one for each master of a class, the last one', () => {
    const made = new Tracked();
    const { flow } = made.send(question());
    expecting(made, flow, 6000);
    expecting(made, flow, 6001);
    expect(made.conntrack.expectations.size).toBe(1);
    expect(made.send(packet('10.0.1.9', 1234, '10.0.0.9', 6000)).what).toBe('NEW');
    expect(made.send(packet('10.0.1.9', 1234, '10.0.0.9', 6001)).what).toBe('RELATED');
  });

  it('of another master for the same flow is refused', () => {
    const made = new Tracked();
    const { flow } = made.send(question());
    const { flow: other } = made.send(question(5001));
    expect(expecting(made, flow, 6000)).toBe(Expected.OK);
    expect(expecting(made, flow, 6000)).toBe(Expected.OK);
    expect(expecting(made, other, 6000)).toBe(Expected.BUSY);
    made.conntrack.settings[CtSetting.EXPECT_MAX] = 1;
    expect(expecting(made, other, 6001)).toBe(Expected.FULL);
  });

  it('ends in time, or with its master', () => {
    const made = new Tracked();
    const { flow } = made.send(question());
    const { conntrack } = made;
    conntrack.wordsOf(flow)[conntrack.at(flow) + Flow.KIND] |= KindFlag.HAS_EXPECTATIONS;
    expecting(made, flow, 6000);
    conntrack.delete(flow, made.now);
    expect(conntrack.expectations.size).toBe(0);
    expecting(made, 99, 6000);
    made.now = (made.now + 300_000) | 0;
    expect(made.send(packet('10.0.1.9', 1234, '10.0.0.9', 6000)).what).toBe('NEW');
    conntrack.timers(made.now);
    expect(conntrack.expectations.size).toBe(0);
  });
});

describe('what few flows have', () => {
  it('is gone with the flow', () => {
    const made = new Tracked();
    const { conntrack } = made;
    conntrack.settings[CtSetting.ACCT] = 1;
    const { flow } = made.send(question());
    conntrack.setMark(flow, -5);
    conntrack.setLabel(flow, 3, 1 << 31);
    expect(made.flows()[0]).toMatchObject({
      mark: 0xfffffffb,
      labels: [0, 0, 0, 1 << 31],
      packets: [1, 0],
      bytes: [32, 0],
    });
    conntrack.delete(flow, made.now);
    conntrack.settings[CtSetting.ACCT] = 0;
    expect(made.send(question()).flow).toBe(flow);
    expect(made.flows()[0]).toMatchObject({ mark: 0, labels: [0, 0, 0, 0], packets: [0, 0] });
  });

  it('includes when it began, with nf_conntrack_timestamp', () => {
    const made = new Tracked();
    made.conntrack.settings[CtSetting.TIMESTAMP] = 1;
    const began = made.now;
    made.send(question());
    made.now = (made.now + 700) | 0;
    expect(made.flows()[0]).toMatchObject({ startMs: began, atMs: made.now });
  });
});

describe('control', () => {
  it('reads flows of both families in pages, and flushes them so', () => {
    const made = new Tracked();
    for (let i = 0; i < 100; i++) made.send(question(1000 + i));
    for (let i = 0; i < 50; i++) made.send(packet('fd00::9', 2000 + i, 'fd01::9', 53));
    for (let i = 0; i < 10; i++) made.send(question(1000 + i), { namespace: 3 });
    const flows = made.flows(0, 7);
    expect(flows.map(({ original }) => original.sourcePort)).toEqual([
      ...Array.from({ length: 100 }, (_, i) => 1000 + i),
      ...Array.from({ length: 50 }, (_, i) => 2000 + i),
    ]);
    expect(flowText(flows[149])).toContain('src=fd00::9 dst=fd01::9 sport=2049 dport=53');
    let cursor = 0;
    do cursor = made.conntrack.ctnetlink.flush(0, cursor, 9, made.now);
    while (cursor !== 0);
    expect([made.conntrack.count[0], made.conntrack.count[3]]).toEqual([0, 10]);
    expect(made.flows(0)).toEqual([]);
    expect(made.flows(3)).toHaveLength(10);
  });

  it('makes flows, once', () => {
    const made = new Tracked();
    const row = new Int32Array(FlowRow.WORDS);
    row[FlowRow.KIND] = 17;
    row[FlowRow.STATUS] = Status.ASSURED | Status.SEEN_REPLY | Status.DYING;
    row[FlowRow.LEFT] = 50_000;
    row[FlowRow.MARK] = 9;
    const [source, destination] = udpTuple('10.0.0.9', 0, '10.0.1.9', 0).words;
    row.set([source, 0, 0, 0, destination, 0, 0, 0, (5000 << 16) | 53], FlowRow.ORIGINAL);
    row.set([destination, 0, 0, 0, source, 0, 0, 0, (53 << 16) | 5000], FlowRow.REPLY);
    const flow = made.conntrack.ctnetlink.create(row, made.now);
    expect(flow).toBeGreaterThan(0);
    expect(made.conntrack.ctnetlink.create(row, made.now)).toBe(0);
    expect(made.flows()).toHaveLength(1);
    expect(made.flows()[0]).toMatchObject({ mark: 9, leftMs: 50_000 });
    expect(made.conntrack.status(flow)).toBe(Status.ASSURED | Status.SEEN_REPLY | Status.CONFIRMED);
    expect(made.send(question()).what).toBe('ESTABLISHED');
    expect(stat(made.conntrack, CtStat.INSERT)).toBe(1);
    made.conntrack.ctnetlink.setTimeout(flow, 900_000, made.now);
    expect(made.flows()[0].leftMs).toBe(900_000);
    expect(made.conntrack.delete(flow, made.now)).toBe(true);
    expect(made.conntrack.delete(flow, made.now)).toBe(false);
  });

  it('finds a flow by a tuple', () => {
    const made = new Tracked();
    const { flow } = made.send(question());
    const reply = udpTuple('10.0.1.9', 53, '10.0.0.9', 5000);
    expect(made.conntrack.find(0, reply, 0, made.now)).toBe((flow << 1) | Direction.REPLY);
    expect(made.conntrack.find(1, reply, 0, made.now)).toBe(0);
    made.conntrack.readTuple(flow, Direction.REPLY, reply);
    expect(reply.ports >>> 16).toBe(53);
  });

  it('forgets a namespace with all that was set there', () => {
    const made = new Tracked();
    made.conntrack.settings[(4 << CtSetting.SHIFT) + CtSetting.UDP] = 1;
    for (let i = 0; i < 5000; i++) made.send(question(1 + i), { namespace: 4 });
    made.send(question());
    made.conntrack.forgetNamespace(4, made.now);
    expect(made.conntrack.count[4]).toBe(0);
    expect(made.conntrack.settings[(4 << CtSetting.SHIFT) + CtSetting.UDP]).toBe(30_000);
    expect(made.conntrack.flows[0].size).toBe(1);
  });
});

describe('events', () => {
  function taken(made: Tracked): string[] {
    const rows = new Int32Array(FlowRow.WORDS * 64);
    const n = made.conntrack.events.take(rows, 64);
    return Array.from({ length: n }, (_, i) => {
      const { events, original } = readRow(rows, i * FlowRow.WORDS);
      return `${original.sourcePort} ${events}`;
    });
  }

  it('tell of a packet once what it did', () => {
    const made = new Tracked();
    made.conntrack.events.watch(true);
    made.send(question());
    made.send(question());
    made.send(answer());
    made.now = (made.now + 2500) | 0;
    const { flow } = made.send(answer());
    made.conntrack.setMark(flow, 5);
    made.conntrack.delete(flow, made.now);
    expect(taken(made)).toEqual([
      `5000 ${CtEvent.NEW}`,
      `5000 ${CtEvent.REPLY}`,
      `5000 ${CtEvent.ASSURED}`,
      `5000 ${CtEvent.DESTROY}`,
    ]);
  });

  it('say nothing of flows that never were, nor while nobody listens', () => {
    const made = new Tracked();
    made.send(question());
    made.conntrack.events.watch(true);
    made.begin(question(5001));
    made.send(question(5002));
    expect(taken(made)).toEqual([`5002 ${CtEvent.NEW}`]);
    made.conntrack.events.watch(false);
    made.send(question(5003));
    expect(taken(made)).toEqual([]);
  });

  it('say nothing of a namespace where they are off', () => {
    const made = new Tracked();
    made.conntrack.settings[(2 << CtSetting.SHIFT) + CtSetting.EVENTS] = 0;
    made.conntrack.events.watch(true);
    made.send(question(), { namespace: 2 });
    made.send(question(5001));
    expect(taken(made)).toEqual([`5001 ${CtEvent.NEW}`]);
  });

  it('are those that a template names, whatever the setting', () => {
    const made = new Tracked();
    const template = CtEvent.ASSURED << Template.EVENTS_SHIFT;
    made.conntrack.settings[(2 << CtSetting.SHIFT) + CtSetting.EVENTS] = 0;
    made.conntrack.events.watch(true);
    for (const namespace of [0, 2]) made.send(question(), { namespace, template });
    made.now = (made.now + 2500) | 0;
    for (const namespace of [0, 2]) made.send(answer(), { namespace });
    for (const namespace of [0, 2]) made.send(question(), { namespace });
    expect(taken(made)).toEqual([`5000 ${CtEvent.ASSURED}`, `5000 ${CtEvent.ASSURED}`]);
    // The next flow that has the row has them all again.
    const { flow } = made.send(question(5001));
    made.conntrack.delete(flow, made.now);
    expect(taken(made)).toEqual([`5001 ${CtEvent.NEW}`, `5001 ${CtEvent.DESTROY}`]);
  });

  it('are told whole when a template names one of them', () => {
    const made = new Tracked();
    made.conntrack.events.watch(true);
    const { flow } = made.begin(question(), { template: CtEvent.MARK << Template.EVENTS_SHIFT });
    made.conntrack.setMark(flow, 5);
    made.packet.hook = Hook.POSTROUTING;
    made.conntrack.confirm(made.packet);
    expect(taken(made)).toEqual([`5000 ${CtEvent.NEW | CtEvent.MARK}`]);
  });

  it('are lost and counted when nobody takes them', () => {
    const made = new Tracked();
    made.conntrack.events.watch(true);
    for (let i = 0; i < 5000; i++) made.send(question(1000 + i));
    expect(made.conntrack.events.lost).toBe(5000 - 4096);
    expect(taken(made)[0]).toBe(`1000 ${CtEvent.NEW}`);
  });
});

describe('anything at all', () => {
  it('may come: no packet breaks the table', () => {
    const made = new Tracked({ capacity: 500 });
    const next = random(SEED);
    const protocols = [1, 6, 17, 47, 58, 132, 136, 33, 253];
    for (let i = 0; i < 20_000; i++) {
      const is6 = next(2) === 0;
      const ip = Uint8Array.from({ length: (is6 ? 40 : 20) + next(80) }, () => next(256));
      ip[0] = is6 ? 0x60 | next(16) : 0x45;
      ip[is6 ? 6 : 9] = protocols[next(protocols.length)];
      if (!is6) ip.set([0, 0], 6);
      ip.set(is6 ? [0, ip.length - 40] : [0, ip.length], is6 ? 4 : 2);
      // Few addresses and ports, so that packets meet flows.
      for (let at = is6 ? 8 : 12; at < (is6 ? 44 : 24) && at < ip.length; at++) ip[at] &= 1;
      made.send(ip, { namespace: next(2), hook: next(2) === 0 ? Hook.OUTPUT : Hook.PREROUTING });
      if (i % 500 === 0) made.now = (made.now + next(40_000)) | 0;
      made.conntrack.timers(made.now);
    }
    expect(made.conntrack.flows[0].size + made.conntrack.flows[1].size).toBeGreaterThan(10);
    for (const namespace of [0, 1]) made.conntrack.forgetNamespace(namespace, made.now);
    expect([...made.conntrack.count.subarray(0, 2)]).toEqual([0, 0]);
    expect(made.conntrack.tables.map(({ size }) => size)).toEqual([0, 0]);
    expect(made.arena.freeHeadCount).toBe(256);
  });
});

describe('timeouts', () => {
  it.each([
    ['is no shorter after 24.8 days', [40_000, 2 ** 30, 2 ** 30, 2 ** 30]],
    ['is no shorter after 49.7 days', [40_000, 2 ** 30, 2 ** 30, 2 ** 30, 2 ** 30 - 40_000 + 100]],
  ])('a stream of UDP %s', (_name, pauses) => {
    const made = new Tracked();
    made.conntrack.settings.fill(2 ** 30 + 1000, CtSetting.UDP, CtSetting.UDP_STREAM + 1);
    made.send(question());
    const { flow } = made.send(answer());
    for (const pause of pauses) {
      made.now = (made.now + pause) | 0;
      expect(made.send(question())).toEqual({ what: 'ESTABLISHED', flow });
      expect(made.conntrack.status(flow) & Status.ASSURED).toBe(Status.ASSURED);
    }
    made.conntrack.settings[CtSetting.UDP] = 1;
    made.send(question());
    expect(made.flows()[0].leftMs).toBe(2 ** 30 + 1000);
  });

  it('a flow of UDP becomes a stream however late its first answer comes', () => {
    const made = new Tracked();
    made.conntrack.settings[CtSetting.UDP] = 2 ** 30 + 1000;
    const { flow } = made.send(question());
    for (let i = 0; i < 2; i++) {
      made.now = (made.now + 2 ** 30) | 0;
      made.send(question());
    }
    made.now = (made.now + 60_000) | 0;
    made.send(answer());
    made.send(question());
    expect(made.conntrack.status(flow) & Status.ASSURED).toBe(Status.ASSURED);
  });

  it('of the profile rfc are no shorter than RFC 4787, 5382 and 5508 say', () => {
    const made = new Tracked();
    const { settings } = made.conntrack;
    applyProfile(settings, 0, 'rfc');
    const TRANSITORY = [1, 2, 4, 5, 6, 7, 9];
    for (const state of TRANSITORY) expect(settings[CtSetting.TCP + state]).toBeGreaterThanOrEqual(240_000);
    expect(settings[CtSetting.TCP + 3]).toBeGreaterThanOrEqual((2 * 60 + 4) * 60_000);
    expect(settings[CtSetting.UDP]).toBeGreaterThanOrEqual(120_000);
    expect(settings[CtSetting.ICMP]).toBeGreaterThanOrEqual(60_000);
    applyProfile(settings, 0, 'linux');
    expect(settings[CtSetting.UDP]).toBe(30_000);
    expect(settings[CtSetting.TCP + 3]).toBe(432_000_000);
  });

  it('have each a setting and a name of their own', () => {
    expect(new Set(CT_SYSCTLS.map(({ setting }) => setting)).size).toBe(CT_SYSCTLS.length);
    expect(new Set(CT_SYSCTLS.map(({ name }) => name)).size).toBe(CT_SYSCTLS.length);
    for (const { setting } of CT_SYSCTLS) expect(setting).toBeLessThan(CtSetting.COUNT);
  });
});
