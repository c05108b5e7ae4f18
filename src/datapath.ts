/*
 * START HERE: a frame's whole way through a dataplane.
 *
 *    port ─ rx ─► link ─ bridge? ─► FDB ─► port(s) ────────────────────────────► link ─ tx ─► port
 *                  │        └─ to br0 ─┐                                          │
 *                  │                   ▼                                          ├─ veth, lo ──► backlog ─► its other end: receive
 *                  ├─ vlan? ────► backlog ─► receive                              ├─ vlan ──────► tag ─► the link below
 *                  └─ IP stack: (PREROUTING) ─ route ─┬─► local                   ├─ br0 ───────► FDB ─► port(s)
 *                                                     └─► forward ─► neighbour ──►┘
 *
 * The engine calls `receive` with each burst a port brought in and `flush` when the burst has gone
 * through; everything in between happens here, to completion, in one thread. Every frame ends in exactly one of: sent by a port,
 * taken by the local stack (delivered), or a drop with its reason. So at any time
 *
 *    received + generated + cloned = transmitted + delivered + merged + Σ drops + held
 *
 * counts frame references, and a test holds us to it. Received and transmitted are what ports did; links inside have counters of
 * their own that the sum leaves out.
 *
 * The methods below the walk are the control plane's: they run between bursts, in the engine's thread.
 */
import { Bridge, Bridging } from './bridge/bridge.js';
import { Storm, type StormClass } from './bridge/storm.js';
import { Arena, type ArenaOptions, BURST, type Frame, NONE, QUEUE } from './core/arena.js';
import { Backlog } from './core/backlog.js';
import { DropReason } from './core/drop.js';
import { Egress } from './core/egress.js';
import { Counter, type Link, LinkFlag, LinkKind, Links, MAX_LINKS, type Namespace, Total } from './core/links.js';
import type { Port } from './core/port.js';
import { Bridged } from './netfilter/bridged.js';
import { Netfilter, type NetfilterOptions } from './netfilter/netfilter.js';
import { Inet } from './route/inet.js';
import { FDB_DEFAULT_CAPACITY, Fdb, Learned } from './tables/fdb.js';
import * as vlan from './wire/vlan.js';

/** Ethernet header and one VLAN tag, which the MTU does not count (is_skb_forwardable). */
const FRAME_OVERHEAD = 18;

const LOOPBACK_MTU = 65_536;

/** Rounds of `flush` in which links inside may pass frames on to each other before the ports get their turn again. */
const FLUSH_ROUNDS = 64;

/** Limits are kept in int32, and a greater one is none; timeouts stay below half the range of the clock. */
const MAX_LIMIT = 0x7fffffff;
const MAX_TIMEOUT_MS = 1 << 30;

/** State of a bridge port (IEEE 802.1D), numbers as in the kernel. */
export const enum PortState {
  DISABLED = 0,
  LISTENING = 1,
  LEARNING = 2,
  FORWARDING = 3,
  BLOCKING = 4,
}

const PORT_OPTIONS =
  LinkFlag.LEARNING |
  LinkFlag.FLOOD |
  LinkFlag.BCAST_FLOOD |
  LinkFlag.MCAST_FLOOD |
  LinkFlag.ISOLATED |
  LinkFlag.HAIRPIN |
  LinkFlag.LOCKED;

/** What a port may do when it joins a bridge. */
export const PORT_DEFAULTS = LinkFlag.LEARNING | LinkFlag.FLOOD | LinkFlag.BCAST_FLOOD | LinkFlag.MCAST_FLOOD;

export interface DataplaneOptions extends ArenaOptions {
  /** Stations the FDB holds at most. */
  fdbCapacity?: number;
  /** Secret keys of the hash tables: four 32-bit numbers. */
  keys: Int32Array;
  netfilter?: NetfilterOptions;
}

