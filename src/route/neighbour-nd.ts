/*
 * Neighbour discovery (RFC 4861, 4862, 7527; net/ipv6/ndisc.c): what is asked, what is answered, and what is learned.
 *
 *   solicitation ─ for us? ─┬─ own address, not tentative ──► learn the sender, advertise
 *                           ├─ own, tentative ──► someone else wants it, too: a conflict
 *                           └─ anycast, or a proxy's ──► learn the sender, advertise (later, if it was multicast)
 *   advertisement ─┬─ of an own address ──► a conflict, if it is tentative
 *                  └─ of a known neighbour ──► its address, state and whether it is a router
 *   router solicitation, router advertisement ──► learn the sender; then they are the control plane's (endpoints)
 *   redirect ──► the next hop of one destination changes (pmtu)
 *
 * Solicitations for duplicate address detection carry a nonce that is made from the address and our keys: one that comes back to
 * us (a looped link) is known again without a table.
 */
import { type Frame, NONE, Received } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag, type Namespace } from '../core/links.js';
import { Neighbour, NeighbourFamily, NeighbourFlag, Nud } from '../tables/neighbours.js';
import { Ethernet } from '../wire/ethernet.js';
import { read32, write16, write32 } from '../wire/field.js';
import * as icmp from '../wire/icmp.js';
import { Icmp, Icmp6Type, NeighborFlag, NeighborOption, NoOption } from '../wire/icmp.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import * as mac from '../wire/mac.js';
import { Address6, AddressFlag, Scope } from './addresses.js';
import { Conf6 } from './conf.js';
import { NextHop, Route, RouteType } from './fib.js';
import type { Inet } from './inet.js';
import { ProxyRow } from './neighbour-proxy.js';
import { Setting, Update } from './neighbour-states.js';

/** A reason that is none: the frame is kept, or given on. */
const KEPT = -1;
/** Every such message has it, so that none comes from beyond the link (RFC 4861 §11.2). */
const HOP_LIMIT = 255;

/** Bytes of the messages before their options. */
const enum Fixed {
  SOLICITATION = 24,
  ROUTER_SOLICITATION = 8,
  ROUTER_ADVERTISEMENT = 16,
  REDIRECT = 40,
}

const REDIRECT_DESTINATION = 24;
const OPTION_BYTES = 8;

/** First words of ff02::1 and of ff02::1:ff00:0/104. */
const LINK_GROUP = 0xff020000 | 0;

const $source = new Int32Array(4);
const $chosen = new Uint8Array(16);
/** ff02::1, for choosing a source. */
const $allNodes = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

export class NeighbourNd {
  constructor(private readonly inet: Inet) {}

  // --- in -----------------------------------------------------------------------------------------

  /** A message of types 133 to 137, from `at` to `end` in the arena, its checksum right: given. */
  receive(frame: Frame, link: Link, at: number, end: number, now: number): void {
    const { bytes } = this.inet.arena;
    const ip = this.inet.network(frame);
    if (ipv6.hopLimit(bytes, ip) !== HOP_LIMIT || icmp.code(bytes, at) !== 0) {
      return this.inet.drop(frame, DropReason.ND_INVALID);
    }
    switch (icmp.type(bytes, at)) {
      case Icmp6Type.NEIGHBOR_SOLICITATION:
        return this.end(frame, this.solicited(frame, link, at, end, false, now));
      case Icmp6Type.NEIGHBOR_ADVERTISEMENT:
        return this.end(frame, this.advertised(link, ip, at, end, now));
      case Icmp6Type.ROUTER_SOLICITATION:
        return this.routerMessage(frame, this.routerSolicited(link, ip, at, end, now), at);
      case Icmp6Type.ROUTER_ADVERTISEMENT:
        return this.routerMessage(frame, this.routerAdvertised(link, ip, at, end, now), at);
      case Icmp6Type.REDIRECT:
        return this.end(frame, this.redirected(link, ip, at, end, now));
      default:
        return this.inet.drop(frame, DropReason.ND_INVALID);
    }
  }

  /** A solicitation that waited for a proxy's answer. */
  answerLate(frame: Frame, link: Link, at: number, end: number, now: number): void {
    this.end(frame, this.solicited(frame, link, at, end, true, now));
  }

