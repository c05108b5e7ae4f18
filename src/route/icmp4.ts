/*
 * ICMP (RFC 792, 1122 §3.2.2, 1812 §4.3) as Linux speaks it: errors about packets, answers to echo and timestamp requests,
 * and what is learned from the errors of others.
 *
 * An error is never about an ICMP error, a fragment but the first, a packet to a group or broadcast address of either layer, or
 * from an address that is no host's. It quotes as much of the packet as fits in 576 bytes. Its source is the
 * address that the packet was sent to if that was ours, else the one that the way back to the sender prefers (with
 * icmp_errors_use_inbound_ifaddr the one of the link it came in by). How often: see icmp-limit.ts.
 *
 * An echo reply is the request's own frame, turned round. Which options go back: see option-echo.ts.
 */
import { type Frame, NONE, Received, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkKind, type Namespace } from '../core/links.js';
import { finish, fold, sumBytes, update16 } from '../wire/checksum.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { read16, read32, write16, write32 } from '../wire/field.js';
import { Icmp, IcmpType } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import { completePartial, isPartial, rangeCopy, rangeSum } from '../wire/span.js';
import { Address4, AddressFlag, Scope } from './addresses.js';
import { Conf4, Net4 } from './conf.js';
import { NextHop, Route, RouteType } from './fib.js';
import { IcmpLimit } from './icmp-limit.js';
import type { Inet } from './inet.js';
import { OptionEcho } from './option-echo.js';

/** Longest error message, IP header included (RFC 1812 §4.3.2.3). */
const LONGEST = 576;

/** Precedence of errors: internetwork control; of the packet's type of service RT_TOS stays. */
const PRECEDENCE = 0xc0;
const TOS_MASK = 0x1e;

/** The last type that Linux knows; what is above counts as an error. */
const LAST_TYPE = 18;

/** Bit n: Linux takes ICMP type n for an error, or for what is answered as little. */
const ERRORS = 0b1_1110_1111_1110;

/** 192.0.0.8, the dummy address (RFC 7600): source of an error where there is no other. */
const DUMMY = 0xc0000008 | 0;

const MS_PER_DAY = 86_400_000;

export class Icmp4 {
  readonly limit: IcmpLimit;
  readonly echo: OptionEcho;
  private identification: number;

  constructor(private readonly inet: Inet) {
    this.limit = new IcmpLimit(inet.keys);
    this.echo = new OptionEcho(inet);
    this.identification = inet.random();
  }

  // --- errors that we send ----------------------------------------------------------------------

  /**
   * Sends an error about a packet that came in or was made here, unless a rule says no. `info`: the 32 bits behind the checksum as
   * they are sent: next MTU, pointer << 24, gateway. The frame is borrowed.
   */
  error(frame: Frame, type: number, code: number, info: number, now: number): void {
    const { inet } = this;
    const { bytes, ingress } = inet.arena;
    const at = inet.network(frame);
    const link = ingress[frame];
    const namespace = inet.namespaceOf(link);
    if (!this.isAnswered(frame, at)) return;
    const isLimited = this.isLimited(namespace, type, code);
    const isGlobal = isLimited && !this.isLoopback(link);
    if (isGlobal && !this.allows(namespace, now)) return;
    const destination = ipv4.destination(bytes, at);
    const kind = this.typeOf(namespace, destination, ipv4.source(bytes, at));
    if (kind === RouteType.BROADCAST || kind === RouteType.MULTICAST) return;
    const source = kind === RouteType.LOCAL ? destination : this.inbound(namespace, link, ipv4.source(bytes, at));
    this.sendError(frame, at, source, type, code, info, isLimited, isGlobal, now);
  }

  /** Whether a packet may be the cause of an error at all. */
  private isAnswered(frame: Frame, at: number): boolean {
    const { arena } = this.inet;
    const { bytes } = arena;
    if (arena.received[frame] !== Received.HOST || ipv4.fragmentOffset(bytes, at) !== 0) return false;
    if (isGroup(ipv4.destination(bytes, at)) || !isHost(ipv4.source(bytes, at))) return false;
    if (ipv4.protocol(bytes, at) !== Protocol.ICMP) return true;
    const header = ipv4.headerLength(bytes, at);
    if (header >= packetLength(this.inet, frame)) return false;
    const type = bytes[at + header];
    return type <= LAST_TYPE && ((ERRORS >>> type) & 1) === 0;
  }