export class Dataplane {
  readonly arena: Arena;
  readonly links = new Links();
  readonly egress: Egress;
  readonly backlog: Backlog;
  readonly inet: Inet;
  readonly netfilter: Netfilter;
  readonly fdb: Fdb;
  readonly storm = new Storm();
  readonly bridging: Bridging;
  readonly bridges: Array<Bridge | undefined> = [];
  /** STP state of each bridge port, as set; a port whose link is down is disabled whatever it is. */
  private readonly states = new Uint8Array(MAX_LINKS);
  /** Whether each bridge port's link and bridge are up. */
  private readonly isRunning = new Uint8Array(MAX_LINKS);
  /** A burst that is gone through frame by frame. */
  private readonly $asked = new Int32Array(BURST);

  constructor(options: DataplaneOptions) {
    this.arena = new Arena(options);
    this.egress = new Egress(this.arena, this.links);
    this.backlog = new Backlog(this.arena);
    this.egress.forward = (link, n, now) => this.forward(link, n, now);
    this.fdb = new Fdb(options.fdbCapacity ?? FDB_DEFAULT_CAPACITY, MAX_LINKS, options.keys);
    this.bridging = new Bridging(this.arena, this.links, this.egress, this.backlog, this.fdb, this.storm);
    this.inet = new Inet(this.arena, this.links, this.egress, options.keys);
    this.netfilter = new Netfilter(this.inet, options.netfilter);
    this.inet.hooks = this.netfilter;
    this.bridging.hooks = new Bridged(this.inet, this.netfilter);
    this.bridging.receiveLocally = (frame, link, now) => this.receiveOne(frame, link, now);
  }

  // --- the walk ---------------------------------------------------------------------------------

  /** The first `n` frames of arena.burst came in by `link`. */
  receive(link: Link, n: number, now: number): void {
    this.countReceived(link, n);
    const { flags, master } = this.links;
    if ((flags[link] & LinkFlag.CAPTURE) !== 0) this.show(link, n);
    if ((flags[link] & LinkFlag.UP) === 0) return this.dropAll(link, n, DropReason.LINK_DOWN);
    const left = (flags[link] & LinkFlag.HAS_VLANS) === 0 ? n : this.receiveTagged(link, n);
    const bridge = master[link] === NONE ? undefined : this.bridges[master[link]];
    if (bridge === undefined) this.inet.receive(link, left, now);
    else if (this.bridging.hooks?.isOn(bridge.link) === true) this.receiveAsked(bridge, link, left, now);
    else this.bridging.receive(bridge, link, left, now);
  }

  /**
   * Sends what the bursts since the last call have queued, and lets links inside receive what others have passed on. False:
   * some still wait, because links that lead to each other in a circle would never end.
   */
  flush(now: number): boolean {
    for (let i = 0; i < FLUSH_ROUNDS; i++) {
      this.egress.flush(now);
      if (this.backlog.isEmpty) return true;
      const link = this.backlog.link;
      this.receive(link, this.backlog.take(), now);
    }
    this.egress.flush(now);
    return this.backlog.isEmpty;
  }

  /**
   * Frames that netfilter is asked about, one by one: a packet that begins a flow goes its way to the end before the next one is looked
   * at. A port that does not even learn asks nobody.
   */
  private receiveAsked(bridge: Bridge, port: Link, n: number, now: number): void {
    const { hooks } = this.bridging;
    const isAsked = hooks !== undefined && (this.links.flags[port] & LinkFlag.LEARNING_STATE) !== 0;
    if (!isAsked) return this.bridging.receive(bridge, port, n, now);
    const { $asked } = this;
    const { burst } = this.arena;
    for (let i = 0; i < n; i++) $asked[i] = burst[i];
    for (let i = 0; i < n; i++) {
      const passed = hooks.prerouting($asked[i], port, bridge.link, now);
      if (passed === NONE) continue;
      burst[0] = passed;
      this.bridging.receive(bridge, port, 1, now);
    }
  }

  private receiveOne(frame: Frame, link: Link, now: number): void {
    this.arena.burst[0] = frame;
    this.receive(link, 1, now);
  }

