/*
 * What the control plane can ask of the engine's thread. Each method is one call of a transaction; arguments and results are plain
 * data. They run between bursts, so they are short; what may be long (a dump of the FDB) comes in pages.
 */
import type { MessagePort } from 'node:worker_threads';
import type { StormClass } from '../bridge/storm.js';
import { SluiceError } from '../core/errors.js';
import { type Link, LinkFlag, type LinkKind, MAX_LINKS, type Namespace } from '../core/links.js';
import type { Port } from '../core/port.js';
import type { Dataplane, PortState } from '../datapath.js';
import type { Engine } from '../engine.js';
import { MemoryPort } from '../io/memory-port.js';
import { NativePort } from '../io/native-port.js';
import { OffloadPort } from '../io/offload-port.js';
import { PcapPort } from '../io/pcap-port.js';
import { type PortKind, Ready, RxResult, shim } from '../io/shim.js';
import type { Family } from '../netfilter/rule.js';
import { Address4, Address6 } from '../route/addresses.js';
import type { ConfTable } from '../route/conf.js';
import type { EndpointPacket } from '../route/endpoints.js';
import { type NeighbourCommand, NeighbourCommands } from '../route/neighbour-commands.js';
import type { Station } from '../tables/fdb.js';
import type { SetOptions } from '../tables/ipset.js';
import { Member } from '../tables/ipset-member.js';
import type { NeighbourFamily } from '../tables/neighbours.js';
import { type CapturedFrames, Captures } from './captures.js';
import {
  type FlowChange,
  FlowCommands,
  type FlowCount,
  type FlowEvents,
  type FlowFailure,
  type FlowPage,
} from './conntrack-commands.js';
import type { EngineLog } from './engine-log.js';
import { FrameExplainer, type FrameWalk } from './explain-frame.js';
import type { MemberPage, MembersChanged } from './ipset/ipset.js';
import type { SetSize } from './ipset/listing.js';
import type { NamedKind } from './iptables/extension.js';

/** Words of one station in a page of `stations`. */
export const STATION_WORDS = 8;
/** Slots of the FDB that one page looks at. */
const PAGE_SLOTS = 4096;
/** Members in a page of a set, at most. */
const PAGE_MEMBERS = 256;

/** A port whose carrier changed, or that is gone, told without being asked. */
export type EngineEvent =
  | { event: 'carrier'; link: Link; up: boolean }
  | { event: 'gone'; link: Link }
  | { event: 'problem'; link: Link; text: string }
  | CapturedFrames;

/** A neighbour as it is now, or was when it was forgotten: a row of route/neighbour-commands.ts. Only while they are watched. */
export interface NeighbourChange {
  neighbour: Int32Array;
  isGone: boolean;
}

/** What endpoints received, told without being asked. */
export interface EndpointPackets {
  packets: EndpointPacket[];
}

/** Another node has, or wants, an IPv6 address of a link that is still tentative. */
export interface AddressConflict {
  conflict: Link;
  address: [number, number, number, number];
}

/** Calls that change nothing that a packet's way depends on. */
const ASKS_ONLY = new Set([
  ...['hasMember', 'memberPage', 'setSize'],
  ...['stations', 'neighbours', 'proxies', 'snapshot', 'sourceAddress', 'mtuTo', 'hasRuleRoom', 'settleRules'],
  ...['explainFrame', 'explainPacket', 'nameLink', 'ackLog'],
  ...['flows', 'flow', 'countFlows', 'flowStats', 'expectations', 'watchFlows', 'flowEvents', 'watchNeighbours'],
  // What it finds out changes something by itself.
  'deviceIsUp',
  ...['startCapture', 'stopCapture', 'tellPackets'],
  ...['ackCapture', 'ackEndpoint', 'sendPacket', 'sendFrame', 'openEndpoint', 'closeEndpoint'],
]);

export class Operations {
  readonly rxResult = new Int32Array(RxResult.WORDS);
  readonly readyPairs = new Int32Array(MAX_LINKS * 2);
  isStopping = false;
  readonly captures: Captures;
  private readonly neighbourCommands: NeighbourCommands;
  private ownFlowCommands: FlowCommands | undefined;
  private explainer: FrameExplainer | undefined;
  private now = 0;

