/*
 * Neighbours: the last step of every packet that leaves, from next hop to Ethernet header.
 *
 *   output4 · output6 ─ neighbour known? ─┬─ yes ─► header, out
 *                                         └─ no ──► waits (neighbour-queue) while it is asked for
 *   neighbour-states   the state machine, its deadlines, garbage       tables/neighbours   the table itself
 *   neighbour-arp      ARP for IPv4                                    neighbour-nd        neighbour discovery for IPv6
 *   neighbour-proxy    whom we answer for, and answers that wait
 *
 * Broadcast and multicast next hops have no entry: their addresses follow from the next hop (RFC 1112 §6.4, RFC 2464 §7). On a link
 * without resolution (lo, dummy) a frame goes to the link's own address, as in Linux.
 *
 * The family is the next hop's: an IPv4 packet may go `via inet6`, so the EtherType is taken from the packet.
 */
import { type Frame, NONE } from '../core/arena.js';
import { sooner } from '../core/delay.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag } from '../core/links.js';
import { NeighbourFamily, type Neighbours } from '../tables/neighbours.js';
import { read32, swap32 } from '../wire/field.js';
import { Conf4, Conf6 } from './conf.js';
import { RouteType } from './fib.js';
import type { Inet } from './inet.js';
import { NeighbourArp } from './neighbour-arp.js';
import { NeighbourNd } from './neighbour-nd.js';
import { NeighbourProxies } from './neighbour-proxy.js';
import { NeighbourStates } from './neighbour-states.js';

/** EtherTypes as a little-endian machine reads them. */
const IPV4 = 0x0008;
const IPV6 = 0xdd86;

/** First bytes of the addresses of groups, and broadcast, little-endian. */
const GROUP4_HIGH = 0x0001;
const GROUP6_HIGH = 0x3333;
const BROADCAST_HIGH = 0xffff;
const BROADCAST_LOW = -1;

const enum Unreachable {
  TYPE4 = 3,
  HOST4 = 1,
  TYPE6 = 1,
  ADDRESS6 = 3,
}

/** Told that another node has, or wants, an IPv6 address of a link that is still tentative. */
export type ConflictWatch = (link: Link, a: number, b: number, c: number, d: number) => void;

export class NeighbourDiscovery {
  onConflict: ConflictWatch | undefined;
  readonly states: NeighbourStates;
  readonly arp: NeighbourArp;
  readonly nd: NeighbourNd;
  readonly proxies: NeighbourProxies;
  private readonly neighbours: Neighbours;

  constructor(private readonly inet: Inet) {
    this.neighbours = inet.neighbours;
    this.states = new NeighbourStates(inet);
    this.arp = new NeighbourArp(inet);
    this.nd = new NeighbourNd(inet);
    this.proxies = new NeighbourProxies(inet);
  }

  // --- out ----------------------------------------------------------------------------------------

  /** A frame whose IP header is final, to a next hop on a link: given. */
  output4(frame: Frame, link: Link, nextHop: number, now: number): void {
    const known = this.neighbours.lookup4(link, nextHop);
    if (known !== NONE) return this.outputTo(frame, known, now);
    if ((this.inet.links.flags[link] & LinkFlag.NO_ARP) !== 0) return this.sendToSelf(frame, link);
    if (nextHop >>> 28 === 14) return this.send(frame, link, GROUP4_HIGH, groupLow4(nextHop));
    if (this.arp.typeOfAddress(this.inet.namespaceOf(link), nextHop) === RouteType.BROADCAST) {
      return this.send(frame, link, BROADCAST_HIGH, BROADCAST_LOW);
    }
    const slot = this.states.create4(link, nextHop, false, now);
    if (slot === NONE) this.inet.drop(frame, DropReason.NEIGHBOUR_TABLE);
    else this.outputTo(frame, slot, now);
  }

  output6(frame: Frame, link: Link, a: number, b: number, c: number, d: number, now: number): void {
    if (a >>> 24 === 0xff) return this.send(frame, link, GROUP6_HIGH, swap32(d));
    const known = this.neighbours.lookup6(link, a, b, c, d);
    if (known !== NONE) return this.outputTo(frame, known, now);
    if ((this.inet.links.flags[link] & LinkFlag.NO_ARP) !== 0) return this.sendToSelf(frame, link);
    const slot = this.states.create6(link, a, b, c, d, false, now);
    if (slot === NONE) this.inet.drop(frame, DropReason.NEIGHBOUR_TABLE);
    else this.outputTo(frame, slot, now);
  }

  /** A frame to a neighbour: now, or once its address is known. */
  outputTo(frame: Frame, slot: number, now: number): void {
    const { neighbours } = this;
    if (neighbours.isUsable(slot) || this.states.use(slot, now)) {
      this.send(frame, neighbours.link(slot), neighbours.macHigh(slot), neighbours.macLow(slot));
    } else this.states.wait(slot, frame, now);
  }

  private sendToSelf(frame: Frame, link: Link): void {
    const { macHigh, macLow } = this.inet.links;
    this.send(frame, link, macHigh[link], macLow[link]);
  }