  private isLimited(namespace: Namespace, type: number, code: number): boolean {
    if (type > LAST_TYPE || (type === IcmpType.UNREACHABLE && code === 4)) return false;
    return ((this.inet.conf.net(namespace, Net4.ICMP_RATEMASK) >>> type) & 1) !== 0;
  }

  private isLoopback(link: Link): boolean {
    return this.inet.links.kind[link] === LinkKind.LOOPBACK;
  }

  /** Whether the namespace's bucket, of both families, has a token. */
  allows(namespace: Namespace, now: number): boolean {
    const { conf } = this.inet;
    const perSecond = conf.net(namespace, Net4.ICMP_MSGS_PER_SEC);
    return this.limit.allows(namespace, perSecond, conf.net(namespace, Net4.ICMP_MSGS_BURST), now);
  }

  /** What an address is here, by the routes: RouteType, 0 where there is no route. */
  private typeOf(namespace: Namespace, destination: number, source: number): number {
    const route = this.lookup(namespace, destination, source, 0);
    return route <= 0 ? RouteType.NONE : this.inet.fib.routes[(route << Route.SHIFT) + Route.TYPE];
  }

  private lookup(namespace: Namespace, destination: number, source: number, tos: number): number {
    const { fib } = this.inet;
    if (fib.hasRules4(namespace)) fib.setFlow(this.inet.loopback[namespace], 0, tos, Protocol.ICMP);
    return fib.lookup4(namespace, destination, source);
  }

  /** With icmp_errors_use_inbound_ifaddr the source of an error about a forwarded packet; 0: the way back decides. */
  private inbound(namespace: Namespace, link: Link, peer: number): number {
    if (this.inet.conf.net(namespace, Net4.ICMP_ERRORS_USE_INBOUND_IFADDR) === 0) return 0;
    const list = this.inet.addresses.of4[link];
    let first = 0;
    for (let at = 0; at < list.length; at += Address4.WORDS) {
      if ((list[at + Address4.FLAGS] & AddressFlag.SECONDARY) !== 0 || list[at + Address4.SCOPE] > Scope.LINK) continue;
      const length = list[at + Address4.LENGTH];
      if (length === 0 || (list[at + Address4.PEER] ^ peer) >>> (32 - length) === 0) return list[at + Address4.ADDRESS];
      if (first === 0) first = list[at + Address4.ADDRESS];
    }
    return first;
  }

  private sendError(
    frame: Frame,
    at: number,
    source: number,
    type: number,
    code: number,
    info: number,
    isLimited: boolean,
    isGlobal: boolean,
    now: number,
  ): void {
    const { inet } = this;
    const { bytes, ingress } = inet.arena;
    const namespace = inet.namespaceOf(ingress[frame]);
    const target = ipv4.source(bytes, at);
    const tos = (bytes[at + Ipv4.TOS] & TOS_MASK) | PRECEDENCE;
    const route = this.lookup(namespace, target, source, tos & TOS_MASK);
    const link = this.linkOf(route);
    if (link < 0) return;
    if (isLimited && !this.isLoopback(link) && !this.allowsPeer(namespace, target, now)) return;
    const from = source !== 0 ? source : inet.ip4.source(namespace, route, link, target) || DUMMY;
    // Options that are the problem themselves are not understood.
    if (type === IcmpType.PARAMETER_PROBLEM) this.echo.clear();
    else this.echo.prepare(at, namespace, from, this.timestamp(now));
    const header = Ipv4.BYTES + this.echo.length;
    const room = Math.min(LONGEST, inet.links.mtu[link]) - header - Icmp.BYTES;
    if (room <= Ipv4.BYTES) return;
    const quoted = Math.min(room, packetLength(inet, frame));
    const message = this.quote(frame, header, quoted, type, code, info);
    if (message === NONE) return;
    if (isGlobal) this.limit.consume(namespace, inet.random());
    this.writeHeader(inet.network(message), namespace, route, tos, from, target, Icmp.BYTES + quoted);
    inet.ip4.sendBy(message, namespace, route, target, now);
  }

