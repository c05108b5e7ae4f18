/*
 * IPv4: what a router and a host do with a packet (RFC 791, 1122, 1812; net/ipv4: ip_input.c, route.c, ip_forward.c, ip_output.c).
 *
 *   receive ── short path: a plain packet to be forwarded ───────────────────────────────► rewritten, out
 *       └───── input ─ header ─ (options) ─ route ─┬─ local, broadcast, own group ─► local
 *                                                  ├─ unicast ─► forward ─ TTL, MTU, redirect ─► output
 *                                                  └─ refused: ICMP error, drop
 *   send ───── route ─ source ─ (fragments) ─► output ─► neighbour
 *
 * The short path takes, burst by burst, what needs no thought: no options, nobody else's copy, a route of one next hop with a neighbour that
 * is known, room in the MTU. Like the bridge it reads all headers first, then has the look-ups' cache misses
 * overlap, then decides in order; a frame that is not plain takes the long path in its turn, so that order is kept.
 */
import { BURST, type Frame, Gso, NONE, Received, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkKind, type Namespace } from '../core/links.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, swap32, write16, write32 } from '../wire/field.js';
import { IcmpType, Unreachable } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Protocol } from '../wire/ipv4.js';
import { Address4, Scope } from './addresses.js';
import { Conf4, Net4 } from './conf.js';
import { Errno, errnoOf } from './errno.js';
import { NextHop, NoRoute, Route, RouteType } from './fib.js';
import { flowHash4 } from './flow-hash.js';
import { fragment4, MAX_FRAGMENTS } from './fragment.js';
import { HookFamily, Output } from './hooks.js';
import type { Inet } from './inet.js';
import { compilePlain4 } from './plain4.js';

const HEADERS = Ethernet.BYTES + ipv4.Ipv4.BYTES;

export class Ip4 {
  private readonly $isPlain = new Uint8Array(BURST);
  private readonly $fragments = new Int32Array(MAX_FRAGMENTS);

  constructor(private readonly inet: Inet) {
    this.receive = this.compile();
  }

  /** The first `n` frames of arena.burst came in by `link`, of whatever protocol. */
  readonly receive: (link: Link, n: number, now: number) => void;

  private compile(): (link: Link, n: number, now: number) => void {
    const { inet } = this;
    const { arena, fib, conf, addresses } = inet;
    const { burst, offset, words32 } = arena;
    const { isPlain, trim, send } = compilePlain4(inet);
    const { namespace: namespaces, macHigh, macLow, mtu } = inet.links;
    const { routes, nexthops, lpm4, merged4 } = fib;
    const { link4, all4, net4 } = conf;
    const { address: $destination, value: $route } = lpm4;
    const { $isPlain } = this;

    /** Reads the headers; marks those that may take the short path. */
    function readHeaders(link: Link, namespace: Namespace, n: number): void {
      const high = macHigh[link];
      const low = macLow[link];
      for (let i = 0; i < n; i++) {
        const frame = burst[i];
        const header = (offset[frame] + Ethernet.BYTES) >> 2;
        const source = words32[header + 3];
        const destination = words32[header + 4];
        $destination[i] = swap32(destination);
        const isFine =
          isPlain(frame, high, low, HEADERS) && isOrdinary(source & 0xff) && isOrdinary(destination & 0xff);
        $isPlain[i] = isFine && !addresses.isOwn4(namespace, swap32(source)) ? 1 : 0;
      }
    }

    /** The rest of a frame's way on the short path. False: it has to take the long one. */
    function forward(frame: Frame, link: Link, route: number, destination: number): boolean {
      const row = route << Route.SHIFT;
      if (routes[row + Route.TYPE] !== RouteType.UNICAST || routes[row + Route.COUNT] !== 1) return false;
      const hop = routes[row + Route.NEXTHOP] << NextHop.SHIFT;
      const out = nexthops[hop + NextHop.LINK];
      const family = nexthops[hop + NextHop.FAMILY];
      if (out === link || family === 6) return false;
      const neighbour = inet.neighbours.lookup4(out, family === 0 ? destination : nexthops[hop + NextHop.GATEWAY]);
      if (neighbour === NONE || !inet.neighbours.isUsable(neighbour)) return false;
      if (trim(frame, routes[row + Route.MTU] !== 0 ? routes[row + Route.MTU] & 0xfffff : mtu[out]) === 0) return false;
      send(frame, out, neighbour);
      return true;
    }

    return function receive(link: Link, n: number, now: number): void {
      const namespace = namespaces[link];
      if ((inet.hooks.isOn[namespace] & HookFamily.IPV4) !== 0) return inet.hooks.receive4(link, n, now);
      const merged = merged4[namespace];
      const isRouter =
        merged >= 0 &&
        link4[link * Conf4.COUNT + Conf4.FORWARDING] !== 0 &&
        (net4[namespace * Net4.COUNT + Net4.FORWARD_USE_PMTU] === 0 || inet.pmtu.isEmpty) &&
        (link4[link * Conf4.COUNT + Conf4.RP_FILTER] | all4[namespace * Conf4.COUNT + Conf4.RP_FILTER]) === 0;
      if (!isRouter) {
        for (let i = 0; i < n; i++) inet.receiveOther(burst[i], link, now);
        return;
      }
      readHeaders(link, namespace, n);
      lpm4.lookupBurst(merged, n);
      for (let i = 0; i < n; i++) {
        const frame = burst[i];
        if ($isPlain[i] === 0 || !forward(frame, link, $route[i], $destination[i])) inet.receiveOther(frame, link, now);
      }
    };
  }