  /** Writes the Ethernet header; a frame's offset is 2 modulo 4, so its fields are whole words. */
  private send(frame: Frame, link: Link, high: number, low: number): void {
    const { arena, links } = this.inet;
    const { words16, words32 } = arena;
    const at = arena.offset[frame];
    const ownLow = links.macLow[link];
    words16[at >> 1] = high;
    words32[(at + 2) >> 2] = low;
    words32[(at + 6) >> 2] = links.macHigh[link] | (ownLow << 16);
    words16[(at + 10) >> 1] = ownLow >>> 16;
    words16[(at + 12) >> 1] = arena.bytes[at + 14] >>> 4 === 4 ? IPV4 : IPV6;
    this.inet.transmit(frame, link);
  }

  /** Asks for a neighbour, on behalf of a frame that waits or of none. */
  solicit(slot: number, frame: Frame, now: number): void {
    if (this.neighbours.family(slot) === NeighbourFamily.IPV4) this.arp.solicit(slot, frame);
    else this.nd.solicit(slot, frame, now);
  }

  /** A frame's next hop does not answer: tells its sender, and drops it. */
  unreachable(frame: Frame, now: number): void {
    const { inet } = this;
    const isIpv4 = inet.arena.bytes[inet.network(frame)] >>> 4 === 4;
    if (isIpv4) inet.icmp4.error(frame, Unreachable.TYPE4, Unreachable.HOST4, 0, now);
    else inet.icmp6.error(frame, Unreachable.TYPE6, Unreachable.ADDRESS6, 0, now);
    inet.drop(frame, DropReason.NEIGHBOUR_FAILED);
  }

  // --- in -----------------------------------------------------------------------------------------

  /** An ARP packet: given. */
  receiveArp(frame: Frame, link: Link, now: number): void {
    this.arp.receive(frame, link, now);
  }

  /** A message of neighbour discovery, ICMPv6 types 133 to 137, from `at` to `end` in the arena, its checksum right: given. */
  receiveNd(frame: Frame, link: Link, at: number, end: number, now: number): void {
    this.nd.receive(frame, link, at, end, now);
  }

  /** Whether packets that come by a link for the address at `at` are for a host that we are a proxy of (net.ipv6.conf.all.proxy_ndp). */
  isProxied6(link: Link, bytes: Uint8Array, at: number): boolean {
    if (this.proxies.of[link].length === 0) return false;
    const namespace = this.inet.namespaceOf(link);
    if (this.inet.conf.all6[namespace * Conf6.COUNT + Conf6.PROXY_NDP] === 0) return false;
    const c = read32(bytes, at + 8);
    const a = read32(bytes, at);
    const b = read32(bytes, at + 4);
    const d = read32(bytes, at + 12);
    return this.proxies.find(link, NeighbourFamily.IPV6, a, b, c, d) >= 0;
  }

  /** Whether a group is one that solicitations for a proxied address of the link go to. */
  isProxyGroup6(link: Link, a: number, b: number, c: number, d: number): boolean {
    return this.proxies.hasGroup(link, a, b, c, d);
  }

  // --- time and links ------------------------------------------------------------------------------

  /** Returns ms until more is due, 0 = at once, -1 = never. */
  timers(now: number): number {
    return sooner(this.states.timers(now), this.proxies.timers(now));
  }

  /** The link goes, or leaves its namespace: all that is known of its neighbours is void, and what came by it does not wait. */
  forgetLink(link: Link): void {
    this.flush(link, false, DropReason.NAMESPACE_GONE);
    this.proxies.clear(link, false, DropReason.NAMESPACE_GONE);
    this.states.forgetIngress(link);
  }

  /** It is down, or has another link-layer address (neigh_ifdown, neigh_changeaddr). */
  linkDown(link: Link): void {
    this.flush(link, false, DropReason.TX_LINK_DOWN);
    this.proxies.clear(link, false, DropReason.LINK_DOWN);
  }

  /** As linkDown, but proxies stay. */
  addressChanged(link: Link): void {
    this.flush(link, false, DropReason.NEIGHBOUR_FAILED);
  }

  /** Its other end is down: what is permanent stays (neigh_carrier_down); IPv4 neighbours all do without arp_evict_nocarrier. */
  carrierDown(link: Link): void {
    const evicts = this.inet.conf.and4(this.inet.namespaceOf(link), link, Conf4.ARP_EVICT_NOCARRIER);
    if (evicts) this.flushFamily(link, NeighbourFamily.IPV4, true, DropReason.TX_LINK_DOWN);
    this.flushFamily(link, NeighbourFamily.IPV6, true, DropReason.TX_LINK_DOWN);
    this.proxies.clear(link, true, DropReason.LINK_DOWN);
  }

  private flush(link: Link, keepsPermanent: boolean, reason: DropReason): void {
    this.flushFamily(link, NeighbourFamily.IPV4, keepsPermanent, reason);
    this.flushFamily(link, NeighbourFamily.IPV6, keepsPermanent, reason);
  }

  private flushFamily(link: Link, family: NeighbourFamily, keepsPermanent: boolean, reason: DropReason): void {
    const { neighbours } = this;
    let slot = neighbours.first(this.inet.namespaceOf(link), family);
    while (slot !== NONE) {
      const next = neighbours.next(slot);
      const stays = keepsPermanent && neighbours.isExempt(slot);
      if (neighbours.link(slot) === link && !stays) this.states.remove(slot, reason);
      slot = next;
    }
  }
}

/** 01:00:5e and the group's last 23 bits: bytes 2 to 5, little-endian. */
function groupLow4(group: number): number {
  return 0x5e | (((group >>> 16) & 0x7f) << 8) | ((group & 0xff00) << 8) | (group << 24);
}
