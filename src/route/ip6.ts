/*
 * IPv6: what a router and a host do with a packet (RFC 8200, 4291, 4443; net/ipv6: ip6_input.c, route.c, ip6_output.c).
 *
 *   input ─ header ─ hop-by-hop options ─ whose? ─┬─ own address, joined group ─► local
 *                                                 ├─ unicast elsewhere ─► forward ─ scope, hop limit, MTU ─► output
 *                                                 └─ refused: ICMPv6 error, drop
 *   send ─ route ─ source (RFC 6724) ─► output ─► neighbour
 *
 * Routers never fragment IPv6. What is link-local never leaves its link: such a destination is looked for among the addresses of
 * the link itself, not in the routing tables, in which every link has the same fe80::/64.
 */
import { type Frame, Gso, NONE, Received, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkKind, MAX_LINKS, type Namespace } from '../core/links.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, read32, write16, write32 } from '../wire/field.js';
import { Icmp6Type, Unreachable6 } from '../wire/icmp.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Conf6 } from './conf.js';
import { Errno, errnoOf } from './errno.js';
import { NextHop, NoRoute, Route, RouteType } from './fib.js';
import { flowHash6 } from './flow-hash.js';
import { fragment6, MAX_FRAGMENTS } from './fragment.js';
import { HookFamily, Output } from './hooks.js';
import { checkHopByHop } from './hop-by-hop.js';
import type { Inet } from './inet.js';
import { SourceChoice, scopeOf } from './source6.js';

/** The least MTU of a link that carries IPv6 (RFC 8200 §5). */
export const MIN_MTU6 = 1280;

/** Routes as look-ups of link-local and multicast destinations answer them: the link itself. */
const ON_LINK = -100;

export class Ip6 {
  private readonly $fragments = new Int32Array(MAX_FRAGMENTS);
  private readonly choice = new SourceChoice();

  constructor(private readonly inet: Inet) {}

  /** Bytes, IP header included, of the longest packet that a frame is on the wire. */
  longestPacket(frame: Frame): number {
    const { arena } = this.inet;
    const at = this.inet.network(frame);
    const vnet = frame << Vnet.SHIFT;
    const whole = arena.length[frame] - Ethernet.BYTES;
    if (arena.vnet[vnet + Vnet.FLAGS_TYPE] >>> 8 === Gso.NONE) return whole;
    const transport = ipv6.transport(arena.bytes, at, arena.offset[frame] + arena.headLength(frame));
    if (transport < 0) return whole;
    const l4 = at + (transport >>> 8);
    const header = (transport & 0xff) === Protocol.TCP ? (arena.bytes[l4 + 12] >>> 4) << 2 : 8;
    return l4 - at + header + arena.vnet[vnet + Vnet.GSO_SIZE];
  }

  // --- in ----------------------------------------------------------------------------------------

  /** A frame of our own copy, addressed to us at the link layer. */
  input(frame: Frame, link: Link, now: number): void {
    const { inet } = this;
    const reason = this.checkHeader(frame, link);
    if (reason !== DropReason.NONE) return inet.drop(frame, reason);
    if (ipv6.nextHeader(inet.arena.bytes, inet.network(frame)) === ipv6.Extension.HOP_BY_HOP) {
      if (!checkHopByHop(inet, frame, link, now)) return;
    }
    const next = this.hasHooks(link) ? inet.hooks.prerouting6(frame, link, now) : frame;
    if (next !== NONE) this.route(next, link, now);
  }

  private hasHooks(link: Link): boolean {
    return (this.inet.hooks.isOn[this.inet.namespaceOf(link)] & HookFamily.IPV6) !== 0;
  }