  /** Bytes, IP header included, of the longest packet that a frame is on the wire (skb_gso_network_seglen). */
  longestPacket(frame: Frame): number {
    const { arena } = this.inet;
    const at = this.inet.network(frame);
    const vnet = frame << Vnet.SHIFT;
    const type = arena.vnet[vnet + Vnet.FLAGS_TYPE] >>> 8;
    if (type === Gso.NONE) return ipv4.totalLength(arena.bytes, at);
    const transport = at + ipv4.headerLength(arena.bytes, at);
    const isTcp = ipv4.protocol(arena.bytes, at) === Protocol.TCP;
    const header = isTcp ? (arena.bytes[transport + 12] >>> 4) << 2 : 8;
    return transport - at + header + arena.vnet[vnet + Vnet.GSO_SIZE];
  }

  /** Bytes of what must fit into the MTU where it may not be cut further: the longest fragment that it came in. */
  private longestPiece(frame: Frame): number {
    const longest = this.inet.arena.maxFragment[frame];
    return longest === 0 ? this.longestPacket(frame) : longest;
  }

  // --- in ----------------------------------------------------------------------------------------

  /** A frame of our own copy, addressed to us at the link layer. */
  input(given: Frame, link: Link, now: number): void {
    const reason = this.checkHeader(given);
    if (reason !== DropReason.NONE) return this.inet.drop(given, reason);
    const frame = this.hasHooks(link) ? this.inet.hooks.prerouting4(given, link, now) : given;
    if (frame === NONE) return;
    const { bytes } = this.inet.arena;
    const at = this.inet.network(frame);
    const source = ipv4.source(bytes, at);
    const destination = ipv4.destination(bytes, at);
    const martian = this.martian(this.inet.namespaceOf(link), link, source, destination);
    if (martian !== DropReason.NONE) return this.inet.drop(frame, martian);
    this.route(frame, link, source, destination, now);
  }

  private hasHooks(link: Link): boolean {
    return (this.inet.hooks.isOn[this.inet.namespaceOf(link)] & HookFamily.IPV4) !== 0;
  }

  /** Looks at the options, if there are any, once it is clear that addresses and route are fine. False: the frame has been dropped. */
  private passesOptions(frame: Frame, link: Link, now: number): boolean {
    const { inet } = this;
    const isPlain = ipv4.headerLength(inet.arena.bytes, inet.network(frame)) === ipv4.Ipv4.BYTES;
    return isPlain || inet.options4.receive(frame, link, now);
  }

  /** For this host, or a group that it is in. */
  private deliver(frame: Frame, link: Link, source: number, now: number): void {
    const refusal = this.checkSource(frame, link, source, 0);
    if (refusal !== DropReason.NONE) return this.inet.drop(frame, refusal);
    if (this.passesOptions(frame, link, now)) this.inet.local.receive4(frame, now);
  }