  constructor(
    private readonly dataplane: Dataplane,
    private readonly engine: Engine,
    private readonly messages: MessagePort,
    private readonly log?: EngineLog,
  ) {
    this.captures = new Captures(dataplane, messages);
    this.neighbourCommands = new NeighbourCommands(dataplane.inet);
    dataplane.inet.endpoints.clock = () => performance.now() * 1000;
    dataplane.inet.neighbour.onConflict = (link, ...address) =>
      messages.postMessage({ conflict: link, address } satisfies AddressConflict);
  }

  /** Carries out a transaction. An exception is a bug; it is reported and the engine goes on. */
  run(calls: Array<[string, ...unknown[]]>, now: number): { results?: unknown[]; failure?: string } {
    this.now = now;
    if (!calls.every(([name]) => ASKS_ONLY.has(name))) this.dataplane.netfilter.changed();
    try {
      const methods = this as unknown as Record<string, (...args: unknown[]) => unknown>;
      return { results: calls.map(([name, ...args]) => methods[name](...args)) };
    } catch (error) {
      return { failure: String((error as Error).stack) };
    }
  }

  /** Takes what `poll` left in readyPairs. */
  ready(n: number): void {
    for (let i = 0; i < n; i++) {
      const link = this.readyPairs[i * 2];
      const events = this.readyPairs[i * 2 + 1];
      if ((events & Ready.GONE) !== 0) {
        this.portGone(link);
        continue;
      }
      if ((events & Ready.WRITE) !== 0) this.carrier(link, true);
      if ((events & Ready.READ) !== 0) this.engine.activate(link);
    }
  }

  /** Ports that refused frames because their other end is down. */
  portsWentDown(): void {
    const { egress } = this.dataplane;
    for (let i = 0; i < egress.wentDownCount; i++) this.carrier(egress.wentDown[i], false);
    egress.wentDownCount = 0;
  }

  private carrier(link: Link, up: boolean): void {
    if (((this.dataplane.links.flags[link] & LinkFlag.CARRIER) !== 0) === up) return;
    this.dataplane.setCarrier(link, up);
    this.messages.postMessage({ event: 'carrier', link, up } satisfies EngineEvent);
  }

  private portGone(link: Link): void {
    this.dropPort(link);
    this.messages.postMessage({ event: 'gone', link } satisfies EngineEvent);
  }

  close(): void {
    for (const port of this.dataplane.egress.ports) port?.close();
  }

  // --- netfilter --------------------------------------------------------------------------------

  /** RulesOps; see netfilter/rules.ts. */
  rules(ops: Int32Array): void {
    if (!this.dataplane.netfilter.apply(ops)) throw new Error('rules found no room');
  }

  hasRuleRoom(words: number): boolean {
    return this.dataplane.netfilter.rules.hasRoom(words);
  }

  /** From here on the counters of rules are exact, until more packets come. */
  settleRules(): void {
    this.dataplane.netfilter.settle();
  }

  setTracking(namespace: Namespace, family: Family, isOn: boolean): void {
    this.dataplane.netfilter.setTracking(namespace, family, isOn);
  }

  /** `isWhole`: it is a whole name. */
  setLinkPattern(pattern: number, links: Link[], isWhole: boolean): void {
    const { patterns } = this.dataplane.netfilter;
    patterns.define(pattern, isWhole);
    for (const link of links) patterns.add(pattern, link);
  }

  /** The patterns that a link fits, of the first `count`. */
  setLinkName(link: Link, count: number, fitting: number[]): void {
    const { patterns } = this.dataplane.netfilter;
    patterns.forgetLink(link, count);
    for (const pattern of fitting) patterns.add(pattern, link);
  }

  /** A link's name, for the lines of LOG. */
  nameLink(link: Link, name: string): void {
    if (this.log !== undefined) this.log.names[link] = name;
  }

  /** The control plane has written so many lines of the log. */
  ackLog(lines: number): void {
    this.log?.ack(lines);
  }