  private checkHeader(frame: Frame, link: Link): DropReason {
    const { arena, conf, links } = this.inet;
    const { bytes } = arena;
    const at = this.inet.network(frame);
    if (conf.of6(link, Conf6.DISABLE_IPV6) !== 0) return DropReason.IPV6_DISABLED;
    if (!ipv6.check(bytes, at, arena.offset[frame] + arena.headLength(frame))) return DropReason.IPV6_HEADER;
    const length = Ethernet.BYTES + ipv6.Ipv6.BYTES + ipv6.payloadLength(bytes, at);
    if (length > arena.length[frame]) return DropReason.IPV6_HEADER;
    const source = at + ipv6.Ipv6.SOURCE;
    const destination = at + ipv6.Ipv6.DESTINATION;
    const isInside = links.kind[link] === LinkKind.LOOPBACK;
    if (!isInside && (ipv6.isLoopback(bytes, source) || ipv6.isLoopback(bytes, destination)))
      return DropReason.MARTIAN_SOURCE;
    if (ipv6.isMulticast(bytes, source)) return DropReason.MARTIAN_SOURCE;
    // RFC 4291 §2.7: scope 0 is reserved, and scope 1 never crosses a link.
    if (ipv6.isMulticast(bytes, destination) && !isInside) {
      const scope = bytes[destination + 1] & 15;
      if (scope === 0 || scope === 1) return DropReason.SCOPE;
    }
    arena.truncate(frame, length);
    return DropReason.NONE;
  }

  private route(frame: Frame, link: Link, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const destination = inet.network(frame) + ipv6.Ipv6.DESTINATION;
    if (ipv6.isMulticast(bytes, destination)) return this.receiveGroup(frame, link, destination, now);
    if (ipv6.isLinkLocal(bytes, destination)) return this.receiveLinkLocal(frame, link, destination, now);
    this.fillFlow(frame, link);
    const namespace = inet.namespaceOf(link);
    const route = inet.fib.lookup6(namespace, bytes, destination, inet.network(frame) + ipv6.Ipv6.SOURCE);
    const type = this.typeOf(route);
    const isForGroup = inet.arena.received[frame] !== Received.HOST;
    if (isForGroup && inet.conf.of6(link, Conf6.DROP_UNICAST_IN_L2_MULTICAST) !== 0)
      return inet.drop(frame, DropReason.NOT_UNICAST_LINK);
    if (type === RouteType.LOCAL || type === RouteType.ANYCAST) return inet.local.receive6(frame, now);
    if (type !== RouteType.UNICAST) return this.refuse(frame, route, type, now);
    const hop = this.select(route, frame);
    if (hop < 0) return this.refuse(frame, 0, RouteType.NONE, now);
    this.forward(frame, link, route, hop, now);
  }

  private receiveGroup(frame: Frame, link: Link, destination: number, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const a = read32(bytes, destination);
    const b = read32(bytes, destination + 4);
    const c = read32(bytes, destination + 8);
    const d = read32(bytes, destination + 12);
    const isAllNodes = (a | 0) === (0xff020000 | 0) && (b | c) === 0 && d === 1;
    const isOwn = isAllNodes || inet.addresses.isGroup6(link, a, b, c, d);
    if (isOwn || inet.neighbour.isProxyGroup6(link, a, b, c, d)) return inet.local.receive6(frame, now);
    inet.drop(frame, DropReason.NOT_JOINED);
  }

  private receiveLinkLocal(frame: Frame, link: Link, destination: number, now: number): void {
    const { inet } = this;
    if (this.isOwn(link, destination) || inet.links.kind[link] === LinkKind.LOOPBACK)
      return inet.local.receive6(frame, now);
    if (inet.neighbour.isProxied6(link, inet.arena.bytes, destination)) return inet.local.receive6(frame, now);
    if (!inet.addresses.hasLinkLocal(link)) return inet.drop(frame, DropReason.SCOPE);
    if (this.mayForward(frame, link, now)) this.forwardBack(frame, link, destination, now);
  }