  private end(frame: Frame, reason: number): void {
    if (reason === DropReason.NONE) this.inet.deliver(frame);
    else if (reason !== KEPT) this.inet.drop(frame, reason);
  }

  private routerMessage(frame: Frame, reason: DropReason, at: number): void {
    if (reason === DropReason.NONE) this.inet.endpoints.receiveNd(frame, at);
    else this.inet.drop(frame, reason);
  }

  // --- neighbour solicitations ---------------------------------------------------------------------

  /** ndisc_recv_ns. Answers why the frame is dropped, NONE where it is not, or KEPT. */
  private solicited(frame: Frame, link: Link, at: number, end: number, isLate: boolean, now: number): number {
    const { bytes } = this.inet.arena;
    const ip = this.inet.network(frame);
    const isDetection = ipv6.isUnspecified(bytes, ip + ipv6.Ipv6.SOURCE);
    const target = at + Icmp.NEIGHBOR_TARGET;
    if (at + Fixed.SOLICITATION > end || bytes[target] === 0xff) return DropReason.ND_INVALID;
    if (isDetection && !isSolicitedNode(bytes, ip + ipv6.Ipv6.DESTINATION)) return DropReason.ND_INVALID;
    const option = icmp.findOption(bytes, at + Fixed.SOLICITATION, end, NeighborOption.SOURCE_MAC);
    if (!isMacOption(bytes, option) || (isDetection && option >= 0)) return DropReason.ND_INVALID;
    const own = this.findOwn(link, target);
    if (own >= 0) {
      const flags = this.inet.addresses.of6[link][own + Address6.FLAGS];
      if ((flags & AddressFlag.TENTATIVE) !== 0) return this.solicitedTentative(link, at, end, isDetection);
    } else if (!this.isAnycast(link, target)) {
      const proxy = this.proxyOf(link, target);
      if (proxy < 0) return DropReason.ICMP_IGNORED;
      if (this.putOff(frame, link, at, end, isLate, now)) return KEPT;
      const isRouter = (this.inet.neighbour.proxies.of[link][proxy + ProxyRow.FLAGS] & NeighbourFlag.ROUTER) !== 0;
      return this.answer(link, ip, at, option, isDetection, false, isRouter, now);
    } else if (this.putOff(frame, link, at, end, isLate, now)) return KEPT;
    const isRouter = this.inet.conf.forwards6(link);
    return this.answer(link, ip, at, option, isDetection, own >= 0, isRouter, now);
  }

  /** Someone solicits an address that we are still asking for ourselves. */
  private solicitedTentative(link: Link, at: number, end: number, isDetection: boolean): DropReason {
    const { bytes } = this.inet.arena;
    if (!isDetection) return DropReason.ICMP_IGNORED;
    const nonce = icmp.findOption(bytes, at + Fixed.SOLICITATION, end, NeighborOption.NONCE);
    if (nonce >= 0 && bytes[nonce + 1] === 1 && this.isOwnNonce(link, at + Icmp.NEIGHBOR_TARGET, nonce + 2)) {
      return DropReason.NONE;
    }
    this.conflict(link, at + Icmp.NEIGHBOR_TARGET);
    return DropReason.NONE;
  }

  private conflict(link: Link, target: number): void {
    const { bytes } = this.inet.arena;
    const c = read32(bytes, target + 8);
    this.inet.neighbour.onConflict?.(
      link,
      read32(bytes, target),
      read32(bytes, target + 4),
      c,
      read32(bytes, target + 12),
    );
  }

  /** What was multicast and is not for one of our own addresses is answered a little later: others may be nearer. */
  private putOff(frame: Frame, link: Link, at: number, end: number, isLate: boolean, now: number): boolean {
    const { arena, neighbour } = this.inet;
    const isMulticast = arena.bytes[this.inet.network(frame) + ipv6.Ipv6.DESTINATION] === 0xff;
    if (isLate || !isMulticast || arena.received[frame] === Received.HOST) return false;
    const delayMs = neighbour.states.setting(link, NeighbourFamily.IPV6, Setting.PROXY_DELAY_MS);
    if (delayMs === 0) return false;
    const limit = neighbour.states.setting(link, NeighbourFamily.IPV6, Setting.PROXY_QUEUE);
    neighbour.proxies.wait(frame, link, NeighbourFamily.IPV6, delayMs, limit, at, end, now);
    return true;
  }