  /** Also cuts off what Ethernet padded. */
  private checkHeader(frame: Frame): DropReason {
    const { arena } = this.inet;
    const { bytes } = arena;
    const at = this.inet.network(frame);
    const end = arena.offset[frame] + arena.length[frame];
    if (!ipv4.check(bytes, at, arena.offset[frame] + arena.headLength(frame))) return DropReason.IPV4_HEADER;
    if (!ipv4.isChecksumRight(bytes, at)) return DropReason.IPV4_CHECKSUM;
    const total = ipv4.totalLength(bytes, at);
    if (total < ipv4.headerLength(bytes, at) || at + total > end) return DropReason.IPV4_HEADER;
    arena.truncate(frame, Ethernet.BYTES + total);
    return DropReason.NONE;
  }

  /** ip_route_input_slow. */
  private route(frame: Frame, link: Link, source: number, destination: number, now: number): void {
    const { inet } = this;
    const namespace = inet.namespaceOf(link);
    this.fillFlow(frame, link);
    if (ipv4.isMulticast(destination)) return this.receiveGroup(frame, link, source, destination, now);
    if (destination === -1 || (source | destination) === 0) return this.receiveBroadcast(frame, link, source, now);
    const route = inet.fib.lookup4(namespace, destination, source);
    const type = this.typeOf(route);
    if (type === RouteType.BROADCAST) {
      if (!inet.conf.and4(namespace, link, Conf4.BC_FORWARDING)) return this.receiveBroadcast(frame, link, source, now);
      return this.forward(frame, link, route, source, destination, now);
    }
    const isForGroup = inet.arena.received[frame] !== Received.HOST;
    if (isForGroup && inet.conf.or4(namespace, link, Conf4.DROP_UNICAST_IN_L2_MULTICAST))
      return inet.drop(frame, DropReason.NOT_UNICAST_LINK);
    if (type === RouteType.LOCAL) return this.deliver(frame, link, source, now);
    if (inet.conf.forwards4(link) && type === RouteType.UNICAST)
      return this.forward(frame, link, route, source, destination, now);
    if (!this.passesOptions(frame, link, now)) return;
    if (!inet.conf.forwards4(link)) return inet.drop(frame, DropReason.FORWARDING_OFF);
    this.refuse(frame, route, type, now);
  }

  /** Addresses that no packet may have; of groups receiveGroup has more to say. */
  private martian(namespace: Namespace, link: Link, source: number, destination: number): DropReason {
    if (ipv4.isMulticast(destination)) return DropReason.NONE;
    if (source >>> 28 === 14 || source === -1) return DropReason.MARTIAN_SOURCE;
    if (destination === -1 || (source | destination) === 0) return DropReason.NONE;
    if (source >>> 24 === 0) return DropReason.MARTIAN_SOURCE;
    if (destination >>> 24 === 0) return DropReason.MARTIAN_DESTINATION;
    if (this.inet.links.kind[link] === LinkKind.LOOPBACK) return DropReason.NONE;
    const isLocalnetRouted = this.inet.conf.or4(namespace, link, Conf4.ROUTE_LOCALNET);
    if (ipv4.isLoopback(destination) && !isLocalnetRouted) return DropReason.MARTIAN_DESTINATION;
    if (ipv4.isLoopback(source) && !isLocalnetRouted) return DropReason.MARTIAN_SOURCE;
    return DropReason.NONE;
  }

  /** What rules look at. */
  private fillFlow(frame: Frame, link: Link): void {
    const { arena, fib } = this.inet;
    if (!fib.hasRules4(this.inet.namespaceOf(link))) return;
    const { flow } = fib;
    const at = this.inet.network(frame);
    flow.iif = link;
    flow.oif = 0;
    flow.mark = arena.mark[frame];
    flow.tos = arena.bytes[at + ipv4.Ipv4.TOS] & 0x1c;
    flow.protocol = ipv4.protocol(arena.bytes, at);
    const hasPorts =
      !ipv4.isFragment(arena.bytes, at) && (flow.protocol === Protocol.TCP || flow.protocol === Protocol.UDP);
    const transport = at + ipv4.headerLength(arena.bytes, at);
    flow.sport = hasPorts ? read16(arena.bytes, transport) : 0;
    flow.dport = hasPorts ? read16(arena.bytes, transport + 2) : 0;
  }