  /** A neighbour's packet for another neighbour: by the link's fe80::/64, and the sender is told that it need not ask us. */
  private forwardBack(frame: Frame, link: Link, destination: number, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const mtu = this.mtuOf(0, link);
    const c = read32(bytes, destination + 8);
    const d = read32(bytes, destination + 12);
    inet.icmp6.redirect(frame, read32(bytes, destination), read32(bytes, destination + 4), c, d, now);
    if (this.longestPacket(frame) > mtu) {
      inet.icmp6.error(frame, Icmp6Type.PACKET_TOO_BIG, 0, mtu, now);
      return inet.drop(frame, DropReason.TOO_BIG);
    }
    bytes[inet.network(frame) + ipv6.Ipv6.HOP_LIMIT]--;
    if (this.passesForward(frame, link, link, now)) this.outputOn(frame, link, now);
  }

  /** Whether the link has an address; a tentative one is had for neighbour discovery alone, which local sees to. */
  private isOwn(link: Link, at: number): boolean {
    const { bytes } = this.inet.arena;
    return (
      this.inet.addresses.find6(
        link,
        read32(bytes, at),
        read32(bytes, at + 4),
        read32(bytes, at + 8),
        read32(bytes, at + 12),
      ) >= 0
    );
  }

  private fillFlow(frame: Frame, link: Link): void {
    const { arena, fib } = this.inet;
    if (!fib.hasRules6(this.inet.namespaceOf(link))) return;
    const { flow } = fib;
    const { bytes } = arena;
    const at = this.inet.network(frame);
    const end = arena.offset[frame] + arena.headLength(frame);
    const transport = ipv6.transport(bytes, at, end);
    flow.iif = link;
    flow.oif = 0;
    flow.mark = arena.mark[frame];
    flow.tos = (read16(bytes, at) >>> 4) & 0xff;
    flow.protocol = transport < 0 ? 0 : transport & 0xff;
    const ports = at + (transport >>> 8);
    const hasPorts = (flow.protocol === Protocol.TCP || flow.protocol === Protocol.UDP) && ports + 4 <= end;
    flow.sport = hasPorts ? read16(bytes, ports) : 0;
    flow.dport = hasPorts ? read16(bytes, ports + 2) : 0;
  }

  private typeOf(route: number): RouteType {
    return route <= 0 ? RouteType.NONE : this.inet.fib.routes[(route << Route.SHIFT) + Route.TYPE];
  }

  private select(route: number, frame: Frame): number {
    const { fib } = this.inet;
    const isOne = fib.routes[(route << Route.SHIFT) + Route.COUNT] === 1;
    const hop = fib.select(route, isOne ? 0 : flowHash6(this.inet, frame));
    return hop < 0 ? -1 : hop << NextHop.SHIFT;
  }

  private refuse(frame: Frame, route: number, type: RouteType, now: number): void {
    const { inet } = this;
    if (type === RouteType.BLACKHOLE || route === NoRoute.BLACKHOLE) return inet.drop(frame, DropReason.BLACKHOLE);
    const isProhibited = type === RouteType.PROHIBIT || route === NoRoute.PROHIBITED;
    const code = isProhibited ? Unreachable6.PROHIBITED : Unreachable6.NO_ROUTE;
    inet.icmp6.error(frame, Icmp6Type.UNREACHABLE, code, 0, now);
    const isRefused = type === RouteType.UNREACHABLE || route === NoRoute.REJECTED;
    inet.drop(frame, isProhibited ? DropReason.PROHIBITED : isRefused ? DropReason.UNREACHABLE : DropReason.NO_ROUTE);
  }

  // --- forward -----------------------------------------------------------------------------------