  private allowsPeer(namespace: Namespace, address: number, now: number): boolean {
    const everyMs = this.inet.conf.net(namespace, Net4.ICMP_RATELIMIT_MS);
    return this.limit.allowsPeer(this.limit.peer4(namespace, address, now), everyMs, now);
  }

  /** The link that a route to one host leads to, `lo` for our own addresses; -1 where it leads nowhere. */
  private linkOf(route: number): Link {
    if (route <= 0) return -1;
    const { routes, nexthops } = this.inet.fib;
    const type = routes[(route << Route.SHIFT) + Route.TYPE];
    const hop = this.inet.fib.select(route, 0);
    if (hop < 0 || (type !== RouteType.UNICAST && type !== RouteType.LOCAL)) return -1;
    const link = nexthops[(hop << NextHop.SHIFT) + NextHop.LINK];
    return type === RouteType.LOCAL ? this.inet.loopback[this.inet.namespaceOf(link)] : link;
  }

  /** A frame with an ICMP message that quotes the first bytes of a packet; its IP header, of `header` bytes, is missing. */
  private quote(frame: Frame, header: number, length: number, type: number, code: number, info: number): Frame {
    const { inet } = this;
    const { arena } = inet;
    const { recorded, recordedLength } = this.echo;
    const start = Ethernet.BYTES + header;
    const message = inet.create(start + Icmp.BYTES + length);
    if (message === NONE) return NONE;
    const at = arena.offset[message] + start;
    write32(arena.bytes, at, (type << 24) | (code << 16));
    write32(arena.bytes, at + 4, info);
    arena.attach(message, frame);
    rangeCopy(arena, message, start + Icmp.BYTES, frame, Ethernet.BYTES, length);
    const options = at + Icmp.BYTES + Ipv4.BYTES;
    for (let i = 0; i < recordedLength; i++) arena.bytes[options + i] = recorded[i];
    write16(arena.bytes, at + Icmp.CHECKSUM, finish(rangeSum(arena, message, start, Icmp.BYTES + length)));
    return message;
  }

  /** An IP header of our own, DF clear, for `length` bytes of ICMP; with the options of `echo`. */
  private writeHeader(
    at: number,
    namespace: Namespace,
    route: number,
    tos: number,
    source: number,
    destination: number,
    length: number,
  ): void {
    const { bytes } = this.inet.arena;
    const { options, length: optionLength } = this.echo;
    const header = Ipv4.BYTES + optionLength;
    writeType(bytes, at - Ethernet.BYTES, EtherType.IPV4);
    this.identification = (this.identification + 1) & 0xffff;
    write32(bytes, at, 0x40000000 | (header << 22) | (tos << 16) | (header + length));
    write32(bytes, at + Ipv4.IDENTIFICATION, this.identification << 16);
    write32(bytes, at + Ipv4.TTL, (this.ttl(namespace, route) << 24) | (Protocol.ICMP << 16));
    write32(bytes, at + Ipv4.SOURCE, source);
    write32(bytes, at + Ipv4.DESTINATION, destination);
    for (let i = 0; i < optionLength; i++) bytes[at + Ipv4.BYTES + i] = options[i];
    ipv4.writeChecksum(bytes, at);
  }

  private ttl(namespace: Namespace, route: number): number {
    const own = route <= 0 ? 0 : this.inet.fib.routes[(route << Route.SHIFT) + Route.HOPLIMIT];
    return own !== 0 ? own : this.inet.conf.net(namespace, Net4.DEFAULT_TTL);
  }

