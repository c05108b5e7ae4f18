/*
 * NAT: a flow is bound to addresses and ports by its first packet, and every packet of it is rewritten by what it is bound to.
 *
 *   first packet   asks ─ yes ─► rules of the nat table ─ SNAT, DNAT … ─► setup ─┐       reply tuple of the flow
 *                    └─ they said nothing ─► null binding ───────────────────────┴─►  =  what its answers will have
 *   every packet   finish ─► addresses, ports, checksums
 *
 * PREROUTING and OUTPUT change the destination, POSTROUTING and INPUT the source. What a packet becomes is the flow's other
 * tuple turned round; its conntrack status says which half NAT has changed. A flow bound once is never asked about again, so rules that come
 * later do not apply to it (the null binding).
 *
 * A source that no other flow may have is a promise: where none is left the packet is dropped (NAT_EXHAUSTED). A destination
 * may be shared; the source is then made different.
 *
 * A flow of a MASQUERADE remembers its link, and goes when the link goes down, its address goes, or its packets leave by another link. The
 * search for them takes a bounded number of flows a call of `timers`.
 *
 * Who may call: the engine's worker alone.
 */
import type { Conntrack, FlowWatcher } from '../conntrack/conntrack.js';
import { Expect } from '../conntrack/expectations.js';
import type { FlowTable4 } from '../conntrack/flow-table4.js';
import { Direction, Flow, type FlowNumber, type Flows, KindFlag, Status, zoneOf } from '../conntrack/flows.js';
import { CtStat } from '../conntrack/stats.js';
import { TcpState } from '../conntrack/tcp-states.js';
import { Transport, Tuple } from '../conntrack/tuple.js';
import { type Arena, CtInfo } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import type { Link } from '../core/links.js';
import { Key, type Packet } from '../core/packet.js';
import type { Inet } from '../route/inet.js';
import { NatAddresses } from './nat-addresses.js';
import { mangleQuoted, mayTranslate } from './nat-icmp.js';
import { mangle4, mangle6, Side } from './nat-mangle.js';
import { copyTuple, isSourceInRange, TupleChoice, type TupleUse } from './nat-range.js';
import { NatSources } from './nat-sources.js';
import { NatFlag, NatRange } from './ops.js';
import { Manip, type NatParts } from './parts.js';
import { Family, Hook, Verdict } from './rule.js';

/** Rows looked at in one call of `timers`. */
const SWEEP_ROWS = 4096;

/** Flows that must go: of a link, and where `address` is given only those that have it. */
interface Doomed {
  link: Link;
  address: Int32Array | null;
  family: Family;
  cursor: number;
}

export class Nat implements NatParts, TupleUse, FlowWatcher {
  /** Flows that found no source free. */
  exhausted = 0;
  /** Whether the last `finish` has changed its packet. */
  hasRewritten = false;
  private readonly arena: Arena;
  private readonly addresses: NatAddresses;
  private readonly choice = new TupleChoice(this);
  private readonly sources: Array<NatSources | undefined> = [undefined, undefined];
  private readonly doomed: Doomed[] = [];
  private readonly $range = new Int32Array(NatRange.WORDS);
  private readonly $reply = new Tuple();
  private readonly $source = new Tuple();
  /** The flow that is being bound. */
  private $flow: FlowNumber = 0;
  private $now = 0;

  /** `random16`: 16 random bits, for ports. */
  constructor(
    private readonly inet: Inet,
    private readonly conntrack: Conntrack,
    readonly random16: () => number = () => inet.random() >>> 15,
  ) {
    this.arena = inet.arena;
    this.addresses = new NatAddresses(inet);
    conntrack.watcher = this;
  }

  // --- at a hook ---------------------------------------------------------------------------------

  /**
   * Whether the rules of the nat table have a say: the packet begins a flow that is not bound on this side yet. One that a helper
   * has announced is bound as its master here, and asks nobody.
   */
  asks(packet: Packet): boolean {
    const { arena, conntrack } = this;
    const flow = arena.flow[packet.frame];
    if (flow <= 0 || !isFirst(arena.flowInfo[packet.frame]) || this.isError(packet)) return false;
    if (flow === conntrack.pending && conntrack.pendingExpectation !== 0) this.followMaster(packet, flow);
    return (conntrack.status(flow) & doneBit(manipAt(packet.hook))) === 0;
  }

