/*
 * Conntrack: which flow a packet belongs to, and whether it may (nf_conntrack_core.c of Linux). One table for all namespaces, each with a
 * limit of its own.
 *
 *   PREROUTING, OUTPUT    in ─ tuple ─ (ICMP error: the flow it quotes) ─ look up ─┬─ found ───► tracker ─► arena.flow, .flowInfo
 *                                                                                └─ new row ─┘    (pending)
 *   INPUT, POSTROUTING    confirm ─ both tuples into the hash table ─► the flow exists
 *
 * - A new flow's row is *pending* until its first packet leaves: NAT changes its reply tuple meanwhile, and a packet that is dropped leaves nothing
 *   behind. The walk is synchronous, so there is one pending flow at most, and no two packets race to insert the same one.
 * - An expired flow counts as absent to every look-up. Its row comes back when somebody meets it or when the sweep comes by, a bounded
 *   number of rows a call; until then it counts for nf_conntrack_count and its limit, as in the kernel.
 * - When a namespace has nf_conntrack_max flows, a new one takes the place of flows nearby in the table that are not ASSURED; where there are
 *   none the packet is dropped (CONNTRACK_FULL), and the sweep's next round takes closing flows, too, while the namespace is 95 % full.
 * - A flow that ends while a packet of its is under way keeps its row until the next flow begins: numbers in arena.flow stay valid.
 *
 * This file is a packet's way, and how flows begin and end. Beside it: flow-stores.ts reads and writes a flow's row by its number, extensions.ts has
 * what few flows have, trackers.ts the protocols, sweep.ts takes what has expired, ctnetlink.ts lists and makes flows for user space, rehearsal.ts
 * undoes what packets did that were only tried out.
 *
 * Who may call: the engine's worker alone.
 */