  /**
   * Destination unreachable about a packet that was to be forwarded and found no route: `code` 0 (no route), 1 (unreachable)
   * or 13 (prohibited). Has a bucket of its own before that of all errors: route/error_cost, route/error_burst.
   */
  routeError(frame: Frame, code: number, now: number): void {
    const { inet, limit } = this;
    const namespace = inet.namespaceOf(inet.arena.ingress[frame]);
    const peer = limit.peer4(namespace, ipv4.source(inet.arena.bytes, inet.network(frame)), now);
    const costMs = inet.conf.net(namespace, Net4.ROUTE_ERROR_COST_MS);
    const burstMs = inet.conf.net(namespace, Net4.ROUTE_ERROR_BURST_MS);
    if (limit.allowsRouteError(peer, costMs, burstMs, now)) this.error(frame, IcmpType.UNREACHABLE, code, 0, now);
  }

  /** A packet leaves by the link it came in by, to `gateway`: tells its sender, but not too often. Borrowed. */
  redirect(frame: Frame, gateway: number, now: number): void {
    const { inet, limit } = this;
    const link = inet.arena.ingress[frame];
    const namespace = inet.namespaceOf(link);
    if (!inet.conf.or4(namespace, link, Conf4.SEND_REDIRECTS)) return;
    const peer = limit.peer4(namespace, ipv4.source(inet.arena.bytes, inet.network(frame)), now);
    const loadMs = inet.conf.net(namespace, Net4.ROUTE_REDIRECT_LOAD_MS);
    const most = inet.conf.net(namespace, Net4.ROUTE_REDIRECT_NUMBER);
    const silenceMs = inet.conf.net(namespace, Net4.ROUTE_REDIRECT_SILENCE_MS);
    if (!limit.allowsRedirect(peer, loadMs, most, silenceMs, now)) return;
    this.error(frame, IcmpType.REDIRECT, 1, gateway, now);
    limit.countRedirect(peer, now);
  }

  // --- messages to us ---------------------------------------------------------------------------

  /** A whole ICMP packet for this host, nothing behind it. Given. */
  receive(frame: Frame, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const at = inet.network(frame);
    const start = Ethernet.BYTES + ipv4.headerLength(arena.bytes, at);
    if (arena.length[frame] < start + Icmp.BYTES) return inet.drop(frame, DropReason.ICMP_INVALID);
    if (!hasRightChecksum(inet, frame, start)) return inet.drop(frame, DropReason.ICMP_INVALID);
    const type = arena.bytes[arena.offset[frame] + start];
    if (!this.isMeant(frame, at, type)) return inet.drop(frame, DropReason.ICMP_IGNORED);
    if (type === IcmpType.ECHO_REQUEST) return this.answerEcho(frame, at, start, now);
    if (type === IcmpType.TIMESTAMP_REQUEST) return this.answerTimestamp(frame, at, start, now);
    if (type === IcmpType.ECHO_REPLY) {
      if (!inet.endpoints.receive4(frame, Protocol.ICMP, arena.offset[frame] + start)) {
        inet.drop(frame, DropReason.ICMP_IGNORED);
      }
      return;
    }
    if (isErrorType(type)) return this.receiveError(frame, start, type, now);
    inet.drop(frame, DropReason.ICMP_IGNORED);
  }

  /** Messages to a broadcast or group address are read only if they ask something, and then only if settings say so. */
  private isMeant(frame: Frame, at: number, type: number): boolean {
    const { inet } = this;
    const { bytes } = inet.arena;
    const namespace = inet.namespaceOf(inet.arena.ingress[frame]);
    if (type === IcmpType.ECHO_REQUEST && inet.conf.net(namespace, Net4.ICMP_ECHO_IGNORE_ALL) !== 0) return false;
    if (this.isUnicast(namespace, ipv4.destination(bytes, at), ipv4.source(bytes, at))) return true;
    if (type !== IcmpType.ECHO_REQUEST && type !== IcmpType.TIMESTAMP_REQUEST) return false;
    return inet.conf.net(namespace, Net4.ICMP_ECHO_IGNORE_BROADCASTS) === 0;
  }

  /** Whether a destination of a packet for us is one of our addresses, not a group's or a broadcast address. */
  private isUnicast(namespace: Namespace, destination: number, source: number): boolean {
    if (this.inet.addresses.isOwn4(namespace, destination)) return true;
    return !isGroup(destination) && this.typeOf(namespace, destination, source) !== RouteType.BROADCAST;
  }

