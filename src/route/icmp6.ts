/*
 * ICMPv6 (RFC 4443) as Linux speaks it: errors about packets, echo replies, redirects to better first hops, and what is learned
 * from the errors of others. Neighbour discovery goes on to neighbour.ts, group membership to mld.ts.
 *
 * An error is never about an ICMPv6 error, or from an address that is no host's; about a packet to a group only where that says
 * that it was too big or that an option demanded it. It quotes as much of the packet as fits in 1,280 bytes. Its source is
 * the address that the packet was sent to if that was ours, else RFC 6724's choice for the sender. How often: see icmp-limit.ts.
 *
 * An echo reply is the request's own frame, turned round; its extension headers stay behind.
 */
import { type Frame, NONE, Received, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkKind, type Namespace } from '../core/links.js';
import { finish, fold, pseudo6 } from '../wire/checksum.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { read16, read32, write16, write32 } from '../wire/field.js';
import { Icmp, Icmp6Type, NeighborOption, Problem6 } from '../wire/icmp.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Extension, Ipv6 } from '../wire/ipv6.js';
import { completePartial, isPartial, rangeCopy, rangeSum } from '../wire/span.js';
import { Address6, AddressFlag } from './addresses.js';
import { Conf6, Net6 } from './conf.js';
import { NextHop, Route, RouteType } from './fib.js';
import type { IcmpLimit } from './icmp-limit.js';
import type { Inet } from './inet.js';
import { Mld } from './mld.js';

/** Longest error message, IPv6 header included: the least MTU of IPv6. */
const LONGEST = 1280;

const HEADERS = Ethernet.BYTES + Ipv6.BYTES;

/** One redirect a second to a destination, and from a source, with IcmpLimit's burst. */
const REDIRECT_MS = 1000;

/** Of a redirect: target, destination, then options. */
const enum Redirect {
  TARGET = 8,
  DESTINATION = 24,
  BYTES = 40,
  MAC_OPTION = 8,
  /** The option that quotes the packet: this much before the quote. */
  HEADER_OPTION = 8,
  HEADER_TYPE = 4,
}

/** Messages from here on inform, those below are errors. */
const INFORMATIONAL = 128;

/** Where nothing else is said. */
const HOP_LIMIT = 64;

export class Icmp6 {
  readonly mld: Mld;
  private readonly $source = new Uint8Array(16);
  private readonly labelKey: number;

  constructor(private readonly inet: Inet) {
    this.mld = new Mld(inet);
    this.labelKey = inet.keys[2];
  }

  /** Shared with ICMP: the namespace's bucket and the peers'. */
  private get limit(): IcmpLimit {
    return this.inet.icmp4.limit;
  }

  // --- errors that we send ----------------------------------------------------------------------

  /**
   * Sends an error about a packet that came in or was made here, unless a rule says no. `info`: the 32 bits behind the checksum, the
   * MTU or the pointer. The frame is borrowed.
   */
  error(frame: Frame, type: number, code: number, info: number, now: number): void {
    const { inet } = this;
    const at = inet.network(frame);
    const link = inet.arena.ingress[frame];
    const namespace = inet.namespaceOf(link);
    if (!this.isAnswered(frame, at, type, code, info)) return;
    const isLimited = type < INFORMATIONAL && this.isInMask(namespace, type);
    if (isLimited && !this.isLoopback(link) && !inet.icmp4.allows(namespace, now)) return;
    this.chooseSource(frame, at, link, namespace);
    if (isLimited && !this.allowsPeer(at + Ipv6.SOURCE, link, namespace, now)) return;
    const quoted = Math.min(LONGEST - Ipv6.BYTES - Icmp.BYTES, inet.arena.length[frame] - Ethernet.BYTES);
    const message = this.quote(frame, quoted, type, code, info);
    if (message === NONE) return;
    if (isLimited) this.limit.consume(namespace, inet.random());
    this.finish(message, link, namespace, Icmp.BYTES + quoted);
    this.send(message, link, now);
  }