  /** A frame that might come in by a link: what would become of it. */
  explainFrame(link: Link, bytes: Uint8Array): FrameWalk {
    this.explainer ??= new FrameExplainer(this.dataplane);
    return this.explainer.receive(link, bytes, this.now);
  }

  /** An IP packet that might be made in a namespace. */
  explainPacket(namespace: Namespace, bytes: Uint8Array): FrameWalk {
    this.explainer ??= new FrameExplainer(this.dataplane);
    return this.explainer.send(namespace, bytes, this.now);
  }

  /** No rule names a table of hashlimit, or a list of -m recent, any more. */
  closeNamed(kind: NamedKind, number: number): void {
    this.dataplane.netfilter.matches[kind].close(number);
  }

  // --- ipset ------------------------------------------------------------------------------------

  createSet(set: number, options: SetOptions): void {
    // The control plane has looked that the options make a set.
    if (!this.dataplane.netfilter.sets.create(set, options)) throw new Error('options that make no set');
  }

  destroySet(set: number): void {
    this.dataplane.netfilter.sets.destroy(set);
  }

  flushSet(set: number): void {
    this.dataplane.netfilter.sets.flush(set);
  }

  swapSets(one: number, other: number): void {
    this.dataplane.netfilter.sets.swap(one, other);
  }

  /** Rows of Member.WORDS, up to the first that cannot be. `renews`: what is there already is written anew. */
  addMembers(set: number, rows: Int32Array, renews: boolean): MembersChanged {
    const { sets } = this.dataplane.netfilter;
    return { done: sets.addAll(set, rows, renews, this.now), answer: sets.answer };
  }

  deleteMembers(set: number, rows: Int32Array, ignoresAbsent: boolean): MembersChanged {
    const { sets } = this.dataplane.netfilter;
    return { done: sets.deleteAll(set, rows, ignoresAbsent, this.now), answer: sets.answer };
  }

  hasMember(set: number, row: Int32Array): boolean {
    return this.dataplane.netfilter.sets.has(set, row, 0, this.now);
  }

  memberPage(set: number, cursor: number): MemberPage {
    const { sets } = this.dataplane.netfilter;
    const rows = new Int32Array(PAGE_MEMBERS * Member.WORDS);
    const next = sets.page(set, cursor, PAGE_SLOTS, rows, this.now);
    return { rows: rows.slice(0, sets.written * Member.WORDS), next };
  }

  setSize(set: number): SetSize {
    const { sets } = this.dataplane.netfilter;
    return { members: sets.size(set), bytes: sets.bytes(set) };
  }

  /** The number that sets have for a link's name; 0: none names it. */
  setSetLink(link: Link, name: number): void {
    this.dataplane.netfilter.sets.linkNames[link] = name;
  }

  // --- calls ------------------------------------------------------------------------------------

  addNative(link: Link, mtu: number, kind: PortKind, fds: number[], hasVnet: boolean, hasOffload: boolean): void {
    const { arena, egress } = this.dataplane;
    const native = new NativePort(arena, link, this.rxResult, kind, Int32Array.from(fds), hasVnet);
    const port = hasOffload ? native : new OffloadPort(native, arena, link, egress.txErrno);
    this.addPort(link, mtu, port);
  }

  addMemory(link: Link, mtu: number): void {
    this.addPort(link, mtu, new MemoryPort(this.dataplane.arena, link));
    this.dataplane.setCarrier(link, true);
  }

  /** Answers what is wrong with the files, if anything is. */
  addPcap(
    link: Link,
    mtu: number,
    name: string,
    read: string | undefined,
    write: string | undefined,
  ): { errno: string; message: string } | undefined {
    const { arena, egress } = this.dataplane;
    try {
      const pcap = new PcapPort(arena, link, name, read, write, egress.txErrno, (text) =>
        this.messages.postMessage({ event: 'problem', link, text } satisfies EngineEvent),
      );
      this.addPort(link, mtu, new OffloadPort(pcap, arena, link, egress.txErrno));
    } catch (error) {
      if (error instanceof SluiceError) return { errno: error.errno, message: error.message };
      throw error;
    }
    this.dataplane.setCarrier(link, true);
    return undefined;
  }