  private answerEcho(frame: Frame, at: number, start: number, now: number): void {
    const { arena } = this.inet;
    const message = arena.offset[frame] + start;
    const field = message + Icmp.CHECKSUM;
    const before = read16(arena.bytes, message);
    arena.bytes[message] = IcmpType.ECHO_REPLY;
    write16(arena.bytes, field, update16(read16(arena.bytes, field), before, before & 0xff));
    this.turnRound(frame, at, start, IcmpType.ECHO_REPLY, now);
  }

  private answerTimestamp(frame: Frame, at: number, start: number, now: number): void {
    const { arena } = this.inet;
    const end = start + Icmp.TIMESTAMP_BYTES;
    if (arena.length[frame] < start + Icmp.BYTES + 4) return this.inet.drop(frame, DropReason.ICMP_INVALID);
    arena.length[frame] = Math.max(end, arena.length[frame]);
    arena.truncate(frame, end);
    const message = arena.offset[frame] + start;
    const time = this.timestamp(now);
    write32(arena.bytes, message, IcmpType.TIMESTAMP_REPLY << 24);
    write32(arena.bytes, message + Icmp.RECEIVED, time);
    write32(arena.bytes, message + Icmp.TRANSMITTED, time);
    const checksum = finish(sumBytes(arena.bytes, message, Icmp.TIMESTAMP_BYTES));
    write16(arena.bytes, message + Icmp.CHECKSUM, checksum);
    this.turnRound(frame, at, start, IcmpType.TIMESTAMP_REPLY, now);
  }

  /** ms since midnight UT; while nobody has told the time of day, some other clock, marked as such (RFC 792). */
  timestamp(now: number): number {
    const { midnightMs } = this.inet.options4;
    return midnightMs === 0 ? now | 0x80000000 : ((midnightMs + (now >>> 0)) % MS_PER_DAY) | 0;
  }

  /** Sends a request's frame, its ICMP message already the reply, back to where it came from. Given. */
  private turnRound(frame: Frame, at: number, start: number, type: number, now: number): void {
    const { inet } = this;
    const { limit } = this;
    const { arena } = inet;
    const { bytes } = arena;
    const namespace = inet.namespaceOf(arena.ingress[frame]);
    const isLimited = this.isLimited(namespace, type, 0);
    if (isLimited && !this.allows(namespace, now)) return inet.drop(frame, DropReason.ICMP_IGNORED);
    const target = ipv4.source(bytes, at);
    const own = ipv4.destination(bytes, at);
    const source = this.isUnicast(namespace, own, target) ? own : 0;
    const tos = bytes[at + Ipv4.TOS];
    const route = this.lookup(namespace, target, source, tos & TOS_MASK);
    const link = this.linkOf(route);
    if (link < 0) return inet.drop(frame, DropReason.NO_ROUTE);
    if (isLimited) {
      if (!this.isLoopback(link) && !this.allowsPeer(namespace, target, now)) {
        return inet.drop(frame, DropReason.ICMP_IGNORED);
      }
      limit.consume(namespace, inet.random());
    }
    const from = source !== 0 ? source : inet.ip4.source(namespace, route, link, target) || DUMMY;
    this.echo.prepare(at, namespace, from, this.timestamp(now));
    this.resend(frame, start, namespace, route, tos, from, target, now);
  }

  /** The frame's start moves, so that its header's new length ends where the message starts. */
  private resend(
    frame: Frame,
    start: number,
    namespace: Namespace,
    route: number,
    tos: number,
    source: number,
    target: number,
    now: number,
  ): void {
    const { arena } = this.inet;
    const header = Ipv4.BYTES + this.echo.length;
    const less = start - Ethernet.BYTES - header;
    arena.offset[frame] += less;
    arena.length[frame] -= less;
    arena.received[frame] = Received.HOST;
    arena.mark[frame] = 0;
    const length = arena.length[frame] - Ethernet.BYTES - header;
    this.writeHeader(this.inet.network(frame), namespace, route, tos, source, target, length);
    this.inet.ip4.send4(frame, namespace, now);
  }

