/*
 * The IP stack of all namespaces: what its parts share, and who they are.
 *
 *            receive ─┬─ ARP ─► neighbour
 *                     ├─ IPv4 ─► ip4 ─┬─ local ─► reassembly4 ─► local ─► icmp4 · udp · tcp · endpoints
 *                     │               └─ forward ─► (fragment) ─┐
 *                     └─ IPv6 ─► ip6 ─┬─ local ─► reassembly6 ─► local ─► icmp6 (nd ─► neighbour) …
 *                                     └─ forward ───────────────┤
 *        made here ─► ip4.send · ip6.send ──────────────────────┴─► neighbour.output ─► link
 *
 * A frame in here always starts with 14 bytes of Ethernet header, whatever they hold, and its IP header follows at once:
 * VLAN tags are taken off and put on by `vlan` links. arena.ingress says where it came in (0: made here), arena.received for
 * whom it was. Whoever is given a frame owns one reference and ends it: by `transmit`, `drop`, `deliver`, or by giving it on.
 */
import { type Arena, type Frame, NONE, Received } from '../core/arena.js';
import { sooner } from '../core/delay.js';
import { DropReason } from '../core/drop.js';
import type { Egress } from '../core/egress.js';
import { type Link, LinkKind, type Links, MAX_NAMESPACES, type Namespace, Total } from '../core/links.js';
import { sharedInts } from '../core/memory.js';
import { Neighbours } from '../tables/neighbours.js';
import { Ethernet } from '../wire/ethernet.js';
import { Addresses } from './addresses.js';
import { Conf, Net4, Net6 } from './conf.js';
import { Endpoints } from './endpoints.js';
import { Fib } from './fib.js';
import { type Hooks, NoHooks } from './hooks.js';
import { Icmp4 } from './icmp4.js';
import { Icmp6 } from './icmp6.js';
import { Ip4 } from './ip4.js';
import { Ip6 } from './ip6.js';
import { Local } from './local.js';
import { NeighbourDiscovery } from './neighbour.js';
import { Options4 } from './options4.js';
import { PMTU_DEFAULT, Pmtu } from './pmtu.js';
import { Reassembly } from './reassembly.js';

/** EtherTypes as a little-endian machine reads them. */
const IPV4 = 0x0008;
const IPV6 = 0xdd86;
const ARP = 0x0608;
const VLAN = 0x0081;
const SERVICE_VLAN = 0xa888;

/** One step of xorshift32; never 0. */
function xorshift(x: number): number {
  x ^= x << 13;
  x ^= x >>> 17;
  return x ^ (x << 5);
}

export class Inet {
  readonly conf = new Conf();
  readonly addresses = new Addresses();
  readonly fib = new Fib();
  /** Each namespace's `lo`; -1 = there is no such namespace. */
  readonly loopback = sharedInts(MAX_NAMESPACES).fill(-1);
  readonly neighbours: Neighbours;
  readonly neighbour: NeighbourDiscovery;
  readonly icmp4: Icmp4;
  readonly icmp6: Icmp6;
  readonly reassembly: Reassembly;
  readonly options4: Options4;
  readonly pmtu: Pmtu;
  readonly endpoints: Endpoints;
  readonly local: Local;
  readonly ip4: Ip4;
  readonly ip6: Ip6;
  /** Netfilter, where there is one. */
  hooks: Hooks = new NoHooks();
  private seed: number;

  /** `keys`: secrets of hash tables, hashes and random choices. */
  constructor(
    readonly arena: Arena,
    readonly links: Links,
    readonly egress: Egress,
    readonly keys: Int32Array,
  ) {
    this.seed = keys[3] | 1;
    this.neighbours = new Neighbours(keys);
    this.neighbour = new NeighbourDiscovery(this);
    this.icmp4 = new Icmp4(this);
    this.icmp6 = new Icmp6(this);
    this.reassembly = new Reassembly(this);
    this.options4 = new Options4(this);
    this.pmtu = new Pmtu(PMTU_DEFAULT, keys);
    this.endpoints = new Endpoints(this);
    this.local = new Local(this);
    this.ip4 = new Ip4(this);
    this.ip6 = new Ip6(this);
  }

  /** The first `n` frames of arena.burst are for the stack of their link. */
  receive(link: Link, n: number, now: number): void {
    this.ip4.receive(link, n, now);
  }

  /** A frame that ip4's short path does not take. */
  receiveOther(frame: Frame, link: Link, now: number): void {
    const { arena } = this;
    arena.ingress[frame] = link;
    if (!this.hasSeen(frame, link)) this.forgetTraces(frame);
    if (arena.length[frame] < Ethernet.BYTES) return this.drop(frame, DropReason.RUNT);
    arena.received[frame] = this.addressee(frame, link);
    if (arena.received[frame] === Received.OTHER_HOST) return this.drop(frame, DropReason.OTHER_HOST);
    const own = this.own(frame);
    if (own === NONE) return;
    const type = arena.words16[(arena.offset[own] + Ethernet.TYPE) >> 1];
    if (type === IPV4) this.ip4.input(own, link, now);
    else if (type === ARP) this.neighbour.receiveArp(own, link, now);
    else if (type === IPV6) this.ip6.input(own, link, now);
    else this.drop(own, type === VLAN || type === SERVICE_VLAN ? DropReason.VLAN_UNKNOWN : DropReason.NO_LISTENER);
  }