  /** After the rules: binds the flow where they have not, and makes the packet what the flow is bound to. DROP: the frame is gone. */
  finish(packet: Packet): Verdict {
    const { arena, conntrack } = this;
    this.hasRewritten = false;
    const flow = arena.flow[packet.frame];
    if (flow <= 0) return Verdict.ACCEPT;
    const info = arena.flowInfo[packet.frame];
    if (this.isError(packet)) return this.translateError(packet, flow, info);
    const manip = manipAt(packet.hook);
    const status = conntrack.status(flow);
    if (isFirst(info) && (status & doneBit(manip)) === 0) {
      if (this.bindNull(packet, flow, manip) === Verdict.DROP) return Verdict.DROP;
    } else if (packet.hook === Hook.POSTROUTING && !isReply(info) && this.hasMoved(flow, packet.out)) {
      conntrack.kill(flow);
      return this.drop(packet, DropReason.NAT_FAILED);
    }
    return this.manip(packet, flow, manip, isReply(info));
  }

  /** Rewrites a packet, if NAT has changed this half of its flow. */
  private manip(packet: Packet, flow: FlowNumber, manip: Manip, isReplied: boolean): Verdict {
    const status = this.conntrack.status(flow);
    if ((status & natBit(manip, isReplied)) === 0) return Verdict.ACCEPT;
    const store = this.conntrack.storeOf(flow);
    const { words, addressWords } = store;
    const other = store.tuple(this.conntrack.at(flow), isReplied ? Direction.ORIGINAL : Direction.REPLY);
    const address = manip === Manip.SOURCE ? other + addressWords : other;
    const port = portFor(words[other + 2 * addressWords], packet.key[Key.PROTOCOL], manip);
    return this.rewrite(packet, manip, words, address, port)
      ? Verdict.ACCEPT
      : this.drop(packet, DropReason.NAT_FAILED);
  }

  private rewrite(packet: Packet, manip: Manip, words: Int32Array, address: number, port: number): boolean {
    const { network, transport, key } = packet;
    this.hasRewritten = true;
    const room = network + packet.length - transport;
    const protocol = key[Key.PROTOCOL];
    const side = manip === Manip.SOURCE ? Side.SOURCE : Side.DESTINATION;
    const at = manip === Manip.SOURCE ? Key.SOURCE : Key.DESTINATION;
    if (key[Key.SOURCE_PORT + side] >= 0) key[Key.SOURCE_PORT + side] = port;
    if (packet.family === Family.IPV4) {
      key[at] = words[address];
      return mangle4(this.arena, packet.frame, network, transport, room, protocol, side, words[address], port);
    }
    for (let i = 0; i < 4; i++) key[at + i] = words[address + i];
    return mangle6(this.arena, packet.frame, network, transport, room, protocol, side, words, address, port);
  }

  private isError(packet: Packet): boolean {
    const protocol = packet.family === Family.IPV6 ? Transport.ICMPV6 : Transport.ICMP;
    return packet.key[Key.PROTOCOL] === protocol && isRelated(this.arena.flowInfo[packet.frame]);
  }

  private translateError(packet: Packet, flow: FlowNumber, info: CtInfo): Verdict {
    const { arena, conntrack } = this;
    const status = conntrack.status(flow);
    const isPlain = (status & (Status.NAT_MASK | Status.NAT_DONE_MASK)) === Status.NAT_DONE_MASK;
    if (!mayTranslate(arena, packet, isPlain)) return this.drop(packet, DropReason.NAT_FAILED);
    const manip = manipAt(packet.hook);
    const isReplied = isReply(info);
    if ((status & natBit(manip, isReplied)) === 0) return Verdict.ACCEPT;
    const store = conntrack.storeOf(flow);
    const { words, addressWords } = store;
    const other = store.tuple(conntrack.at(flow), isReplied ? Direction.ORIGINAL : Direction.REPLY);
    const ports = words[other + 2 * addressWords];
    const isSource = manip === Manip.SOURCE;
    // What is quoted has the other tuple as it is; the error outside has it turned round.
    const address = isSource ? other + addressWords : other;
    const port = portFor(ports, conntrack.protocolOf(flow), manip);
    const side = isSource ? Side.DESTINATION : Side.SOURCE;
    const isDone =
      mangleQuoted(arena, packet, side, words, address, port) && this.rewrite(packet, manip, words, address, 0);
    return isDone ? Verdict.ACCEPT : this.drop(packet, DropReason.NAT_FAILED);
  }