  /** Frames with the tag of a vlan go there, untagged; the others close ranks in arena.burst. Returns how many are left. */
  private receiveTagged(link: Link, n: number): number {
    const { burst } = this.arena;
    let left = 0;
    for (let i = 0; i < n; i++) {
      const frame = burst[i];
      const to = this.vlanOf(link, frame);
      if (to === NONE) burst[left++] = frame;
      else this.receiveUntagged(frame, to);
    }
    return left;
  }

  /** The vlan on a link that a frame's outer tag names. */
  private vlanOf(link: Link, frame: Frame): Link {
    const { bytes, offset, length } = this.arena;
    if (length[frame] < vlan.Vlan.HEADER_BYTES) return NONE;
    const tag = vlan.outerTag(bytes, offset[frame]);
    let found = this.links.firstVlan[link];
    while (found !== NONE && this.links.tag[found] !== tag) found = this.links.nextVlan[found];
    return found;
  }

  private receiveUntagged(frame: Frame, to: Link): void {
    const own = this.inet.own(frame);
    if (own === NONE) return;
    const { arena } = this;
    vlan.untag(arena.bytes, arena.offset[own]);
    arena.offset[own] += vlan.Vlan.BYTES;
    arena.length[own] -= vlan.Vlan.BYTES;
    arena.moveChecksum(own, -vlan.Vlan.BYTES);
    this.passTo(own, to);
  }

  private passTo(frame: Frame, link: Link): void {
    if (!this.backlog.push(frame, link)) this.egress.drop(frame, link, DropReason.BACKLOG_FULL);
  }

  /** The first `n` frames of a link's queue leave by a link that is no port. */
  private forward(link: Link, n: number, now: number): void {
    switch (this.links.kind[link]) {
      case LinkKind.VETH:
        return this.forwardToPeer(link, this.links.peer[link], n);
      case LinkKind.LOOPBACK:
        return this.forwardToPeer(link, link, n);
      case LinkKind.VLAN:
        return this.forwardTagged(link, n);
      case LinkKind.BRIDGE:
        return this.forwardToBridge(link, n, now);
      default:
        return this.releaseQueue(link, n);
    }
  }

  private forwardToPeer(link: Link, peer: Link, n: number): void {
    const { queues, length } = this.arena;
    const { flags, maxLength } = this.links;
    const isUp = peer !== NONE && (flags[link] & flags[peer] & LinkFlag.UP) !== 0;
    for (let i = link * QUEUE; i < link * QUEUE + n; i++) {
      const frame = queues[i];
      if (!isUp) this.egress.drop(frame, link, DropReason.TX_LINK_DOWN);
      else if (length[frame] > maxLength[peer] && !this.arena.isSuperframe(frame))
        this.egress.drop(frame, link, DropReason.TX_MTU);
      else this.passTo(frame, peer);
    }
  }

  private forwardTagged(link: Link, n: number): void {
    const { arena, links } = this;
    for (let i = link * QUEUE; i < link * QUEUE + n; i++) {
      const frame = arena.queues[i];
      const own = arena.references[frame] === 0 ? frame : arena.copy(frame);
      if (own === NONE) this.egress.drop(frame, link, DropReason.TX_ARENA_FULL);
      else {
        if (own !== frame) arena.release(frame);
        arena.offset[own] -= vlan.Vlan.BYTES;
        arena.length[own] += vlan.Vlan.BYTES;
        vlan.tag(arena.bytes, arena.offset[own], links.tag[link]);
        arena.moveChecksum(own, vlan.Vlan.BYTES);
        this.egress.enqueue(own, links.peer[link]);
      }
    }
  }

  private forwardToBridge(link: Link, n: number, now: number): void {
    const bridge = this.bridges[link];
    for (let i = link * QUEUE; i < link * QUEUE + n; i++) {
      if (bridge === undefined) this.egress.drop(this.arena.queues[i], link, DropReason.TX_LINK_DOWN);
      else this.bridging.send(bridge, this.arena.queues[i], now);
    }
  }

  private releaseQueue(link: Link, n: number): void {
    for (let i = link * QUEUE; i < link * QUEUE + n; i++) this.arena.release(this.arena.queues[i]);
  }