  private answer(
    link: Link,
    ip: number,
    at: number,
    option: number,
    isDetection: boolean,
    isOwn: boolean,
    isRouter: boolean,
    now: number,
  ): DropReason {
    const { bytes } = this.inet.arena;
    const target = at + Icmp.NEIGHBOR_TARGET;
    const router = isRouter ? NeighborFlag.ROUTER : 0;
    if (isDetection) {
      const override = isOwn ? NeighborFlag.OVERRIDE : 0;
      this.advertiseTo(link, bytes, target, $allNodes, 0, router | override, true, now);
      return DropReason.NONE;
    }
    const source = ip + ipv6.Ipv6.SOURCE;
    const isMulticast = bytes[ip + ipv6.Ipv6.DESTINATION] === 0xff;
    const slot = this.senderOf(link, source, !isMulticast || option >= 0, now);
    if (slot === NONE) return DropReason.NEIGHBOUR_TABLE;
    this.learn(slot, option, Nud.STALE, Update.WEAK_OVERRIDE | Update.OVERRIDE, now);
    const flags = router | NeighborFlag.SOLICITED | (isOwn && isMulticast ? NeighborFlag.OVERRIDE : 0);
    this.advertiseTo(link, bytes, target, bytes, source, flags, isMulticast, now);
    return DropReason.NONE;
  }

  // --- neighbour advertisements --------------------------------------------------------------------

  /** ndisc_recv_na. */
  private advertised(link: Link, ip: number, at: number, end: number, now: number): DropReason {
    const { bytes } = this.inet.arena;
    const target = at + Icmp.NEIGHBOR_TARGET;
    if (at + Fixed.SOLICITATION > end || bytes[target] === 0xff) return DropReason.ND_INVALID;
    const flags = bytes[at + Icmp.NEIGHBOR_FLAGS];
    const isSolicited = (flags & NeighborFlag.SOLICITED) !== 0;
    if (isSolicited && bytes[ip + ipv6.Ipv6.DESTINATION] === 0xff) return DropReason.ND_INVALID;
    if (!isSolicited && this.inet.conf.of6(link, Conf6.DROP_UNSOLICITED_NA) !== 0) return DropReason.ICMP_IGNORED;
    const option = icmp.findOption(bytes, at + Fixed.SOLICITATION, end, NeighborOption.TARGET_MAC);
    if (!isMacOption(bytes, option)) return DropReason.ND_INVALID;
    const own = this.findOwn(link, target);
    if (own >= 0) {
      const isTentative = (this.inet.addresses.of6[link][own + Address6.FLAGS] & AddressFlag.TENTATIVE) !== 0;
      if (isTentative) this.conflict(link, target);
      return isTentative ? DropReason.NONE : DropReason.ICMP_IGNORED;
    }
    const slot = this.find(link, target);
    if (slot === NONE || this.inet.neighbours.state(slot) === Nud.FAILED) return DropReason.ICMP_IGNORED;
    if (this.isOwnProxying(link, target, option)) return DropReason.ICMP_IGNORED;
    const update =
      Update.WEAK_OVERRIDE |
      Update.OVERRIDE_ISROUTER |
      ((flags & NeighborFlag.OVERRIDE) !== 0 ? Update.OVERRIDE : 0) |
      ((flags & NeighborFlag.ROUTER) !== 0 ? Update.ISROUTER : 0);
    this.learn(slot, option, isSolicited ? Nud.REACHABLE : Nud.STALE, update, now);
    return DropReason.NONE;
  }

  /** Our own advertisement for a proxied address, come back. */
  private isOwnProxying(link: Link, target: number, option: number): boolean {
    const { bytes } = this.inet.arena;
    const { macHigh, macLow } = this.inet.links;
    if (option < 0 || mac.high(bytes, option + 2) !== macHigh[link]) return false;
    return mac.low(bytes, option + 2) === macLow[link] && this.proxyOf(link, target) >= 0;
  }

  // --- routers -------------------------------------------------------------------------------------