  private addPort(link: Link, mtu: number, port: Port): void {
    this.dataplane.addLink(link, mtu, port);
    this.engine.activate(link);
  }

  addBridge(link: Link, mtu: number): void {
    this.dataplane.addBridge(link, mtu);
  }

  /** The port's device is gone; its link stays. */
  dropPort(link: Link): void {
    this.dataplane.setCarrier(link, false);
    this.dataplane.detachPort(link);
  }

  removeLink(link: Link): void {
    this.dataplane.removeLink(link, this.now);
  }

  // --- namespaces and links inside -----------------------------------------------------------------

  addNamespace(namespace: Namespace, lo: Link): void {
    this.dataplane.addNamespace(namespace, lo);
  }

  removeNamespace(namespace: Namespace): void {
    this.dataplane.removeNamespace(namespace, this.now);
  }

  addVirtual(link: Link, kind: LinkKind, mtu: number, namespace: Namespace): void {
    this.dataplane.addVirtual(link, kind, mtu, namespace);
  }

  setPeer(link: Link, peer: Link): void {
    this.dataplane.setPeer(link, peer);
  }

  setVlan(link: Link, lower: Link, tag: number): void {
    this.dataplane.setVlan(link, lower, tag);
  }

  setNamespace(link: Link, namespace: Namespace): void {
    this.dataplane.setNamespace(link, namespace);
  }

  setMac(link: Link, high: number, low: number): void {
    this.dataplane.setMac(link, high, low);
  }

  // --- the IP stack ----------------------------------------------------------------------------------

  setAddresses4(link: Link, words: Int32Array): void {
    const { inet, links } = this.dataplane;
    const before = inet.addresses.of4[link];
    // The control plane sees to it that there is room.
    if (!inet.addresses.set4(link, words, links.namespace[link])) throw new Error('no room for own addresses');
    this.tellGone(link, before, words, Address4.WORDS, 1);
  }

  setAddresses6(link: Link, words: Int32Array): void {
    const { addresses } = this.dataplane.inet;
    const before = addresses.of6[link];
    addresses.of6[link] = words;
    this.tellGone(link, before, words, Address6.WORDS, 4);
  }

  /** Flows that were masqueraded with addresses that a link no longer has end. `width`: words of an address, the first of its row. */
  private tellGone(link: Link, before: Int32Array, after: Int32Array, row: number, width: number): void {
    const has = (address: Int32Array): boolean => {
      for (let at = 0; at < after.length; at += row) {
        if (address.every((word, i) => word === after[at + i])) return true;
      }
      return false;
    };
    for (let at = 0; at < before.length; at += row) {
      const address = before.slice(at, at + width);
      if (!has(address)) this.dataplane.netfilter.addressGone(link, address);
    }
  }

  /** Multicast groups that the link has joined. */
  setGroups4(link: Link, words: Int32Array): void {
    this.dataplane.inet.addresses.groups4[link] = words;
  }

  setGroups6(link: Link, words: Int32Array): void {
    this.dataplane.inet.addresses.groups6[link] = words;
    this.dataplane.inet.icmp6.joinGroups(link, this.now);
  }

  /** FibOps; see route/fib.ts. */
  fib(ops: Int32Array): boolean {
    return this.dataplane.inet.fib.apply(ops);
  }

  setRules(namespace: Namespace, family: number, words: Int32Array): void {
    this.dataplane.inet.fib.setRules(namespace, family, words);
  }

  setConf(table: ConfTable, row: number, key: number, value: number): void {
    this.dataplane.inet.conf.set(table, row, key, value);
  }

  /** All of a row: the settings of a new link, or of a new namespace. */
  setConfRow(table: ConfTable, row: number, words: Int32Array): void {
    for (let key = 0; key < words.length; key++) this.dataplane.inet.conf.set(table, row, key, words[key]);
  }

  setMtu(link: Link, mtu: number): void {
    this.dataplane.setMtu(link, mtu);
  }