  private drop(packet: Packet, reason: DropReason): Verdict {
    this.inet.drop(packet.frame, reason);
    return Verdict.DROP;
  }

  // --- what rules ask for ------------------------------------------------------------------------

  setup(packet: Packet, flow: FlowNumber, range: Int32Array, at: number, manip: Manip): Verdict {
    if ((range[at + NatRange.FLAGS] & NatFlag.NETMAP) === 0)
      return this.verdict(packet, this.bind(packet, flow, range, at, manip));
    this.startRange(range, at);
    const key = manip === Manip.SOURCE ? Key.SOURCE : Key.DESTINATION;
    for (let i = 0; i < 4; i++) {
      const first = range[at + NatRange.FIRST + i];
      const mask = ~(first ^ range[at + NatRange.LAST + i]);
      this.$range[NatRange.FIRST + i] = (packet.key[key + i] & ~mask) | (first & mask);
    }
    return this.verdict(packet, this.bindToOne(packet, flow, manip));
  }

  masquerade(packet: Packet, flow: FlowNumber, range: Int32Array, at: number): Verdict {
    if (packet.family === Family.IPV4 && this.conntrack.word(flow, Flow.ORIGINAL) === 0) return Verdict.ACCEPT;
    this.startRange(range, at);
    if (!this.addresses.leaving(packet, this.$range, NatRange.FIRST)) return this.drop(packet, DropReason.NAT_FAILED);
    if (!this.bindToOne(packet, flow, Manip.SOURCE)) return this.exhaust(packet);
    this.setLink(flow, packet.out);
    return Verdict.ACCEPT;
  }

  redirect(packet: Packet, flow: FlowNumber, range: Int32Array, at: number): Verdict {
    this.startRange(range, at);
    if (!this.addresses.arriving(packet, this.$range, NatRange.FIRST)) return this.drop(packet, DropReason.NAT_FAILED);
    return this.verdict(packet, this.bindToOne(packet, flow, Manip.DESTINATION));
  }

  private verdict(packet: Packet, isBound: boolean): Verdict {
    return isBound ? Verdict.ACCEPT : this.exhaust(packet);
  }

  /** A range of one address, still to be filled in, with the ports and flags of another. */
  private startRange(range: Int32Array, at: number): void {
    for (let i = 0; i < NatRange.WORDS; i++) this.$range[i] = range[at + i];
    this.$range[NatRange.FLAGS] = (range[at + NatRange.FLAGS] & ~NatFlag.NETMAP) | NatFlag.ADDRESSES;
  }

  private bindToOne(packet: Packet, flow: FlowNumber, manip: Manip): boolean {
    for (let i = 0; i < 4; i++) this.$range[NatRange.LAST + i] = this.$range[NatRange.FIRST + i];
    return this.bind(packet, flow, this.$range, 0, manip);
  }

  // --- binding -----------------------------------------------------------------------------------

  /** No rule wants anything: the address stays, and the port if nobody else has it. */
  private bindNull(packet: Packet, flow: FlowNumber, manip: Manip): Verdict {
    const { conntrack } = this;
    if (manip === Manip.DESTINATION) {
      if ((conntrack.status(flow) & Status.CONFIRMED) === 0) conntrack.addStatus(flow, Status.DST_NAT_DONE);
      return Verdict.ACCEPT;
    }
    const store = conntrack.storeOf(flow);
    const from = store.tuple(conntrack.at(flow), Direction.REPLY) + store.addressWords;
    this.$range.fill(0);
    this.$range[NatRange.FLAGS] = NatFlag.ADDRESSES;
    for (let i = 0; i < store.addressWords; i++) this.$range[NatRange.FIRST + i] = store.words[from + i];
    return this.verdict(packet, this.bindToOne(packet, flow, manip));
  }

  /** nf_nat_setup_info. A flow that is in the table already stays as it is. False: no source is left for it. */
  private bind(packet: Packet, flow: FlowNumber, range: Int32Array, at: number, manip: Manip): boolean {
    const { conntrack, choice } = this;
    if ((conntrack.status(flow) & (Status.CONFIRMED | doneBit(manip))) !== 0) return true;
    this.$now = packet.now;
    this.load(flow);
    const isFree = choice.choose(range, at, manip);
    if (manip === Manip.SOURCE && !isFree && this.isTaken(choice.tuple, false)) return false;
    let bits = doneBit(manip);
    if (this.store(flow)) bits |= manip === Manip.SOURCE ? Status.SRC_NAT : Status.DST_NAT;
    if (isFree) conntrack.noteFree(flow);
    conntrack.addStatus(flow, bits);
    if ((bits & Status.SRC_NAT) !== 0) this.listSource(flow);
    return true;
  }