  /** ip6_forward. */
  private forward(frame: Frame, link: Link, route: number, hop: number, now: number): void {
    const { inet } = this;
    const namespace = inet.namespaceOf(link);
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    if (inet.conf.all6[namespace * Conf6.COUNT + Conf6.FORWARDING] === 0)
      return inet.drop(frame, DropReason.FORWARDING_OFF);
    if (inet.arena.received[frame] !== Received.HOST) return inet.drop(frame, DropReason.NOT_UNICAST_LINK);
    if (ipv6.hopLimit(bytes, at) <= 1) {
      inet.icmp6.error(frame, Icmp6Type.TIME_EXCEEDED, 0, 0, now);
      return inet.drop(frame, DropReason.TTL_EXPIRED);
    }
    const destination = at + ipv6.Ipv6.DESTINATION;
    if (inet.neighbour.isProxied6(link, bytes, destination) && this.isNeighbourDiscovery(frame)) {
      return inet.local.receive6(frame, now);
    }
    const out = inet.fib.nexthops[hop + NextHop.LINK];
    if (out === link) this.redirect(frame, hop, now);
    else {
      const reason = this.checkScope(frame, now);
      if (reason !== DropReason.NONE) return inet.drop(frame, reason);
    }
    const mtu = this.mtuOf(route, out);
    const longest = inet.arena.maxFragment[frame];
    if ((longest === 0 ? this.longestPacket(frame) : longest) > mtu) {
      inet.icmp6.error(frame, Icmp6Type.PACKET_TOO_BIG, 0, mtu, now);
      return inet.drop(frame, DropReason.TOO_BIG);
    }
    bytes[at + ipv6.Ipv6.HOP_LIMIT]--;
    if (!this.passesForward(frame, link, out, now)) return;
    // What came in fragments leaves in fragments.
    if (longest === 0) this.outputTo(frame, hop, now);
    else this.sendFragments(frame, hop, longest, -1, now);
  }

  /** FORWARD and POSTROUTING. */
  private passesForward(frame: Frame, link: Link, out: Link, now: number): boolean {
    const { hooks } = this.inet;
    return !this.hasHooks(link) || (hooks.forward6(frame, link, out, now) && hooks.postrouting6(frame, out, now));
  }

  /** What must be right for any packet to go on. False: it has been dropped. */
  private mayForward(frame: Frame, link: Link, now: number): boolean {
    const { inet } = this;
    const reason = this.obstacle(frame, inet.namespaceOf(link));
    if (reason === DropReason.NONE) return true;
    if (reason === DropReason.TTL_EXPIRED) inet.icmp6.error(frame, Icmp6Type.TIME_EXCEEDED, 0, 0, now);
    inet.drop(frame, reason);
    return false;
  }

  private obstacle(frame: Frame, namespace: Namespace): DropReason {
    const { conf, arena } = this.inet;
    if (conf.all6[namespace * Conf6.COUNT + Conf6.FORWARDING] === 0) return DropReason.FORWARDING_OFF;
    if (arena.received[frame] !== Received.HOST) return DropReason.NOT_UNICAST_LINK;
    return ipv6.hopLimit(arena.bytes, this.inet.network(frame)) <= 1 ? DropReason.TTL_EXPIRED : DropReason.NONE;
  }

  /** A proxy answers solicitations for others itself (ip6_forward_proxy_check). */
  private isNeighbourDiscovery(frame: Frame): boolean {
    const { arena } = this.inet;
    const at = this.inet.network(frame);
    const transport = ipv6.transport(arena.bytes, at, arena.offset[frame] + arena.headLength(frame));
    if (transport < 0 || (transport & 0xff) !== Protocol.ICMPV6) return false;
    const type = arena.bytes[at + (transport >>> 8)];
    return type >= 133 && type <= 137;
  }

  /** Sources that nobody elsewhere could answer to. */
  private checkScope(frame: Frame, now: number): DropReason {
    const { inet } = this;
    const { bytes } = inet.arena;
    const source = inet.network(frame) + ipv6.Ipv6.SOURCE;
    if (ipv6.isUnspecified(bytes, source)) return DropReason.SCOPE;
    if (!ipv6.isLinkLocal(bytes, source)) return DropReason.NONE;
    inet.icmp6.error(frame, Icmp6Type.UNREACHABLE, Unreachable6.BEYOND_SCOPE, 0, now);
    return DropReason.SCOPE;
  }