  private countReceived(link: Link, n: number): void {
    const { burst, length } = this.arena;
    let bytes = 0;
    for (let i = 0; i < n; i++) bytes += length[burst[i]];
    const at = link << Counter.SHIFT;
    this.links.counters[at + Counter.RX_PACKETS] += n;
    this.links.counters[at + Counter.RX_BYTES] += bytes;
  }

  private show(link: Link, n: number): void {
    for (let i = 0; i < n; i++) this.egress.tap?.(link, this.arena.burst[i], false);
  }

  private dropAll(link: Link, n: number, reason: DropReason): void {
    for (let i = 0; i < n; i++) this.egress.drop(this.arena.burst[i], link, reason);
  }

  // --- links ------------------------------------------------------------------------------------

  /** A new link, down; `port` if frames enter and leave by it. */
  addLink(link: Link, mtu: number, port?: Port): void {
    this.links.clear(link);
    this.setMtu(link, mtu);
    this.states[link] = PortState.FORWARDING;
    this.egress.ports[link] = port;
  }

  /** A new link that ends inside, down and without carrier. */
  addVirtual(link: Link, kind: LinkKind, mtu: number, namespace: Namespace): void {
    this.addLink(link, mtu);
    this.links.kind[link] = kind;
    this.links.namespace[link] = namespace;
    if (kind === LinkKind.LOOPBACK) this.links.flags[link] |= LinkFlag.NO_ARP | LinkFlag.CARRIER;
    if (kind === LinkKind.DUMMY) this.links.flags[link] |= LinkFlag.CARRIER;
  }

  /** `lo`: the namespace's loopback link, made here. */
  addNamespace(namespace: Namespace, lo: Link): void {
    this.addVirtual(lo, LinkKind.LOOPBACK, LOOPBACK_MTU, namespace);
    this.inet.loopback[namespace] = lo;
  }

  /** Its links have been removed before, lo too. */
  removeNamespace(namespace: Namespace, now: number): void {
    this.inet.forgetNamespace(namespace);
    this.netfilter.forgetNamespace(namespace, now);
  }

  /** Makes two veths each other's other end. */
  setPeer(link: Link, peer: Link): void {
    this.links.peer[link] = peer;
    this.links.peer[peer] = link;
  }

  /** Puts a vlan on a link; `tag`: TPID << 16 | VID. */
  setVlan(link: Link, lower: Link, tag: number): void {
    const { links } = this;
    links.peer[link] = lower;
    links.tag[link] = tag;
    links.nextVlan[link] = links.firstVlan[lower];
    links.firstVlan[lower] = link;
    links.flags[lower] |= LinkFlag.HAS_VLANS;
  }

  private removeVlan(link: Link): void {
    const { firstVlan, nextVlan, peer, flags } = this.links;
    const lower = peer[link];
    if (lower === NONE) return;
    if (firstVlan[lower] === link) firstVlan[lower] = nextVlan[link];
    else {
      let at = firstVlan[lower];
      while (at !== NONE && nextVlan[at] !== link) at = nextVlan[at];
      if (at !== NONE) nextVlan[at] = nextVlan[link];
    }
    if (firstVlan[lower] === NONE) flags[lower] &= ~LinkFlag.HAS_VLANS;
  }

  /** The link is in another namespace from now on; the control plane has taken it out of its bridge and its addresses from it. */
  setNamespace(link: Link, namespace: Namespace): void {
    this.inet.forgetLink(link);
    this.netfilter.linkDown(link);
    this.links.namespace[link] = namespace;
  }

  /** The link's own address: bytes 0..1 and 2..5, little-endian. */
  setMac(link: Link, high: number, low: number): void {
    const isOther = this.links.macHigh[link] !== high || this.links.macLow[link] !== low;
    this.links.macHigh[link] = high;
    this.links.macLow[link] = low;
    if (isOther) this.inet.neighbour.addressChanged(link);
  }