  /** An error about a packet of ours: to whom sent it, and to the table of paths. */
  private receiveError(frame: Frame, start: number, type: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const message = arena.offset[frame] + start;
    const quoted = message + Icmp.BYTES;
    const end = arena.offset[frame] + arena.headLength(frame);
    const code = arena.bytes[message + Icmp.CODE];
    if (!ipv4.check(arena.bytes, quoted, end)) return inet.drop(frame, DropReason.ICMP_INVALID);
    // At least 8 bytes of the transport header are quoted, or nobody can tell whose it was.
    const isWhole = quoted + ipv4.headerLength(arena.bytes, quoted) + 8 <= end;
    if (isWhole && isTold(type, code)) {
      inet.endpoints.receiveError4(frame, quoted, end);
      if (this.isOwn(frame, quoted)) this.learn(frame, type, code, quoted, now);
    }
    inet.deliver(frame);
  }

  private isOwn(frame: Frame, quoted: number): boolean {
    const { inet } = this;
    const namespace = inet.namespaceOf(inet.arena.ingress[frame]);
    return this.typeOf(namespace, ipv4.source(inet.arena.bytes, quoted), 0) === RouteType.LOCAL;
  }

  private learn(frame: Frame, type: number, code: number, quoted: number, now: number): void {
    const { arena } = this.inet;
    const info = read32(arena.bytes, quoted - 4);
    const namespace = this.inet.namespaceOf(arena.ingress[frame]);
    const destination = ipv4.destination(arena.bytes, quoted);
    if (type === IcmpType.UNREACHABLE && code === 4) this.learnMtu(namespace, destination, info & 0xffff, now);
    else if (type === IcmpType.REDIRECT) this.followRedirect(frame, code, destination, info, now);
  }

  /** The path to a destination takes no more than `mtu` bytes (RFC 1191). */
  private learnMtu(namespace: Namespace, destination: number, mtu: number, now: number): void {
    const { inet } = this;
    const paths = inet.pmtu;
    const route = this.lookup(namespace, destination, 0, 0);
    const link = this.linkOf(route);
    if (link < 0) return;
    const known = paths.mtuOf(paths.find4(namespace, destination, now)) || inet.links.mtu[link];
    if (known < mtu) return;
    const least = inet.conf.net(namespace, Net4.ROUTE_MIN_PMTU);
    const forMs = inet.conf.net(namespace, Net4.ROUTE_MTU_EXPIRES_MS);
    if (mtu >= least) paths.learn4(namespace, destination, mtu, false, forMs, now);
    else paths.learn4(namespace, destination, Math.min(known, least), true, forMs, now);
  }

  /** A router says that another one is nearer to a destination (__ip_do_redirect). */
  private followRedirect(frame: Frame, code: number, destination: number, gateway: number, now: number): void {
    const { inet } = this;
    const paths = inet.pmtu;
    const link = inet.arena.ingress[frame];
    const namespace = inet.namespaceOf(link);
    const sender = ipv4.source(inet.arena.bytes, inet.network(frame));
    if (code > 3 || gateway === sender || !isHost(gateway)) return;
    if (!this.acceptsRedirects(namespace, link) || !this.isGatewayOf(namespace, destination, sender, now)) return;
    if (!this.isNearby(namespace, link, gateway, sender)) return;
    const slot = inet.neighbours.lookup4(link, gateway);
    if (slot >= 0 && inet.neighbours.isUsable(slot)) paths.redirect4(namespace, destination, gateway, now);
  }

  private acceptsRedirects(namespace: Namespace, link: Link): boolean {
    const { conf } = this.inet;
    if (conf.forwards4(link)) return conf.and4(namespace, link, Conf4.ACCEPT_REDIRECTS);
    return conf.or4(namespace, link, Conf4.ACCEPT_REDIRECTS);
  }