  private redirect(frame: Frame, hop: number, now: number): void {
    const { inet } = this;
    const { nexthops } = inet.fib;
    const at = hop + NextHop.GATEWAY;
    const isGateway = nexthops[hop + NextHop.FAMILY] === 6;
    const { bytes } = inet.arena;
    const target = inet.network(frame) + ipv6.Ipv6.DESTINATION;
    if (isGateway) inet.icmp6.redirect(frame, nexthops[at], nexthops[at + 1], nexthops[at + 2], nexthops[at + 3], now);
    else
      inet.icmp6.redirect(
        frame,
        read32(bytes, target),
        read32(bytes, target + 4),
        read32(bytes, target + 8),
        read32(bytes, target + 12),
        now,
      );
  }

  private mtuOf(route: number, out: Link): number {
    const own = this.inet.fib.routes[(route << Route.SHIFT) + Route.MTU] & 0xfffff;
    const ofLink = this.inet.conf.of6(out, Conf6.MTU) || this.inet.links.mtu[out];
    return Math.max(own === 0 ? ofLink : own, MIN_MTU6);
  }

  private outputTo(frame: Frame, hop: number, now: number): void {
    const { nexthops } = this.inet.fib;
    const at = hop + NextHop.GATEWAY;
    const out = nexthops[hop + NextHop.LINK];
    if (nexthops[hop + NextHop.FAMILY] !== 6) return this.outputOn(frame, out, now);
    this.inet.neighbour.output6(frame, out, nexthops[at], nexthops[at + 1], nexthops[at + 2], nexthops[at + 3], now);
  }

  /** The destination itself is on the link. */
  private outputOn(frame: Frame, out: Link, now: number): void {
    const { bytes } = this.inet.arena;
    const at = this.inet.network(frame) + ipv6.Ipv6.DESTINATION;
    const c = read32(bytes, at + 8);
    this.inet.neighbour.output6(frame, out, read32(bytes, at), read32(bytes, at + 4), c, read32(bytes, at + 12), now);
  }

  // --- out ---------------------------------------------------------------------------------------

  /**
   * Routes and sends a packet made here, by `link` or, where that is 0, by the route; link-local and multicast destinations
   * need a link. A source of :: stays: who wants one chosen asks `source` before. Answers 0 or a negative errno; in any case the
   * frame is taken.
   */
  send6(frame: Frame, namespace: Namespace, now: number, link: Link = 0): number {
    const { inet } = this;
    inet.setOrigin(frame, namespace);
    const { bytes } = inet.arena;
    const destination = inet.network(frame) + ipv6.Ipv6.DESTINATION;
    const route = this.routeOut(namespace, link, bytes, destination);
    if (route === ON_LINK) return this.sendOn(frame, link, destination, now);
    const errno = errnoOf(inet.fib, route);
    if (errno !== 0) {
      inet.drop(frame, DropReason.NO_ROUTE);
      return errno;
    }
    return this.sendBy(frame, namespace, route, now);
  }

  /** The route of a packet made here; ON_LINK: none is needed. */
  private routeOut(namespace: Namespace, link: Link, bytes: Uint8Array, destination: number): number {
    if (ipv6.isMulticast(bytes, destination)) return link > 0 ? ON_LINK : 0;
    if (ipv6.isLinkLocal(bytes, destination)) return link > 0 && this.inet.addresses.hasLinkLocal(link) ? ON_LINK : 0;
    const { fib } = this.inet;
    fib.setFlow(this.inet.loopback[namespace], link, 0, 0);
    return fib.lookup6(namespace, bytes, destination, destination - 16);
  }

  private sendOn(frame: Frame, link: Link, destination: number, now: number): number {
    const lo = this.inet.loopback[this.inet.namespaceOf(link)];
    const isOwn = this.isOwn(link, destination);
    const verdict = this.passesOutput(frame, isOwn ? lo : link, now);
    if (verdict !== Output.ON) return verdict === Output.GONE ? Errno.EPERM : this.reroute(frame, link, now);
    if (isOwn) this.sendToSelf(frame, lo);
    else this.outputOn(frame, link, now);
    return 0;
  }

