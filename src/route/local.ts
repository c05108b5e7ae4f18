/*
 * Packets for this host: put together if they came in fragments, then given to who speaks their protocol.
 *
 *   receive4 · receive6 ─► reassembly ─► (IPv6: extension headers) ─┬─ ICMP ─────► icmp4 · icmp6
 *                                                                  ├─ UDP, TCP ─► checksum ─► endpoints
 *                                                                  └─ others ──────────────► endpoints
 *
 * Where no endpoint listens UDP is answered by port unreachable, TCP by a reset, any other protocol by protocol unreachable
 * or, in IPv6, by a parameter problem that points at its number; none of that to packets for groups or broadcast
 * addresses. A superframe is one datagram or segment here: its checksum is not finished, and there is nothing to verify.
 */
import { type Frame, NONE, Received, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { fold, pseudo4, pseudo6 } from '../wire/checksum.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16 } from '../wire/field.js';
import { Icmp6Type, IcmpType, Problem6, Unreachable, Unreachable6 } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Protocol } from '../wire/ipv4.js';
import { Extension, FragmentHeader, Ipv6 } from '../wire/ipv6.js';
import { rangeSum } from '../wire/span.js';
import * as tcp from '../wire/tcp.js';
import { Udp } from '../wire/udp.js';
import { checkDestinationOptions } from './destination-options.js';
import { HookFamily } from './hooks.js';
import type { Inet } from './inet.js';
import { TcpReset } from './tcp-reset.js';

/** Extension headers that a packet may have at most; those of Linux count to 8, too. */
const MAX_EXTENSIONS = 8;

/** Bytes of routing header that say what it is. */
const enum Routing {
  TYPE = 2,
  SEGMENTS_LEFT = 3,
}

/** Types of routing headers that are dropped without a word, as Linux does where they are not enabled (SRv6, RPL). */
const SEGMENT_ROUTING = 4;
const RPL_SOURCE_ROUTE = 3;

/** What `extensions` answers where the packet has gone its way already. */
const ENDED = -1;

export class Local {
  private readonly tcpReset: TcpReset;
  /** Of the packet whose extension headers have been walked last: the place of its transport protocol, from the IP header on. */
  private $field = 0;
  private $frame: Frame = NONE;
  private $isFragmented = false;

  constructor(private readonly inet: Inet) {
    this.tcpReset = new TcpReset(inet);
  }

  // --- IPv4 -------------------------------------------------------------------------------------