  /** RFC 4443 §2.4 (e), as icmp6_send has it. */
  private isAnswered(frame: Frame, at: number, type: number, code: number, info: number): boolean {
    const { bytes, received } = this.inet.arena;
    const isGroup = bytes[at + Ipv6.DESTINATION] === 0xff || received[frame] !== Received.HOST;
    if (isGroup && type !== Icmp6Type.PACKET_TOO_BIG) {
      if (type !== Icmp6Type.PARAMETER_PROBLEM || code !== Problem6.OPTION) return false;
      if ((bytes[at + info] & 0xc0) !== 0x80) return false;
    }
    if (bytes[at + Ipv6.SOURCE] === 0xff || ipv6.isUnspecified(bytes, at + Ipv6.SOURCE)) return false;
    return !this.isError(frame, at);
  }

  /** Whether a packet is an ICMPv6 error itself, or one that is cut off before that can be told. */
  private isError(frame: Frame, at: number): boolean {
    const { arena } = this.inet;
    const { bytes } = arena;
    const end = arena.offset[frame] + arena.headLength(frame);
    let kind = bytes[at + Ipv6.NEXT_HEADER];
    let start = at + Ipv6.BYTES;
    let isFragment = false;
    for (let seen = 0; seen < Ipv6.MAX_EXTENSIONS && isSkipped(kind); seen++) {
      if (start + 8 > end) return false;
      if (kind === Extension.FRAGMENT) {
        isFragment = true;
        if ((read16(bytes, start + 2) & 0xfff8) !== 0) return false;
      }
      const length = extensionLength(kind, bytes[start + 1]);
      kind = bytes[start];
      start += length;
    }
    if (kind !== Protocol.ICMPV6) return false;
    return start >= end ? !isFragment : bytes[start] < INFORMATIONAL;
  }

  private isInMask(namespace: Namespace, type: number): boolean {
    return ((this.inet.conf.netOf6(namespace, Net6.ICMP_RATEMASK + (type >>> 5)) >>> (type & 31)) & 1) !== 0;
  }

  private isLoopback(link: Link): boolean {
    return this.inet.links.kind[link] === LinkKind.LOOPBACK;
  }

  /** $source becomes the source of a message about a packet; :: where there is none. */
  private chooseSource(frame: Frame, at: number, link: Link, namespace: Namespace): void {
    const { arena } = this.inet;
    const { bytes } = arena;
    const isForHost = bytes[at + Ipv6.DESTINATION] !== 0xff && arena.received[frame] === Received.HOST;
    if (isForHost && this.isOwn(bytes, at + Ipv6.DESTINATION, link, namespace)) {
      for (let i = 0; i < 16; i++) this.$source[i] = bytes[at + Ipv6.DESTINATION + i];
      return;
    }
    this.selectSource(at + Ipv6.SOURCE, link, namespace);
  }

  /** An address of the link that the packet came by is preferred, wherever the answer leaves. */
  private selectSource(destination: number, link: Link, namespace: Namespace): void {
    const { inet } = this;
    if (!inet.ip6.source(namespace, link, inet.arena.bytes, destination, this.$source)) this.$source.fill(0);
  }

  /** Whether an address is one of ours, a link-local one on this very link. */
  private isOwn(bytes: Uint8Array, at: number, link: Link, namespace: Namespace): boolean {
    const { inet } = this;
    if (!ipv6.isLinkLocal(bytes, at)) return this.typeOf(namespace, bytes, at) === RouteType.LOCAL;
    const c = read32(bytes, at + 8);
    return inet.addresses.find6(link, read32(bytes, at), read32(bytes, at + 4), c, read32(bytes, at + 12)) >= 0;
  }

  private typeOf(namespace: Namespace, bytes: Uint8Array, at: number): number {
    const route = this.lookup(namespace, bytes, at);
    return route <= 0 ? RouteType.NONE : this.inet.fib.routes[(route << Route.SHIFT) + Route.TYPE];
  }