  /** Whether a message of neighbour discovery passes OUTPUT and POSTROUTING; it leaves by its link whatever they make of it. */
  mayLeave(frame: Frame, out: Link, now: number): boolean {
    const { hooks } = this.inet;
    if (!this.hasHooks(out)) return true;
    return (
      hooks.output6(frame, this.inet.namespaceOf(out), out, now) !== Output.GONE && hooks.postrouting6(frame, out, now)
    );
  }

  /** OUTPUT and, unless the packet has to go another way, POSTROUTING. */
  private passesOutput(frame: Frame, out: Link, now: number): Output {
    const { hooks } = this.inet;
    if (!this.hasHooks(out)) return Output.ON;
    const verdict = hooks.output6(frame, this.inet.namespaceOf(out), out, now);
    if (verdict !== Output.ON) return verdict;
    return hooks.postrouting6(frame, out, now) ? Output.ON : Output.GONE;
  }

  /** ip6_route_me_harder: a hook has made the packet another. `link`: where it would have left. */
  private reroute(frame: Frame, link: Link, now: number): number {
    const { inet } = this;
    const { bytes } = inet.arena;
    const namespace = inet.namespaceOf(link);
    const destination = inet.network(frame) + ipv6.Ipv6.DESTINATION;
    this.fillFlow(frame, inet.loopback[namespace]);
    const route = inet.fib.lookup6(namespace, bytes, destination, destination - 16);
    const type = this.typeOf(route);
    const isLocal = type === RouteType.LOCAL || type === RouteType.ANYCAST;
    const hop = errnoOf(inet.fib, route) === 0 && !isLocal ? this.select(route, frame) : -1;
    if (hop < 0 && !isLocal) {
      inet.drop(frame, DropReason.NO_ROUTE);
      return errnoOf(inet.fib, route) || Errno.ENETUNREACH;
    }
    const out = isLocal ? inet.loopback[namespace] : inet.fib.nexthops[hop + NextHop.LINK];
    if (!inet.hooks.postrouting6(frame, out, now)) return Errno.EPERM;
    if (isLocal) this.sendToSelf(frame, out);
    else this.sendWithin(frame, hop, this.mtuOf(route, out), -1, now);
    return 0;
  }

  private sendBy(frame: Frame, namespace: Namespace, route: number, now: number): number {
    const { inet } = this;
    const type = this.typeOf(route);
    if (type === RouteType.LOCAL || type === RouteType.ANYCAST) {
      const lo = inet.loopback[namespace];
      const verdict = this.passesOutput(frame, lo, now);
      if (verdict !== Output.ON) return verdict === Output.GONE ? Errno.EPERM : this.reroute(frame, lo, now);
      this.sendToSelf(frame, lo);
      return 0;
    }
    const hop = this.select(route, frame);
    if (hop < 0) {
      inet.drop(frame, DropReason.NO_ROUTE);
      return Errno.ENETUNREACH;
    }
    const out = inet.fib.nexthops[hop + NextHop.LINK];
    const destination = inet.network(frame) + ipv6.Ipv6.DESTINATION;
    const limit = this.mtuOf(route, out);
    const known = this.exception(namespace, destination, now);
    const mtu = Math.min(inet.pmtu.mtuOf(known) || limit, limit);
    const verdict = this.passesOutput(frame, out, now);
    if (verdict !== Output.ON) return verdict === Output.GONE ? Errno.EPERM : this.reroute(frame, out, now);
    this.sendWithin(frame, hop, mtu, known, now);
    return 0;
  }

  private sendWithin(frame: Frame, hop: number, mtu: number, exception: number, now: number): void {
    const { arena } = this.inet;
    const fits = arena.length[frame] - Ethernet.BYTES <= mtu || arena.isSuperframe(frame);
    if (fits) this.sendTo(frame, hop, exception, now);
    else this.sendFragments(frame, hop, mtu, exception, now);
  }

  /** What ICMPv6 has told about the way to a destination: its entry in pmtu, or -1. */
  private exception(namespace: Namespace, destination: number, now: number): number {
    const { pmtu, arena } = this.inet;
    if (pmtu.isEmpty) return -1;
    const { bytes } = arena;
    const c = read32(bytes, destination + 8);
    const d = read32(bytes, destination + 12);
    return pmtu.find6(namespace, read32(bytes, destination), read32(bytes, destination + 4), c, d, now);
  }

