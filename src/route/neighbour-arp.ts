/*
 * ARP (RFC 826, 5227; net/ipv4/arp.c): what is asked, what is answered, and what is learned.
 *
 *   request ─ for us? ─┬─ local address, arp_ignore and arp_filter allow ──► learn the sender, answer
 *                      ├─ we are its way and a proxy ──► learn the sender, answer (later, if it was broadcast)
 *                      └─ else, as a reply ──► update the sender's entry, if there is one (or arp_accept makes one)
 *
 * An address that several links have is answered for on all of them, whichever it is on, unless settings say otherwise: the
 * host owns addresses, not the link (RFC 1122 §3.3.4.2).
 */
import { type Frame, NONE, Received } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag, LinkKind, type Namespace } from '../core/links.js';
import { Neighbour, NeighbourFamily, Nud } from '../tables/neighbours.js';
import * as arp from '../wire/arp.js';
import { Arp, ArpOperation } from '../wire/arp.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { write32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import * as mac from '../wire/mac.js';
import { Address4, Scope } from './addresses.js';
import { Conf4 } from './conf.js';
import { NextHop, Route, RouteType } from './fib.js';
import type { Inet } from './inet.js';
import { Setting, Update } from './neighbour-states.js';

/** `process` keeps the frame until the answer is due. */
const KEPT = -1;

export class NeighbourArp {
  constructor(private readonly inet: Inet) {}

  // --- in -----------------------------------------------------------------------------------------

  /** An ARP packet for us: given. */
  receive(frame: Frame, link: Link, now: number): void {
    const { arena, links } = this.inet;
    const at = this.inet.network(frame);
    if ((links.flags[link] & LinkFlag.NO_ARP) !== 0) return this.inet.drop(frame, DropReason.ARP_IGNORED);
    if (!arp.check(arena.bytes, at, arena.offset[frame] + arena.headLength(frame))) {
      return this.inet.drop(frame, DropReason.ARP_INVALID);
    }
    this.end(frame, this.process(frame, link, at, false, now));
  }

  /** A request that waited for a proxy's answer. */
  answerLate(frame: Frame, link: Link, now: number): void {
    this.end(frame, this.process(frame, link, this.inet.network(frame), true, now));
  }

  private end(frame: Frame, reason: number): void {
    if (reason === DropReason.NONE) this.inet.deliver(frame);
    else if (reason !== KEPT) this.inet.drop(frame, reason);
  }

  /** arp_process. Answers why it is dropped, NONE where it is not, or KEPT. */
  private process(frame: Frame, link: Link, at: number, isLate: boolean, now: number): number {
    const { bytes } = this.inet.arena;
    const operation = arp.operation(bytes, at);
    if (operation !== ArpOperation.REQUEST && operation !== ArpOperation.REPLY) return DropReason.ARP_INVALID;
    const source = arp.senderIp(bytes, at);
    const target = arp.targetIp(bytes, at);
    const namespace = this.inet.namespaceOf(link);
    const { conf } = this.inet;
    if (ipv4.isMulticast(target)) return DropReason.ARP_INVALID;
    if (target >>> 24 === 127 && !conf.or4(namespace, link, Conf4.ROUTE_LOCALNET)) return DropReason.ARP_INVALID;
    if (source === target && conf.or4(namespace, link, Conf4.DROP_GRATUITOUS_ARP)) return DropReason.ARP_IGNORED;
    if (source === 0) return this.answerDetection(link, at, operation, target);
    if (operation === ArpOperation.REQUEST) {
      const route = this.routeIn(namespace, link, source, target);
      const type = this.typeOf(route);
      if (type === RouteType.LOCAL) return this.answerLocal(link, at, source, target, now);
      if (type === RouteType.UNICAST && conf.forwards4(link) && this.isProxy(link, route, source, target)) {
        return this.answerForOther(frame, link, at, isLate, now);
      }
    }
    this.learn(frame, link, at, operation, now);
    return DropReason.NONE;
  }