  /** The route of an address from here; rules see no source. */
  private lookup(namespace: Namespace, bytes: Uint8Array, destination: number): number {
    const { fib } = this.inet;
    if (fib.hasRules6(namespace)) fib.setFlow(this.inet.loopback[namespace], 0, 0, Protocol.ICMPV6);
    return fib.lookup6(namespace, bytes, destination, destination);
  }

  /** Whether another message may go to a peer now; as often as they want to what is reached by `lo`, never to where no route leads. */
  private allowsPeer(peerAt: number, link: Link, namespace: Namespace, now: number): boolean {
    const { inet } = this;
    const type = ipv6.isLinkLocal(inet.arena.bytes, peerAt)
      ? RouteType.UNICAST
      : this.typeOf(namespace, inet.arena.bytes, peerAt);
    if (type === RouteType.LOCAL || this.isLoopback(link)) return true;
    if (type !== RouteType.UNICAST) return false;
    const everyMs = inet.conf.netOf6(namespace, Net6.ICMP_RATELIMIT_MS);
    return this.limit.allowsPeer(this.peerOf(peerAt, namespace, now), everyMs, now);
  }

  private peerOf(at: number, namespace: Namespace, now: number): number {
    const { bytes } = this.inet.arena;
    const c = read32(bytes, at + 8);
    return this.limit.peer6(namespace, read32(bytes, at), read32(bytes, at + 4), c, read32(bytes, at + 12), now);
  }

  /** A frame with an error that quotes the first bytes of a packet and goes to its source; the rest of its header is missing. */
  private quote(frame: Frame, length: number, type: number, code: number, info: number): Frame {
    const { inet } = this;
    const { arena } = inet;
    const { bytes } = arena;
    const message = inet.create(HEADERS + Icmp.BYTES + length);
    if (message === NONE) return NONE;
    const at = arena.offset[message] + HEADERS;
    write32(bytes, at, (type << 24) | (code << 16));
    write32(bytes, at + 4, info);
    arena.attach(message, frame);
    rangeCopy(arena, message, HEADERS + Icmp.BYTES, frame, Ethernet.BYTES, length);
    this.address(message, inet.network(frame) + Ipv6.SOURCE);
    return message;
  }

  /** Writes the destination of a message. */
  private address(message: Frame, destination: number): void {
    const { bytes } = this.inet.arena;
    const at = this.inet.network(message) + Ipv6.DESTINATION;
    for (let i = 0; i < 16; i++) bytes[at + i] = bytes[destination + i];
  }

  /** Completes the IPv6 header of a message with a destination, from $source, and its checksum. */
  private finish(message: Frame, link: Link, namespace: Namespace, length: number, trafficClass = 0): void {
    const { inet } = this;
    const { arena } = inet;
    const { bytes } = arena;
    const at = inet.network(message);
    writeType(bytes, at - Ethernet.BYTES, EtherType.IPV6);
    ipv6.write(bytes, at, Protocol.ICMPV6, this.hopLimit(namespace, at, link), length);
    for (let i = 0; i < 16; i++) bytes[at + Ipv6.SOURCE + i] = this.$source[i];
    this.writeClass(at, trafficClass, namespace, Protocol.ICMPV6);
    this.writeChecksum(message, at, length);
  }

  private writeChecksum(message: Frame, at: number, length: number): void {
    const { arena } = this.inet;
    const field = at + Ipv6.BYTES + Icmp.CHECKSUM;
    write16(arena.bytes, field, 0);
    const pseudo = fold(pseudo6(arena.bytes, at + Ipv6.SOURCE, Protocol.ICMPV6, length));
    write16(arena.bytes, field, finish(pseudo + rangeSum(arena, message, HEADERS, length)));
  }