  /** The flow's tuple as it leaves, so far: its reply turned round. */
  private load(flow: FlowNumber): void {
    const { conntrack, choice } = this;
    this.$flow = flow;
    conntrack.readTuple(flow, Direction.REPLY, choice.tuple);
    choice.tuple.invert();
    const kind = conntrack.word(flow, Flow.KIND);
    choice.zone = zoneOf(conntrack.word(flow, Flow.STATUS), kind, Direction.ORIGINAL);
    choice.hasMaster = (kind & KindFlag.HAS_MASTER) !== 0;
  }

  /** Writes the reply tuple for the one chosen; false: it is as it was. */
  private store(flow: FlowNumber): boolean {
    const { conntrack, choice, $reply } = this;
    copyTuple($reply, choice.tuple);
    $reply.invert();
    const store = conntrack.storeOf(flow);
    const at = store.tuple(conntrack.at(flow), Direction.REPLY);
    let differs = 0;
    for (let i = 0; i < store.tupleWords; i++) differs |= store.words[at + i] ^ $reply.words[i];
    if (differs !== 0) conntrack.alterReply(flow, $reply);
    return differs !== 0;
  }

  private exhaust(packet: Packet): Verdict {
    this.exhausted++;
    const row = packet.namespace << CtStat.SHIFT;
    this.conntrack.stats[row + CtStat.INSERT_FAILED]++;
    this.conntrack.stats[row + CtStat.DROP]++;
    return this.drop(packet, DropReason.NAT_EXHAUSTED);
  }

  isTaken(tuple: Tuple, isLast: boolean): boolean {
    const { conntrack, $reply, $flow } = this;
    copyTuple($reply, tuple);
    if (!$reply.invert() || !conntrack.isTaken($flow, $reply)) return false;
    if (!isLast || tuple.protocol !== Transport.TCP) return true;
    if ((conntrack.word($flow, Flow.STATE) & Flow.STATE_MASK) !== TcpState.SYN_SENT) return true;
    return !this.takeOver($reply);
  }

  /** Ends the flow that has a tuple if it is as good as over, and its initiator's sequence numbers are behind those of the new one. */
  private takeOver(tuple: Tuple): boolean {
    const { conntrack, $flow } = this;
    const kind = conntrack.word($flow, Flow.KIND);
    const table = conntrack.tables[tuple.isIpv6 ? 1 : 0];
    const zone = zoneOf(conntrack.word($flow, Flow.STATUS), kind, Direction.REPLY);
    const old = (table.find(tuple.words, 0, kind & Flow.KEY_MASK, zone) >>> 1) | table.flows.bit;
    const status = conntrack.status(old);
    if ((conntrack.word(old, Flow.STATE) & Flow.STATE_MASK) < TcpState.TIME_WAIT) return false;
    if ((status & Status.FIXED_TIMEOUT) !== 0 || (status & Status.SRC_NAT) === 0) return false;
    if (((initiatorEnd(conntrack, $flow) - initiatorEnd(conntrack, old)) | 0) <= 0) return false;
    return conntrack.delete(old, this.$now);
  }

  // --- flows of the same source ------------------------------------------------------------------

  findSource(tuple: Tuple, range: Int32Array, at: number): boolean {
    const family = tuple.isIpv6 ? 1 : 0;
    const sources = this.sources[family];
    if (sources === undefined) return false;
    const key = this.conntrack.word(this.$flow, Flow.KIND) & Flow.KEY_MASK;
    const { zone } = this.choice;
    let index = sources.first(tuple.words, 0, key, zone);
    for (; index !== 0; index = sources.next(index)) {
      if (!this.hasSource(family, index, tuple, key, zone)) continue;
      this.mapSource(family, index, tuple);
      if (isSourceInRange(this.$source, range, at)) {
        copyTuple(tuple, this.$source);
        return true;
      }
    }
    return false;
  }