  private typeOf(route: number): RouteType {
    return route <= 0 ? RouteType.NONE : this.inet.fib.routes[(route << Route.SHIFT) + Route.TYPE];
  }

  /**
   * __fib_validate_source: whether a packet from `source` may come in by `link`; `out`: where it would leave, 0 = nowhere. Own addresses
   * are no sources. A filter, rules of the namespace's own, and a packet that would leave by the link it came by ask for the route back.
   */
  private checkSource(frame: Frame, link: Link, source: number, out: Link): DropReason {
    const { inet } = this;
    if (source === 0 || inet.links.kind[link] === LinkKind.LOOPBACK) return DropReason.NONE;
    const namespace = inet.namespaceOf(link);
    const filter = inet.conf.max4(namespace, link, Conf4.RP_FILTER);
    if (filter !== 0 || out === link || inet.fib.hasRules4(namespace)) {
      return this.checkWayBack(frame, link, source, out, filter);
    }
    const isOwn = inet.addresses.isOwn4(namespace, source);
    return isOwn && inet.conf.of4(link, Conf4.ACCEPT_LOCAL) === 0 ? DropReason.MARTIAN_SOURCE : DropReason.NONE;
  }

  private checkWayBack(frame: Frame, link: Link, source: number, out: Link, filter: number): DropReason {
    const { fib, conf, arena } = this.inet;
    const namespace = this.inet.namespaceOf(link);
    this.turnFlow(out === 0 ? this.inet.loopback[namespace] : out);
    const route = fib.lookup4(namespace, source, ipv4.destination(arena.bytes, this.inet.network(frame)));
    const type = this.typeOf(route);
    if (route > 0 && type !== RouteType.UNICAST) {
      const isAccepted = type === RouteType.LOCAL && conf.of4(link, Conf4.ACCEPT_LOCAL) !== 0;
      return isAccepted ? DropReason.NONE : DropReason.MARTIAN_SOURCE;
    }
    if (filter === 0) return DropReason.NONE;
    if (route <= 0) return DropReason.RP_FILTER;
    return filter === 2 || fib.leadsTo(route, link) ? DropReason.NONE : DropReason.RP_FILTER;
  }

  /** The flow of an answer that comes in by `iif`; marks are not for it (src_valid_mark). */
  private turnFlow(iif: Link): void {
    const { flow } = this.inet.fib;
    const { sport } = flow;
    flow.iif = iif;
    flow.mark = 0;
    flow.sport = flow.dport;
    flow.dport = sport;
  }

  private receiveBroadcast(frame: Frame, link: Link, source: number, now: number): void {
    this.inet.arena.received[frame] = Received.BROADCAST;
    this.deliver(frame, link, source, now);
  }

  private receiveGroup(frame: Frame, link: Link, source: number, destination: number, now: number): void {
    const { inet } = this;
    const isOwn = inet.addresses.isGroup4(link, destination) || destination === (0xe0000001 | 0);
    if (!isOwn) return inet.drop(frame, DropReason.NOT_JOINED);
    const isBadSource = ipv4.isMulticast(source) || source === -1 || ipv4.isLoopback(source);
    if (isBadSource && inet.links.kind[link] !== LinkKind.LOOPBACK) return inet.drop(frame, DropReason.MARTIAN_SOURCE);
    this.deliver(frame, link, source, now);
  }

  /** No route to go on by: says so to the sender, as ip_error does. */
  private refuse(frame: Frame, route: number, type: RouteType, now: number): void {
    const { inet } = this;
    if (type === RouteType.BLACKHOLE || route === NoRoute.BLACKHOLE) return inet.drop(frame, DropReason.BLACKHOLE);
    if (type === RouteType.PROHIBIT || route === NoRoute.PROHIBITED) {
      inet.icmp4.routeError(frame, Unreachable.PROHIBITED, now);
      return inet.drop(frame, DropReason.PROHIBITED);
    }
    if (type === RouteType.UNREACHABLE) {
      inet.icmp4.routeError(frame, Unreachable.HOST, now);
      return inet.drop(frame, DropReason.UNREACHABLE);
    }
    inet.icmp4.routeError(frame, Unreachable.NET, now);
    inet.drop(frame, route === NoRoute.REJECTED ? DropReason.UNREACHABLE : DropReason.NO_ROUTE);
  }