  /** Of a packet of ours with the header at `at`: by its route, else by the link that it leaves by. */
  hopLimit(namespace: Namespace, at: number, link: Link): number {
    const { inet } = this;
    const { bytes } = inet.arena;
    let out = link;
    if (!ipv6.isLinkLocal(bytes, at + Ipv6.DESTINATION)) {
      const route = this.lookup(namespace, bytes, at + Ipv6.DESTINATION);
      if (route > 0) {
        const own = inet.fib.routes[(route << Route.SHIFT) + Route.HOPLIMIT];
        if (own !== 0) return own;
        const hop = inet.fib.select(route, 0);
        if (hop >= 0) out = inet.fib.nexthops[(hop << NextHop.SHIFT) + NextHop.LINK];
      }
    }
    return inet.conf.of6(out, Conf6.HOP_LIMIT) || HOP_LIMIT;
  }

  /** Writes traffic class and, as auto_flowlabels says, a flow label that depends on the addresses alone. */
  writeClass(at: number, trafficClass: number, namespace: Namespace, protocol: number): void {
    const { bytes } = this.inet.arena;
    let label = 0;
    if (this.inet.conf.netOf6(namespace, Net6.AUTO_FLOWLABELS) !== 0) {
      let hash = this.labelKey ^ protocol;
      for (let i = 0; i < 32; i += 4) {
        hash = Math.imul(hash ^ read32(bytes, at + Ipv6.SOURCE + i), 0x85ebca6b);
        hash ^= hash >>> 15;
      }
      label = hash & 0xfffff || 1;
    }
    write32(bytes, at, 0x60000000 | (trafficClass << 20) | label);
  }

  /** Sends a message to where a packet came from. */
  send(message: Frame, link: Link, now: number): void {
    const { inet } = this;
    const destination = inet.network(message) + Ipv6.DESTINATION;
    const by = ipv6.isLinkLocal(inet.arena.bytes, destination) ? link : 0;
    inet.ip6.send6(message, inet.namespaceOf(link), now, by);
  }

  // --- redirects that we send -------------------------------------------------------------------

  /**
   * A packet leaves by the link it came in by, to the given neighbour: tells its sender (RFC 4861 §8.2), but not too often.
   * Borrowed.
   */
  redirect(frame: Frame, a: number, b: number, c: number, d: number, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    const link = inet.arena.ingress[frame];
    const namespace = inet.namespaceOf(link);
    const byDestination = this.peerOf(at + Ipv6.DESTINATION, namespace, now);
    if (!this.limit.allowsPeer(byDestination, REDIRECT_MS, now)) return;
    const isItself = sameAddress(bytes, at + Ipv6.DESTINATION, a, b, c, d);
    if ((!isItself && !isLinkLocalWord(a)) || !this.linkLocal(link)) return;
    if (!this.isNeighbour(at + Ipv6.SOURCE, link, namespace)) return;
    if (!this.limit.allowsPeer(this.peerOf(at + Ipv6.SOURCE, namespace, now), REDIRECT_MS, now)) return;
    this.sendRedirect(frame, at, link, a, b, c, d, now);
  }

  /** $source becomes the link's link-local address; false where it has none that may be used. */
  private linkLocal(link: Link): boolean {
    const list = this.inet.addresses.of6[link];
    for (let at = 0; at < list.length; at += Address6.WORDS) {
      const isUsable = (list[at + Address6.FLAGS] & (AddressFlag.TENTATIVE | AddressFlag.DADFAILED)) === 0;
      if (!isUsable || !isLinkLocalWord(list[at])) continue;
      for (let i = 0; i < 4; i++) write32(this.$source, i * 4, list[at + i]);
      return true;
    }
    return false;
  }

  /** Whether an address is reached without a gateway. */
  private isNeighbour(at: number, link: Link, namespace: Namespace): boolean {
    const { fib, arena } = this.inet;
    if (ipv6.isLinkLocal(arena.bytes, at)) return true;
    const route = this.lookup(namespace, arena.bytes, at);
    const hop = route <= 0 ? -1 : fib.select(route, 0);
    if (hop < 0) return false;
    const row = hop << NextHop.SHIFT;
    return fib.nexthops[row + NextHop.FAMILY] === 0 && fib.nexthops[row + NextHop.LINK] === link;
  }