  /** ndisc_recv_rs: a router learns who asks. */
  private routerSolicited(link: Link, ip: number, at: number, end: number, now: number): DropReason {
    const { bytes } = this.inet.arena;
    if (at + Fixed.ROUTER_SOLICITATION > end) return DropReason.ND_INVALID;
    const option = icmp.findOption(bytes, at + Fixed.ROUTER_SOLICITATION, end, NeighborOption.SOURCE_MAC);
    const source = ip + ipv6.Ipv6.SOURCE;
    const isUnknown = ipv6.isUnspecified(bytes, source);
    if (!isMacOption(bytes, option) || (isUnknown && option >= 0)) return DropReason.ND_INVALID;
    if (isUnknown || !this.inet.conf.forwards6(link)) return DropReason.NONE;
    const slot = this.senderOf(link, source, true, now);
    const flags = Update.WEAK_OVERRIDE | Update.OVERRIDE | Update.OVERRIDE_ISROUTER;
    if (slot !== NONE) this.learn(slot, option, Nud.STALE, flags, now);
    return DropReason.NONE;
  }

  /** The part of ndisc_router_discovery that is about the router as a neighbour. */
  private routerAdvertised(link: Link, ip: number, at: number, end: number, now: number): DropReason {
    const { bytes } = this.inet.arena;
    const source = ip + ipv6.Ipv6.SOURCE;
    if (at + Fixed.ROUTER_ADVERTISEMENT > end || !ipv6.isLinkLocal(bytes, source)) return DropReason.ND_INVALID;
    const option = icmp.findOption(bytes, at + Fixed.ROUTER_ADVERTISEMENT, end, NeighborOption.SOURCE_MAC);
    if (!isMacOption(bytes, option)) return DropReason.ND_INVALID;
    const slot = this.senderOf(link, source, true, now);
    const flags = Update.WEAK_OVERRIDE | Update.OVERRIDE | Update.OVERRIDE_ISROUTER | Update.ISROUTER;
    if (slot !== NONE) this.learn(slot, option, Nud.STALE, flags, now);
    return DropReason.NONE;
  }

  /** ndisc_redirect_rcv and rt6_do_redirect: a router knows a nearer next hop. Routers themselves do not listen. */
  private redirected(link: Link, ip: number, at: number, end: number, now: number): DropReason {
    const { bytes } = this.inet.arena;
    const source = ip + ipv6.Ipv6.SOURCE;
    const target = at + Icmp.NEIGHBOR_TARGET;
    const destination = at + REDIRECT_DESTINATION;
    if (at + Fixed.REDIRECT > end || !ipv6.isLinkLocal(bytes, source)) return DropReason.ND_INVALID;
    const option = icmp.findOption(bytes, at + Fixed.REDIRECT, end, NeighborOption.TARGET_MAC);
    if (!isMacOption(bytes, option) || bytes[destination] === 0xff) return DropReason.ND_INVALID;
    const isOnLink = isSame(bytes, target, destination);
    if (!isOnLink && !ipv6.isLinkLocal(bytes, target)) return DropReason.ND_INVALID;
    const isListening = !this.inet.conf.forwards6(link) && this.inet.conf.of6(link, Conf6.ACCEPT_REDIRECTS) !== 0;
    if (!isListening || !this.isGateway(link, destination, source)) return DropReason.ICMP_IGNORED;
    const slot = this.senderOf(link, target, true, now);
    if (slot === NONE) return DropReason.NEIGHBOUR_TABLE;
    const router = isOnLink ? 0 : Update.OVERRIDE_ISROUTER | Update.ISROUTER;
    this.learn(slot, option, Nud.STALE, Update.WEAK_OVERRIDE | Update.OVERRIDE | router, now);
    this.followRedirect(this.inet.namespaceOf(link), destination, target, now);
    return DropReason.NONE;
  }

  private followRedirect(namespace: Namespace, destination: number, target: number, now: number): void {
    const { bytes } = this.inet.arena;
    this.inet.pmtu.redirect6(
      namespace,
      read32(bytes, destination),
      read32(bytes, destination + 4),
      read32(bytes, destination + 8),
      read32(bytes, destination + 12),
      read32(bytes, target),
      read32(bytes, target + 4),
      read32(bytes, target + 8),
      read32(bytes, target + 12),
      now,
    );
  }

