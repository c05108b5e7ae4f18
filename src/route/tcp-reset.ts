/*
 * The reset that answers a TCP segment for which nobody listens (RFC 9293 §3.10.7.1), as tcp_v4_send_reset and
 * tcp_v6_send_response of Linux send it: a bare RST whose sequence number is what the segment acknowledged, or
 * else an RST ACK of all that it occupied. Never in answer to a reset.
 */
import { type Frame, NONE } from '../core/arena.js';
import { finish, fold, pseudo4, pseudo6, sumBytes } from '../wire/checksum.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { read16, write16, write32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Ipv6 } from '../wire/ipv6.js';
import * as tcp from '../wire/tcp.js';
import { Tcp, TcpFlag } from '../wire/tcp.js';
import { Net4 } from './conf.js';
import type { Inet } from './inet.js';

/** Of a segment's type of service or traffic class all but this stays. */
const ECN = 3;

export class TcpReset {
  constructor(private readonly inet: Inet) {}

  /** The frame, borrowed, has its TCP header `start` bytes from its first byte, checked. */
  answer4(frame: Frame, start: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const { bytes } = arena;
    if ((tcp.flags(bytes, arena.offset[frame] + start) & TcpFlag.RST) !== 0) return;
    const from = inet.network(frame);
    const namespace = inet.namespaceOf(arena.ingress[frame]);
    const { echo } = inet.icmp4;
    echo.prepare(from, namespace, ipv4.destination(bytes, from), inet.icmp4.timestamp(now));
    const header = Ipv4.BYTES + echo.length;
    const reset = inet.create(Ethernet.BYTES + header + Tcp.BYTES);
    if (reset === NONE) return;
    const at = inet.network(reset);
    writeType(bytes, at - Ethernet.BYTES, EtherType.IPV4);
    write32(bytes, at, 0x40000000 | (header << 22) | ((bytes[from + Ipv4.TOS] & ~ECN) << 16) | (header + Tcp.BYTES));
    write32(bytes, at + Ipv4.IDENTIFICATION, Ipv4.DONT_FRAGMENT);
    write32(bytes, at + Ipv4.TTL, (inet.conf.net(namespace, Net4.DEFAULT_TTL) << 24) | (Protocol.TCP << 16));
    write32(bytes, at + Ipv4.SOURCE, ipv4.destination(bytes, from));
    write32(bytes, at + Ipv4.DESTINATION, ipv4.source(bytes, from));
    for (let i = 0; i < echo.length; i++) bytes[at + Ipv4.BYTES + i] = echo.options[i];
    ipv4.writeChecksum(bytes, at);
    this.writeReset(frame, start, at + header);
    const pseudo = pseudo4(ipv4.source(bytes, from), ipv4.destination(bytes, from), Protocol.TCP, Tcp.BYTES);
    this.writeChecksum(at + header, pseudo);
    inet.ip4.send4(reset, namespace, now);
  }

  /** As answer4 for IPv6. */
  answer6(frame: Frame, start: number, now: number): void {
    const { inet } = this;
    const { arena } = inet;
    const { bytes } = arena;
    if ((tcp.flags(bytes, arena.offset[frame] + start) & TcpFlag.RST) !== 0) return;
    const reset = inet.create(Ethernet.BYTES + Ipv6.BYTES + Tcp.BYTES);
    if (reset === NONE) return;
    const from = inet.network(frame);
    const at = inet.network(reset);
    const link = arena.ingress[frame];
    writeType(bytes, at - Ethernet.BYTES, EtherType.IPV6);
    for (let i = 0; i < 16; i++) {
      bytes[at + Ipv6.SOURCE + i] = bytes[from + Ipv6.DESTINATION + i];
      bytes[at + Ipv6.DESTINATION + i] = bytes[from + Ipv6.SOURCE + i];
    }
    const hopLimit = inet.icmp6.hopLimit(inet.namespaceOf(link), at, link);
    ipv6.write(bytes, at, Protocol.TCP, hopLimit, Tcp.BYTES);
    inet.icmp6.writeClass(at, (read16(bytes, from) >>> 4) & 0xff & ~ECN, inet.namespaceOf(link), Protocol.TCP);
    this.writeReset(frame, start, at + Ipv6.BYTES);
    this.writeChecksum(at + Ipv6.BYTES, pseudo6(bytes, at + Ipv6.SOURCE, Protocol.TCP, Tcp.BYTES));
    inet.icmp6.send(reset, link, now);
  }

  private writeReset(frame: Frame, start: number, at: number): void {
    const { arena } = this.inet;
    const { bytes } = arena;
    const segment = arena.offset[frame] + start;
    const flags = tcp.flags(bytes, segment);
    const hasAck = (flags & TcpFlag.ACK) !== 0;
    const data = arena.length[frame] - start - tcp.headerLength(bytes, segment);
    const occupied = data + ((flags & TcpFlag.SYN) !== 0 ? 1 : 0) + ((flags & TcpFlag.FIN) !== 0 ? 1 : 0);
    write16(bytes, at + Tcp.SOURCE_PORT, tcp.destinationPort(bytes, segment));
    write16(bytes, at + Tcp.DESTINATION_PORT, tcp.sourcePort(bytes, segment));
    write32(bytes, at + Tcp.SEQUENCE, hasAck ? tcp.acknowledgment(bytes, segment) : 0);
    write32(bytes, at + Tcp.ACKNOWLEDGMENT, hasAck ? 0 : (tcp.sequence(bytes, segment) + occupied) | 0);
    write32(bytes, at + Tcp.DATA_OFFSET, 0x50000000 | ((TcpFlag.RST | (hasAck ? 0 : TcpFlag.ACK)) << 16));
    write32(bytes, at + Tcp.CHECKSUM, 0);
  }

  private writeChecksum(at: number, pseudo: number): void {
    const { bytes } = this.inet.arena;
    write16(bytes, at + Tcp.CHECKSUM, finish(fold(pseudo) + sumBytes(bytes, at, Tcp.BYTES)));
  }
}