  /** Whether packets to a destination go by this router now. */
  private isGatewayOf(namespace: Namespace, destination: number, router: number, now: number): boolean {
    const { fib } = this.inet;
    const redirected = this.inet.pmtu.gatewayOf(this.inet.pmtu.find4(namespace, destination, now));
    if (redirected !== 0) return redirected === router;
    const route = this.lookup(namespace, destination, 0, 0);
    const hop = route <= 0 ? -1 : fib.select(route, 0);
    if (hop < 0) return false;
    const at = hop << NextHop.SHIFT;
    return fib.nexthops[at + NextHop.FAMILY] === 4 && fib.nexthops[at + NextHop.GATEWAY] === router;
  }

  /** Whether a new gateway is one that a packet can be sent to from here. */
  private isNearby(namespace: Namespace, link: Link, gateway: number, sender: number): boolean {
    const { inet } = this;
    if (inet.conf.or4(namespace, link, Conf4.SHARED_MEDIA)) {
      return this.typeOf(namespace, gateway, 0) === RouteType.UNICAST;
    }
    if (!inet.addresses.isOnLink4(link, gateway) || !inet.addresses.isOnLink4(link, sender)) return false;
    return !inet.conf.or4(namespace, link, Conf4.SECURE_REDIRECTS) || this.isDefaultGateway(namespace, link, gateway);
  }

  /** secure_redirects: only to the gateway of a default route (ip_fib_check_default). */
  private isDefaultGateway(namespace: Namespace, link: Link, gateway: number): boolean {
    const { fib } = this.inet;
    const route = this.lookup(namespace, 0, 0, 0);
    if (route <= 0) return false;
    const first = fib.routes[(route << Route.SHIFT) + Route.NEXTHOP];
    const count = fib.routes[(route << Route.SHIFT) + Route.COUNT];
    for (let hop = first; hop < first + count; hop++) {
      const at = hop << NextHop.SHIFT;
      if (fib.nexthops[at + NextHop.GATEWAY] === gateway && fib.nexthops[at + NextHop.LINK] === link) return true;
    }
    return false;
  }

  /** A namespace goes. */
  forget(namespace: Namespace): void {
    this.limit.forget(namespace);
    this.inet.pmtu.forget(namespace);
  }
}

function isErrorType(type: number): boolean {
  return (
    type === IcmpType.UNREACHABLE ||
    type === IcmpType.TIME_EXCEEDED ||
    type === IcmpType.PARAMETER_PROBLEM ||
    type === IcmpType.REDIRECT ||
    type === IcmpType.SOURCE_QUENCH
  );
}

/** Whether endpoints hear of an error: not of those that say nothing to a sender (RFC 6633; reassembly that timed out). */
function isTold(type: number, code: number): boolean {
  if (type === IcmpType.UNREACHABLE) return code <= 15;
  return type !== IcmpType.SOURCE_QUENCH && !(type === IcmpType.TIME_EXCEEDED && code === 1);
}

/** 224/4, or the limited broadcast address. */
function isGroup(address: number): boolean {
  return ipv4.isMulticast(address) || address === -1;
}

/** Whether an address can be one host's: not 0/8, no group, no broadcast. */
function isHost(address: number): boolean {
  return address >>> 24 !== 0 && !isGroup(address);
}

/** Bytes of a frame's packet, IP header included, without the padding of a short frame. */
export function packetLength(inet: Inet, frame: Frame): number {
  const { arena } = inet;
  const length = arena.length[frame] - Ethernet.BYTES;
  if (arena.isSuperframe(frame)) return length;
  return Math.min(length, ipv4.totalLength(arena.bytes, inet.network(frame)));
}

/** Whether the ICMP message from byte `start` of a frame on has a right checksum; a partial one is finished. */
function hasRightChecksum(inet: Inet, frame: Frame, start: number): boolean {
  const { arena } = inet;
  if (isPartial(arena, frame)) return completePartial(arena, frame);
  const isKnown = (arena.vnet[frame << Vnet.SHIFT] & Vnet.DATA_VALID) !== 0;
  arena.clearVnet(frame);
  return isKnown || fold(rangeSum(arena, frame, start, arena.length[frame] - start)) === 0xffff;
}