  private sendRedirect(
    frame: Frame,
    at: number,
    link: Link,
    a: number,
    b: number,
    c: number,
    d: number,
    now: number,
  ): void {
    const { inet } = this;
    const { arena } = inet;
    const { bytes } = arena;
    const neighbour = inet.neighbours.lookup6(link, a, b, c, d);
    const hasMac = neighbour >= 0 && inet.neighbours.isUsable(neighbour);
    const fixed = Redirect.BYTES + (hasMac ? Redirect.MAC_OPTION : 0);
    const packet = arena.length[frame] - Ethernet.BYTES;
    const quote = Math.min(LONGEST - Ipv6.BYTES - fixed, packet + Redirect.HEADER_OPTION) & ~7;
    const message = inet.create(HEADERS + fixed + quote);
    if (message === NONE) return;
    const start = arena.offset[message] + HEADERS;
    write32(bytes, start, Icmp6Type.REDIRECT << 24);
    write32(bytes, start + 4, 0);
    writeWords(bytes, start + Redirect.TARGET, a, b, c, d);
    for (let i = 0; i < 16; i++) bytes[start + Redirect.DESTINATION + i] = bytes[at + Ipv6.DESTINATION + i];
    if (hasMac) this.writeMacOption(start + Redirect.BYTES, neighbour);
    write32(bytes, start + fixed, (Redirect.HEADER_TYPE << 24) | ((quote >> 3) << 16));
    write32(bytes, start + fixed + 4, 0);
    const body = HEADERS + fixed + Redirect.HEADER_OPTION;
    rangeCopy(arena, message, body, frame, Ethernet.BYTES, quote - Redirect.HEADER_OPTION);
    this.address(message, at + Ipv6.SOURCE);
    this.finish(message, link, inet.namespaceOf(link), fixed + quote);
    this.finishAsDiscovery(message);
    inet.ip6.send6(message, inet.namespaceOf(link), now, link);
  }

  private writeMacOption(at: number, neighbour: number): void {
    const { arena, neighbours } = this.inet;
    const high = neighbours.macHigh(neighbour);
    const low = neighbours.macLow(neighbour);
    arena.bytes[at] = NeighborOption.TARGET_MAC;
    arena.bytes[at + 1] = 1;
    for (let i = 0; i < 2; i++) arena.bytes[at + 2 + i] = high >>> (8 * i);
    for (let i = 0; i < 4; i++) arena.bytes[at + 4 + i] = low >>> (8 * i);
  }

  /** Neighbour discovery has neither flow labels nor a hop limit of its own choice. */
  private finishAsDiscovery(message: Frame): void {
    const { bytes } = this.inet.arena;
    const at = this.inet.network(message);
    write32(bytes, at, 0x60000000);
    bytes[at + Ipv6.HOP_LIMIT] = 255;
  }

  // --- messages to us ---------------------------------------------------------------------------