  // --- forward -----------------------------------------------------------------------------------

  /** __mkroute_input and ip_forward. */
  private forward(frame: Frame, link: Link, route: number, source: number, destination: number, now: number): void {
    const { inet } = this;
    const namespace = inet.namespaceOf(link);
    const hop = this.select(route, frame);
    if (hop < 0) return this.refuse(frame, 0, RouteType.NONE, now);
    const out = inet.fib.nexthops[hop + NextHop.LINK];
    const refusal = this.checkSource(frame, link, source, out);
    if (refusal !== DropReason.NONE) return inet.drop(frame, refusal);
    if (!this.passesOptions(frame, link, now)) return;
    if (inet.arena.received[frame] !== Received.HOST) return inet.drop(frame, DropReason.NOT_UNICAST_LINK);
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    if (ipv4.ttl(bytes, at) <= 1) {
      inet.icmp4.error(frame, IcmpType.TIME_EXCEEDED, 0, 0, now);
      return inet.drop(frame, DropReason.TTL_EXPIRED);
    }
    const mtu = this.forwardMtu(namespace, destination, this.mtuOf(route, out), now);
    if (ipv4.isDontFragment(bytes, at) && this.longestPiece(frame) > mtu) {
      inet.icmp4.error(frame, IcmpType.UNREACHABLE, Unreachable.FRAGMENTATION_NEEDED, mtu, now);
      return inet.drop(frame, DropReason.TOO_BIG);
    }
    ipv4.decreaseTtl(bytes, at);
    if (out === link) this.redirect(frame, link, hop, source, destination, now);
    const isHooked = this.hasHooks(link);
    if (isHooked && !inet.hooks.forward4(frame, link, out, now)) return;
    if (ipv4.headerLength(bytes, at) > ipv4.Ipv4.BYTES) inet.options4.forward(frame, out, now);
    if (isHooked) {
      if (!inet.hooks.postrouting4(frame, out, now)) return;
      inet.hooks.forwarded4(frame, link, out, hop, inet.fib.routes[(route << Route.SHIFT) + Route.MTU] & 0xfffff);
    }
    this.output(frame, hop, destination, mtu, now);
  }

  /** What others have told of the path counts for forwarded packets where ip_forward_use_pmtu says so. */
  private forwardMtu(namespace: Namespace, destination: number, mtu: number, now: number): number {
    const { pmtu, conf } = this.inet;
    if (pmtu.isEmpty || conf.net(namespace, Net4.FORWARD_USE_PMTU) === 0) return mtu;
    return Math.min(pmtu.get4(namespace, destination, mtu, now), mtu);
  }

  /** A packet leaves by the link that it came by: its sender could have sent it there itself. */
  private redirect(frame: Frame, link: Link, hop: number, source: number, destination: number, now: number): void {
    const { inet } = this;
    const namespace = inet.namespaceOf(link);
    const { nexthops } = inet.fib;
    if (!inet.conf.or4(namespace, link, Conf4.SEND_REDIRECTS)) return;
    if (!inet.addresses.isOnLink4(link, source)) return;
    const gateway = nexthops[hop + NextHop.FAMILY] === 4 ? nexthops[hop + NextHop.GATEWAY] : destination;
    const isShared = inet.conf.or4(namespace, link, Conf4.SHARED_MEDIA);
    if (isShared || inet.addresses.isOnLink4(link, gateway)) inet.icmp4.redirect(frame, gateway, now);
  }

  /** Row of the next hop that a packet takes, or -1. */
  private select(route: number, frame: Frame): number {
    const { fib } = this.inet;
    const isOne = fib.routes[(route << Route.SHIFT) + Route.COUNT] === 1;
    const hop = fib.select(route, isOne ? 0 : flowHash4(this.inet, frame));
    return hop < 0 ? -1 : hop << NextHop.SHIFT;
  }