  /** Whether packets to a destination leave by the link and this router. */
  private isGateway(link: Link, destination: number, router: number): boolean {
    const { fib, arena } = this.inet;
    const { bytes } = arena;
    const route = this.lookup(link, destination);
    if (route <= 0) return false;
    const row = route << Route.SHIFT;
    const first = fib.routes[row + Route.NEXTHOP];
    for (let i = first; i < first + fib.routes[row + Route.COUNT]; i++) {
      const hop = i << NextHop.SHIFT;
      if (fib.nexthops[hop + NextHop.LINK] !== link || fib.nexthops[hop + NextHop.FAMILY] !== 6) continue;
      let isThis = true;
      for (let j = 0; j < 4; j++) {
        isThis &&= fib.nexthops[hop + NextHop.GATEWAY + j] === read32(bytes, router + j * 4);
      }
      if (isThis) return true;
    }
    return false;
  }

  // --- what is known -------------------------------------------------------------------------------

  private find(link: Link, at: number): number {
    const { bytes } = this.inet.arena;
    const c = read32(bytes, at + 8);
    return this.inet.neighbours.lookup6(link, read32(bytes, at), read32(bytes, at + 4), c, read32(bytes, at + 12));
  }

  /** The entry of the address at `at`; `isNew`: made if there is none. */
  private senderOf(link: Link, at: number, isNew: boolean, now: number): number {
    if (!isNew) return this.find(link, at);
    const { bytes } = this.inet.arena;
    const a = read32(bytes, at);
    const b = read32(bytes, at + 4);
    return this.inet.neighbour.states.create6(link, a, b, read32(bytes, at + 8), read32(bytes, at + 12), false, now);
  }

  /** `option`: where the link-layer address option starts, negative = there is none. */
  private learn(slot: number, option: number, state: Nud, flags: number, now: number): void {
    const { bytes } = this.inet.arena;
    const { states } = this.inet.neighbour;
    if (option < 0) states.update(slot, false, 0, 0, state, flags, now);
    else states.update(slot, true, mac.high(bytes, option + 2), mac.low(bytes, option + 2), state, flags, now);
  }

  /** Where the link's own address starts in addresses.of6[link], or -1. */
  private findOwn(link: Link, at: number): number {
    const { bytes } = this.inet.arena;
    const c = read32(bytes, at + 8);
    return this.inet.addresses.find6(link, read32(bytes, at), read32(bytes, at + 4), c, read32(bytes, at + 12));
  }

  private lookup(link: Link, at: number): number {
    const { fib } = this.inet;
    const namespace = this.inet.namespaceOf(link);
    if (fib.hasRules6(namespace)) fib.setFlow(this.inet.loopback[namespace], link, 0, 0);
    return fib.lookup6(namespace, this.inet.arena.bytes, at, at);
  }

  /** Whether the address is an anycast address of the link, such as a subnet's router address. */
  private isAnycast(link: Link, at: number): boolean {
    const { fib } = this.inet;
    const route = this.lookup(link, at);
    return (
      route > 0 && fib.routes[(route << Route.SHIFT) + Route.TYPE] === RouteType.ANYCAST && fib.leadsTo(route, link)
    );
  }

  /** The row of the link's proxy for an address, or -1: there is none, or we are no router and proxy here. */
  private proxyOf(link: Link, at: number): number {
    const { conf, neighbour, arena } = this.inet;
    const { bytes } = arena;
    const namespace = this.inet.namespaceOf(link);
    const all = conf.all6[namespace * Conf6.COUNT + Conf6.PROXY_NDP];
    if (!conf.forwards6(link) || (all | conf.of6(link, Conf6.PROXY_NDP)) === 0) return -1;
    const a = read32(bytes, at);
    const b = read32(bytes, at + 4);
    const c = read32(bytes, at + 8);
    return neighbour.proxies.find(link, NeighbourFamily.IPV6, a, b, c, read32(bytes, at + 12));
  }

  // --- out -----------------------------------------------------------------------------------------