  /** A probe from 0.0.0.0: is the address taken (RFC 5227 §2.1.1)? Nothing is learned from it. */
  private answerDetection(link: Link, at: number, operation: number, target: number): DropReason {
    const namespace = this.inet.namespaceOf(link);
    const isOurs = operation === ArpOperation.REQUEST && this.typeOfAddress(namespace, target) === RouteType.LOCAL;
    if (!isOurs) return DropReason.NONE;
    if (this.isIgnored(link, 0, target)) return DropReason.ARP_IGNORED;
    this.reply(link, at);
    return DropReason.NONE;
  }

  private answerLocal(link: Link, at: number, source: number, target: number, now: number): DropReason {
    const namespace = this.inet.namespaceOf(link);
    if (this.isIgnored(link, source, target)) return DropReason.ARP_IGNORED;
    if (this.inet.conf.or4(namespace, link, Conf4.ARP_FILTER) && !this.isWayBack(namespace, link, source, target)) {
      return DropReason.ARP_IGNORED;
    }
    if (this.learnAsker(link, at, source, now)) this.reply(link, at);
    return DropReason.NONE;
  }

  private answerForOther(frame: Frame, link: Link, at: number, isLate: boolean, now: number): number {
    this.learnAsker(link, at, arp.senderIp(this.inet.arena.bytes, at), now);
    const { states, proxies } = this.inet.neighbour;
    const delayMs = states.setting(link, NeighbourFamily.IPV4, Setting.PROXY_DELAY_MS);
    if (isLate || this.inet.arena.received[frame] === Received.HOST || delayMs === 0) {
      this.reply(link, at);
      return DropReason.NONE;
    }
    const limit = states.setting(link, NeighbourFamily.IPV4, Setting.PROXY_QUEUE);
    proxies.wait(frame, link, NeighbourFamily.IPV4, delayMs, limit, at, at, now);
    return KEPT;
  }

  /** Who asks for us will be answered, so it is worth an entry (neigh_event_ns). False: the table is full. */
  private learnAsker(link: Link, at: number, source: number, now: number): boolean {
    const { states } = this.inet.neighbour;
    const slot = states.create4(link, source, false, now);
    if (slot === NONE) return false;
    this.update(slot, at, Nud.STALE, Update.OVERRIDE, now);
    return true;
  }

  private update(slot: number, at: number, state: Nud, flags: number, now: number): void {
    const { bytes } = this.inet.arena;
    const sender = at + Arp.SENDER_MAC;
    this.inet.neighbour.states.update(slot, true, mac.high(bytes, sender), mac.low(bytes, sender), state, flags, now);
  }