  /**
   * A whole ICMPv6 packet for this host, its message `start` bytes from the frame's first byte, nothing behind it. Given.
   * `isFragmented`: it came with a fragment header.
   */
  receive(frame: Frame, start: number, now: number, isFragmented = false): void {
    const { inet } = this;
    const { arena } = inet;
    if (arena.length[frame] < start + 4 || !this.hasRightChecksum(frame, start)) {
      return inet.drop(frame, DropReason.ICMP_INVALID);
    }
    if (arena.length[frame] < start + Icmp.BYTES) return inet.drop(frame, DropReason.ICMP_INVALID);
    const at = arena.offset[frame] + start;
    const type = arena.bytes[at];
    const end = arena.offset[frame] + arena.headLength(frame);
    if (type === Icmp6Type.ECHO_REQUEST) this.answerEcho(frame, start, now);
    else if (type >= Icmp6Type.ROUTER_SOLICITATION && type <= Icmp6Type.REDIRECT) {
      // RFC 6980: fragments hide what switches should look at.
      const isSuppressed = isFragmented && inet.conf.of6(arena.ingress[frame], Conf6.SUPPRESS_FRAG_NDISC) !== 0;
      if (isSuppressed) inet.drop(frame, DropReason.ND_INVALID);
      else inet.neighbour.receiveNd(frame, arena.ingress[frame], at, end, now);
    } else if (type === Icmp6Type.ECHO_REPLY) {
      if (!inet.endpoints.receive6(frame, Protocol.ICMPV6, at)) inet.drop(frame, DropReason.ICMP_IGNORED);
    } else if (type === Icmp6Type.MLD_QUERY || type === Icmp6Type.MLD_REPORT) this.mld.receive(frame, at, end, now);
    else if (type < INFORMATIONAL) this.receiveError(frame, at, type, end, now);
    else inet.drop(frame, DropReason.ICMP_IGNORED);
  }

  private hasRightChecksum(frame: Frame, start: number): boolean {
    const { arena } = this.inet;
    if (isPartial(arena, frame)) return completePartial(arena, frame);
    const isKnown = (arena.vnet[frame << Vnet.SHIFT] & Vnet.DATA_VALID) !== 0;
    arena.clearVnet(frame);
    if (isKnown) return true;
    const length = arena.length[frame] - start;
    const pseudo = fold(pseudo6(arena.bytes, this.inet.network(frame) + Ipv6.SOURCE, Protocol.ICMPV6, length));
    return fold(pseudo + rangeSum(arena, frame, start, length)) === 0xffff;
  }

  private answerEcho(frame: Frame, start: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const { bytes } = arena;
    const at = inet.network(frame);
    const link = arena.ingress[frame];
    const namespace = inet.namespaceOf(link);
    if (!this.mayAnswerEcho(frame, at, namespace, now)) return inet.drop(frame, DropReason.ICMP_IGNORED);
    const trafficClass = (read16(bytes, at) >>> 4) & 0xff;
    this.chooseSource(frame, at, link, namespace);
    const peer = at + Ipv6.SOURCE;
    // The fixed header moves up to the message; its source becomes the destination.
    const network = arena.offset[frame] + start - Ipv6.BYTES;
    bytes.copyWithin(network + Ipv6.DESTINATION, peer, peer + 16);
    arena.offset[frame] = network - Ethernet.BYTES;
    arena.length[frame] -= start - HEADERS;
    arena.received[frame] = Received.HOST;
    arena.mark[frame] = 0;
    bytes[network + Ipv6.BYTES] = Icmp6Type.ECHO_REPLY;
    this.finish(frame, link, namespace, arena.length[frame] - HEADERS, trafficClass);
    this.send(frame, link, now);
  }

  /** An answer to a group's packet goes by the link that it came by, or not at all. */
  private leadsBack(namespace: Namespace, bytes: Uint8Array, source: number, link: Link): boolean {
    if (ipv6.isLinkLocal(bytes, source)) return true;
    const route = this.lookup(namespace, bytes, source);
    return route > 0 && this.inet.fib.leadsTo(route, link);
  }