  /** Asks for a neighbour: it alone where its address is known and not too often tried, else its solicited-node group. */
  solicit(slot: number, frame: Frame, now: number): void {
    const { neighbours, neighbour } = this.inet;
    const { rows } = neighbours;
    const row = slot << Neighbour.SHIFT;
    const link = neighbours.link(slot);
    if (!this.chooseSource(link, frame)) return;
    const unicast = neighbour.states.setting(link, NeighbourFamily.IPV6, Setting.UCAST_SOLICIT);
    const application = neighbour.states.setting(link, NeighbourFamily.IPV6, Setting.APP_SOLICIT);
    const probes = rows[row + Neighbour.PROBES];
    const a = rows[row];
    const b = rows[row + 1];
    const c = rows[row + 2];
    const d = rows[row + 3];
    const message = Icmp6Type.NEIGHBOR_SOLICITATION;
    if (probes < unicast) this.send(link, message, 0, a, b, c, d, a, b, c, d, true, now);
    else if (probes >= unicast + application) {
      this.send(link, message, 0, a, b, c, d, LINK_GROUP, 0, 1, d | 0xff000000, true, now);
    }
  }

  /** To $source: the source of the frame that waits, if it is an address of the link; else the link-local one. */
  private chooseSource(link: Link, frame: Frame): boolean {
    const { addresses, arena } = this.inet;
    const list = addresses.of6[link];
    if (frame !== NONE && arena.bytes[this.inet.network(frame)] >>> 4 === 6) {
      const own = this.findOwn(link, this.inet.network(frame) + ipv6.Ipv6.SOURCE);
      if (own >= 0 && (list[own + Address6.FLAGS] & AddressFlag.TENTATIVE) === 0) return copySource(list, own);
    }
    for (let at = 0; at < list.length; at += Address6.WORDS) {
      const isFit =
        list[at + Address6.SCOPE] === Scope.LINK && (list[at + Address6.FLAGS] & AddressFlag.TENTATIVE) === 0;
      if (isFit) return copySource(list, at);
    }
    return false;
  }

  /** Asks whether anybody has an address that we want (RFC 4862 §5.4.2). */
  detect(link: Link, a: number, b: number, c: number, d: number, now: number): void {
    $source.fill(0);
    this.send(link, Icmp6Type.NEIGHBOR_SOLICITATION, 0, a, b, c, d, LINK_GROUP, 0, 1, d | 0xff000000, false, now);
  }

  /** Tells all nodes on a link that an address is ours, unasked (ndisc_notify). */
  advertise(link: Link, a: number, b: number, c: number, d: number, now: number): void {
    const flags = NeighborFlag.OVERRIDE | (this.inet.conf.forwards6(link) ? NeighborFlag.ROUTER : 0);
    setSource(a, b, c, d);
    this.send(link, Icmp6Type.NEIGHBOR_ADVERTISEMENT, flags, a, b, c, d, LINK_GROUP, 0, 0, 1, true, now);
  }

  /** The target's and the receiver's address lie in `bytes` and `to`. From the target, if it is ours, else from an own address. */
  private advertiseTo(
    link: Link,
    bytes: Uint8Array,
    target: number,
    to: Uint8Array,
    toAt: number,
    flags: number,
    hasMac: boolean,
    now: number,
  ): void {
    const a = read32(bytes, target);
    const b = read32(bytes, target + 4);
    const c = read32(bytes, target + 8);
    const d = read32(bytes, target + 12);
    if (this.findOwn(link, target) >= 0) setSource(a, b, c, d);
    else if (this.inet.ip6.source(this.inet.namespaceOf(link), link, to, toAt, $chosen)) {
      setSource(read32($chosen, 0), read32($chosen, 4), read32($chosen, 8), read32($chosen, 12));
    } else return;
    const e = read32(to, toAt);
    const f = read32(to, toAt + 4);
    const g = read32(to, toAt + 8);
    const message = Icmp6Type.NEIGHBOR_ADVERTISEMENT;
    this.send(link, message, flags, a, b, c, d, e, f, g, read32(to, toAt + 12), hasMac, now);
  }