  setUp(link: Link, isUp: boolean): void {
    this.dataplane.setUp(link, isUp);
    if (isUp) this.engine.activate(link);
  }

  setCarrier(link: Link, isUp: boolean): void {
    this.dataplane.setCarrier(link, isUp);
  }

  setMaster(link: Link, bridge: Link): void {
    this.dataplane.setMaster(link, bridge, this.now);
  }

  setPort(link: Link, options: number, state: PortState, learnLimit: number, groupForwardMask: number): void {
    this.dataplane.setPort(link, options, state, learnLimit, groupForwardMask);
  }

  setBridge(link: Link, ageingMs: number, groupForwardMask: number, isTransparent: boolean, learnLimit: number): void {
    this.dataplane.setBridge(link, ageingMs, groupForwardMask, isTransparent, learnLimit);
  }

  setStorm(link: Link, storm: StormClass, packetsPerSecond: number): void {
    this.dataplane.setStorm(link, storm, packetsPerSecond, this.now);
  }

  /** Adds an entry, or replaces one unless it must be new. */
  setStation(
    bridge: Link,
    vlan: number,
    high: number,
    low: number,
    port: Link,
    flags: number,
    isNew = false,
  ): 'stored' | 'exists' | 'full' {
    const { dataplane, now } = this;
    if (isNew && dataplane.stationPort(bridge, vlan, high, low, now) !== -1) return 'exists';
    return dataplane.setStation(bridge, vlan, high, low, port, flags, now) ? 'stored' : 'full';
  }

  removeStation(bridge: Link, vlan: number, high: number, low: number): boolean {
    return this.dataplane.removeStation(bridge, vlan, high, low);
  }

  /** Removes an entry if it is on that port. */
  removeStationOf(bridge: Link, vlan: number, high: number, low: number, port: Link): boolean {
    return (
      this.dataplane.stationPort(bridge, vlan, high, low, this.now) === port &&
      this.removeStation(bridge, vlan, high, low)
    );
  }

  /**
   * A page of the FDB: from `slot` on, STATION_WORDS a station: bridge, vlan, high, low, port, flags, and ms since the last update
   * and use. `next` is the slot to go on with, or -1.
   */
  stations(slot: number): { words: Int32Array; next: number } {
    const { fdb } = this.dataplane;
    const words = new Int32Array(PAGE_SLOTS * STATION_WORDS);
    const station: Station = { low: 0, high: 0, bridge: 0, vlan: 0, port: 0, flags: 0, updated: 0, used: 0 };
    let at = 0;
    const end = Math.min(slot + PAGE_SLOTS, fdb.mask + 1);
    for (let i = slot; i < end; i++) {
      if (!fdb.read(i, station) || fdb.isExpired(i, this.now)) continue;
      const { bridge, vlan, high, low, port, flags } = station;
      const ages = [this.now - station.updated, this.now - station.used];
      words.set([bridge, vlan, high, low, port, flags, ages[0] | 0, ages[1] | 0], at);
      at += STATION_WORDS;
    }
    return { words: words.slice(0, at), next: end > fdb.mask ? -1 : end };
  }

  flushStations(port: Link, isStatic: boolean): number {
    return this.dataplane.fdb.flushPort(port, isStatic);
  }

  // --- neighbours -------------------------------------------------------------------------------

  /** Adds or changes one. Answers 0 or a NeighbourErrno. */
  setNeighbour(command: NeighbourCommand): number {
    return this.neighbourCommands.set(command, this.now);
  }

  /** Answers 0 or a NeighbourErrno. */
  removeNeighbour(link: Link, family: NeighbourFamily, address: [number, number, number, number]): number {
    return this.neighbourCommands.remove(link, family, address, this.now);
  }

  /** A page of a namespace's entries: rows of Dump.WORDS; see route/neighbour-commands.ts. */
  neighbours(namespace: Namespace, family: NeighbourFamily, after: number | undefined): Int32Array {
    return this.neighbourCommands.page(namespace, family, after, this.now);
  }

  /** Forgets a link's entries, as when its address changes. */
  flushNeighbours(link: Link): void {
    this.dataplane.inet.neighbour.addressChanged(link);
  }