  private hasSource(family: number, index: number, tuple: Tuple, key: number, zone: number): boolean {
    const store = this.storeOf(family);
    const { words, addressWords } = store;
    const row = index * store.width;
    const original = row + Flow.ORIGINAL;
    let differs = (words[row + Flow.KIND] ^ key) & Flow.KEY_MASK;
    for (let i = 0; i < addressWords; i++) differs |= words[original + i] ^ tuple.words[i];
    differs |= (words[original + 2 * addressWords] ^ tuple.ports) >>> 16;
    return differs === 0 && zoneOf(words[row + Flow.STATUS], words[row + Flow.KIND], 0) === zone;
  }

  /** `$source`: the tuple, with the source that a flow's answers go to. */
  private mapSource(family: number, index: number, tuple: Tuple): void {
    const store = this.storeOf(family);
    const { words, addressWords } = store;
    const reply = store.tuple(index * store.width, Direction.REPLY);
    copyTuple(this.$source, tuple);
    for (let i = 0; i < addressWords; i++) this.$source.words[i] = words[reply + addressWords + i];
    const port = portFor(words[reply + 2 * addressWords], tuple.protocol, Manip.SOURCE);
    this.$source.ports = (port << 16) | (tuple.ports & 0xffff);
  }

  private listSource(flow: FlowNumber): void {
    this.sourcesOf(flow).insert(flow & Flow.NUMBER_MASK);
    this.note(flow);
  }

  /** IPv4 tuples of a burst that have no flow yet will be looked up by their sources: brings what that needs into the cache. */
  touch4(table: FlowTable4, n: number): void {
    this.sources[Family.IPV4]?.touch4(table, n);
  }

  private storeOf(family: number): Flows {
    return this.conntrack.flows[family === 0 ? 0 : 1];
  }

  private sourcesOf(flow: FlowNumber): NatSources {
    const family = (flow & Flow.IPV6_BIT) === 0 ? 0 : 1;
    const known = this.sources[family];
    if (known !== undefined) return known;
    const sources = new NatSources(this.storeOf(family), this.inet.keys);
    this.sources[family] = sources;
    return sources;
  }

  /** Conntrack shall tell when it is over. */
  private note(flow: FlowNumber): void {
    this.conntrack.wordsOf(flow)[this.conntrack.at(flow) + Flow.KIND] |= KindFlag.IN_NAT_TABLE;
  }

  gone(flow: FlowNumber): void {
    const sources = this.sourcesOf(flow);
    const index = flow & Flow.NUMBER_MASK;
    sources.setLink(index, 0);
    if ((this.conntrack.status(flow) & Status.SRC_NAT) !== 0) sources.remove(index);
  }

  // --- flows of a link ---------------------------------------------------------------------------

  private setLink(flow: FlowNumber, link: Link): void {
    if ((this.conntrack.status(flow) & Status.CONFIRMED) !== 0) return;
    this.sourcesOf(flow).setLink(flow & Flow.NUMBER_MASK, link);
    this.note(flow);
  }

  /** Whether a flow that is masqueraded by one link leaves by another. */
  private hasMoved(flow: FlowNumber, out: Link): boolean {
    if ((this.conntrack.word(flow, Flow.KIND) & KindFlag.IN_NAT_TABLE) === 0) return false;
    const link = this.sourcesOf(flow).link(flow & Flow.NUMBER_MASK);
    return link !== 0 && link !== out;
  }

  /** A link went down or away: flows that are masqueraded by it go. */
  linkGone(link: Link): void {
    for (const family of [Family.IPV4, Family.IPV6]) this.doomed.push({ link, address: null, family, cursor: 1 });
  }

  /** An address of a link went (one word, or four): flows that are masqueraded by it go. */
  addressGone(link: Link, address: Int32Array): void {
    const family = address.length === 4 ? Family.IPV6 : Family.IPV4;
    this.doomed.push({ link, address: address.slice(), family, cursor: 1 });
  }

  /** Ends flows of links that are gone, a bounded number. Answers ms until more is due: 0 at once, -1 never. */
  timers(now: number): number {
    let budget = SWEEP_ROWS;
    while (this.doomed.length !== 0 && budget > 0) {
      budget = this.sweep(this.doomed[0], budget, now);
      if (budget > 0) this.doomed.shift();
    }
    return this.doomed.length === 0 ? -1 : 0;
  }

