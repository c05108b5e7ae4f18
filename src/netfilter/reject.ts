/*
 * REJECT: the packet is dropped, and its sender is told (nf_reject_ipv4.c, nf_reject_ipv6.c).
 *
 * - ICMP errors go through the IP stack's own icmp4 and icmp6, with their rules and limits: never about an ICMP error, a later
 *   fragment, a broadcast or group. Nobody is told about a packet whose checksum is wrong: who knows who sent it.
 * - A TCP reset answers what is TCP, is no reset and has a right checksum, as if the port were closed; of a bridged or broadcast frame
 *   never.
 */
import { type Arena, type Frame, Received, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { Key, type Packet } from '../core/packet.js';
import type { Inet } from '../route/inet.js';
import { fold, pseudo4, pseudo6 } from '../wire/checksum.js';
import { read16 } from '../wire/field.js';
import { Icmp6Type, IcmpType } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Protocol } from '../wire/ipv4.js';
import { Ipv6 } from '../wire/ipv6.js';
import { rangeSum } from '../wire/span.js';
import { check, flags, Tcp, TcpFlag } from '../wire/tcp.js';
import { Udp } from '../wire/udp.js';
import { RejectWith } from './ops.js';
import type { ConntrackParts } from './parts.js';
import { sendReset } from './reset.js';
import { Family, Hook } from './rule.js';

/** Codes of destination unreachable, by RejectWith. */
const CODES4: Partial<Record<RejectWith, number>> = {
  [RejectWith.NET_UNREACHABLE]: 0,
  [RejectWith.HOST_UNREACHABLE]: 1,
  [RejectWith.PROTO_UNREACHABLE]: 2,
  [RejectWith.PORT_UNREACHABLE]: 3,
  [RejectWith.NET_PROHIBITED]: 9,
  [RejectWith.HOST_PROHIBITED]: 10,
  [RejectWith.ADMIN_PROHIBITED]: 13,
};

const CODES6: Partial<Record<RejectWith, number>> = {
  [RejectWith.NO_ROUTE_6]: 0,
  [RejectWith.ADMIN_PROHIBITED_6]: 1,
  [RejectWith.BEYOND_SCOPE_6]: 2,
  [RejectWith.ADDRESS_UNREACHABLE_6]: 3,
  [RejectWith.PORT_UNREACHABLE_6]: 4,
  [RejectWith.POLICY_FAIL_6]: 5,
  [RejectWith.REJECT_ROUTE_6]: 6,
};

const AH = 51;
const ESP = 50;
const GRE = 47;
const SCTP = 132;
const UDP_LITE = 136;
const DCCP = 33;

export class Reject {
  private readonly arena: Arena;

  constructor(
    private readonly inet: Inet,
    private readonly conntrack: ConntrackParts | null,
  ) {
    this.arena = inet.arena;
  }

  /** The frame is gone afterwards. */
  run(packet: Packet, how: RejectWith): void {
    const { inet } = this;
    const { frame, now } = packet;
    if (how === RejectWith.TCP_RESET || how === RejectWith.TCP_RESET_6) {
      if (this.isResettable(frame, packet)) this.reset(packet);
    } else if (packet.family === Family.IPV4) {
      if (this.mayTell4(packet)) inet.icmp4.error(frame, IcmpType.UNREACHABLE, CODES4[how] ?? 3, 0, now);
    } else if (this.isRight(packet)) {
      inet.icmp6.error(frame, Icmp6Type.UNREACHABLE, CODES6[how] ?? 4, 0, now);
    }
    inet.drop(frame, DropReason.REJECTED);
  }

  /** Its flow is over with that. */
  private reset(packet: Packet): void {
    sendReset(this.inet, packet);
    const flow = this.arena.flow[packet.frame];
    if (flow > 0) this.conntrack?.close(flow, packet.now);
  }

  private mayTell4(packet: Packet): boolean {
    return packet.key[Key.FRAGMENT] === 0 && this.isRight(packet);
  }

  /**
   * Whether the transport's checksum is right, or there is none to be looked at. Of protocols that conntrack knows nothing about the plain
   * sum of all bytes counts as one, as the kernel has it.
   */
  private isRight(packet: Packet): boolean {
    const { arena } = this;
    const { frame } = packet;
    if (packet.transport < 0) return packet.key[Key.FRAGMENT] === 0;
    if ((arena.vnet[frame << Vnet.SHIFT] & (Vnet.NEEDS_CSUM | Vnet.DATA_VALID)) !== 0) return true;
    const protocol = packet.key[Key.PROTOCOL];
    if (!isSummed(protocol)) return true;
    const length = packet.network + packet.length - packet.transport;
    const hasNone =
      packet.family === Family.IPV4 &&
      protocol === Protocol.UDP &&
      length >= Udp.BYTES &&
      read16(arena.bytes, packet.transport + Udp.CHECKSUM) === 0;
    if (hasNone) return true;
    return this.sum(packet, protocol, length) === 0xffff;
  }

  private sum(packet: Packet, protocol: number, length: number): number {
    const { arena } = this;
    const { frame, network, transport } = packet;
    const whole = rangeSum(arena, frame, transport - arena.offset[frame], length);
    const isV6 = packet.family === Family.IPV6;
    if (isV6) return fold(fold(pseudo6(arena.bytes, network + Ipv6.SOURCE, protocol, length)) + whole);
    if (protocol !== Protocol.TCP && protocol !== Protocol.UDP) return fold(whole);
    const { bytes } = arena;
    const pseudo = pseudo4(ipv4.source(bytes, network), ipv4.destination(bytes, network), protocol, length);
    return fold(fold(pseudo) + whole);
  }

  private isResettable(frame: Frame, packet: Packet): boolean {
    const { arena } = this;
    const { bytes } = arena;
    const { transport, key } = packet;
    if (key[Key.FRAGMENT] !== 0 || transport < 0 || key[Key.PROTOCOL] !== Protocol.TCP) return false;
    const end = Math.min(packet.network + packet.length, arena.offset[frame] + arena.headLength(frame));
    if (transport + Tcp.BYTES > end || !check(bytes, transport, end)) return false;
    if ((flags(bytes, transport) & TcpFlag.RST) !== 0) return false;
    // A frame to a broadcast or group address of the link is nobody's connection; what is made here has no such address.
    if (packet.hook !== Hook.OUTPUT && arena.received[frame] !== Received.HOST) return false;
    if (this.isGroup(packet)) return false;
    return this.isRight(packet);
  }

  private isGroup(packet: Packet): boolean {
    const { key } = packet;
    if (packet.family === Family.IPV4) return key[Key.DESTINATION] >>> 28 === 14 || key[Key.DESTINATION] === -1;
    return key[Key.DESTINATION] >>> 24 === 0xff || key[Key.SOURCE] >>> 24 === 0xff;
  }
}

/** Whether a protocol has one checksum over all of it, so that it can be looked at. */
function isSummed(protocol: number): boolean {
  return (
    protocol !== GRE &&
    protocol !== AH &&
    protocol !== ESP &&
    protocol !== SCTP &&
    protocol !== UDP_LITE &&
    protocol !== DCCP
  );
}