  /** A message about target a…d to e…h, from $source; from :: it has a nonce. */
  private send(
    link: Link,
    message: Icmp6Type,
    flags: number,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
    f: number,
    g: number,
    h: number,
    hasMac: boolean,
    now: number,
  ): void {
    const { inet } = this;
    if ((inet.links.flags[link] & LinkFlag.NO_ARP) !== 0) return;
    const isDetection = ($source[0] | $source[1] | $source[2] | $source[3]) === 0;
    const length = Fixed.SOLICITATION + (hasMac ? OPTION_BYTES : 0) + (isDetection ? OPTION_BYTES : 0);
    const frame = inet.create(Ethernet.BYTES + ipv6.Ipv6.BYTES + length);
    if (frame === NONE) return;
    const { bytes } = inet.arena;
    const ip = inet.network(frame);
    const at = ip + ipv6.Ipv6.BYTES;
    ipv6.write(bytes, ip, Protocol.ICMPV6, HOP_LIMIT, length);
    writeWords(bytes, ip + ipv6.Ipv6.SOURCE, $source[0], $source[1], $source[2], $source[3]);
    writeWords(bytes, ip + ipv6.Ipv6.DESTINATION, e, f, g, h);
    write32(bytes, at, message << 24);
    write32(bytes, at + Icmp.NEIGHBOR_FLAGS, flags << 24);
    writeWords(bytes, at + Icmp.NEIGHBOR_TARGET, a, b, c, d);
    if (hasMac) this.writeMac(link, message, at + Fixed.SOLICITATION);
    if (isDetection) this.writeNonce(link, at + Icmp.NEIGHBOR_TARGET, at + length - OPTION_BYTES);
    icmp.writeChecksum6(bytes, ip, at, length);
    inet.setOrigin(frame, inet.namespaceOf(link));
    if (inet.ip6.mayLeave(frame, link, now)) inet.neighbour.output6(frame, link, e, f, g, h, now);
  }

  private writeMac(link: Link, message: Icmp6Type, at: number): void {
    const { bytes } = this.inet.arena;
    const isSolicitation = message === Icmp6Type.NEIGHBOR_SOLICITATION;
    bytes[at] = isSolicitation ? NeighborOption.SOURCE_MAC : NeighborOption.TARGET_MAC;
    bytes[at + 1] = 1;
    mac.write(bytes, at + 2, this.inet.links.macHigh[link], this.inet.links.macLow[link]);
  }

  // --- nonces --------------------------------------------------------------------------------------

  private writeNonce(link: Link, target: number, at: number): void {
    const { bytes } = this.inet.arena;
    bytes[at] = NeighborOption.NONCE;
    bytes[at + 1] = 1;
    write16(bytes, at + 2, this.hash(link, target, 0));
    write32(bytes, at + 4, this.hash(link, target, 1));
  }

  private isOwnNonce(link: Link, target: number, at: number): boolean {
    const { bytes } = this.inet.arena;
    const first = (bytes[at] << 8) | bytes[at + 1];
    return first === (this.hash(link, target, 0) & 0xffff) && read32(bytes, at + 2) === this.hash(link, target, 1);
  }

  private hash(link: Link, target: number, salt: number): number {
    const { keys, arena } = this.inet;
    let h = Math.imul(link + 1, keys[0] | 1) ^ keys[1] ^ Math.imul(salt, 0x9e3779b1);
    for (let i = 0; i < 16; i += 4) {
      h = Math.imul(h ^ read32(arena.bytes, target + i), keys[2] | 1);
      h ^= h >>> 15;
    }
    return Math.imul(h, keys[3] | 1) ^ (h >>> 13);
  }
}

function setSource(a: number, b: number, c: number, d: number): void {
  $source[0] = a;
  $source[1] = b;
  $source[2] = c;
  $source[3] = d;
}

function copySource(list: Int32Array, at: number): true {
  setSource(list[at], list[at + 1], list[at + 2], list[at + 3]);
  return true;
}

function writeWords(bytes: Uint8Array, at: number, a: number, b: number, c: number, d: number): void {
  write32(bytes, at, a);
  write32(bytes, at + 4, b);
  write32(bytes, at + 8, c);
  write32(bytes, at + 12, d);
}

/** Whether an option that may be absent is one of an Ethernet address; a malformed list of options is not. */
function isMacOption(bytes: Uint8Array, option: number): boolean {
  return option === NoOption.ABSENT || (option >= 0 && bytes[option + 1] === 1);
}

function isSolicitedNode(bytes: Uint8Array, at: number): boolean {
  return (
    read32(bytes, at) === LINK_GROUP &&
    read32(bytes, at + 4) === 0 &&
    read32(bytes, at + 8) === 1 &&
    bytes[at + 12] === 0xff
  );
}

function isSame(bytes: Uint8Array, a: number, b: number): boolean {
  for (let i = 0; i < 16; i += 4) if (read32(bytes, a + i) !== read32(bytes, b + i)) return false;
  return true;
}