  /** Answers what is left of the budget; 0: it is not done. */
  private sweep(doomed: Doomed, budget: number, now: number): number {
    const store = this.storeOf(doomed.family);
    if (this.sources[doomed.family] === undefined) return budget;
    const to = Math.min(store.end, doomed.cursor + budget);
    for (let index = doomed.cursor; index < to; index++) {
      if (this.isDoomed(doomed, index)) this.conntrack.delete(index | store.bit, now);
    }
    const left = budget - (to - doomed.cursor);
    doomed.cursor = to;
    return to >= store.end ? Math.max(left, 1) : 0;
  }

  private isDoomed({ link, address, family }: Doomed, index: number): boolean {
    const store = this.storeOf(family);
    const at = index * store.width;
    if ((store.words[at + Flow.KIND] & KindFlag.IN_NAT_TABLE) === 0) return false;
    if (this.sources[family]?.link(index) !== link) return false;
    if (address === null) return true;
    const to = store.tuple(at, Direction.REPLY) + store.addressWords;
    return address.every((word, i) => word === store.words[to + i]);
  }

  /** Flows that have words here, for tests and statistics. */
  get size(): number {
    return (this.sources[0]?.size ?? 0) + (this.sources[1]?.size ?? 0);
  }

  // --- expected flows ----------------------------------------------------------------------------

  /** A flow that a helper's NAT has announced goes between the same two as its master, to the port that was meant (nf_nat_follow_master). */
  private followMaster(packet: Packet, flow: FlowNumber): void {
    const { conntrack } = this;
    const { rows } = conntrack.expectations;
    const at = conntrack.pendingExpectation << Expect.SHIFT;
    if (rows[at + Expect.NAT_FUNCTION] === 0) return;
    conntrack.pendingExpectation = 0;
    const store = conntrack.storeOf(flow);
    const direction = rows[at + Expect.NAT_DIRECTION] === 0 ? Direction.REPLY : Direction.ORIGINAL;
    const master = store.tuple(conntrack.at(rows[at + Expect.MASTER]), direction);
    this.rangeOf(store.words, master + store.addressWords, store.addressWords, NatFlag.ADDRESSES, 0);
    if (!this.bindToOne(packet, flow, Manip.SOURCE)) return;
    const flags = NatFlag.ADDRESSES | NatFlag.PORTS;
    this.rangeOf(store.words, master, store.addressWords, flags, rows[at + Expect.SAVED_PORT]);
    this.bindToOne(packet, flow, Manip.DESTINATION);
  }

  private rangeOf(words: Int32Array, from: number, count: number, flags: number, port: number): void {
    this.$range.fill(0);
    this.$range[NatRange.FLAGS] = flags;
    for (let i = 0; i < count; i++) this.$range[NatRange.FIRST + i] = words[from + i];
    this.$range[NatRange.LOW_PORT] = port;
    this.$range[NatRange.HIGH_PORT] = port;
  }
}

function manipAt(hook: Hook): Manip {
  return hook === Hook.PREROUTING || hook === Hook.OUTPUT ? Manip.DESTINATION : Manip.SOURCE;
}

function doneBit(manip: Manip): number {
  return manip === Manip.SOURCE ? Status.SRC_NAT_DONE : Status.DST_NAT_DONE;
}

/** Which change of the flow is this half of a packet's: an answer's source is what was its destination. */
function natBit(manip: Manip, isReplied: boolean): number {
  return (manip === Manip.SOURCE) === isReplied ? Status.DST_NAT : Status.SRC_NAT;
}

function isFirst(info: CtInfo): boolean {
  return info === CtInfo.NEW || isRelated(info);
}

function isRelated(info: CtInfo): boolean {
  return info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY;
}

function isReply(info: CtInfo): boolean {
  return info >= CtInfo.ESTABLISHED_REPLY;
}

/** The port that a packet gets from its flow's other tuple; ICMP's id is one for both ways. */
function portFor(ports: number, protocol: number, manip: Manip): number {
  const isHigh = manip === Manip.DESTINATION || protocol === Transport.ICMP || protocol === Transport.ICMPV6;
  return isHigh ? ports >>> 16 : ports & 0xffff;
}

/** The highest sequence number that a TCP flow's initiator has used. */
function initiatorEnd(conntrack: Conntrack, flow: FlowNumber): number {
  return conntrack.word(flow, Flow.STATE + 2);
}