  /** An IPv4 packet for this host with a valid header, nothing behind it. Given. */
  receive4(given: Frame, now: number): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const isFragment = ipv4.isFragment(bytes, inet.network(given));
    const frame = isFragment ? inet.reassembly.add4(given, now) : given;
    if (frame === NONE) return;
    const link = inet.arena.ingress[frame];
    const { hooks } = inet;
    if ((hooks.isOn[inet.namespaceOf(link)] & HookFamily.IPV4) !== 0 && !hooks.input4(frame, link, now)) return;
    inet.forgetTraces(frame);
    const at = inet.network(frame);
    const start = Ethernet.BYTES + ipv4.headerLength(bytes, at);
    const protocol = ipv4.protocol(bytes, at);
    if (protocol === Protocol.ICMP) inet.icmp4.receive(frame, now);
    else if (protocol === Protocol.UDP) this.receiveUdp4(frame, at, start, now);
    else if (protocol === Protocol.TCP) this.receiveTcp4(frame, at, start, now);
    else this.receiveOther4(frame, start, protocol, now);
  }

  /** Whether a packet is for one address of ours. */
  private isForHost4(frame: Frame, at: number): boolean {
    const { bytes, received } = this.inet.arena;
    return received[frame] === Received.HOST && bytes[at + ipv4.Ipv4.DESTINATION] >>> 4 !== 14;
  }

  private receiveUdp4(frame: Frame, at: number, start: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const length = this.udpLength(frame, start);
    const hasChecksum = length > 0 && read16(arena.bytes, arena.offset[frame] + start + Udp.CHECKSUM) !== 0;
    if (length < 0 || (hasChecksum && !this.isRight4(frame, at, start, length))) {
      return inet.drop(frame, DropReason.TRANSPORT_CHECKSUM);
    }
    if (inet.endpoints.receive4(frame, Protocol.UDP, arena.offset[frame] + start)) return;
    if (this.isForHost4(frame, at)) inet.icmp4.error(frame, IcmpType.UNREACHABLE, Unreachable.PORT, 0, now);
    inet.drop(frame, DropReason.NO_SOCKET);
  }

  /** Bytes of a datagram, what follows it cut off; -1: its header is malformed. */
  private udpLength(frame: Frame, start: number): number {
    const { arena } = this.inet;
    const rest = arena.length[frame] - start;
    if (rest < Udp.BYTES) return -1;
    if (arena.isSuperframe(frame)) return rest;
    const length = read16(arena.bytes, arena.offset[frame] + start + Udp.LENGTH);
    if (length < Udp.BYTES || length > rest) return -1;
    if (length < rest) arena.truncate(frame, start + length);
    return length;
  }

  private receiveTcp4(frame: Frame, at: number, start: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const header = arena.offset[frame] + start;
    const end = arena.offset[frame] + arena.headLength(frame);
    if (!this.isForHost4(frame, at)) return inet.drop(frame, DropReason.NO_SOCKET);
    if (!tcp.check(arena.bytes, header, end) || !this.isRight4(frame, at, start, arena.length[frame] - start)) {
      return inet.drop(frame, DropReason.TRANSPORT_CHECKSUM);
    }
    if (inet.endpoints.receive4(frame, Protocol.TCP, header)) return;
    this.tcpReset.answer4(frame, start, now);
    inet.drop(frame, DropReason.NO_SOCKET);
  }

  private isRight4(frame: Frame, at: number, start: number, length: number): boolean {
    const { bytes } = this.inet.arena;
    if (this.isVerified(frame)) return true;
    const pseudo = pseudo4(ipv4.source(bytes, at), ipv4.destination(bytes, at), ipv4.protocol(bytes, at), length);
    return fold(fold(pseudo) + rangeSum(this.inet.arena, frame, start, length)) === 0xffff;
  }

  /** Whether who sent the frame vouches for its checksum, or has left it to be finished. */
  private isVerified(frame: Frame): boolean {
    return (this.inet.arena.vnet[frame << Vnet.SHIFT] & (Vnet.NEEDS_CSUM | Vnet.DATA_VALID)) !== 0;
  }

  private receiveOther4(frame: Frame, start: number, protocol: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    if (arena.length[frame] >= start + 4 && inet.endpoints.receive4(frame, protocol, arena.offset[frame] + start))
      return;
    if (protocol !== Protocol.IGMP) inet.icmp4.error(frame, IcmpType.UNREACHABLE, Unreachable.PROTOCOL, 0, now);
    inet.drop(frame, DropReason.NO_PROTOCOL);
  }

  // --- IPv6 -------------------------------------------------------------------------------------

  /** An IPv6 packet for this host with a valid fixed header and hop-by-hop options, nothing behind it. Given. */
  receive6(given: Frame, now: number): void {
    const { inet } = this;
    const { hooks } = inet;
    const link = inet.arena.ingress[given];
    if ((hooks.isOn[inet.namespaceOf(link)] & HookFamily.IPV6) !== 0 && !hooks.input6(given, link, now)) return;
    const start = this.extensions(given, now);
    if (start === ENDED) return;
    const frame = this.$frame;
    inet.forgetTraces(frame);
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    const protocol = bytes[at + this.$field];
    if (protocol === Protocol.ICMPV6) inet.icmp6.receive(frame, Ethernet.BYTES + start, now, this.$isFragmented);
    else if (protocol === Protocol.UDP) this.receiveUdp6(frame, at, Ethernet.BYTES + start, now);
    else if (protocol === Protocol.TCP) this.receiveTcp6(frame, at, Ethernet.BYTES + start, now);
    else this.receiveOther6(frame, Ethernet.BYTES + start, protocol, now);
  }

  /**
   * Walks the extension headers. Answers where the transport header starts, from the IP header on, $frame and $field set;
   * or ENDED: the frame waits for others, or was dropped.
   */
  private extensions(given: Frame, now: number): number {
    const { inet } = this;
    const { bytes } = inet.arena;
    let frame = given;
    let field: number = Ipv6.NEXT_HEADER;
    let start: number = Ipv6.BYTES;
    this.$isFragmented = false;
    for (let seen = 0; seen <= MAX_EXTENSIONS; seen++) {
      const kind = bytes[inet.network(frame) + field];
      if (kind === Extension.FRAGMENT) {
        this.$isFragmented = true;
        const isWhole = this.isAtomic(frame, start);
        frame = isWhole ? frame : this.reassemble(frame, start, now);
        if (frame === NONE) return ENDED;
        if (!isWhole) continue;
      } else {
        if (!isExtension(kind, field)) return this.found(frame, field, start);
        if (!this.accepts(frame, kind, start, now)) return ENDED;
      }
      field = start;
      start += kind === Extension.FRAGMENT ? FragmentHeader.BYTES : extensionLength(bytes, inet.network(frame) + start);
    }
    inet.drop(frame, DropReason.IPV6_EXTENSION);
    return ENDED;
  }

  private found(frame: Frame, field: number, start: number): number {
    this.$frame = frame;
    this.$field = field;
    return start;
  }

  /** A fragment header without fragments (RFC 6946). */
  private isAtomic(frame: Frame, start: number): boolean {
    const { arena } = this.inet;
    if (Ethernet.BYTES + start + FragmentHeader.BYTES > arena.headLength(frame)) return false;
    const word = read16(arena.bytes, this.inet.network(frame) + start + FragmentHeader.OFFSET);
    return (word & (FragmentHeader.OFFSET_MASK | FragmentHeader.MORE)) === 0;
  }

  private reassemble(frame: Frame, start: number, now: number): Frame {
    const { inet } = this;
    const { arena } = inet;
    if (Ethernet.BYTES + start + FragmentHeader.BYTES > arena.headLength(frame)) {
      return this.refuse6(frame, Problem6.FIELD, start, now);
    }
    const isFirst = (read16(arena.bytes, inet.network(frame) + start + FragmentHeader.OFFSET) & 0xfff8) === 0;
    if (isFirst && !this.hasTransport(frame, start)) return this.refuse6(frame, Problem6.INCOMPLETE_CHAIN, 0, now);
    return inet.reassembly.add6(frame, start, now);
  }

  /** RFC 7112: a first fragment has all headers up to the transport header; where they end is not known, that is overlooked. */
  private hasTransport(frame: Frame, fragment: number): boolean {
    const { arena } = this.inet;
    const { bytes } = arena;
    const at = this.inet.network(frame);
    const end = arena.headLength(frame) - Ethernet.BYTES;
    let kind = bytes[at + fragment];
    let start = fragment + FragmentHeader.BYTES;
    for (; kind === Extension.HOP_BY_HOP || isExtension(kind, start); ) {
      if (start + 8 > end || kind === Extension.FRAGMENT) return true;
      kind = bytes[at + start];
      start += extensionLength(bytes, at + start);
    }
    return kind === Extension.NONE || start + leastHeader(kind) <= end;
  }

  /** Whether a packet goes on behind an extension header that starts at `start`; else it has been dropped. */
  private accepts(frame: Frame, kind: number, start: number, now: number): boolean {
    const { inet } = this;
    const { arena } = inet;
    const at = inet.network(frame) + start;
    const end = arena.offset[frame] + arena.headLength(frame);
    if (at + 8 > end || at + extensionLength(arena.bytes, at) > end) {
      inet.drop(frame, DropReason.IPV6_EXTENSION);
      return false;
    }
    if (kind === Extension.DESTINATION) return checkDestinationOptions(inet, frame, at, now);
    return kind !== Extension.ROUTING || this.acceptsRouting(frame, start, now);
  }

  private acceptsRouting(frame: Frame, start: number, now: number): boolean {
    const { inet } = this;
    const { bytes, received } = inet.arena;
    const at = inet.network(frame);
    const type = bytes[at + start + Routing.TYPE];
    const isGroup = bytes[at + Ipv6.DESTINATION] === 0xff || received[frame] !== Received.HOST;
    if (isGroup || type === SEGMENT_ROUTING || type === RPL_SOURCE_ROUTE) {
      inet.drop(frame, DropReason.SOURCE_ROUTE);
      return false;
    }
    if (bytes[at + start + Routing.SEGMENTS_LEFT] === 0) return true;
    inet.icmp6.error(frame, Icmp6Type.PARAMETER_PROBLEM, Problem6.FIELD, start + Routing.TYPE, now);
    inet.drop(frame, DropReason.SOURCE_ROUTE);
    return false;
  }

  private refuse6(frame: Frame, code: number, pointer: number, now: number): Frame {
    this.inet.icmp6.error(frame, Icmp6Type.PARAMETER_PROBLEM, code, pointer, now);
    this.inet.drop(frame, DropReason.IPV6_EXTENSION);
    return NONE;
  }

  private receiveUdp6(frame: Frame, at: number, start: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const length = this.udpLength(frame, start);
    const field = arena.offset[frame] + start + Udp.CHECKSUM;
    // A checksum of 0 says "none", which IPv6 does not allow (RFC 8200 §8.1).
    const isBad = length < 0 || (!this.isVerified(frame) && read16(arena.bytes, field) === 0);
    if (isBad || !this.isRight6(frame, at, start, Protocol.UDP, length)) {
      return inet.drop(frame, DropReason.TRANSPORT_CHECKSUM);
    }
    if (inet.endpoints.receive6(frame, Protocol.UDP, arena.offset[frame] + start)) return;
    if (this.isForHost6(frame, at)) inet.icmp6.error(frame, Icmp6Type.UNREACHABLE, Unreachable6.PORT, 0, now);
    inet.drop(frame, DropReason.NO_SOCKET);
  }

  private receiveTcp6(frame: Frame, at: number, start: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const header = arena.offset[frame] + start;
    const end = arena.offset[frame] + arena.headLength(frame);
    if (!this.isForHost6(frame, at)) return inet.drop(frame, DropReason.NO_SOCKET);
    const isRight =
      tcp.check(arena.bytes, header, end) && this.isRight6(frame, at, start, Protocol.TCP, arena.length[frame] - start);
    if (!isRight) return inet.drop(frame, DropReason.TRANSPORT_CHECKSUM);
    if (inet.endpoints.receive6(frame, Protocol.TCP, header)) return;
    this.tcpReset.answer6(frame, start, now);
    inet.drop(frame, DropReason.NO_SOCKET);
  }

  private isForHost6(frame: Frame, at: number): boolean {
    const { bytes, received } = this.inet.arena;
    return received[frame] === Received.HOST && bytes[at + Ipv6.DESTINATION] !== 0xff;
  }

  private isRight6(frame: Frame, at: number, start: number, protocol: number, length: number): boolean {
    const { arena } = this.inet;
    if (this.isVerified(frame)) return true;
    const pseudo = pseudo6(arena.bytes, at + Ipv6.SOURCE, protocol, length);
    return fold(fold(pseudo) + rangeSum(arena, frame, start, length)) === 0xffff;
  }

  private receiveOther6(frame: Frame, start: number, protocol: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const hasPort = arena.headLength(frame) >= start + 4;
    if (hasPort && inet.endpoints.receive6(frame, protocol, arena.offset[frame] + start)) return;
    if (protocol !== Extension.NONE) {
      inet.icmp6.error(frame, Icmp6Type.PARAMETER_PROBLEM, Problem6.NEXT_HEADER, this.$field, now);
    }
    inet.drop(frame, DropReason.NO_PROTOCOL);
  }
}

/** Whether a header is one to look behind; hop-by-hop options are only in front of all others. */
function isExtension(kind: number, field: number): boolean {
  if (kind === Extension.HOP_BY_HOP) return field === Ipv6.NEXT_HEADER;
  return kind === Extension.ROUTING || kind === Extension.DESTINATION || kind === Extension.FRAGMENT;
}

function extensionLength(bytes: Uint8Array, at: number): number {
  return (bytes[at + 1] + 1) << 3;
}

/** Bytes of a transport header that a first fragment must have. */
function leastHeader(protocol: number): number {
  if (protocol === Protocol.TCP) return tcp.Tcp.BYTES;
  if (protocol === Protocol.UDP || protocol === Protocol.ICMPV6) return 8;
  return 1;
}