  /** A reply, or a request that is not for us: news of a neighbour that we know, or want to. */
  private learn(frame: Frame, link: Link, at: number, operation: number, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const { states } = inet.neighbour;
    const source = arp.senderIp(bytes, at);
    const known = inet.neighbours.lookup4(link, source);
    const isAccepted = this.isAccepted(link, source);
    if (known === NONE && !isAccepted) return;
    const namespace = inet.namespaceOf(link);
    const isUnicast = this.typeOfAddress(namespace, source) === RouteType.UNICAST;
    const isGratuitous = isUnicast && this.isGratuitous(at, operation);
    const isReply = operation === ArpOperation.REPLY;
    let slot = known;
    if (slot === NONE && (isGratuitous || (isReply && isUnicast))) slot = states.create4(link, source, false, now);
    if (slot === NONE) return;
    const lockMs = states.setting(link, NeighbourFamily.IPV4, Setting.LOCKTIME_MS);
    const updated = inet.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.UPDATED];
    const overrides = isGratuitous || ((now - updated) | 0) > lockMs;
    const isAnswer = isReply && inet.arena.received[frame] === Received.HOST;
    this.update(slot, at, isAnswer ? Nud.REACHABLE : Nud.STALE, overrides ? Update.OVERRIDE : 0, now);
  }

  /** About itself; a reply must say so in its hardware addresses, too (arp_is_garp). */
  private isGratuitous(at: number, operation: number): boolean {
    const { bytes } = this.inet.arena;
    if (arp.senderIp(bytes, at) !== arp.targetIp(bytes, at)) return false;
    if (operation !== ArpOperation.REPLY) return true;
    const sender = at + Arp.SENDER_MAC;
    const target = at + Arp.TARGET_MAC;
    return mac.high(bytes, sender) === mac.high(bytes, target) && mac.low(bytes, sender) === mac.low(bytes, target);
  }

  // --- settings -----------------------------------------------------------------------------------

  /** arp_accept: whether a neighbour not known becomes known by what it says unasked. */
  private isAccepted(link: Link, source: number): boolean {
    const accept = this.inet.conf.max4(this.inet.namespaceOf(link), link, Conf4.ARP_ACCEPT);
    return accept === 1 || (accept === 2 && this.confirms(link, source, 0, Scope.LINK));
  }

  /** arp_ignore: whether to leave a request for an address of ours unanswered. */
  private isIgnored(link: Link, source: number, target: number): boolean {
    switch (this.inet.conf.max4(this.inet.namespaceOf(link), link, Conf4.ARP_IGNORE)) {
      case 1:
        return !this.confirms(link, 0, target, Scope.HOST);
      case 2:
        return !this.confirms(link, source, target, Scope.HOST);
      case 3:
        return !this.confirmsAnywhere(link, target, Scope.LINK);
      case 8:
        return true;
      default:
        return false;
    }
  }

  /**
   * confirm_addr_indev, for the two ways it is asked: whether a link has the address `local` (0: any) with a scope no narrower than
   * `scope`, and a subnet with both `local` and `remote` (0: any).
   */
  private confirms(link: Link, remote: number, local: number, scope: number): boolean {
    const { conf, addresses } = this.inet;
    const list = addresses.of4[link];
    const isLocalnetRouted = conf.or4(this.inet.namespaceOf(link), link, Conf4.ROUTE_LOCALNET);
    let isThere = false;
    let isNear = false;
    for (let at = 0; at < list.length; at += Address4.WORDS) {
      const own = list[at + Address4.SCOPE];
      const least = isLocalnetRouted && own > Scope.LINK ? Scope.LINK : own;
      isThere ||= (local === 0 || local === list[at]) && least <= scope;
      isNear ||= (local === 0 || isInside(list, at, local)) && (remote === 0 || isInside(list, at, remote));
    }
    return isThere && isNear;
  }

  private confirmsAnywhere(link: Link, target: number, scope: number): boolean {
    const { addresses, links } = this.inet;
    const namespace = this.inet.namespaceOf(link);
    for (let other = 0; other < addresses.of4.length; other++) {
      if (addresses.of4[other].length === 0 || links.namespace[other] !== namespace) continue;
      if (this.confirms(other, 0, target, scope)) return true;
    }
    return false;
  }

  /** arp_filter: whether what we would send to the asker leaves by the link that it asked on. */
  private isWayBack(namespace: Namespace, link: Link, source: number, target: number): boolean {
    const route = this.lookup(namespace, this.inet.loopback[namespace], source, target);
    const type = this.typeOf(route);
    if (type !== RouteType.UNICAST && type !== RouteType.BROADCAST) return false;
    return this.linkOf(route) === link;
  }

  /** Whether we answer for a host elsewhere: proxy_arp, proxy_arp_pvlan for one on the same link, or by command. */
  private isProxy(link: Link, route: number, source: number, target: number): boolean {
    const { conf } = this.inet;
    const namespace = this.inet.namespaceOf(link);
    const out = this.linkOf(route);
    if (out === link) return source !== target && conf.or4(namespace, link, Conf4.PROXY_ARP_PVLAN);
    if (conf.or4(namespace, link, Conf4.PROXY_ARP) && this.isOtherMedium(link, out)) return true;
    return this.inet.neighbour.proxies.find(link, NeighbourFamily.IPV4, target, 0, 0, 0) >= 0;
  }

  /** medium_id: 0 = each link is one of its own, -1 = no proxy here. */
  private isOtherMedium(link: Link, out: Link): boolean {
    const { conf } = this.inet;
    const here = conf.of4(link, Conf4.MEDIUM_ID);
    if (here === 0 || here === -1) return here === 0;
    const there = conf.of4(out, Conf4.MEDIUM_ID);
    return there !== here && there !== -1;
  }

  // --- routes -------------------------------------------------------------------------------------

  private typeOf(route: number): RouteType {
    return route <= 0 ? RouteType.NONE : this.inet.fib.routes[(route << Route.SHIFT) + Route.TYPE];
  }

  private linkOf(route: number): Link {
    const { routes, nexthops } = this.inet.fib;
    return nexthops[(routes[(route << Route.SHIFT) + Route.NEXTHOP] << NextHop.SHIFT) + NextHop.LINK];
  }

  private lookup(namespace: Namespace, iif: Link, destination: number, source: number): number {
    const { fib } = this.inet;
    if (fib.hasRules4(namespace)) fib.setFlow(iif, 0, 0, 0);
    return fib.lookup4(namespace, destination, source);
  }

  /** RTN_* of an address as such: local, broadcast, multicast, else unicast (inet_addr_type). */
  typeOfAddress(namespace: Namespace, address: number): RouteType {
    if (address === 0 || address === -1) return RouteType.BROADCAST;
    if (ipv4.isMulticast(address)) return RouteType.MULTICAST;
    const type = this.typeOf(this.lookup(namespace, this.inet.loopback[namespace], address, 0));
    return type === RouteType.LOCAL || type === RouteType.BROADCAST ? type : RouteType.UNICAST;
  }

  /** The route of a packet from `source` to `target` that came in by the link; 0 if it could not have (ip_route_input). */
  private routeIn(namespace: Namespace, link: Link, source: number, target: number): number {
    if (ipv4.isMulticast(source) || source === -1 || source >>> 24 === 0 || target === -1) return 0;
    if (source >>> 24 === 127 && !this.inet.conf.or4(namespace, link, Conf4.ROUTE_LOCALNET)) return 0;
    const route = this.lookup(namespace, link, target, source);
    const type = this.typeOf(route);
    if (type !== RouteType.LOCAL && type !== RouteType.UNICAST) return 0;
    return this.isSource(namespace, link, source) ? route : 0;
  }

  /** Whether a packet with this source may come in by the link (fib_validate_source). */
  private isSource(namespace: Namespace, link: Link, source: number): boolean {
    const { inet } = this;
    if (inet.links.kind[link] === LinkKind.LOOPBACK) return true;
    const acceptsLocal = inet.conf.of4(link, Conf4.ACCEPT_LOCAL) !== 0;
    if (inet.addresses.isOwn4(namespace, source)) return acceptsLocal;
    const filter = inet.conf.max4(namespace, link, Conf4.RP_FILTER);
    if (filter === 0) return true;
    const route = this.lookup(namespace, link, source, 0);
    const type = this.typeOf(route);
    if (type === RouteType.LOCAL) return acceptsLocal;
    return type === RouteType.UNICAST && (filter === 2 || inet.fib.leadsTo(route, link));
  }

  // --- out ----------------------------------------------------------------------------------------

  /** Asks for a neighbour: it alone where its address is known and not too often tried, else all. */
  solicit(slot: number, frame: Frame): void {
    const { neighbours, neighbour } = this.inet;
    const row = slot << Neighbour.SHIFT;
    const link = neighbours.link(slot);
    const target = neighbours.rows[row + Neighbour.A];
    const source = this.chooseSource(link, target, frame);
    const unicast = neighbour.states.setting(link, NeighbourFamily.IPV4, Setting.UCAST_SOLICIT);
    const application = neighbour.states.setting(link, NeighbourFamily.IPV4, Setting.APP_SOLICIT);
    const probes = neighbours.rows[row + Neighbour.PROBES];
    if (probes < unicast) return this.request(link, source, target, neighbours.macHigh(slot), neighbours.macLow(slot));
    if (probes >= unicast + application) this.request(link, source, target, 0xffff, -1);
  }

  /** arp_announce: the address that we ask as, which the asked one will learn. */
  private chooseSource(link: Link, target: number, frame: Frame): number {
    const namespace = this.inet.namespaceOf(link);
    const own = this.sourceOf(namespace, frame);
    const announce = this.inet.conf.max4(namespace, link, Conf4.ARP_ANNOUNCE);
    if (own !== 0 && announce === 0) return own;
    if (own !== 0 && announce === 1 && this.shareSubnet(link, target, own)) return own;
    return this.inet.ip4.selectAddress(namespace, link, target, Scope.LINK);
  }

  /** Whether a subnet of the link has both (inet_addr_onlink). */
  private shareSubnet(link: Link, a: number, b: number): boolean {
    const list = this.inet.addresses.of4[link];
    for (let at = 0; at < list.length; at += Address4.WORDS) {
      if (isInside(list, at, a) && isInside(list, at, b)) return true;
    }
    return false;
  }

  /** The source of the frame that waits, if it is an address of ours; else 0. */
  private sourceOf(namespace: Namespace, frame: Frame): number {
    if (frame === NONE) return 0;
    const { bytes } = this.inet.arena;
    const at = this.inet.network(frame);
    if (bytes[at] >>> 4 !== 4) return 0;
    const source = ipv4.source(bytes, at);
    return this.typeOfAddress(namespace, source) === RouteType.LOCAL ? source : 0;
  }

  /** A request for an address, to one station or all; the target's hardware address is left empty, as Linux does. */
  request(link: Link, source: number, target: number, high: number, low: number): void {
    this.send(link, ArpOperation.REQUEST, source, target, high, low, 0, 0);
  }

  /** Says on a link that an address is ours (arp_notify; RFC 5227 §2.3 would have the same). */
  announce(link: Link, address: number): void {
    this.request(link, address, address, 0xffff, -1);
  }

  /** Answers the request at `at`. */
  private reply(link: Link, at: number): void {
    const { bytes } = this.inet.arena;
    const high = mac.high(bytes, at + Arp.SENDER_MAC);
    const low = mac.low(bytes, at + Arp.SENDER_MAC);
    const source = arp.targetIp(bytes, at);
    const target = arp.senderIp(bytes, at);
    this.send(link, ArpOperation.REPLY, source, target, high, low, high, low);
  }

  private send(
    link: Link,
    operation: ArpOperation,
    source: number,
    target: number,
    toHigh: number,
    toLow: number,
    targetHigh: number,
    targetLow: number,
  ): void {
    const { inet } = this;
    const frame = inet.create(Ethernet.BYTES + Arp.BYTES);
    if (frame === NONE) return;
    const { bytes, offset } = inet.arena;
    const { macHigh, macLow } = inet.links;
    const start = offset[frame];
    const at = start + Ethernet.BYTES;
    mac.write(bytes, start + Ethernet.DESTINATION, toHigh, toLow);
    mac.write(bytes, start + Ethernet.SOURCE, macHigh[link], macLow[link]);
    writeType(bytes, start, EtherType.ARP);
    arp.write(bytes, at, operation, 0, 0, source);
    mac.write(bytes, at + Arp.SENDER_MAC, macHigh[link], macLow[link]);
    mac.write(bytes, at + Arp.TARGET_MAC, targetHigh, targetLow);
    write32(bytes, at + Arp.TARGET_IP, target);
    inet.transmit(frame, link);
  }
}

/** Whether an address lies in the subnet of an entry of addresses.of4. */
function isInside(list: Int32Array, at: number, address: number): boolean {
  const length = list[at + Address4.LENGTH];
  return length === 0 || (list[at + Address4.PEER] ^ address) >>> (32 - length) === 0;
}