  /** Forgets a link, its stations, and if it is a bridge the membership of its ports. */
  removeLink(link: Link, now: number): void {
    this.setMaster(link, NONE, now);
    if (this.bridges[link] !== undefined) this.removeBridge(link, now);
    this.detachPort(link);
    this.inet.forgetLink(link);
    this.netfilter.linkDown(link);
    const { kind, peer } = this.links;
    if (kind[link] === LinkKind.VLAN) this.removeVlan(link);
    else if (kind[link] === LinkKind.VETH && peer[link] !== NONE) peer[peer[link]] = NONE;
    this.links.clear(link);
  }

  /** The port is gone, its link stays, without carrier. */
  detachPort(link: Link): void {
    this.egress.ports[link]?.close();
    this.egress.ports[link] = undefined;
  }

  setCapture(link: Link, isOn: boolean): void {
    if (isOn) this.links.flags[link] |= LinkFlag.CAPTURE;
    else this.links.flags[link] &= ~LinkFlag.CAPTURE;
  }

  setMtu(link: Link, mtu: number): void {
    this.links.mtu[link] = mtu;
    this.links.maxLength[link] = mtu + FRAME_OVERHEAD;
  }

  setUp(link: Link, isUp: boolean): void {
    this.egress.ports[link]?.setUp?.(isUp);
    if (!isUp) this.inet.neighbour.linkDown(link);
    if (!isUp) this.netfilter.linkDown(link);
    this.setFlag(link, LinkFlag.UP, isUp);
  }

  setCarrier(link: Link, isUp: boolean): void {
    if (((this.links.flags[link] & LinkFlag.CARRIER) !== 0) !== isUp) {
      this.links.counters[(link << Counter.SHIFT) + Counter.CARRIER_CHANGES]++;
      this.netfilter.changed();
    }
    if (!isUp) this.inet.neighbour.carrierDown(link);
    this.setFlag(link, LinkFlag.CARRIER, isUp);
  }

  private setFlag(link: Link, flag: LinkFlag, on: boolean): void {
    if (on) this.links.flags[link] |= flag;
    else this.links.flags[link] &= ~flag;
    this.updateForwarding(link);
    for (const port of this.bridges[link]?.ports ?? []) this.updateForwarding(port);
  }

  /**
   * Works out whether a port forwards and learns, from its own state and its bridge's. When its link or its bridge
   * goes down, it loses the stations it learned and a state set by hand (br_stp_disable_port, br_init_port); not when a
   * command disables it.
   */
  private updateForwarding(link: Link): void {
    const { flags, master } = this.links;
    const ready = LinkFlag.UP | LinkFlag.CARRIER;
    const bridge = master[link];
    const isUp = bridge !== NONE && (flags[link] & ready) === ready && (flags[bridge] & LinkFlag.UP) !== 0;
    const state = isUp ? this.states[link] : PortState.DISABLED;
    flags[link] &= ~(LinkFlag.FORWARDING | LinkFlag.LEARNING_STATE);
    if (state === PortState.FORWARDING) flags[link] |= LinkFlag.FORWARDING | LinkFlag.LEARNING_STATE;
    else if (state === PortState.LEARNING) flags[link] |= LinkFlag.LEARNING_STATE;
    if (!isUp && this.isRunning[link] !== 0) {
      this.fdb.flushPort(link, false);
      this.states[link] = PortState.FORWARDING;
    }
    this.isRunning[link] = isUp ? 1 : 0;
  }

  // --- bridges ----------------------------------------------------------------------------------

  addBridge(link: Link, mtu: number): void {
    this.addLink(link, mtu);
    this.links.kind[link] = LinkKind.BRIDGE;
    this.links.flags[link] |= LinkFlag.BRIDGE | LinkFlag.CARRIER;
    this.bridges[link] = new Bridge(link);
    this.fdb.setAgeing(link, 300_000);
    this.fdb.limitOfBridge[link] = 0;
  }

  private removeBridge(link: Link, now: number): void {
    for (const port of [...(this.bridges[link]?.ports ?? [])]) this.setMaster(port, NONE, now);
    this.fdb.flushPort(link, false);
    this.fdb.flushPort(link, true);
    this.bridges[link] = undefined;
  }