  /** Adds a proxy, or changes one: a row of ProxyRow.WORDS. */
  setProxy(link: Link, row: Int32Array): void {
    this.dataplane.inet.neighbour.proxies.set(link, row);
  }

  /** False: there is none. */
  removeProxy(link: Link, family: NeighbourFamily, [a, b, c, d]: [number, number, number, number]): boolean {
    return this.dataplane.inet.neighbour.proxies.remove(link, family, a, b, c, d);
  }

  /** A namespace's proxies: rows of a link and ProxyRow.WORDS. */
  proxies(namespace: Namespace): Int32Array {
    return this.neighbourCommands.proxies(namespace);
  }

  /** Whether each change of a neighbour is told (`ip monitor neigh`). */
  watchNeighbours(isOn: boolean): void {
    const { states } = this.dataplane.inet.neighbour;
    states.onChange = isOn
      ? (slot, isGone) => {
          const row = this.neighbourCommands.row(slot, states.now);
          this.messages.postMessage({ neighbour: row, isGone } satisfies NeighbourChange);
        }
      : undefined;
  }

  /** Gratuitous ARP: tells all on a link that an IPv4 address is ours (arp_notify). */
  announce4(link: Link, address: number): void {
    this.dataplane.inet.neighbour.arp.announce(link, address);
    this.dataplane.flush(this.now);
  }

  /** Copies the frames of a link that pass a filter to the control plane, `snapLength` bytes of each. */
  startCapture(id: number, link: Link, filter: string, snapLength: number): void {
    this.captures.start(id, link, filter, snapLength);
  }

  /** The control plane has handed on so many frames: there is room for as many more. */
  ackCapture(id: number, frames: number): void {
    this.captures.ack(id, frames);
  }

  /** Returns the number of frames that passed the filter but found no room. */
  stopCapture(id: number): number {
    return this.captures.stop(id);
  }

  /** All counters at one moment. */
  snapshot(): { counters: Float64Array; drops: Float64Array; totals: Float64Array } {
    this.dataplane.updateHeld();
    const { counters, drops, totals } = this.dataplane.links;
    return {
      counters: Float64Array.from(counters),
      drops: Float64Array.from(drops),
      totals: Float64Array.from(totals),
    };
  }

  // --- endpoints (sockets.ts) -------------------------------------------------------------------

  /** False: there is such an endpoint. */
  openEndpoint(id: number, namespace: number, family: number, protocol: number, port: number, link: Link): boolean {
    return this.dataplane.inet.endpoints.open(id, namespace, family, protocol, port, link);
  }

  closeEndpoint(id: number): void {
    this.dataplane.inet.endpoints.close(id);
  }

  /** The control plane has dealt with so many packets of so many bytes. */
  ackEndpoint(id: number, packets: number, bytes: number): void {
    this.dataplane.inet.endpoints.ack(id, packets, bytes);
  }

  /** Sends a whole IP packet, bound to a link or to none (ANY_LINK). `errno` is 0 or negative. */
  sendPacket(namespace: number, bytes: Uint8Array, link: Link, isWhole = false): { errno: number; timeUs: number } {
    const timeUs = performance.now() * 1000;
    const errno = this.dataplane.inet.endpoints.send(namespace, bytes, link, isWhole, this.now);
    this.dataplane.flush(this.now);
    return { errno, timeUs };
  }

  /** Sends a whole Ethernet frame on a link. */
  sendFrame(link: Link, bytes: Uint8Array): number {
    const errno = this.dataplane.inet.endpoints.sendFrame(link, bytes);
    this.dataplane.flush(this.now);
    return errno;
  }

  /** The source address that a packet gets; or a negative errno. */
  sourceAddress(namespace: number, destination: Uint8Array, link: Link, mayBroadcast = true): Uint8Array | number {
    return this.dataplane.inet.endpoints.source(namespace, destination, link, mayBroadcast);
  }

  /** The longest packet that gets to a destination whole, as far as is known; 0: there is no route. */
  mtuTo(namespace: number, destination: Uint8Array, link: Link): number {
    return this.dataplane.inet.endpoints.mtu(namespace, destination, link, this.now);
  }