  private mayAnswerEcho(frame: Frame, at: number, namespace: Namespace, now: number): boolean {
    const { inet } = this;
    const { bytes, ingress } = inet.arena;
    const { conf } = inet;
    const destination = at + Ipv6.DESTINATION;
    if (conf.netOf6(namespace, Net6.ICMP_ECHO_IGNORE_ALL) !== 0) return false;
    if (bytes[at + Ipv6.SOURCE] === 0xff || ipv6.isUnspecified(bytes, at + Ipv6.SOURCE)) return false;
    if (bytes[destination] === 0xff) {
      if (conf.netOf6(namespace, Net6.ICMP_ECHO_IGNORE_MULTICAST) !== 0) return false;
      if (!this.leadsBack(namespace, bytes, at + Ipv6.SOURCE, ingress[frame])) return false;
    } else if (conf.netOf6(namespace, Net6.ICMP_ECHO_IGNORE_ANYCAST) !== 0) {
      if (this.typeOf(namespace, bytes, destination) === RouteType.ANYCAST) return false;
    }
    if (!this.isInMask(namespace, Icmp6Type.ECHO_REPLY)) return true;
    if (!inet.icmp4.allows(namespace, now)) return false;
    const isAllowed = this.allowsPeer(at + Ipv6.SOURCE, ingress[frame], namespace, now);
    if (isAllowed) this.limit.consume(namespace, inet.random());
    return isAllowed;
  }

  /** An error about a packet of ours: to whom sent it, and to the table of paths. */
  private receiveError(frame: Frame, at: number, type: number, end: number, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const quoted = at + Icmp.BYTES;
    if (!ipv6.check(bytes, quoted, end)) return inet.drop(frame, DropReason.ICMP_INVALID);
    inet.endpoints.receiveError6(frame, quoted, end);
    if (type === Icmp6Type.PACKET_TOO_BIG) this.learnMtu(frame, quoted, read32(bytes, at + 4), now);
    inet.deliver(frame);
  }

  /** The path to the quoted destination takes no more than `mtu` bytes (RFC 8201); less than IPv6's least is not believed. */
  private learnMtu(frame: Frame, quoted: number, mtu: number, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const link = inet.arena.ingress[frame];
    const namespace = inet.namespaceOf(link);
    if (mtu < LONGEST || !this.isOwn(bytes, quoted + Ipv6.SOURCE, link, namespace)) return;
    const at = quoted + Ipv6.DESTINATION;
    if (mtu >= inet.pmtu.get6(namespace, bytes, at, inet.links.mtu[link], now)) return;
    const a = read32(bytes, at);
    const b = read32(bytes, at + 4);
    const forMs = inet.conf.netOf6(namespace, Net6.ROUTE_MTU_EXPIRES_MS);
    inet.pmtu.learn6(namespace, a, b, read32(bytes, at + 8), read32(bytes, at + 12), mtu, false, forMs, now);
  }

  // --- groups -----------------------------------------------------------------------------------

  /** The control plane has changed the groups of a link: says so to the routers there. */
  joinGroups(link: Link, now: number): void {
    this.mld.join(link, now);
  }

  /** Answers ms until more is due, or -1. */
  timers(now: number): number {
    return this.mld.timers(now);
  }

  forgetLink(link: Link): void {
    this.mld.forgetLink(link);
  }
}

function isLinkLocalWord(word: number): boolean {
  return word >>> 22 === 0x3fa;
}

function sameAddress(bytes: Uint8Array, at: number, a: number, b: number, c: number, d: number): boolean {
  return (
    read32(bytes, at) === a &&
    read32(bytes, at + 4) === b &&
    read32(bytes, at + 8) === c &&
    read32(bytes, at + 12) === d
  );
}

function writeWords(bytes: Uint8Array, at: number, a: number, b: number, c: number, d: number): void {
  write32(bytes, at, a);
  write32(bytes, at + 4, b);
  write32(bytes, at + 8, c);
  write32(bytes, at + 12, d);
}

/** Headers in front of the transport header, as ipv6_skip_exthdr knows them. */
function isSkipped(kind: number): boolean {
  return (
    kind === Extension.HOP_BY_HOP ||
    kind === Extension.ROUTING ||
    kind === Extension.FRAGMENT ||
    kind === Extension.DESTINATION ||
    kind === Extension.AUTHENTICATION
  );
}

function extensionLength(kind: number, length: number): number {
  if (kind === Extension.FRAGMENT) return 8;
  return kind === Extension.AUTHENTICATION ? (length + 2) << 2 : (length + 1) << 3;
}