import { type Arena, CtInfo, type Frame, Gso, UNTRACKED, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { Family, Hook, Verdict } from '../core/hook.js';
import { MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { sharedDoubles, sharedInts } from '../core/memory.js';
import { Key, type Packet } from '../core/packet.js';
import { finish } from '../wire/checksum.js';
import { Icmp } from '../wire/icmp.js';
import { transportSum } from './checksum.js';
import { Ctnetlink } from './ctnetlink.js';
import { Events } from './events.js';
import { Expect, Expectations } from './expectations.js';
import { Extensions } from './extensions.js';
import { FlowRow } from './flow-row.js';
import { FlowStores, familyOf, writeTuples } from './flow-stores.js';
import type { FlowTable } from './flow-table.js';
import { FlowTable4 } from './flow-table4.js';
import { FlowTable6 } from './flow-table6.js';
import { Direction, Flow, type FlowNumber, type Flows, type Found, KindFlag, Status } from './flows.js';
import { IcmpTracker } from './icmp.js';
import { Icmp6Tracker } from './icmp6.js';
import { Rehearsal } from './rehearsal.js';
import { Sequences } from './sequences.js';
import { CtSetting } from './settings.js';
import { CtStat } from './stats.js';
import { Sweep } from './sweep.js';
import { TcpState } from './tcp-states.js';
import { Template, zoneFlags } from './template.js';
import { defaultSettings, type TimeoutProfile } from './timeouts.js';
import { CtEvent, CtVerdict, Inspected, type Tracker, type Tracking } from './tracker.js';
import { makeTrackers } from './trackers.js';
import { invertPorts, NOT_INVERTIBLE, Transport, Tuple } from './tuple.js';

/** NAT's part in a flow's life. */
export interface FlowWatcher {
  /** A flow with KindFlag.IN_NAT_TABLE is over. */
  gone(flow: FlowNumber): void;
}

export interface ConntrackOptions {
  /** Rows reserved for each family; FLOWS_MAX at most. */
  capacity?: number;
  profile?: TimeoutProfile;
}

/** What conntrack needs of the stack. */
export interface ConntrackParts {
  readonly arena: Arena;
  drop(frame: Frame, reason: DropReason): void;
}

/** Slots that `timers` moves while a table grows. */
const STEP = 1024;
/** Rows of a namespace that is gone, looked at in one go. */
const FLUSH_ROWS = 2048;

const DEFAULT_CAPACITY = 1 << 22;

export class Conntrack extends FlowStores implements Tracking {
  readonly arena: Arena;
  /** By Family. */
  readonly tables: readonly [FlowTable4, FlowTable6];
  readonly settings = sharedInts(MAX_NAMESPACES << CtSetting.SHIFT);
  /** Flows of each namespace, pending and expired ones included (nf_conntrack_count). */
  readonly count = sharedInts(MAX_NAMESPACES);
  /** CtStat: namespace << CtStat.SHIFT. */
  readonly stats = sharedDoubles(MAX_NAMESPACES << CtStat.SHIFT);
  /** By protocol. */
  readonly trackers: Tracker[];
  readonly expectations: Expectations;
  readonly sequences = new Sequences();
  readonly events: Events;
  readonly extensions: Extensions;
  readonly ctnetlink: Ctnetlink;
  readonly sweep: Sweep;
  watcher: FlowWatcher | undefined;
  /** The flow whose first packet is under way; 0 = none. */
  pending: FlowNumber = 0;
  /** What the pending flow has met (row of `expectations`), or 0. */
  pendingExpectation = 0;

  private readonly icmp: IcmpTracker;
  private readonly icmp6: Icmp6Tracker;
  private readonly $tuple = new Tuple();
  private readonly $reply = new Tuple();
  /** A flow that is over, but whose number a packet under way may have. */
  private ended: FlowNumber = 0;
  /** The pending flow, while its reply tuple is known to be no other's; else 0. */
  private free: FlowNumber = 0;
  private now = 0;
  /** While packets are tried out: what of theirs is to be put back. */
  private rehearsal: Rehearsal | undefined;

  /** `keys`: four random 32-bit numbers. */
  constructor(
    private readonly parts: ConntrackParts,
    keys: Int32Array,
    options: ConntrackOptions = {},
  ) {
    super(options.capacity ?? DEFAULT_CAPACITY);
    this.arena = parts.arena;
    this.tables = [new FlowTable4(this.flows[0], keys), new FlowTable6(this.flows[1], keys)];
    const row = defaultSettings(options.profile);
    for (let i = 0; i < MAX_NAMESPACES; i++) this.settings.set(row, i << CtSetting.SHIFT);
    this.expectations = new Expectations(this.settings, keys[2]);
    this.extensions = new Extensions(this);
    this.ctnetlink = new Ctnetlink(this);
    this.sweep = new Sweep(this);
    this.events = new Events(
      FlowRow.WORDS,
      (flow) => this.extensions.eventMask(flow),
      (flow, events, rows, at) => this.ctnetlink.write(flow, this.now, rows, at, events),
    );
    this.icmp = new IcmpTracker(this);
    this.icmp6 = new Icmp6Tracker(this);
    this.trackers = makeTrackers(this, this.sequences, this.icmp, this.icmp6);
  }

  // --- flows by tuple ----------------------------------------------------------------------------

  /** NAT: what the answers of the pending flow will have. */
  alterReply(flow: FlowNumber, tuple: Tuple): void {
    this.free = 0;
    this.writeTuple(flow, Direction.REPLY, tuple);
  }

  /** NAT: the pending flow's reply tuple is no other flow's. */
  noteFree(flow: FlowNumber): void {
    this.free = flow;
  }

  /** Whether a tuple, as the reply of this flow, is another flow's. */
  isTaken(flow: FlowNumber, tuple: Tuple): boolean {
    const kind = this.word(flow, Flow.KIND);
    const zone = (kind & KindFlag.ZONE_REPLY) === 0 ? 0 : this.word(flow, Flow.STATUS) >>> Flow.ZONE_SHIFT;
    const found = this.findLive(tuple, kind & Flow.KEY_MASK, zone);
    return found !== 0 && found >>> 1 !== (flow & Flow.NUMBER_MASK);
  }

  /** The flow whose addresses and ports a packet has, whatever it was found to be; 0: none. */
  flowLike(packet: Packet): FlowNumber {
    this.now = packet.now;
    const tuple = this.$tuple;
    if (!tuple.read(packet, this.arena.bytes, this.reach(packet))) return 0;
    const found = this.lookup(tuple, keyOf(packet.namespace, tuple.protocol), 0);
    return found === 0 ? 0 : (found >>> 1) | this.tableOf(tuple.isIpv6).flows.bit;
  }

  /** The flow that has a tuple, and which of its two: number << 1 | direction without IPV6_BIT; 0: none that lives. */
  find(namespace: Namespace, tuple: Tuple, template: number, now: number): Found {
    this.now = now;
    return this.lookup(tuple, keyOf(namespace, tuple.protocol), template);
  }

  private tableOf(isIpv6: boolean): FlowTable {
    return isIpv6 ? this.tables[1] : this.tables[0];
  }

  /** The zone of an original tuple may be another than that of a reply: what is found with one must be of that direction. */
  private lookup(tuple: Tuple, key: number, template: number): Found {
    const zone = template & Template.ZONE_MASK;
    if (zone === 0) return this.findLive(tuple, key, 0);
    const original = (template & Template.ORIGINAL) === 0 ? 0 : zone;
    const reply = (template & Template.REPLY) === 0 ? 0 : zone;
    const found = this.findLive(tuple, key, original);
    if (original === reply || (found !== 0 && (found & 1) === Direction.ORIGINAL)) return found;
    const other = this.findLive(tuple, key, reply);
    return (other & 1) === Direction.REPLY ? other : 0;
  }

  /** As the table finds it; what has expired is removed on the way. */
  private findLive(tuple: Tuple, key: number, zone: number): Found {
    const table = this.tableOf(tuple.isIpv6);
    const hash = table.hash(tuple.words, 0, key, zone);
    for (;;) {
      const found = table.findHashed(hash, tuple.words, 0, key, zone);
      if (found === 0) return 0;
      const { flows } = table;
      const expires = flows.words[(found >>> 1) * flows.width + Flow.EXPIRES];
      if (((expires - this.now) | 0) > 0) return found;
      this.end((found >>> 1) | flows.bit);
    }
  }

  // --- a packet comes in -------------------------------------------------------------------------

  /** PREROUTING and OUTPUT. Sets arena.flow and flowInfo; a packet that is INVALID goes on with flow 0. DROP: the frame is gone. */
  in(packet: Packet, template: number): Verdict {
    const { arena } = this;
    const { frame } = packet;
    const seen = arena.flow[frame];
    if (seen === UNTRACKED || (seen !== 0 && this.isFlow(seen))) return Verdict.ACCEPT;
    arena.flow[frame] = 0;
    arena.flowInfo[frame] = 0;
    this.now = packet.now;
    const tuple = this.$tuple;
    if (!tuple.read(packet, arena.bytes, this.reach(packet))) return this.invalid(packet, CtStat.INVALID);
    const { protocol } = tuple;
    if (protocol === Transport.ICMP || protocol === Transport.ICMPV6) {
      const inspected = this.inspect(packet, protocol, template);
      if (inspected !== Inspected.TRACK) return Verdict.ACCEPT;
    }
    return this.resolve(packet, template);
  }

  private invalid(packet: Packet, stat: number): Verdict {
    this.tally(packet.namespace, stat);
    return Verdict.ACCEPT;
  }

  private tally(namespace: Namespace, stat: number): void {
    this.stats[(namespace << CtStat.SHIFT) + stat]++;
  }

  /** A TCP flow whose packet is answered by a reset of ours is over, if it has begun (nf_conntrack_tcp_set_closing). */
  close(flow: FlowNumber, now: number): void {
    const words = this.wordsOf(flow);
    const at = this.at(flow);
    const status = words[at + Flow.STATUS];
    if (this.protocolOf(flow) !== Transport.TCP || (status & Status.CONFIRMED) === 0) return;
    const state = words[at + Flow.STATE] & Flow.STATE_MASK;
    words[at + Flow.STATE] = (words[at + Flow.STATE] & ~Flow.STATE_MASK) | TcpState.CLOSE;
    if (state === TcpState.CLOSE || (status & Status.FIXED_TIMEOUT) !== 0) return;
    const row = this.namespaceOf(flow) << CtSetting.SHIFT;
    words[at + Flow.EXPIRES] = (now + this.settings[row + CtSetting.TCP + TcpState.CLOSE]) | 0;
    this.event(flow, CtEvent.PROTOINFO);
  }

  reach(packet: Packet): number {
    const { arena } = this;
    return arena.offset[packet.frame] + arena.headLength(packet.frame);
  }

  /** ICMP messages that have no flow of their own. TRACK: it has one. */
  private inspect(packet: Packet, protocol: number, template: number): Inspected {
    const isIpv6 = packet.family === Family.IPV6;
    if (isIpv6 !== (protocol === Transport.ICMPV6)) return Inspected.TRACK;
    const inspected = isIpv6 ? this.icmp6.inspect(packet) : this.icmp.inspect(packet);
    if (inspected === Inspected.UNTRACKED) this.arena.flow[packet.frame] = UNTRACKED;
    if (inspected === Inspected.INVALID) this.tally(packet.namespace, CtStat.ERROR);
    if (inspected !== Inspected.ERROR) return inspected;
    const quoted = isIpv6 ? this.icmp6.quoted : packet.transport + Icmp.BYTES;
    if (!this.attach(packet, quoted, template)) this.tally(packet.namespace, CtStat.ERROR);
    return inspected;
  }

  /** An ICMP error is RELATED to the flow whose packet it quotes, if it goes to where that packet came from. */
  private attach(packet: Packet, quoted: number, template: number): boolean {
    const { arena } = this;
    const { frame } = packet;
    const inner = this.$reply;
    const end = Math.min(this.reach(packet), packet.network + packet.length);
    const isIpv6 = packet.family === Family.IPV6;
    if (!inner.readQuoted(isIpv6, arena.bytes, quoted, end) || !inner.invert()) return false;
    const found = this.lookup(inner, keyOf(packet.namespace, inner.protocol), template);
    if (found === 0) return false;
    // `inner` is the tuple that was found: its destination is who sent what is quoted.
    const { addressWords } = inner;
    for (let i = 0; i < addressWords; i++) {
      if (inner.words[addressWords + i] !== packet.key[Key.DESTINATION + i]) return false;
    }
    arena.flow[frame] = (found >>> 1) | (isIpv6 ? Flow.IPV6_BIT : 0);
    if (this.rehearsal !== undefined) this.rehearsal.keep(arena.flow[frame]);
    arena.flowInfo[frame] = (found & 1) === Direction.REPLY ? CtInfo.RELATED_REPLY : CtInfo.RELATED;
    return true;
  }

  private resolve(packet: Packet, template: number): Verdict {
    const tuple = this.$tuple;
    const key = keyOf(packet.namespace, tuple.protocol);
    for (;;) {
      const found = this.lookup(tuple, key, template);
      const flow =
        found === 0 ? this.begin(packet, key, template) : (found >>> 1) | this.tableOf(tuple.isIpv6).flows.bit;
      if (flow === NOT_BEGUN) return this.invalid(packet, CtStat.INVALID);
      if (flow === NO_ROOM) return this.drop(packet, DropReason.CONNTRACK_FULL);
      if (this.rehearsal !== undefined && found !== 0) this.rehearsal.keep(flow);
      const verdict = this.track(packet, flow, found & 1);
      if (verdict === CtVerdict.ACCEPT) return Verdict.ACCEPT;
      if (found === 0) this.end(flow);
      if (verdict === CtVerdict.INVALID) return this.invalid(packet, CtStat.INVALID);
    }
  }

  private drop(packet: Packet, reason: DropReason): Verdict {
    this.tally(packet.namespace, CtStat.DROP);
    this.parts.drop(packet.frame, reason);
    return Verdict.DROP;
  }

  private track(packet: Packet, flow: FlowNumber, direction: number): CtVerdict {
    const { arena } = this;
    const { words } = this.storeOf(flow);
    const at = this.at(flow);
    const info = infoOf(words[at + Flow.STATUS], direction);
    const verdict = this.trackers[words[at + Flow.KIND] & 0xff].track(flow, words, at, direction, packet);
    if (verdict !== CtVerdict.ACCEPT && verdict !== CtVerdict.PASS) return verdict;
    arena.flow[packet.frame] = flow;
    arena.flowInfo[packet.frame] = info;
    const isCounted = (words[at + Flow.KIND] & KindFlag.HAS_ACCOUNT) !== 0 && verdict === CtVerdict.ACCEPT;
    if (isCounted) this.extensions.addAccount(flow, direction, 1, packet.length);
    if (direction === Direction.REPLY && (words[at + Flow.STATUS] & Status.SEEN_REPLY) === 0) {
      words[at + Flow.STATUS] |= Status.SEEN_REPLY;
      this.event(flow, CtEvent.REPLY);
    }
    return CtVerdict.ACCEPT;
  }

  // --- flows begin -------------------------------------------------------------------------------

  /** A pending flow for the packet of $tuple; NOT_BEGUN, NO_ROOM. */
  private begin(packet: Packet, key: number, template: number): FlowNumber {
    const tuple = this.$tuple;
    this.forgetPending();
    const answer = invertPorts(tuple.protocol, tuple.ports);
    if (answer === NOT_INVERTIBLE) return NOT_BEGUN;
    const store = this.flows[tuple.isIpv6 ? 1 : 0];
    const index = this.allocate(packet.namespace, store, tuple, key, template);
    if (index === 0) return NO_ROOM;
    const at = index * store.width;
    store.words[at + Flow.STATUS] = (template & Template.ZONE_MASK) << Flow.ZONE_SHIFT;
    store.words[at + Flow.KIND] = key | zoneFlags(template) | this.accounting(packet.namespace);
    writeTuples(store, at, tuple, answer);
    this.pending = index | store.bit;
    this.meetExpectation(this.pending, key, template);
    this.extensions.setHelper(this.pending, (template >>> Template.HELPER_SHIFT) & Template.HELPER_MASK);
    this.extensions.setEventMask(this.pending, template >>> Template.EVENTS_SHIFT);
    return this.pending;
  }

  /** A row, with room made for it where its namespace or the store is full. It counts from now on. */
  private allocate(namespace: Namespace, store: Flows, tuple: Tuple, key: number, template: number): number {
    const max = this.settings[(namespace << CtSetting.SHIFT) + CtSetting.MAX];
    const isFull = max > 0 && this.count[namespace] >= max;
    if ((isFull || store.size >= store.capacity) && !this.makeRoom(namespace, tuple, key, template)) {
      this.sweep.isPressed = true;
      return 0;
    }
    const index = store.allocate();
    if (index !== 0) this.count[namespace]++;
    return index;
  }

  /** Early drop. */
  private makeRoom(namespace: Namespace, tuple: Tuple, key: number, template: number): boolean {
    const table = this.tableOf(tuple.isIpv6);
    const zone = (template & Template.ORIGINAL) === 0 ? 0 : template & Template.ZONE_MASK;
    const count = table.findVictims(table.hash(tuple.words, 0, key, zone), namespace);
    for (let i = 0; i < count; i++) this.end(table.victim(i) | table.flows.bit);
    this.stats[(namespace << CtStat.SHIFT) + CtStat.EARLY_DROP] += count;
    return count !== 0;
  }

  private accounting(namespace: Namespace): number {
    const row = namespace << CtSetting.SHIFT;
    const hasAccount = this.settings[row + CtSetting.ACCT] !== 0 ? KindFlag.HAS_ACCOUNT : 0;
    return hasAccount | (this.settings[row + CtSetting.TIMESTAMP] !== 0 ? KindFlag.HAS_TIMESTAMP : 0);
  }

  /** A flow that another has announced is RELATED, and has its mark. */
  private meetExpectation(flow: FlowNumber, key: number, template: number): void {
    this.pendingExpectation = 0;
    const { expectations, extensions } = this;
    if (expectations.size === 0) return;
    const zone = template & Template.ZONE_MASK;
    const isTried = this.rehearsal !== undefined;
    const met = isTried
      ? expectations.find(this.$tuple, key, zone, this.now)
      : expectations.take(this.$tuple, key, zone, this.now);
    if (met === 0) return;
    const at = met << Expect.SHIFT;
    const master = expectations.rows[at + Expect.MASTER];
    this.pendingExpectation = met;
    this.addStatus(flow, Status.EXPECTED);
    extensions.setMaster(flow, master);
    if (extensions.mark(master) !== 0) extensions.setMark(flow, extensions.mark(master));
    extensions.setHelper(flow, expectations.rows[at + Expect.HELPER]);
    this.tally(this.namespaceOf(flow), CtStat.EXPECT_NEW);
  }

  /** INPUT and POSTROUTING: the packet has passed all; its new flow exists from now on. DROP: the frame is gone. */
  confirm(packet: Packet): Verdict {
    const flow = this.arena.flow[packet.frame];
    if (flow > 0 && flow === this.pending && isOriginal(this.arena.flowInfo[packet.frame])) {
      this.now = packet.now;
      if (!this.enter(flow)) {
        this.tally(packet.namespace, CtStat.INSERT_FAILED);
        this.end(flow);
        return this.drop(packet, DropReason.CONNTRACK_CLASH);
      }
    }
    if (this.events.isWatched) this.events.deliver();
    return Verdict.ACCEPT;
  }

  /** Puts the pending flow into the table; false: one of its tuples is another flow's. */
  private enter(flow: FlowNumber): boolean {
    const { words } = this.storeOf(flow);
    const at = this.at(flow);
    if ((words[at + Flow.STATUS] & Status.DYING) !== 0) return false;
    this.readTuple(flow, Direction.REPLY, this.$reply);
    if (this.free !== flow && this.isTaken(flow, this.$reply)) return false;
    this.hash(flow);
    words[at + Flow.STATUS] |= Status.CONFIRMED;
    this.extensions.noteStart(flow, this.now);
    this.pending = 0;
    const isRelated = (words[at + Flow.STATUS] & Status.EXPECTED) !== 0;
    this.event(flow, isRelated ? CtEvent.RELATED : CtEvent.NEW);
    return true;
  }

  /** A row for a flow made by hand, with its KIND, to be filled in and inserted at once; 0: one of its tuples is taken, -1: there is no room. */
  reserve(namespace: Namespace, original: Tuple, reply: Tuple, template: number, now: number): FlowNumber {
    this.now = now;
    this.forgetPending();
    const key = keyOf(namespace, original.protocol);
    if (this.lookup(original, key, template) !== 0 || this.lookup(reply, key, template) !== 0) return 0;
    const store = this.flows[original.isIpv6 ? 1 : 0];
    const index = this.allocate(namespace, store, original, key, template);
    if (index === 0) return NO_ROOM;
    store.words[index * store.width + Flow.KIND] = key | zoneFlags(template) | this.accounting(namespace);
    return index | store.bit;
  }

  /** A flow made by hand exists from now on. */
  insert(flow: FlowNumber): void {
    this.hash(flow);
    this.extensions.noteStart(flow, this.now);
    this.tally(this.namespaceOf(flow), CtStat.INSERT);
    this.event(flow, CtEvent.NEW);
    this.events.deliver();
  }

  /** Puts a flow's tuples into the hash table, and takes them out; nothing else of it changes. */
  hash(flow: FlowNumber): void {
    this.free = 0;
    const table = this.tables[familyOf(flow)];
    table.insert(flow & Flow.NUMBER_MASK, Direction.ORIGINAL);
    table.insert(flow & Flow.NUMBER_MASK, Direction.REPLY);
    this.wordsOf(flow)[this.at(flow) + Flow.KIND] |= KindFlag.HASHED;
  }

  // --- flows end ---------------------------------------------------------------------------------

  /** The packet that began the pending flow was dropped; and nobody has the number of the last one that ended any more. */
  private forgetPending(): void {
    const { pending } = this;
    this.pending = 0;
    if (pending !== 0) this.end(pending);
    if (this.ended !== 0) this.release(this.ended);
    this.ended = 0;
  }

  kill(flow: FlowNumber): void {
    if (flow === this.ended || this.hides(flow)) return;
    const pending = this.pending;
    this.leave(flow);
    if (this.ended !== 0) this.release(this.ended);
    this.ended = flow;
    if (flow === pending) this.pending = 0;
  }

  /** The flow is over, and no packet is under way that has its number. */
  end(flow: FlowNumber): void {
    if (flow === this.ended || this.hides(flow)) return;
    if (flow === this.pending) this.pending = 0;
    this.leave(flow);
    this.release(flow);
  }

  /** Takes a flow out of all tables. */
  private leave(flow: FlowNumber): void {
    const { words } = this.storeOf(flow);
    const at = this.at(flow);
    const kind = words[at + Flow.KIND];
    const isConfirmed = (words[at + Flow.STATUS] & Status.CONFIRMED) !== 0;
    words[at + Flow.STATUS] |= Status.DYING;
    if (isConfirmed) this.event(flow, CtEvent.DESTROY);
    else this.events.forget(flow);
    if ((kind & KindFlag.HASHED) !== 0) this.unhash(flow);
    if ((kind & KindFlag.IN_NAT_TABLE) !== 0) this.watcher?.gone(flow);
    if ((kind & KindFlag.HAS_SEQUENCE) !== 0) this.sequences.forget(flow);
    if ((kind & KindFlag.HAS_EXPECTATIONS) !== 0) this.expectations.removeOf(flow);
    this.count[(kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK]--;
  }

  unhash(flow: FlowNumber): void {
    const table = this.tables[familyOf(flow)];
    table.remove(flow & Flow.NUMBER_MASK, Direction.ORIGINAL);
    table.remove(flow & Flow.NUMBER_MASK, Direction.REPLY);
    this.wordsOf(flow)[this.at(flow) + Flow.KIND] &= ~KindFlag.HASHED;
  }

  private release(flow: FlowNumber): void {
    this.extensions.clear(flow);
    this.storeOf(flow).release(flow & Flow.NUMBER_MASK);
  }

  /** Ends a flow; false: the number is none of a flow that is in the table. */
  delete(flow: FlowNumber, now: number): boolean {
    this.now = now;
    if (!this.isFlow(flow) || (this.word(flow, Flow.KIND) & KindFlag.HASHED) === 0) return false;
    this.end(flow);
    return true;
  }

  /** The namespace is gone, and its flows at once; its number begins anew with default settings. */
  forgetNamespace(namespace: Namespace, now: number, profile: TimeoutProfile = 'linux'): void {
    this.forgetPending();
    for (let cursor = 0; this.count[namespace] !== 0; ) {
      cursor = this.ctnetlink.flush(namespace, cursor, FLUSH_ROWS, now);
      if (cursor === 0) break;
    }
    this.expectations.sweep(now, namespace);
    this.settings.set(defaultSettings(profile), namespace << CtSetting.SHIFT);
    this.stats.fill(0, namespace << CtStat.SHIFT, (namespace + 1) << CtStat.SHIFT);
  }

  /** Gives back rows of flows that have expired, a bounded number. Answers after how many ms it wants to be called; -1: no need. */
  timers(now: number): number {
    this.now = now;
    // No packet is under way here.
    this.forgetPending();
    for (const table of this.tables) if (table.isMoving) table.step(STEP);
    return this.sweep.timers(now);
  }

  // --- changes that listeners hear of ------------------------------------------------------------

  setMark(flow: FlowNumber, mark: number): void {
    if (this.extensions.mark(flow) === mark) return;
    this.extensions.setMark(flow, mark);
    this.event(flow, CtEvent.MARK);
  }

  setLabel(flow: FlowNumber, word: number, bits: number): void {
    if (this.extensions.label(flow, word) === bits) return;
    this.extensions.setLabel(flow, word, bits);
    this.event(flow, CtEvent.LABEL);
  }

  // --- packets that are tried out ----------------------------------------------------------------

  /** From here on packets of a namespace only seem to come: `endRehearsal` leaves flows and statistics as they were. */
  rehearse(namespace: Namespace): void {
    this.forgetPending();
    this.rehearsal = new Rehearsal(this, namespace);
  }

  endRehearsal(): void {
    const { rehearsal } = this;
    if (rehearsal === undefined) return;
    this.forgetPending();
    this.pendingExpectation = 0;
    this.rehearsal = undefined;
    rehearsal.putBack();
  }

  /** Whether the packet's new flow would not be entered, as it has another's tuple. */
  wouldClash(packet: Packet): boolean {
    const flow = this.arena.flow[packet.frame];
    if (flow <= 0 || flow !== this.pending || !isOriginal(this.arena.flowInfo[packet.frame])) return false;
    this.readTuple(flow, Direction.REPLY, this.$reply);
    return this.isTaken(flow, this.$reply);
  }

  private hides(flow: FlowNumber): boolean {
    return this.rehearsal?.hides(flow) ?? false;
  }

  // --- for the trackers --------------------------------------------------------------------------

  event(flow: FlowNumber, events: number): void {
    if (!this.events.isWatched || this.rehearsal !== undefined) return;
    const row = this.namespaceOf(flow) << CtSetting.SHIFT;
    const hasMask = (this.word(flow, Flow.KIND) & KindFlag.HAS_EVENTS) !== 0;
    if (hasMask || this.settings[row + CtSetting.EVENTS] !== 0) this.events.note(flow, events);
  }

  isChecksumRight(packet: Packet, protocol: number, length: number): boolean {
    if (packet.hook !== Hook.PREROUTING) return true;
    if (this.settings[(packet.namespace << CtSetting.SHIFT) + CtSetting.CHECKSUM] === 0) return true;
    const { arena } = this;
    const word = arena.vnet[packet.frame << Vnet.SHIFT];
    if ((word & (Vnet.NEEDS_CSUM | Vnet.DATA_VALID)) !== 0 || word >>> 8 !== Gso.NONE) return true;
    const position = packet.transport - arena.offset[packet.frame];
    if (position + length > arena.length[packet.frame]) return false;
    return finish(transportSum(arena, packet, protocol, position, length)) === 0;
  }
}

/** What `begin` answers where there is no flow. */
const NOT_BEGUN = 0;
const NO_ROOM = -1;

function keyOf(namespace: Namespace, protocol: number): number {
  return protocol | (namespace << Flow.NAMESPACE_SHIFT) | Flow.KEY_FLAG;
}

function infoOf(status: number, direction: number): CtInfo {
  if (direction === Direction.REPLY) return CtInfo.ESTABLISHED_REPLY;
  if ((status & Status.SEEN_REPLY) !== 0) return CtInfo.ESTABLISHED;
  return (status & Status.EXPECTED) !== 0 ? CtInfo.RELATED : CtInfo.NEW;
}

function isOriginal(info: CtInfo): boolean {
  return info <= CtInfo.NEW;
}
