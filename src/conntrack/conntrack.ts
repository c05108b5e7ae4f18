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
 * Who may call: the engine's worker alone.
 */
import { type Arena, CtInfo, type Frame, Gso, UNTRACKED, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { Family, Hook, Verdict } from '../core/hook.js';
import { MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { sharedDoubles, sharedInts } from '../core/memory.js';
import { Key, type Packet } from '../core/packet.js';
import { finish, pseudo4, pseudo6 } from '../wire/checksum.js';
import { Icmp } from '../wire/icmp.js';
import { Ipv6 } from '../wire/ipv6.js';
import { rangeSum } from '../wire/span.js';
import { Account, Aside } from './aside.js';
import { Events } from './events.js';
import { Expect, Expectations } from './expectations.js';
import { FlowRow, writeDouble } from './flow-row.js';
import type { FlowTable } from './flow-table.js';
import { FlowTable4 } from './flow-table4.js';
import { FlowTable6 } from './flow-table6.js';
import { Direction, Flow, type FlowNumber, Flows, type Found, KindFlag, Status } from './flows.js';
import { GenericTracker } from './generic.js';
import { GreTracker } from './gre.js';
import { IcmpTracker } from './icmp.js';
import { Icmp6Tracker } from './icmp6.js';
import { Rehearsal } from './rehearsal.js';
import { SctpTracker } from './sctp.js';
import { Sequences } from './sequences.js';
import { CtSetting } from './settings.js';
import { TcpTracker } from './tcp.js';
import { TcpState } from './tcp-states.js';
import { defaultSettings, type TimeoutProfile } from './timeouts.js';
import { CtEvent, CtVerdict, Inspected, type Tracker, type Tracking } from './tracker.js';
import { invertPorts, NOT_INVERTIBLE, Transport, Tuple } from './tuple.js';
import { UdpTracker } from './udp.js';

/** Counters of a namespace, as `conntrack -S` has them. */
export const enum CtStat {
  SHIFT = 4,
  FOUND = 0,
  INVALID = 1,
  INSERT = 2,
  INSERT_FAILED = 3,
  DROP = 4,
  EARLY_DROP = 5,
  ERROR = 6,
  SEARCH_RESTART = 7,
  CLASH_RESOLVE = 8,
  CHAIN_TOO_LONG = 9,
  EXPECT_NEW = 10,
}

/** What the CT target says of a packet before conntrack sees it; 0: nothing. */
export const enum Template {
  ZONE_MASK = 0xffff,
  /** The zone counts for original, and for reply tuples. */
  ORIGINAL = 1 << 16,
  REPLY = 1 << 17,
  /** Helper that a new flow gets. */
  HELPER_SHIFT = 20,
}

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

/** Rows that `timers` looks at in one call, and how long a round through all takes at least, ms. */
const SWEEP_ROWS = 2048;
const ROUND_MS = 1000;
const SHORTEST_PAUSE_MS = 10;
/** Slots that `timers` moves while a table grows. */
const STEP = 1024;

const DEFAULT_CAPACITY = 1 << 22;

export class Conntrack implements Tracking {
  readonly arena: Arena;
  /** By Family. */
  readonly flows: readonly [Flows, Flows];
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
  watcher: FlowWatcher | undefined;
  /** The flow whose first packet is under way; 0 = none. */
  pending: FlowNumber = 0;
  /** What the pending flow has met (row of `expectations`), or 0. */
  pendingExpectation = 0;

  private readonly account: readonly [Account, Account];
  private readonly marks: readonly [Aside, Aside];
  private readonly labels: readonly [Aside, Aside];
  private readonly masters: readonly [Aside, Aside];
  private readonly helpers: readonly [Aside, Aside];
  private readonly starts: readonly [Aside, Aside];
  private readonly icmp: IcmpTracker;
  private readonly icmp6: Icmp6Tracker;
  private readonly $tuple = new Tuple();
  private readonly $reply = new Tuple();
  /** A flow that is over, but whose number a packet under way may have. */
  private ended: FlowNumber = 0;
  private now = 0;
  private readonly sweepAt = [1, 1];
  private sweptAt = 0;
  /** A namespace was full, and nothing could make room: the sweep takes more. */
  private isPressed = false;
  /** While packets are tried out: what of theirs is to be put back. */
  private rehearsal: Rehearsal | undefined;

  /** `keys`: four random 32-bit numbers. */
  constructor(
    private readonly parts: ConntrackParts,
    keys: Int32Array,
    options: ConntrackOptions = {},
  ) {
    this.arena = parts.arena;
    const capacity = options.capacity ?? DEFAULT_CAPACITY;
    const flows4 = new Flows(false, capacity);
    const flows6 = new Flows(true, capacity);
    this.flows = [flows4, flows6];
    this.tables = [new FlowTable4(flows4, keys), new FlowTable6(flows6, keys)];
    const row = defaultSettings(options.profile);
    for (let i = 0; i < MAX_NAMESPACES; i++) this.settings.set(row, i << CtSetting.SHIFT);
    this.expectations = new Expectations(this.settings, keys[2]);
    this.account = [new Account(flows4), new Account(flows6)];
    this.marks = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.labels = [new Aside(flows4, 4), new Aside(flows6, 4)];
    this.masters = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.helpers = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.starts = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.events = new Events(FlowRow.WORDS, (flow, events, rows, at) => this.write(flow, this.now, rows, at, events));
    this.icmp = new IcmpTracker(this);
    this.icmp6 = new Icmp6Tracker(this);
    this.trackers = this.makeTrackers();
  }

  private makeTrackers(): Tracker[] {
    const trackers: Tracker[] = new Array(256).fill(new GenericTracker(this));
    trackers[Transport.ICMP] = this.icmp;
    trackers[Transport.ICMPV6] = this.icmp6;
    trackers[Transport.TCP] = new TcpTracker(this, this.arena, this.sequences);
    trackers[Transport.UDP] = new UdpTracker(this, false);
    trackers[Transport.UDPLITE] = new UdpTracker(this, true);
    trackers[Transport.GRE] = new GreTracker(this);
    trackers[Transport.SCTP] = new SctpTracker(this);
    return trackers;
  }

  // --- rows --------------------------------------------------------------------------------------

  /** The store of a flow. */
  storeOf(flow: FlowNumber): Flows {
    return (flow & Flow.IPV6_BIT) === 0 ? this.flows[0] : this.flows[1];
  }

  /** Words of the store of a flow, and where its row starts in them. */
  wordsOf(flow: FlowNumber): Int32Array {
    return this.storeOf(flow).words;
  }

  at(flow: FlowNumber): number {
    return Math.imul(flow & Flow.NUMBER_MASK, (flow & Flow.IPV6_BIT) === 0 ? Flow.WORDS4 : Flow.WORDS6);
  }

  word(flow: FlowNumber, word: number): number {
    return this.wordsOf(flow)[this.at(flow) + word];
  }

  /** Status bits, without the zone. */
  status(flow: FlowNumber): number {
    return this.word(flow, Flow.STATUS) & Flow.STATUS_MASK;
  }

  addStatus(flow: FlowNumber, bits: number): void {
    this.wordsOf(flow)[this.at(flow) + Flow.STATUS] |= bits;
  }

  protocolOf(flow: FlowNumber): number {
    return this.word(flow, Flow.KIND) & 0xff;
  }

  namespaceOf(flow: FlowNumber): Namespace {
    return (this.word(flow, Flow.KIND) >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
  }

  /** Whether a number is a flow's: it may be pending, or over and under way. */
  isFlow(flow: FlowNumber): boolean {
    return flow > 0 && this.word(flow, Flow.KIND) !== 0;
  }

  /** Copies a tuple of a flow. */
  readTuple(flow: FlowNumber, direction: Direction, out: Tuple): void {
    const store = this.storeOf(flow);
    const from = store.tuple(this.at(flow), direction);
    out.isIpv6 = store.isIpv6;
    out.protocol = this.protocolOf(flow);
    for (let i = 0; i < store.tupleWords; i++) out.words[i] = store.words[from + i];
  }

  /** NAT: what the answers of the pending flow will have. */
  alterReply(flow: FlowNumber, tuple: Tuple): void {
    const store = this.storeOf(flow);
    const to = store.tuple(this.at(flow), Direction.REPLY);
    for (let i = 0; i < store.tupleWords; i++) store.words[to + i] = tuple.words[i];
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
    if (this.rehearsal !== undefined) this.keep(arena.flow[frame]);
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
      if (this.rehearsal !== undefined && found !== 0) this.keep(flow);
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
    if (isCounted) this.addAccount(flow, direction, 1, packet.length);
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
    this.giveHelper(this.pending, template >>> Template.HELPER_SHIFT);
    return this.pending;
  }

  /** A row, with room made for it where its namespace or the store is full. It counts from now on. */
  private allocate(namespace: Namespace, store: Flows, tuple: Tuple, key: number, template: number): number {
    const max = this.settings[(namespace << CtSetting.SHIFT) + CtSetting.MAX];
    const isFull = max > 0 && this.count[namespace] >= max;
    if ((isFull || store.size >= store.capacity) && !this.makeRoom(namespace, tuple, key, template)) {
      this.isPressed = true;
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
    const { expectations } = this;
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
    this.setAside(this.masters, flow, KindFlag.HAS_MASTER, 0, master);
    if (this.mark(master) !== 0) this.setAside(this.marks, flow, KindFlag.HAS_MARK, 0, this.mark(master));
    this.giveHelper(flow, expectations.rows[at + Expect.HELPER]);
    this.tally(this.namespaceOf(flow), CtStat.EXPECT_NEW);
  }

  private giveHelper(flow: FlowNumber, helper: number): void {
    if (helper === 0) return;
    this.addStatus(flow, Status.HELPER);
    this.helpers[familyOf(flow)].set(flow & Flow.NUMBER_MASK, 0, helper);
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
    if (this.isTaken(flow, this.$reply)) return false;
    this.hash(flow);
    words[at + Flow.STATUS] |= Status.CONFIRMED;
    this.noteStart(flow);
    this.pending = 0;
    const isRelated = (words[at + Flow.STATUS] & Status.EXPECTED) !== 0;
    this.event(flow, isRelated ? CtEvent.RELATED : CtEvent.NEW);
    return true;
  }

  private hash(flow: FlowNumber): void {
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
  private end(flow: FlowNumber): void {
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

  private unhash(flow: FlowNumber): void {
    const table = this.tables[familyOf(flow)];
    table.remove(flow & Flow.NUMBER_MASK, Direction.ORIGINAL);
    table.remove(flow & Flow.NUMBER_MASK, Direction.REPLY);
    this.wordsOf(flow)[this.at(flow) + Flow.KIND] &= ~KindFlag.HASHED;
  }

  private release(flow: FlowNumber): void {
    const family = familyOf(flow);
    const index = flow & Flow.NUMBER_MASK;
    const kind = this.word(flow, Flow.KIND);
    if ((kind & KindFlag.HAS_ACCOUNT) !== 0) this.account[family].clear(index);
    if ((kind & KindFlag.HAS_MARK) !== 0) this.marks[family].clear(index);
    if ((kind & KindFlag.HAS_LABELS) !== 0) this.labels[family].clear(index);
    this.flows[family].release(index);
  }

  // --- what few flows have -----------------------------------------------------------------------

  private setAside(asides: readonly [Aside, Aside], flow: FlowNumber, flag: number, word: number, value: number): void {
    asides[familyOf(flow)].set(flow & Flow.NUMBER_MASK, word, value);
    this.wordsOf(flow)[this.at(flow) + Flow.KIND] |= flag;
  }

  mark(flow: FlowNumber): number {
    if ((this.word(flow, Flow.KIND) & KindFlag.HAS_MARK) === 0) return 0;
    return this.marks[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
  }

  setMark(flow: FlowNumber, mark: number): void {
    if (this.mark(flow) === mark) return;
    this.setAside(this.marks, flow, KindFlag.HAS_MARK, 0, mark);
    this.event(flow, CtEvent.MARK);
  }

  /** 32 of the 128 label bits. */
  label(flow: FlowNumber, word: number): number {
    if ((this.word(flow, Flow.KIND) & KindFlag.HAS_LABELS) === 0) return 0;
    return this.labels[familyOf(flow)].get(flow & Flow.NUMBER_MASK, word);
  }

  setLabel(flow: FlowNumber, word: number, bits: number): void {
    if (this.label(flow, word) === bits) return;
    this.setAside(this.labels, flow, KindFlag.HAS_LABELS, word, bits);
    this.event(flow, CtEvent.LABEL);
  }

  /** The flow that announced this one; 0: none did, or it is over. */
  masterOf(flow: FlowNumber): FlowNumber {
    if ((this.word(flow, Flow.KIND) & KindFlag.HAS_MASTER) === 0) return 0;
    const master = this.masters[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
    return this.isFlow(master) ? master : 0;
  }

  /** Helper of a flow (flow-row.ts). */
  helperOf(flow: FlowNumber): number {
    if ((this.word(flow, Flow.STATUS) & Status.HELPER) === 0) return 0;
    return this.helpers[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
  }

  setHelper(flow: FlowNumber, helper: number): void {
    this.giveHelper(flow, helper);
    this.event(flow, CtEvent.HELPER);
  }

  /** When a flow began, ms of `now`; 0: nobody noted it. */
  startOf(flow: FlowNumber): number {
    if ((this.word(flow, Flow.KIND) & KindFlag.HAS_TIMESTAMP) === 0) return 0;
    return this.starts[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
  }

  private noteStart(flow: FlowNumber): void {
    if ((this.word(flow, Flow.KIND) & KindFlag.HAS_TIMESTAMP) === 0) return;
    this.starts[familyOf(flow)].set(flow & Flow.NUMBER_MASK, 0, this.now);
  }

  /** Counts packets of a flow that has KindFlag.HAS_ACCOUNT. */
  addAccount(flow: FlowNumber, direction: number, packets: number, bytes: number): void {
    this.account[familyOf(flow)].add(flow & Flow.NUMBER_MASK, direction, packets, bytes);
  }

  packets(flow: FlowNumber, direction: number): number {
    if ((this.word(flow, Flow.KIND) & KindFlag.HAS_ACCOUNT) === 0) return 0;
    return this.account[familyOf(flow)].packets(flow & Flow.NUMBER_MASK, direction);
  }

  bytes(flow: FlowNumber, direction: number): number {
    if ((this.word(flow, Flow.KIND) & KindFlag.HAS_ACCOUNT) === 0) return 0;
    return this.account[familyOf(flow)].bytes(flow & Flow.NUMBER_MASK, direction);
  }

  // --- packets that are tried out ----------------------------------------------------------------

  /** From here on packets of a namespace only seem to come: `endRehearsal` leaves flows and statistics as they were. */
  rehearse(namespace: Namespace): void {
    this.forgetPending();
    const row = namespace << CtStat.SHIFT;
    const stats = this.stats.slice(row, row + (1 << CtStat.SHIFT));
    this.rehearsal = new Rehearsal(namespace, stats, this.isPressed);
  }

  endRehearsal(): void {
    const { rehearsal } = this;
    if (rehearsal === undefined) return;
    this.forgetPending();
    this.pendingExpectation = 0;
    this.rehearsal = undefined;
    this.isPressed = rehearsal.isPressed;
    this.stats.set(rehearsal.stats, rehearsal.namespace << CtStat.SHIFT);
    for (const flow of rehearsal.kept.keys()) this.putBack(flow, rehearsal);
  }

  /** Whether the packet's new flow would not be entered, as it has another's tuple. */
  wouldClash(packet: Packet): boolean {
    const flow = this.arena.flow[packet.frame];
    if (flow <= 0 || flow !== this.pending || !isOriginal(this.arena.flowInfo[packet.frame])) return false;
    this.readTuple(flow, Direction.REPLY, this.$reply);
    return this.isTaken(flow, this.$reply);
  }

  private keep(flow: FlowNumber): void {
    if (this.rehearsal === undefined || this.rehearsal.kept.has(flow)) return;
    const store = this.storeOf(flow);
    const at = this.at(flow);
    this.rehearsal.kept.set(flow, {
      row: store.words.slice(at, at + store.width),
      mark: this.mark(flow),
      labels: [0, 1, 2, 3].map((word) => this.label(flow, word)),
      counts: [0, 1].map((direction) => [this.packets(flow, direction), this.bytes(flow, direction)]),
    });
  }

  /** In a rehearsal a flow that ends is only out of sight. */
  private hides(flow: FlowNumber): boolean {
    const { rehearsal } = this;
    if (rehearsal === undefined) return false;
    if (rehearsal.hidden.has(flow)) return true;
    if ((this.word(flow, Flow.KIND) & KindFlag.HASHED) === 0) return false;
    this.keep(flow);
    this.unhash(flow);
    rehearsal.hidden.add(flow);
    return true;
  }

  private putBack(flow: FlowNumber, { kept, hidden }: Rehearsal): void {
    const was = kept.get(flow);
    if (was === undefined) return;
    const family = familyOf(flow);
    const index = flow & Flow.NUMBER_MASK;
    was.counts.forEach(([packets, bytes], direction) => {
      const more = this.packets(flow, direction) - packets;
      if (more !== 0) this.addAccount(flow, direction, -more, bytes - this.bytes(flow, direction));
    });
    if (this.mark(flow) !== was.mark) this.marks[family].set(index, 0, was.mark);
    was.labels.forEach((bits, word) => {
      if (this.label(flow, word) !== bits) this.labels[family].set(index, word, bits);
    });
    this.wordsOf(flow).set(was.row, this.at(flow));
    if (hidden.has(flow)) this.hash(flow);
  }

  // --- for the trackers --------------------------------------------------------------------------

  event(flow: FlowNumber, events: number): void {
    if (!this.events.isWatched || this.rehearsal !== undefined) return;
    const row = this.namespaceOf(flow) << CtSetting.SHIFT;
    if (this.settings[row + CtSetting.EVENTS] !== 0) this.events.note(flow, events);
  }

  isChecksumRight(packet: Packet, protocol: number, length: number): boolean {
    if (packet.hook !== Hook.PREROUTING) return true;
    if (this.settings[(packet.namespace << CtSetting.SHIFT) + CtSetting.CHECKSUM] === 0) return true;
    const { arena } = this;
    const word = arena.vnet[packet.frame << Vnet.SHIFT];
    if ((word & (Vnet.NEEDS_CSUM | Vnet.DATA_VALID)) !== 0 || word >>> 8 !== Gso.NONE) return true;
    const position = packet.transport - arena.offset[packet.frame];
    if (position + length > arena.length[packet.frame]) return false;
    return (
      finish(pseudo(packet, arena.bytes, protocol, length) + rangeSum(arena, packet.frame, position, length)) === 0
    );
  }

  // --- time --------------------------------------------------------------------------------------

  /** Gives back rows of flows that have expired, a bounded number. Answers after how many ms it wants to be called; -1: no need. */
  timers(now: number): number {
    this.now = now;
    // No packet is under way here.
    this.forgetPending();
    for (const table of this.tables) if (table.isMoving) table.step(STEP);
    const rows = this.flows[0].end + this.flows[1].end - 2;
    if (this.flows[0].size + this.flows[1].size + this.expectations.size === 0) return -1;
    const pause = Math.max(SHORTEST_PAUSE_MS, Math.min(ROUND_MS, Math.floor((ROUND_MS * SWEEP_ROWS) / (rows + 1))));
    const left = (this.sweptAt + pause - now) | 0;
    if (left > 0 && left <= pause) return left;
    this.sweptAt = now;
    if (this.expectations.size !== 0) this.expectations.sweep(now);
    const budget = this.sweep(0, SWEEP_ROWS);
    if (budget > 0) this.sweep(1, budget);
    // A round is over.
    if (this.sweepAt[0] === 1 && this.sweepAt[1] === 1) this.isPressed = false;
    return pause;
  }

  /** Looks at the next rows of a family, to the end of them at most; answers how many of `budget` are left. */
  private sweep(family: number, budget: number): number {
    const store = this.flows[family];
    const from = this.sweepAt[family] < store.end ? this.sweepAt[family] : 1;
    const to = Math.min(store.end, from + budget);
    for (let index = from; index < to; index++) {
      const at = index * store.width;
      if ((store.words[at + Flow.KIND] & KindFlag.HASHED) !== 0 && this.isOver(store, at)) this.end(index | store.bit);
    }
    this.sweepAt[family] = to >= store.end ? 1 : to;
    return budget - (to - from);
  }

  private isOver(store: Flows, at: number): boolean {
    if (((store.words[at + Flow.EXPIRES] - this.now) | 0) <= 0) return true;
    return this.isPressed && this.givesWay(store, at);
  }

  /** Where a namespace is nearly full: what is not assured, or closing. */
  private givesWay(store: Flows, at: number): boolean {
    const kind = store.words[at + Flow.KIND];
    const namespace = (kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
    const max = this.settings[(namespace << CtSetting.SHIFT) + CtSetting.MAX];
    if (max === 0 || this.count[namespace] < Math.floor(max / 100) * 95) return false;
    const isAssured = (store.words[at + Flow.STATUS] & Status.ASSURED) !== 0;
    return !isAssured || (this.trackers[kind & 0xff].canDropEarly?.(store.words, at) ?? false);
  }

  // --- control -----------------------------------------------------------------------------------

  /** Ends a flow; false: the number is none of a flow that is in the table. */
  delete(flow: FlowNumber, now: number): boolean {
    this.now = now;
    if (!this.isFlow(flow) || (this.word(flow, Flow.KIND) & KindFlag.HASHED) === 0) return false;
    this.end(flow);
    return true;
  }

  /**
   * Ends the flows of a namespace, looking at no more than `budget` rows behind `cursor` (0 to begin). Answers the cursor for the next call; 0: done.
   */
  flush(namespace: Namespace, cursor: number, budget: number, now: number): number {
    this.now = now;
    const store = this.storeOf(cursor);
    const from = (cursor & Flow.NUMBER_MASK) + 1;
    const to = Math.min(store.end, from + budget);
    for (let index = from; index < to; index++) {
      if (this.isOf(store, index, namespace)) this.end(index | store.bit);
    }
    return nextCursor(store, to);
  }

  private isOf(store: Flows, index: number, namespace: Namespace): boolean {
    const kind = store.words[index * store.width + Flow.KIND];
    const isOfNamespace = ((kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK) === namespace;
    return isOfNamespace && (kind & KindFlag.HASHED) !== 0;
  }

  /** The namespace is gone, and its flows at once; its number begins anew with default settings. */
  forgetNamespace(namespace: Namespace, now: number, profile: TimeoutProfile = 'linux'): void {
    this.forgetPending();
    for (let cursor = 0; this.count[namespace] !== 0; ) {
      cursor = this.flush(namespace, cursor, SWEEP_ROWS, now);
      if (cursor === 0) break;
    }
    this.expectations.sweep(now, namespace);
    this.settings.set(defaultSettings(profile), namespace << CtSetting.SHIFT);
    this.stats.fill(0, namespace << CtStat.SHIFT, (namespace + 1) << CtStat.SHIFT);
  }

  /**
   * Writes rows (FlowRow) of a namespace's flows behind `cursor` (0 to begin) to `out`, as many as it holds, looking at no more than
   * `budget` rows. Sets `pageRows`; answers the cursor for the next call; 0: that was all.
   */
  page(namespace: Namespace, cursor: number, budget: number, now: number, out: Int32Array): number {
    const store = this.storeOf(cursor);
    const room = Math.floor(out.length / FlowRow.WORDS);
    const from = (cursor & Flow.NUMBER_MASK) + 1;
    const to = Math.min(store.end, from + budget);
    this.pageRows = 0;
    for (let index = from; index < to; index++) {
      if (!this.isOf(store, index, namespace)) continue;
      if (((store.words[index * store.width + Flow.EXPIRES] - now) | 0) <= 0) continue;
      if (this.pageRows === room) return (index - 1) | store.bit;
      this.write(index | store.bit, now, out, this.pageRows++ * FlowRow.WORDS, 0);
    }
    return nextCursor(store, to);
  }

  /** Rows that the last `page` has written. */
  pageRows = 0;

  /** Writes a flow's row. */
  write(flow: FlowNumber, now: number, out: Int32Array, to: number, events = 0): void {
    const store = this.storeOf(flow);
    const at = this.at(flow);
    out[to + FlowRow.NUMBER] = flow;
    out[to + FlowRow.STATUS] = store.words[at + Flow.STATUS];
    out[to + FlowRow.KIND] = store.words[at + Flow.KIND];
    out[to + FlowRow.STATE] = store.words[at + Flow.STATE] & Flow.STATE_MASK;
    out[to + FlowRow.LEFT] = (store.words[at + Flow.EXPIRES] - now) | 0;
    out[to + FlowRow.MARK] = this.mark(flow);
    out[to + FlowRow.AT] = now;
    out[to + FlowRow.START] = this.startOf(flow);
    out[to + FlowRow.HELPER] = this.helperOf(flow);
    out[to + FlowRow.EVENTS] = events;
    for (let i = 0; i < 4; i++) out[to + FlowRow.LABELS + i] = this.label(flow, i);
    const isSctp = (store.words[at + Flow.KIND] & 0xff) === Transport.SCTP;
    for (let i = 0; i < 2; i++) out[to + FlowRow.TAG + i] = isSctp ? store.words[at + SCTP_TAG + i] : 0;
    for (let direction = 0; direction < 2; direction++) this.writeDirection(flow, store, at, direction, out, to);
  }

  private writeDirection(flow: number, store: Flows, at: number, direction: number, out: Int32Array, to: number): void {
    const from = store.tuple(at, direction);
    const start = to + (direction === Direction.ORIGINAL ? FlowRow.ORIGINAL : FlowRow.REPLY);
    for (let i = 0; i < 9; i++) out[start + i] = 0;
    for (let i = 0; i < store.addressWords; i++) {
      out[start + i] = store.words[from + i];
      out[start + 4 + i] = store.words[from + store.addressWords + i];
    }
    out[start + 8] = store.words[from + 2 * store.addressWords];
    const counters = to + (direction === Direction.ORIGINAL ? FlowRow.PACKETS : FlowRow.PACKETS_REPLY);
    writeDouble(out, counters, this.packets(flow, direction));
    writeDouble(out, counters + 2, this.bytes(flow, direction));
  }

  /**
   * Makes a flow by hand (conntrack -I) from a row (FlowRow): its tuples, KIND (protocol, namespace, zone's directions), STATUS (and zone), STATE,
   * LEFT, MARK, LABELS, HELPER; of NUMBER the IPV6_BIT. Answers its number; 0: a tuple of it is taken, -1: there is no room.
   */
  create(row: Int32Array, now: number): FlowNumber {
    this.now = now;
    this.forgetPending();
    const isIpv6 = (row[FlowRow.NUMBER] & Flow.IPV6_BIT) !== 0;
    const store = this.flows[isIpv6 ? 1 : 0];
    const kind = row[FlowRow.KIND];
    const namespace = (kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
    const tuple = this.$tuple;
    readRowTuple(row, FlowRow.ORIGINAL, isIpv6, kind & 0xff, tuple);
    readRowTuple(row, FlowRow.REPLY, isIpv6, kind & 0xff, this.$reply);
    const key = keyOf(namespace, kind & 0xff);
    const zones = kind & (KindFlag.ZONE_ORIGINAL | KindFlag.ZONE_REPLY);
    const template = (row[FlowRow.STATUS] >>> Flow.ZONE_SHIFT) | (zones >>> 3);
    if (this.lookup(tuple, key, template) !== 0 || this.lookup(this.$reply, key, template) !== 0) return 0;
    const index = this.allocate(namespace, store, tuple, key, template);
    if (index === 0) return -1;
    this.fill(index | store.bit, row, key | zones | this.accounting(namespace));
    return index | store.bit;
  }

  /** Fills in a fresh row from one of control's, whose tuples are in $tuple and $reply, and hashes it. */
  private fill(flow: FlowNumber, row: Int32Array, kind: number): void {
    const store = this.storeOf(flow);
    const at = this.at(flow);
    const { words } = store;
    const kept = Status.SEEN_REPLY | Status.ASSURED | Status.FIXED_TIMEOUT | Status.NAT_MASK | Status.NAT_DONE_MASK;
    words[at + Flow.STATUS] = (row[FlowRow.STATUS] & (kept | ~Flow.STATUS_MASK)) | Status.CONFIRMED;
    words[at + Flow.KIND] = kind;
    words[at + Flow.EXPIRES] = (this.now + row[FlowRow.LEFT]) | 0;
    writeTuples(store, at, this.$tuple, 0);
    this.alterReply(flow, this.$reply);
    if (row[FlowRow.MARK] !== 0) this.setAside(this.marks, flow, KindFlag.HAS_MARK, 0, row[FlowRow.MARK]);
    for (let i = 0; i < 4; i++) {
      const bits = row[FlowRow.LABELS + i];
      if (bits !== 0) this.setAside(this.labels, flow, KindFlag.HAS_LABELS, i, bits);
    }
    this.giveHelper(flow, row[FlowRow.HELPER]);
    this.trackers[kind & 0xff].adopt?.(words, at, row[FlowRow.STATE] & Flow.STATE_MASK);
    if ((kind & 0xff) === Transport.SCTP) words.set(row.subarray(FlowRow.TAG, FlowRow.TAG + 2), at + SCTP_TAG);
    this.hash(flow);
    this.noteStart(flow);
    this.tally((kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK, CtStat.INSERT);
    this.event(flow, CtEvent.NEW);
    this.events.deliver();
  }

  /** Control: the flow expires in `ms` from now. */
  setTimeout(flow: FlowNumber, ms: number, now: number): void {
    this.wordsOf(flow)[this.at(flow) + Flow.EXPIRES] = (now + ms) | 0;
  }

  /** Control: status bits that may be set by hand are set; none is taken away. */
  setStatus(flow: FlowNumber, bits: number): void {
    this.addStatus(flow, bits & (Status.SEEN_REPLY | Status.ASSURED | Status.FIXED_TIMEOUT));
  }
}

/** Where an SCTP flow has its two tags (sctp.ts). */
const SCTP_TAG = 1;

/** What `begin` answers where there is no flow. */
const NOT_BEGUN = 0;
const NO_ROOM = -1;

function keyOf(namespace: Namespace, protocol: number): number {
  return protocol | (namespace << Flow.NAMESPACE_SHIFT) | Flow.KEY_FLAG;
}

function familyOf(flow: FlowNumber): 0 | 1 {
  return (flow & Flow.IPV6_BIT) === 0 ? 0 : 1;
}

/** KindFlag.ZONE_*, of a template. */
function zoneFlags(template: number): number {
  return (template & (Template.ORIGINAL | Template.REPLY)) << 3;
}

function infoOf(status: number, direction: number): CtInfo {
  if (direction === Direction.REPLY) return CtInfo.ESTABLISHED_REPLY;
  if ((status & Status.SEEN_REPLY) !== 0) return CtInfo.ESTABLISHED;
  return (status & Status.EXPECTED) !== 0 ? CtInfo.RELATED : CtInfo.NEW;
}

function isOriginal(info: CtInfo): boolean {
  return info <= CtInfo.NEW;
}

/** A tuple, and its inverse. */
function writeTuples(store: Flows, at: number, tuple: Tuple, answer: number): void {
  const { words, addressWords } = store;
  const original = store.tuple(at, Direction.ORIGINAL);
  const reply = store.tuple(at, Direction.REPLY);
  for (let i = 0; i < addressWords; i++) {
    words[original + i] = tuple.words[i];
    words[original + addressWords + i] = tuple.words[addressWords + i];
    words[reply + i] = tuple.words[addressWords + i];
    words[reply + addressWords + i] = tuple.words[i];
  }
  words[original + 2 * addressWords] = tuple.ports;
  words[reply + 2 * addressWords] = answer;
}

function readRowTuple(row: Int32Array, at: number, isIpv6: boolean, protocol: number, out: Tuple): void {
  out.isIpv6 = isIpv6;
  out.protocol = protocol;
  const { addressWords } = out;
  for (let i = 0; i < addressWords; i++) {
    out.words[i] = row[at + i];
    out.words[addressWords + i] = row[at + 4 + i];
  }
  out.ports = row[at + 8];
}

/** Where the next page begins: rows from `to` on, then those of IPv6; 0: there are no more. */
function nextCursor(store: Flows, to: number): number {
  if (to < store.end) return (to - 1) | store.bit;
  return store.isIpv6 ? 0 : Flow.IPV6_BIT;
}

function pseudo(packet: Packet, bytes: Uint8Array, protocol: number, length: number): number {
  if (protocol === Transport.ICMP) return 0;
  if (packet.family === Family.IPV6) return pseudo6(bytes, packet.network + Ipv6.SOURCE, protocol, length);
  return pseudo4(packet.key[Key.SOURCE], packet.key[Key.DESTINATION], protocol, length);
}
