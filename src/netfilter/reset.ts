/*
 * The TCP reset of REJECT --reject-with tcp-reset (nf_send_reset, nf_send_reset6): unlike that of the stack itself (route/tcp-reset.ts) it has no
 * IP options, no TOS and no flow label, and it belongs to the flow of the segment that it answers.
 */
import { type Frame, NONE } from '../core/arena.js';
import type { Packet } from '../core/packet.js';
import { Net4 } from '../route/conf.js';
import type { Inet } from '../route/inet.js';
import { finish, fold, pseudo4, pseudo6, sumBytes } from '../wire/checksum.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { write16, write32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Ipv6 } from '../wire/ipv6.js';
import * as tcp from '../wire/tcp.js';
import { Tcp, TcpFlag } from '../wire/tcp.js';
import { Family } from './rule.js';

/** Sends a reset about the segment at hand, whose TCP header is there and says no RST. The packet's frame is borrowed. */
export function sendReset(inet: Inet, packet: Packet): void {
  const isV4 = packet.family === Family.IPV4;
  const header = isV4 ? Ipv4.BYTES : Ipv6.BYTES;
  const reset = inet.create(Ethernet.BYTES + header + Tcp.BYTES);
  if (reset === NONE) return;
  const { arena } = inet;
  const at = inet.network(reset);
  writeSegment(arena.bytes, packet, at + header);
  arena.attach(reset, packet.frame);
  if (isV4) send4(inet, reset, at, packet);
  else send6(inet, reset, at, packet);
}

function writeSegment(bytes: Uint8Array, packet: Packet, at: number): void {
  const segment = packet.transport;
  const flags = tcp.flags(bytes, segment);
  const hasAck = (flags & TcpFlag.ACK) !== 0;
  const data = packet.network + packet.length - segment - tcp.headerLength(bytes, segment);
  const occupied = data + ((flags & TcpFlag.SYN) !== 0 ? 1 : 0) + ((flags & TcpFlag.FIN) !== 0 ? 1 : 0);
  write16(bytes, at + Tcp.SOURCE_PORT, tcp.destinationPort(bytes, segment));
  write16(bytes, at + Tcp.DESTINATION_PORT, tcp.sourcePort(bytes, segment));
  write32(bytes, at + Tcp.SEQUENCE, hasAck ? tcp.acknowledgment(bytes, segment) : 0);
  write32(bytes, at + Tcp.ACKNOWLEDGMENT, hasAck ? 0 : (tcp.sequence(bytes, segment) + occupied) | 0);
  write32(bytes, at + Tcp.DATA_OFFSET, 0x50000000 | ((TcpFlag.RST | (hasAck ? 0 : TcpFlag.ACK)) << 16));
  write32(bytes, at + Tcp.CHECKSUM, 0);
}

function writeChecksum(bytes: Uint8Array, at: number, pseudo: number): void {
  write16(bytes, at + Tcp.CHECKSUM, finish(fold(pseudo) + sumBytes(bytes, at, Tcp.BYTES)));
}

function send4(inet: Inet, reset: Frame, at: number, packet: Packet): void {
  const { bytes } = inet.arena;
  const { namespace, network } = packet;
  const source = ipv4.destination(bytes, network);
  const destination = ipv4.source(bytes, network);
  writeType(bytes, at - Ethernet.BYTES, EtherType.IPV4);
  write32(bytes, at, 0x45000000 | (Ipv4.BYTES + Tcp.BYTES));
  write32(bytes, at + Ipv4.IDENTIFICATION, Ipv4.DONT_FRAGMENT);
  write32(bytes, at + Ipv4.TTL, (inet.conf.net(namespace, Net4.DEFAULT_TTL) << 24) | (Protocol.TCP << 16));
  write32(bytes, at + Ipv4.SOURCE, source);
  write32(bytes, at + Ipv4.DESTINATION, destination);
  ipv4.writeChecksum(bytes, at);
  writeChecksum(bytes, at + Ipv4.BYTES, pseudo4(source, destination, Protocol.TCP, Tcp.BYTES));
  if (packet.physicalIn !== 0) sendBack(inet, reset, packet);
  else inet.ip4.send4(reset, namespace, packet.now);
}

function send6(inet: Inet, reset: Frame, at: number, packet: Packet): void {
  const { bytes } = inet.arena;
  const { network } = packet;
  const link = inet.arena.ingress[packet.frame];
  writeType(bytes, at - Ethernet.BYTES, EtherType.IPV6);
  for (let i = 0; i < 16; i++) {
    bytes[at + Ipv6.SOURCE + i] = bytes[network + Ipv6.DESTINATION + i];
    bytes[at + Ipv6.DESTINATION + i] = bytes[network + Ipv6.SOURCE + i];
  }
  ipv6.write(bytes, at, Protocol.TCP, inet.icmp6.hopLimit(packet.namespace, at, link), Tcp.BYTES);
  writeChecksum(bytes, at + Ipv6.BYTES, pseudo6(bytes, at + Ipv6.SOURCE, Protocol.TCP, Tcp.BYTES));
  if (packet.physicalIn !== 0) sendBack(inet, reset, packet);
  else inet.icmp6.send(reset, link, packet.now);
}

/** What came by a bridge's port is answered by it, in the name of the station that it was for; no hook sees the answer. */
function sendBack(inet: Inet, reset: Frame, packet: Packet): void {
  const { bytes, offset } = inet.arena;
  const from = offset[packet.frame];
  const to = offset[reset];
  bytes.copyWithin(to + Ethernet.DESTINATION, from + Ethernet.SOURCE, from + Ethernet.TYPE);
  bytes.copyWithin(to + Ethernet.SOURCE, from + Ethernet.DESTINATION, from + Ethernet.SOURCE);
  inet.transmit(reset, packet.physicalIn);
}