  /** Asks on a link whether anybody has an IPv6 address that it wants. */
  detectDuplicate(link: Link, a: number, b: number, c: number, d: number): void {
    this.dataplane.inet.neighbour.nd.detect(link, a, b, c, d, this.now);
    this.dataplane.flush(this.now);
  }

  /** Tells all nodes on a link that it has an IPv6 address. */
  advertiseAddress(link: Link, a: number, b: number, c: number, d: number): void {
    this.dataplane.inet.neighbour.nd.advertise(link, a, b, c, d, this.now);
    this.dataplane.flush(this.now);
  }

  /** Hands on what endpoints received since the last call. */
  tellPackets(): void {
    this.messages.postMessage({ packets: this.dataplane.inet.endpoints.packets() } satisfies EndpointPackets);
  }

  // --- conntrack ---------------------------------------------------------------------------------

  private get flowCommands(): FlowCommands {
    this.ownFlowCommands ??= new FlowCommands(this.dataplane.netfilter.conntrack);
    return this.ownFlowCommands;
  }

  /** A page of a namespace's flows behind `cursor` (0 to begin): rows of conntrack/flow-row.ts. */
  flows(namespace: Namespace, cursor: number): FlowPage {
    return this.flowCommands.page(namespace, cursor, this.now);
  }

  /** The flow that has the tuple of a row. */
  flow(wanted: Int32Array): Int32Array | undefined {
    return this.flowCommands.get(wanted, this.now);
  }

  zeroFlows(rows: Int32Array): void {
    this.flowCommands.zero(rows);
  }

  /** For each row whether its flow was still there. `origin` is told to those who listen to events. */
  deleteFlows(rows: Int32Array, origin: number): boolean[] {
    return this.flowCommands.delete(rows, this.now, origin);
  }

  /** Looks at a bounded number of flows; answers the cursor for the next call, 0: done. `family`: 4, 6 or 0, both. */
  flushFlows(namespace: Namespace, family: number, cursor: number, origin: number): number {
    return this.flowCommands.flush(namespace, family, cursor, this.now, origin);
  }

  createFlow(row: Int32Array, origin: number): FlowFailure | 'created' {
    return this.flowCommands.create(row, this.now, origin);
  }

  updateFlows(rows: Int32Array, change: FlowChange, origin: number): Array<Int32Array | FlowFailure | undefined> {
    // Rules may ask for a flow's mark, state or labels.
    this.dataplane.netfilter.changed();
    return this.flowCommands.update(rows, change, this.now, origin);
  }

  countFlows(namespace: Namespace): FlowCount {
    return this.flowCommands.count(namespace);
  }

  flowStats(namespace: Namespace): number[] {
    return this.flowCommands.stats(namespace);
  }

  expectations(namespace: Namespace, from: number): FlowPage {
    return this.flowCommands.expectations(namespace, from, this.now);
  }

  forgetExpectations(namespace: Namespace): void {
    this.flowCommands.forgetExpectations(namespace, this.now);
  }

  /** By CtSetting, times as ms. */
  setConntrack(namespace: Namespace, setting: number, value: number): void {
    this.flowCommands.set(namespace, setting, value);
  }

  /** Whether events of flows are kept until flowEvents takes them. */
  watchFlows(isOn: boolean): void {
    this.flowCommands.watch(isOn);
  }

  flowEvents(): FlowEvents {
    return this.flowCommands.events(this.now);
  }

  // --- devices -----------------------------------------------------------------------------------

  /** The kernel end of a TAP, or the device of a packet port, as it is now, for those who ask. */
  deviceIsUp(link: Link, fd: number, isTap: boolean): boolean {
    // Of a port that has been dropped meanwhile the device is nobody's any more, and its descriptor may be another's.
    if (this.dataplane.egress.ports[link] === undefined) return false;
    const isUp = (isTap ? shim.tapIsUp(fd) : shim.packetIsUp(fd)) === 1;
    this.carrier(link, isUp);
    return isUp;
  }

  stop(): void {
    this.isStopping = true;
  }
}