  setBridge(link: Link, ageingMs: number, groupForwardMask: number, isTransparent: boolean, learnLimit: number): void {
    const bridge = this.bridges[link];
    if (bridge === undefined) return;
    this.fdb.setAgeing(link, Math.min(ageingMs, MAX_TIMEOUT_MS));
    this.fdb.limitOfBridge[link] = Math.min(learnLimit, MAX_LIMIT);
    bridge.groupForwardMask = groupForwardMask;
    bridge.isTransparent = isTransparent;
  }

  /** Makes a link a port of a bridge, or of none (NONE); its options and stations start anew. */
  setMaster(link: Link, bridge: Link, now: number): void {
    const { flags, master } = this.links;
    const old = this.bridges[master[link]];
    if (old !== undefined) {
      old.ports.splice(old.ports.indexOf(link), 1);
      this.fdb.flushPort(link, false);
      this.fdb.flushPort(link, true);
    }
    master[link] = bridge;
    this.states[link] = PortState.FORWARDING;
    this.fdb.limit[link] = 0;
    this.bridging.groupForwardMask[link] = 0;
    for (let storm = 0; storm < 3; storm++) this.setStorm(link, storm, 0, now);
    flags[link] = (flags[link] & ~PORT_OPTIONS) | (bridge === NONE ? 0 : PORT_DEFAULTS);
    this.bridges[bridge]?.ports.push(link);
    this.updateForwarding(link);
  }

  /** `options`: LinkFlag bits of PORT_OPTIONS, all of them anew. */
  setPort(link: Link, options: number, state: PortState, learnLimit: number, groupForwardMask = 0): void {
    this.bridging.groupForwardMask[link] = groupForwardMask;
    this.links.flags[link] = (this.links.flags[link] & ~PORT_OPTIONS) | (options & PORT_OPTIONS);
    this.states[link] = state;
    this.fdb.limit[link] = Math.min(learnLimit, MAX_LIMIT);
    this.updateForwarding(link);
  }

  setStorm(link: Link, storm: StormClass, packetsPerSecond: number, now: number): void {
    this.storm.setRate(link, storm, Math.min(packetsPerSecond, MAX_LIMIT), now);
    const { rate } = this.storm;
    const isLimited = rate[link * 3] !== 0 || rate[link * 3 + 1] !== 0 || rate[link * 3 + 2] !== 0;
    if (isLimited) this.links.flags[link] |= LinkFlag.STORM;
    else this.links.flags[link] &= ~LinkFlag.STORM;
  }

  // --- stations ---------------------------------------------------------------------------------

  /** Adds or replaces an FDB entry; `flags` are FdbFlag bits. False: the table has no room. */
  setStation(bridge: Link, vlan: number, high: number, low: number, port: Link, flags: number, now: number): boolean {
    this.removeStation(bridge, vlan, high, low);
    const domain = (bridge << 12) | vlan;
    const home = this.fdb.home(low, high, domain);
    return this.fdb.insert(home, low, high, domain, port, flags, now) === Learned.NEW;
  }

  /** The port of an address, or NONE if the table has it not, or not any more. */
  stationPort(bridge: Link, vlan: number, high: number, low: number, now: number): Link {
    const domain = (bridge << 12) | vlan;
    const slot = this.fdb.find(this.fdb.home(low, high, domain), low, high, domain);
    return slot === NONE || this.fdb.isExpired(slot, now) ? NONE : this.fdb.port(slot);
  }

  removeStation(bridge: Link, vlan: number, high: number, low: number): boolean {
    const domain = (bridge << 12) | vlan;
    const slot = this.fdb.find(this.fdb.home(low, high, domain), low, high, domain);
    if (slot === NONE) return false;
    this.fdb.remove(slot);
    return true;
  }

  /** Frame references that are on no free list. */
  updateHeld(): void {
    const { arena, links } = this;
    let held = arena.heads - arena.freeHeadCount;
    for (let i = 0; i < arena.heads; i++) held += arena.references[i];
    links.totals[Total.HELD] = held;
  }
}