  private mtuOf(route: number, out: Link): number {
    const own = this.inet.fib.routes[(route << Route.SHIFT) + Route.MTU] & 0xfffff;
    return own === 0 ? this.inet.links.mtu[out] : own;
  }

  /** Its header is final: fragments it where it must, and has the neighbour found. */
  private output(frame: Frame, hop: number, destination: number, mtu: number, now: number, gateway = 0): void {
    const { inet } = this;
    // What came in fragments leaves in fragments no longer than those.
    const longest = inet.arena.maxFragment[frame];
    const limit = longest === 0 ? mtu : Math.min(longest, mtu);
    if (this.longestPacket(frame) <= limit) return this.outputTo(frame, hop, destination, now, gateway);
    const n = fragment4(inet, frame, limit, this.$fragments);
    if (n < 0) return inet.drop(frame, DropReason.FRAGMENTATION_FAILED);
    for (let i = 0; i < n; i++) this.outputTo(this.$fragments[i], hop, destination, now, gateway);
    inet.deliver(frame);
  }

  /** `gateway`: one that a redirect has named; 0 = the next hop's own. */
  private outputTo(frame: Frame, hop: number, destination: number, now: number, gateway: number): void {
    const { neighbour, fib } = this.inet;
    const { nexthops } = fib;
    const out = nexthops[hop + NextHop.LINK];
    const family = nexthops[hop + NextHop.FAMILY];
    const at = hop + NextHop.GATEWAY;
    if (gateway !== 0) neighbour.output4(frame, out, gateway, now);
    else if (family === 0) neighbour.output4(frame, out, destination, now);
    else if (family === 4) neighbour.output4(frame, out, nexthops[at], now);
    else neighbour.output6(frame, out, nexthops[at], nexthops[at + 1], nexthops[at + 2], nexthops[at + 3], now);
  }

  // --- out ---------------------------------------------------------------------------------------

  /**
   * Routes and sends a packet made here. A source of 0 is filled in, and the checksum then redone. Answers 0 or a negative errno
   * (Errno); in any case the frame is taken.
   */
  send4(frame: Frame, namespace: Namespace, now: number): number {
    const { inet } = this;
    inet.setOrigin(frame, namespace);
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    const destination = ipv4.destination(bytes, at);
    this.fillFlow(frame, inet.loopback[namespace]);
    const route = inet.fib.lookup4(namespace, destination, ipv4.source(bytes, at));
    const errno = errnoOf(inet.fib, route);
    if (errno !== 0) {
      inet.drop(frame, DropReason.NO_ROUTE);
      return errno;
    }
    return this.sendBy(frame, namespace, route, destination, now);
  }

  /** Sends a packet made here by a route that was found before, perhaps for a source of 0. As send4. */
  sendBy(frame: Frame, namespace: Namespace, route: number, destination: number, now: number): number {
    const { inet } = this;
    inet.setOrigin(frame, namespace);
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    const hop = this.select(route, frame);
    if (hop < 0) {
      inet.drop(frame, DropReason.NO_ROUTE);
      return Errno.ENETUNREACH;
    }
    const isLocal = this.typeOf(route) === RouteType.LOCAL;
    const out = isLocal ? inet.loopback[namespace] : inet.fib.nexthops[hop + NextHop.LINK];
    if (ipv4.source(bytes, at) === 0) {
      write32(bytes, at + ipv4.Ipv4.SOURCE, isLocal ? destination : this.source(namespace, route, out, destination));
      ipv4.writeChecksum(bytes, at);
    }
    const known = inet.pmtu.find4(namespace, destination, now);
    const limit = this.mtuOf(route, out);
    const mtu = Math.min(inet.pmtu.mtuOf(known) || limit, limit);
    if (ipv4.isDontFragment(bytes, at) && this.longestPacket(frame) > mtu) {
      inet.drop(frame, DropReason.TOO_BIG);
      return Errno.EMSGSIZE;
    }
    if (!this.hasHooks(out)) this.leave(frame, hop, out, isLocal, destination, mtu, inet.pmtu.gatewayOf(known), now);
    else {
      const verdict = inet.hooks.output4(frame, namespace, out, now);
      if (verdict === Output.GONE) return Errno.EPERM;
      if (verdict === Output.REROUTE) return this.reroute(frame, namespace, now);
      if (inet.hooks.postrouting4(frame, out, now))
        this.leave(frame, hop, out, isLocal, destination, mtu, inet.pmtu.gatewayOf(known), now);
    }
    return 0;
  }