  /** What `lo` carries, or a bridge has shown to netfilter, has been seen before: it keeps its mark and its flow. */
  private hasSeen(frame: Frame, link: Link): boolean {
    const kind = this.links.kind[link];
    if (kind === LinkKind.LOOPBACK) return true;
    return kind === LinkKind.BRIDGE && this.arena.bridgePort[frame] !== 0 && this.showsBridged(this.namespaceOf(link));
  }

  /** Whether the bridges of a namespace show netfilter what they forward: IPv4 packets, IPv6 packets, or both. */
  showsBridged(namespace: Namespace): boolean {
    if (this.hooks.isOn[namespace] === 0) return false;
    const { conf } = this;
    return conf.net(namespace, Net4.BRIDGE_NF_CALL) !== 0 || conf.netOf6(namespace, Net6.BRIDGE_NF_CALL) !== 0;
  }

  /** What netfilter has noted about a packet ends where the packet does: an answer may be written in its place. */
  forgetTraces(frame: Frame): void {
    const { arena } = this;
    arena.mark[frame] = 0;
    arena.flow[frame] = 0;
    arena.flowInfo[frame] = 0;
    arena.bridgePort[frame] = 0;
    arena.maxFragment[frame] = 0;
  }

  private addressee(frame: Frame, link: Link): Received {
    const { words16, words32, offset } = this.arena;
    const at = offset[frame];
    const high = words16[at >> 1];
    const low = words32[(at + 2) >> 2];
    if (high === this.links.macHigh[link] && low === this.links.macLow[link]) return Received.HOST;
    // What the FDB let up to br0 is for one of its addresses: its ports' are its own.
    if ((high & 1) === 0) return this.links.kind[link] === LinkKind.BRIDGE ? Received.HOST : Received.OTHER_HOST;
    return high === 0xffff && low === -1 ? Received.BROADCAST : Received.MULTICAST;
  }

  // --- frames -----------------------------------------------------------------------------------

  /** A frame that may be changed: the given one, or where others hold it a copy. NONE: it was dropped. */
  own(frame: Frame): Frame {
    const { arena } = this;
    if (arena.references[frame] === 0) return frame;
    const copy = arena.copy(frame);
    if (copy === NONE) this.drop(frame, DropReason.ARENA_FULL);
    else arena.release(frame);
    return copy;
  }

  /** A frame for a packet of our own, Ethernet header included, its bytes undefined; NONE when the arena is full. */
  create(length: number): Frame {
    const { arena } = this;
    const frame = arena.allocate(length);
    if (frame === NONE) return NONE;
    this.links.totals[Total.GENERATED]++;
    arena.ingress[frame] = 0;
    arena.received[frame] = Received.HOST;
    this.forgetTraces(frame);
    return frame;
  }

  /** A frame made here seems to have come by its namespace's `lo`: so errors about it know where they belong. */
  setOrigin(frame: Frame, namespace: Namespace): void {
    if (this.arena.ingress[frame] === 0) this.arena.ingress[frame] = this.loopback[namespace];
  }

  /** Counted for the link that it came in by; of frames made here, for `lo`. */
  drop(frame: Frame, reason: DropReason): void {
    this.egress.drop(frame, this.arena.ingress[frame], reason);
  }

  /** It has reached its end here, as it should. */
  deliver(frame: Frame): void {
    this.links.totals[Total.DELIVERED]++;
    this.arena.release(frame);
  }

  /** Its Ethernet header is written: out by a link. */
  transmit(frame: Frame, link: Link): void {
    this.egress.enqueue(frame, link);
  }

  namespaceOf(link: Link): Namespace {
    return this.links.namespace[link];
  }

  /** Where the frame's IP header starts. */
  network(frame: Frame): number {
    return this.arena.offset[frame] + Ethernet.BYTES;
  }

  /** 31 random bits: reproducible from the keys, not secret. */
  random(): number {
    this.seed = xorshift(this.seed);
    return this.seed & 0x7fffffff;
  }

  /** Work that time asks for. Returns ms until more is due, 0 = at once, -1 = never. */
  timers(now: number): number {
    return sooner(sooner(this.neighbour.timers(now), this.reassembly.timers(now)), this.icmp6.timers(now));
  }

  /** A link goes: nothing may refer to it any more. */
  forgetLink(link: Link): void {
    this.neighbour.forgetLink(link);
    this.icmp6.forgetLink(link);
    this.reassembly.forgetLink(link);
    this.endpoints.forgetLink(link);
    this.addresses.clear(link);
  }

  /** A namespace goes, after all its links. */
  forgetNamespace(namespace: Namespace): void {
    this.loopback[namespace] = NONE;
    this.icmp4.forget(namespace);
    this.fib.forget(namespace);
  }
}