  /** By the gateway that a redirect has named, or by the route's. */
  private sendTo(frame: Frame, hop: number, exception: number, now: number): void {
    const { pmtu, neighbour, fib } = this.inet;
    if (pmtu.gatewayOf(exception) === 0) return this.outputTo(frame, hop, now);
    const { gateways } = pmtu;
    const at = exception << 2;
    const out = fib.nexthops[hop + NextHop.LINK];
    neighbour.output6(frame, out, gateways[at], gateways[at + 1], gateways[at + 2], gateways[at + 3], now);
  }

  private sendFragments(frame: Frame, hop: number, mtu: number, exception: number, now: number): void {
    const n = fragment6(this.inet, frame, mtu, this.$fragments);
    if (n < 0) return this.inet.drop(frame, DropReason.FRAGMENTATION_FAILED);
    for (let i = 0; i < n; i++) this.sendTo(this.$fragments[i], hop, exception, now);
    this.inet.deliver(frame);
  }

  /** By lo, with the empty Ethernet header that packets have there. */
  private sendToSelf(frame: Frame, lo: Link): void {
    const { arena } = this.inet;
    const at = arena.offset[frame];
    arena.bytes.fill(0, at, at + Ethernet.TYPE);
    write16(arena.bytes, at + Ethernet.TYPE, 0x86dd);
    this.inet.transmit(frame, lo);
  }

  // --- source addresses --------------------------------------------------------------------------

  /**
   * RFC 6724 §5: the source for a destination, written to `out`; `link` is where the packet leaves, 0 = by its
   * route. False: there is none.
   */
  source(
    namespace: Namespace,
    link: Link,
    bytes: Uint8Array,
    destination: number,
    out: Uint8Array,
    outAt = 0,
  ): boolean {
    const { fib } = this.inet;
    const route = this.routeOut(namespace, link, bytes, destination);
    let by = link;
    if (route > 0) {
      const row = route << Route.SHIFT;
      if (writeWords(fib.routes, row + Route.PREFSRC, out, outAt)) return true;
      if (this.typeOf(route) === RouteType.LOCAL) return copyAddress(bytes, destination, out, outAt);
      if (by === 0) by = fib.nexthops[(fib.routes[row + Route.NEXTHOP] << NextHop.SHIFT) + NextHop.LINK];
    }
    return this.selectSource(namespace, by, bytes, destination, out, outAt);
  }

  /** The best of all addresses of the namespace, of the link alone where the destination may not leave it. */
  private selectSource(
    namespace: Namespace,
    link: Link,
    bytes: Uint8Array,
    destination: number,
    out: Uint8Array,
    outAt: number,
  ): boolean {
    const { links } = this.inet;
    const isBound = scopeOf(bytes, destination) <= 2 && link > 0;
    this.choice.start(bytes, destination, link);
    if (isBound) this.choice.offer(this.inet.addresses.of6[link], link);
    else {
      for (let other = 1; other < MAX_LINKS; other++) {
        if (links.namespace[other] === namespace) this.choice.offer(this.inet.addresses.of6[other], other);
      }
    }
    return this.choice.isMade && writeWords(this.choice.list, this.choice.at, out, outAt);
  }
}

/** Writes four words; false where they are all 0. */
function writeWords(from: Int32Array, at: number, out: Uint8Array, outAt: number): boolean {
  if ((from[at] | from[at + 1] | from[at + 2] | from[at + 3]) === 0) return false;
  for (let i = 0; i < 4; i++) write32(out, outAt + i * 4, from[at + i]);
  return true;
}

function copyAddress(bytes: Uint8Array, at: number, out: Uint8Array, outAt: number): boolean {
  for (let i = 0; i < 16; i++) out[outAt + i] = bytes[at + i];
  return true;
}