  /** ip_route_me_harder: a hook has made the packet another. */
  private reroute(frame: Frame, namespace: Namespace, now: number): number {
    const { inet } = this;
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    const destination = ipv4.destination(bytes, at);
    this.fillFlow(frame, inet.loopback[namespace]);
    const route = inet.fib.lookup4(namespace, destination, ipv4.source(bytes, at));
    const hop = errnoOf(inet.fib, route) === 0 ? this.select(route, frame) : -1;
    if (hop < 0) {
      inet.drop(frame, DropReason.NO_ROUTE);
      return errnoOf(inet.fib, route) || Errno.ENETUNREACH;
    }
    const isLocal = this.typeOf(route) === RouteType.LOCAL;
    const out = isLocal ? inet.loopback[namespace] : inet.fib.nexthops[hop + NextHop.LINK];
    if (!inet.hooks.postrouting4(frame, out, now)) return 0;
    this.leave(frame, hop, out, isLocal, destination, this.mtuOf(route, out), 0, now);
    return 0;
  }

  private leave(
    frame: Frame,
    hop: number,
    out: Link,
    isLocal: boolean,
    destination: number,
    mtu: number,
    gateway: number,
    now: number,
  ): void {
    if (isLocal) this.sendToSelf(frame, out);
    else this.output(frame, hop, destination, mtu, now, gateway);
  }

  /** By lo, with the empty Ethernet header that packets have there. */
  private sendToSelf(frame: Frame, lo: Link): void {
    const { arena } = this.inet;
    const at = arena.offset[frame];
    arena.bytes.fill(0, at, at + Ethernet.TYPE);
    write16(arena.bytes, at + Ethernet.TYPE, 0x0800);
    this.inet.transmit(frame, lo);
  }

  // --- source addresses --------------------------------------------------------------------------

  /** The source of a packet that goes by `route` out of `link`: preferred, else the link's, else any of the namespace's. */
  source(namespace: Namespace, route: number, link: Link, destination: number): number {
    const { fib } = this.inet;
    if (route > 0) {
      const preferred = fib.routes[(route << Route.SHIFT) + Route.PREFSRC];
      if (preferred !== 0) return preferred;
    }
    return this.selectAddress(namespace, link, destination, Scope.LINK);
  }

  /** inet_select_addr: the first primary address of a scope no narrower than `scope`, one of the destination's subnet first. */
  selectAddress(namespace: Namespace, link: Link, destination: number, scope: number): number {
    const own = this.addressOn(link, destination, scope);
    if (own !== 0) return own;
    const { links, addresses } = this.inet;
    for (let other = 1; other < addresses.of4.length; other++) {
      if (links.namespace[other] !== namespace || addresses.of4[other].length === 0) continue;
      const found = this.addressOn(other, 0, scope === Scope.HOST ? scope : Scope.LINK - 1);
      if (found !== 0) return found;
    }
    return 0;
  }

  private addressOn(link: Link, destination: number, scope: number): number {
    const list = this.inet.addresses.of4[link];
    let first = 0;
    for (let at = 0; at < list.length; at += Address4.WORDS) {
      if ((list[at + Address4.FLAGS] & 1) !== 0 || list[at + Address4.SCOPE] > scope) continue;
      const length = list[at + Address4.LENGTH];
      const isNear = length === 0 || (list[at + Address4.PEER] ^ destination) >>> (32 - length) === 0;
      if (destination === 0 || isNear) return list[at];
      if (first === 0) first = list[at];
    }
    return first;
  }
}

/** The first byte of an address of no special kind: not 0/8, 127/8, multicast or reserved. */
function isOrdinary(first: number): boolean {
  return first !== 0 && first !== 127 && first < 224;
}
