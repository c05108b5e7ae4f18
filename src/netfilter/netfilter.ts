/*
 * Netfilter: the five hooks of every namespace, and who has a say at each, in the order of the kernel's priorities.
 *
 *   PREROUTING   defragmentation ─ raw ─ conntrack ─ mangle ─ nat (DNAT)
 *   INPUT                                            mangle ─ filter ─ nat (SNAT) ─ helpers ─ confirm
 *   FORWARD                                          mangle ─ filter
 *   OUTPUT                         raw ─ conntrack ─ mangle ─ nat (DNAT) ─ filter
 *   POSTROUTING                                      mangle ─ nat (SNAT) ─ helpers ─ confirm
 *
 * A table that has no chain at a hook costs one load. Conntrack, and with it defragmentation, works in a namespace only while
 * a rule there needs it (`setTracking`), as the kernel registers its hooks on demand.
 *
 * One packet is at a hook at a time: `packet`. What a rule sends meanwhile (REJECT, TEE) passes hooks of its own in between, and the outer
 * packet is kept for as long.
 */
import { Conntrack } from '../conntrack/conntrack.js';
import { Flow, KindFlag, Status } from '../conntrack/flows.js';
import { Template } from '../conntrack/template.js';
import { CtInfo, type Frame, NONE } from '../core/arena.js';
import { sooner } from '../core/delay.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkKind, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { Key, Packet } from '../core/packet.js';
import { Conf4, Net4 } from '../route/conf.js';
import { NextHop } from '../route/fib.js';
import { type Hooks, Output } from '../route/hooks.js';
import type { Inet } from '../route/inet.js';
import { IpSets } from '../tables/ipset.js';
import { read32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import { Ipv6 } from '../wire/ipv6.js';
import { FlowView } from './flow-view.js';
import { fragmentHeader, readHeaders } from './headers.js';
import { Helpers } from './helpers.js';
import { LinkPatterns } from './link-patterns.js';
import { type LogSink, logLine, TRACE_FLAGS, type TraceKind } from './log.js';
import { Matches } from './matches.js';
import { Nat } from './nat.js';
import { CtFlag } from './ops.js';
import type { Clock, FlowTemplate, NetfilterParts } from './parts.js';
import { Paths } from './paths.js';
import { Family, Hook, TableId, Verdict } from './rule.js';
import { Rules, type RulesOptions } from './rules.js';
import { compileShortPath, isRepeatable, type ShortPath, shortHeader } from './short-path.js';
import { Targets } from './targets.js';
import { NO_TRACER, type Tracer, Traverse } from './traverse.js';
import { kindOf, WalkCache } from './walk-cache.js';
import type { Watcher } from './watcher.js';

/** A packet at a hook may have others sent, which may have others sent: those deeper than this pass no hook. */
const DEPTH = 8;

/** Protocols whose flows may take the short path. */
function isShort(protocol: number): boolean {
  return protocol === Protocol.TCP || protocol === Protocol.UDP;
}

/** What a flow of the short path has not: a count of its own, a zone. */
const UNSUITABLE = KindFlag.HAS_ACCOUNT | KindFlag.ZONE_ORIGINAL | KindFlag.ZONE_REPLY;

/** CT has said nothing. */
const NO_TEMPLATE: FlowTemplate = { isSet: false, zoneFlags: 0, zone: 0, helper: 0, events: 0 };

/** Nobody listens to LOG. */
const SILENCE: LogSink = { linkName: String, log() {}, nflog() {} };

export interface NetfilterOptions {
  /** Of the time of day; absent: nobody has told. */
  clock?: Clock;
  /** Takes the lines of LOG. */
  log?: LogSink;
  rules?: RulesOptions;
  /** Flows that the tables of each family have room for. */
  flows?: number;
}

export class Netfilter implements Hooks {
  readonly isOn = new Uint8Array(MAX_NAMESPACES);
  readonly packet = new Packet();
  readonly rules: Rules;
  readonly patterns = new LinkPatterns();
  readonly sets = new IpSets();
  readonly conntrack: Conntrack;
  readonly nat: Nat;
  private readonly helpers: Helpers;
  readonly matches: Matches;
  readonly traverse: Traverse;
  readonly paths = new Paths();
  private readonly walks: WalkCache;
  private watcher: Watcher | undefined;
  /** Frames whose walk is told (TRACE). */
  private readonly isTraced: Uint8Array;
  private readonly tracer: Tracer;
  private readonly parts: NetfilterParts;
  /** Of the configuration: goes up with every change that a packet's way may depend on. Never 0. */
  generation = 1;
  /** By namespace: bits of HookFamily whose packets are tracked. */
  private readonly isTracking = new Uint8Array(MAX_NAMESPACES);
  /** By namespace: bits of HookFamily whose packets NAT looks at. */
  private readonly hasNat = new Uint8Array(MAX_NAMESPACES);
  private readonly saved = Array.from({ length: DEPTH }, () => new Packet());
  private readonly savedTemplates = Array.from({ length: DEPTH }, () => ({ ...NO_TEMPLATE }));
  private depth = 0;
  private setGeneration = 0;
  /** The packet's flow begins with it. */
  private isFirst = false;
  private readonly template: FlowTemplate;
  private readonly shortPath: ShortPath;

  constructor(
    private readonly inet: Inet,
    options: NetfilterOptions = {},
  ) {
    this.rules = new Rules(this.patterns, options.rules);
    this.conntrack = new Conntrack(inet, inet.keys, options.flows === undefined ? {} : { capacity: options.flows });
    this.nat = new Nat(inet, this.conntrack);
    this.walks = new WalkCache(inet.keys[2]);
    this.helpers = new Helpers(inet, this.conntrack);
    this.template = { ...NO_TEMPLATE };
    const { log = SILENCE } = options;
    this.isTraced = new Uint8Array(inet.arena.heads);
    this.tracer = log.trace === undefined ? NO_TRACER : this.makeTracer(log);
    const all: NetfilterParts = {
      inet,
      pool: this.rules.pool.words,
      packet: this.packet,
      template: this.template,
      patterns: this.patterns,
      sets: this.sets,
      clock: options.clock ?? { seconds: () => 0 },
      log: {
        linkName: (link) => log.linkName(link),
        log: (namespace, level, line) => {
          if (this.watcher !== undefined) this.watcher.logged(line);
          else log.log(namespace, level, line);
        },
        nflog: (namespace, group, prefix, packet, bytes) => {
          if (this.watcher === undefined) log.nflog(namespace, group, prefix, packet, bytes);
        },
      },
      memento: undefined,
      conntrack: new FlowView(this.conntrack),
      nat: this.nat,
      trace: ({ frame }) => {
        this.isTraced[frame] = 1;
        this.traverse.isTracing = true;
      },
      refresh: () => readHeaders(inet.arena, this.packet),
    };
    this.matches = new Matches(all);
    this.parts = all;
    this.traverse = new Traverse(this.rules, this.packet, {
      matches: this.matches,
      targets: new Targets(all),
      patterns: this.patterns,
      drop: (packet, isPolicy) => inet.drop(packet.frame, isPolicy ? DropReason.POLICY : DropReason.RULE),
    });
    this.traverse.tracer = this.tracer;
    const { conntrack, nat, paths, walks, packet } = this;
    const generation = (): number => this.latestGeneration();
    this.shortPath = compileShortPath({ inet, conntrack, nat, paths, walks, packet, generation });
  }

  // --- configuration ----------------------------------------------------------------------------

  /** Something has changed that a packet's way may depend on. */
  changed(): void {
    this.generation = (this.generation + 1) | 0 || 1;
  }

  /** Carries out ops of rules.ts. False: there is no room, and those from there on are not done. */
  apply(ops: Int32Array): boolean {
    this.settle();
    this.paths.clear();
    this.changed();
    const isDone = this.rules.apply(ops);
    const { touched } = this.rules.chains;
    for (let i = touched.length; i > 0; i--) this.noteTables(touched.pop() ?? 0);
    return isDone;
  }

  /** Packets are tried out, and somebody watches, until `watch(undefined)`. */
  watch(watcher: Watcher | undefined): void {
    this.watcher = watcher;
    this.parts.memento = watcher?.memento;
    this.traverse.tracer = watcher ?? this.tracer;
  }

  /** Tells `log` of each step of packets that are traced. */
  private makeTracer(log: LogSink): Tracer {
    const tell = (kind: TraceKind, chain: number, rule: number, packet: Packet): void => {
      const line = logLine(this.inet.arena, packet, '', TRACE_FLAGS, (link) => log.linkName(link));
      log.trace?.({ kind, namespace: packet.namespace, family: packet.family, chain, rule, line });
    };
    return {
      rule: (chain, rule, packet) => tell('rule', chain, rule, packet),
      target() {},
      end: (chain, packet) => tell('return', chain, 0, packet),
      policy: (chain, _, packet) => tell('policy', chain, 0, packet),
    };
  }

  /** Adds what took the short path to the counters of rules. */
  settle(): void {
    this.paths.settle(this.rules.counters, this.rules.chains.counters);
  }

  /** Whether a rule of the namespace needs conntrack for packets of a family. */
  setTracking(namespace: Namespace, family: Family, isOn: boolean): void {
    const bit = 1 << family;
    this.isTracking[namespace] = isOn ? this.isTracking[namespace] | bit : this.isTracking[namespace] & ~bit;
    this.changed();
    this.noteTables(namespace);
  }

  /** Works out which hooks have something to do. */
  private noteTables(namespace: Namespace): void {
    let families = this.isTracking[namespace];
    let nat = 0;
    for (let family: number = Family.IPV4; family <= Family.IPV6; family++) {
      for (let table: number = TableId.RAW; table <= TableId.FILTER; table++) {
        if (!this.hasTable(namespace, family, table)) continue;
        families |= 1 << family;
        if (table === TableId.NAT) nat |= 1 << family;
      }
    }
    this.isOn[namespace] = families;
    this.hasNat[namespace] = nat;
  }

  private hasTable(namespace: Namespace, family: Family, table: TableId): boolean {
    for (let hook: number = 0; hook < Hook.COUNT; hook++) {
      if (this.rules.baseOf(namespace, family, table, hook) !== 0) return true;
    }
    return false;
  }

  /** Work that time asks for, a bounded piece of it. Returns ms until more is due, 0 = at once, -1 = never. */
  timers(now: number): number {
    const flows = sooner(this.conntrack.timers(now), this.nat.timers(now));
    return sooner(flows, sooner(this.matches.timers(now), this.sets.timers(now)));
  }

  /** An address of a link goes: one word, or four. */
  addressGone(link: Link, address: Int32Array): void {
    this.nat.addressGone(link, address);
  }

  /** A link goes down, or away. */
  linkDown(link: Link): void {
    this.nat.linkGone(link);
    this.changed();
  }

  /** A namespace goes; control has removed its chains. */
  forgetNamespace(namespace: Namespace, now: number): void {
    this.conntrack.forgetNamespace(namespace, now);
    this.setTracking(namespace, Family.IPV4, false);
    this.setTracking(namespace, Family.IPV6, false);
  }

  // --- hooks ------------------------------------------------------------------------------------

  receive4(link: Link, n: number, now: number): void {
    const { inet } = this;
    const namespace = inet.namespaceOf(link);
    // Of what a bridge has shown PREROUTING has been asked.
    const isShown = inet.links.kind[link] === LinkKind.BRIDGE && inet.showsBridged(namespace);
    if (inet.conf.forwards4(link) && !isShown) {
      if (this.paths.renew(now, this.rules.counters, this.rules.chains.counters)) this.changed();
      if (this.tracks(namespace, Family.IPV4)) this.shortPath.receiveTracked(link, n, now);
      else this.shortPath.receiveUntracked(link, n, now);
      return;
    }
    for (let i = 0; i < n; i++) inet.receiveOther(inet.arena.burst[i], link, now);
  }

  /** What paths that are still good were noted with. */
  private latestGeneration(): number {
    // What a set answered may be otherwise now.
    if (this.sets.generation !== this.setGeneration) this.changed();
    this.setGeneration = this.sets.generation;
    return this.generation;
  }

  /** Has the flow's next packets take the short path, if this one's way will be theirs. */
  forwarded4(frame: Frame, link: Link, out: Link, hop: number, mtu: number): void {
    const { inet, packet, conntrack, traverse } = this;
    if (packet.isVolatile || this.depth !== 0 || link === out || !this.isPlain(frame, link, hop)) return;
    if (!this.tracks(packet.namespace, Family.IPV4)) return this.keepWalk(link, out, hop, mtu);
    const flow = inet.arena.flow[frame];
    const info = inet.arena.flowInfo[frame];
    if (
      flow <= 0 ||
      this.isFirst ||
      !isShort(packet.key[Key.PROTOCOL]) ||
      info === CtInfo.RELATED ||
      info === CtInfo.RELATED_REPLY
    )
      return;
    const at = conntrack.at(flow);
    const words = conntrack.wordsOf(flow);
    if ((words[at + Flow.KIND] & UNSUITABLE) !== 0) return;
    const path = this.paths.intern(link, out, hop, mtu, info, traverse.hits, traverse.hitCount);
    if (path === 0) return;
    const cache = at + (info === CtInfo.ESTABLISHED_REPLY ? Flow.CACHE_REPLY : Flow.CACHE);
    words[cache] = this.generation;
    words[cache + 1] = path;
  }

  /** Has the packets with the same headers take the short path, from the third one on: most of a scan never come again. */
  private keepWalk(link: Link, out: Link, hop: number, mtu: number): void {
    const { walks, traverse, generation } = this;
    const { key, transport } = this.packet;
    const ports = shortHeader(key[Key.PROTOCOL], read32(this.inet.arena.bytes, transport));
    const kind = kindOf(key[Key.PROTOCOL], link);
    const slot = walks.find(generation, key[Key.SOURCE], key[Key.DESTINATION], ports, kind);
    if (slot < 0) return walks.note(generation, key[Key.SOURCE], key[Key.DESTINATION], ports, kind);
    const path = this.paths.intern(link, out, hop, mtu, 0, traverse.hits, traverse.hitCount);
    if (path !== 0) walks.complete(slot, path, out, mtu, hop);
  }

  /** Whether nothing but its flow, or its headers, has decided a packet's way, and the short path takes packets like it. */
  private isPlain(frame: Frame, link: Link, hop: number): boolean {
    const { arena, fib, conf } = this.inet;
    const { namespace, network } = this.packet;
    return (
      ipv4.headerLength(arena.bytes, network) === Ipv4.BYTES &&
      isRepeatable(arena.words32, network >> 2) &&
      arena.maxFragment[frame] === 0 &&
      arena.bridgePort[frame] === 0 &&
      fib.nexthops[hop + NextHop.FAMILY] !== 6 &&
      !fib.hasRules4(namespace) &&
      conf.net(namespace, Net4.FORWARD_USE_PMTU) === 0 &&
      conf.max4(namespace, link, Conf4.RP_FILTER) === 0
    );
  }

  prerouting4(frame: Frame, link: Link, now: number): Frame {
    return this.preroute(Family.IPV4, frame, link, now);
  }

  prerouting6(frame: Frame, link: Link, now: number): Frame {
    return this.preroute(Family.IPV6, frame, link, now);
  }

  private preroute(family: Family, frame: Frame, link: Link, now: number): Frame {
    const namespace = this.inet.namespaceOf(link);
    const whole = this.defragment(family, frame, namespace, now);
    if (whole === NONE) return NONE;
    return this.prerouting(family, whole, namespace, link, now) ? whole : NONE;
  }

  private prerouting(family: Family, frame: Frame, namespace: Namespace, link: Link, now: number): boolean {
    // What a bridge has asked about is not asked about again when its stack receives it.
    if (this.inet.arena.bridgePort[frame] !== 0) return true;
    return this.walkPrerouting(family, frame, namespace, link, 0, now);
  }

  /** `port`: the bridge's, where it is the bridge that asks. */
  private walkPrerouting(
    family: Family,
    frame: Frame,
    namespace: Namespace,
    link: Link,
    port: Link,
    now: number,
  ): boolean {
    if (!this.begin(family, frame, namespace, Hook.PREROUTING, link, 0, now)) return true;
    this.packet.physicalIn = port;
    this.traverse.hitCount = 0;
    this.packet.isVolatile = false;
    // What comes by lo has been made here, and is still traced.
    if (this.inet.links.kind[link] !== LinkKind.LOOPBACK) this.traceNoMore(frame);
    const passes = this.runTable(TableId.RAW) && this.track() && this.runTable(TableId.MANGLE) && this.translate();
    this.end();
    return passes;
  }

  bridgedPrerouting(family: Family, frame: Frame, port: Link, bridge: Link, now: number): Frame {
    const { inet } = this;
    const namespace = inet.namespaceOf(bridge);
    const whole = this.defragment(family, frame, namespace, now);
    if (whole === NONE) return NONE;
    return this.walkPrerouting(family, whole, namespace, bridge, port, now) ? whole : NONE;
  }

  bridgedForward(family: Family, frame: Frame, port: Link, to: Link, bridge: Link, now: number): boolean {
    const namespace = this.inet.namespaceOf(bridge);
    if (!this.begin(family, frame, namespace, Hook.FORWARD, bridge, bridge, now)) return true;
    this.packet.physicalIn = port;
    this.packet.physicalOut = to;
    const passes = this.runTable(TableId.MANGLE) && this.runTable(TableId.FILTER);
    this.end();
    if (!passes || !this.begin(family, frame, namespace, Hook.POSTROUTING, 0, bridge, now)) return passes;
    this.packet.physicalOut = to;
    const leaves = this.leave();
    this.end();
    return leaves;
  }

  /** The packet, put together if it came in fragments and flows are tracked; NONE: it waits for the others, or is gone. */
  private defragment(family: Family, frame: Frame, namespace: Namespace, now: number): Frame {
    const { inet } = this;
    if (!this.tracks(namespace, family)) return frame;
    if (family === Family.IPV4) {
      return ipv4.isFragment(inet.arena.bytes, inet.network(frame)) ? inet.reassembly.add4(frame, now) : frame;
    }
    const header = fragmentHeader(inet.arena, frame);
    return header === 0 ? frame : inet.reassembly.add6(frame, header, now);
  }

  input4(frame: Frame, link: Link, now: number): boolean {
    return this.input(Family.IPV4, frame, link, now);
  }

  input6(frame: Frame, link: Link, now: number): boolean {
    return this.input(Family.IPV6, frame, link, now);
  }

  private input(family: Family, frame: Frame, link: Link, now: number): boolean {
    if (!this.begin(family, frame, this.inet.namespaceOf(link), Hook.INPUT, link, 0, now)) return true;
    const passes = this.runTable(TableId.MANGLE) && this.runTable(TableId.FILTER) && this.translate() && this.confirm();
    this.end();
    return passes;
  }

  forward4(frame: Frame, link: Link, out: Link, now: number): boolean {
    return this.forward(Family.IPV4, frame, link, out, now);
  }

  forward6(frame: Frame, link: Link, out: Link, now: number): boolean {
    return this.forward(Family.IPV6, frame, link, out, now);
  }

  private forward(family: Family, frame: Frame, link: Link, out: Link, now: number): boolean {
    if (!this.begin(family, frame, this.inet.namespaceOf(link), Hook.FORWARD, link, out, now)) return true;
    const passes = this.runTable(TableId.MANGLE) && this.runTable(TableId.FILTER);
    this.end();
    return passes;
  }

  output4(frame: Frame, namespace: Namespace, out: Link, now: number): Output {
    return this.output(Family.IPV4, frame, namespace, out, now);
  }

  output6(frame: Frame, namespace: Namespace, out: Link, now: number): Output {
    return this.output(Family.IPV6, frame, namespace, out, now);
  }

  private output(family: Family, frame: Frame, namespace: Namespace, out: Link, now: number): Output {
    if (!this.begin(family, frame, namespace, Hook.OUTPUT, 0, out, now)) return Output.ON;
    const before = this.routeKey();
    this.traceNoMore(frame);
    const passes =
      this.runTable(TableId.RAW) &&
      this.track() &&
      this.runTable(TableId.MANGLE) &&
      this.translate() &&
      this.runTable(TableId.FILTER);
    const isSame = passes && this.routeKey() === before;
    this.end();
    return !passes ? Output.GONE : isSame ? Output.ON : Output.REROUTE;
  }

  /** A number that is another one as soon as something is that routing goes by: addresses, TOS, mark. */
  private routeKey(): number {
    const { packet } = this;
    const { bytes, mark } = this.inet.arena;
    const isIpv4 = packet.family === Family.IPV4;
    const first = packet.network + (isIpv4 ? Ipv4.SOURCE : Ipv6.SOURCE);
    const end = isIpv4 ? packet.network + Ipv4.BYTES : packet.network + Ipv6.BYTES;
    const tos = isIpv4 ? bytes[packet.network + Ipv4.TOS] : read32(bytes, packet.network);
    let key = Math.imul(mark[packet.frame] ^ 0x51f15eed, 0x2545f491) ^ tos;
    for (let at = first; at < end; at += 4) key = Math.imul(key ^ read32(bytes, at), 0x2545f491) ^ (key >>> 15);
    return key;
  }

  postrouting4(frame: Frame, out: Link, now: number): boolean {
    return this.postrouting(Family.IPV4, frame, out, now);
  }

  postrouting6(frame: Frame, out: Link, now: number): boolean {
    return this.postrouting(Family.IPV6, frame, out, now);
  }

  private postrouting(family: Family, frame: Frame, out: Link, now: number): boolean {
    const { arena, links } = this.inet;
    const from = arena.ingress[frame];
    // Of what is forwarded the link it came by is still known; what is made here seems to come by lo.
    const link = links.kind[from] === LinkKind.LOOPBACK ? 0 : from;
    if (!this.begin(family, frame, this.inet.namespaceOf(out), Hook.POSTROUTING, link, out, now)) return true;
    const passes = this.leave();
    this.end();
    return passes;
  }

  /** POSTROUTING's steps. */
  private leave(): boolean {
    return this.runTable(TableId.MANGLE) && this.translate() && this.confirm();
  }

  // --- steps ------------------------------------------------------------------------------------

  private traceNoMore(frame: Frame): void {
    this.isTraced[frame] = 0;
    this.traverse.isTracing = this.watcher !== undefined;
  }

  /** The packet at hand from here on. False: there are too many within each other, and this one passes no hook. */
  private begin(
    family: Family,
    frame: Frame,
    namespace: Namespace,
    hook: Hook,
    link: Link,
    out: Link,
    now: number,
  ): boolean {
    if (this.depth === DEPTH) return false;
    const { packet } = this;
    if (this.depth > 0) {
      this.saved[this.depth].copy(packet);
      Object.assign(this.savedTemplates[this.depth], this.template);
    }
    // What CT has said was about another packet.
    this.template.isSet = false;
    this.depth++;
    packet.family = family;
    packet.frame = frame;
    packet.namespace = namespace;
    packet.hook = hook;
    packet.in = link;
    packet.out = out;
    packet.now = now;
    packet.physicalIn = this.inet.arena.bridgePort[frame];
    packet.physicalOut = 0;
    packet.key[Key.IN] = link;
    packet.key[Key.OUT] = out;
    readHeaders(this.inet.arena, packet);
    this.traverse.isTracing = this.isTraced[frame] !== 0 || this.watcher !== undefined;
    return true;
  }

  /** Back to the packet that had this one sent: its rules have had an effect that is not the flow's. */
  private end(): void {
    this.depth--;
    if (this.depth === 0) return;
    this.packet.copy(this.saved[this.depth]);
    Object.assign(this.template, this.savedTemplates[this.depth]);
    this.packet.isVolatile = true;
    this.traverse.isTracing = this.isTraced[this.packet.frame] !== 0 || this.watcher !== undefined;
  }

  private runTable(table: TableId): boolean {
    const { packet } = this;
    const chain = this.rules.baseOf(packet.namespace, packet.family, table, packet.hook);
    if (chain === 0) return true;
    if (this.watcher !== undefined) this.watcher.table(table, chain, packet);
    return this.traverse.run(chain) === Verdict.ACCEPT;
  }

  private tracks(namespace: Namespace, family: Family): boolean {
    return ((this.isTracking[namespace] >> family) & 1) !== 0;
  }

  private track(): boolean {
    const { packet, conntrack } = this;
    if (!this.tracks(packet.namespace, packet.family)) return true;
    const passes = conntrack.in(packet, this.templateWord()) === Verdict.ACCEPT;
    if (this.watcher !== undefined) this.watcher.tracked(packet, passes);
    if (!passes) return false;
    const flow = this.inet.arena.flow[packet.frame];
    this.isFirst = flow > 0 && (conntrack.status(flow) & Status.CONFIRMED) === 0;
    return true;
  }

  /** Helpers read what a flow says, and from then on it is in the table. */
  private confirm(): boolean {
    const { packet } = this;
    if (!this.tracks(packet.namespace, packet.family)) return true;
    if (this.watcher !== undefined) return this.watcher.confirms(packet);
    if (this.helpers.run(packet) !== Verdict.ACCEPT || this.conntrack.confirm(packet) !== Verdict.ACCEPT) return false;
    // An error about a packet that may be dropped yet: when `lo` has carried it, its flow may be another's row.
    const { flow, flowInfo } = this.inet.arena;
    if (flow[packet.frame] > 0 && flow[packet.frame] === this.conntrack.pending) {
      flow[packet.frame] = 0;
      flowInfo[packet.frame] = 0;
    }
    return true;
  }

  /** What the CT target has said in the raw table, as conntrack takes it. */
  private templateWord(): number {
    const { template } = this;
    if (!template.isSet) return 0;
    const flags = template.zoneFlags;
    const original = (flags & CtFlag.ZONE_REPLY) === 0 ? Template.ORIGINAL : 0;
    const reply = (flags & CtFlag.ZONE_ORIGINAL) === 0 ? Template.REPLY : 0;
    const zone = template.zone === 0 ? 0 : template.zone | original | reply;
    return zone | (template.helper << Template.HELPER_SHIFT) | (template.events << Template.EVENTS_SHIFT);
  }

  /** nf_nat_inet_fn. */
  private translate(): boolean {
    const { packet, nat } = this;
    if (((this.hasNat[packet.namespace] >> packet.family) & 1) === 0) return true;
    if (this.watcher !== undefined) this.watcher.translating(packet);
    if (nat.asks(packet) && !this.runTable(TableId.NAT)) return false;
    if (nat.finish(packet) !== Verdict.ACCEPT) return false;
    if (nat.hasRewritten) readHeaders(this.inet.arena, packet);
    if (this.watcher !== undefined) this.watcher.translated(packet);
    return true;
  }
}
