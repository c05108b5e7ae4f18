/*
 * Whole packets of a host's own, as the control plane sends them: headers, checksums, and the Ethernet frame around one
 * where no route is to decide. Addresses are bytes, 4 or 16 of them.
 */
import { finish, pseudo4, pseudo6, sumBytes } from '../wire/checksum.js';
import { Ethernet, EtherType } from '../wire/ethernet.js';
import { read32, write16, write32 } from '../wire/field.js';
import { Icmp, writeChecksum4, writeChecksum6 } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol, writeChecksum } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Ipv6 } from '../wire/ipv6.js';
import { Udp } from '../wire/udp.js';

export interface Addresses {
  source: Uint8Array;
  destination: Uint8Array;
}

export interface HeaderFields {
  /** TTL or hop limit. */
  ttl?: number;
  /** Type of service or traffic class. */
  tos?: number;
  /** IPv4. */
  dontFragment?: boolean;
  identification?: number;
  /** IPv6. */
  flowLabel?: number;
}

/** A packet with room for `length` bytes of payload, which starts at `headerBytes(addresses)`. */
function packet(
  { source, destination }: Addresses,
  protocol: number,
  length: number,
  fields: HeaderFields,
): Uint8Array {
  const isIpv4 = source.length === 4;
  const bytes = new Uint8Array((isIpv4 ? Ipv4.BYTES : Ipv6.BYTES) + length);
  const { ttl = 64, tos = 0, dontFragment = false, identification = 0, flowLabel = 0 } = fields;
  if (isIpv4) {
    ipv4.write(bytes, 0, protocol, read32(source, 0), read32(destination, 0), length);
    bytes[Ipv4.TOS] = tos;
    write16(bytes, Ipv4.IDENTIFICATION, identification);
    write16(bytes, Ipv4.FRAGMENT, dontFragment ? Ipv4.DONT_FRAGMENT : 0);
    bytes[Ipv4.TTL] = ttl;
    writeChecksum(bytes, 0);
    return bytes;
  }
  ipv6.write(bytes, 0, protocol, ttl, length);
  write32(bytes, 0, 0x60000000 | (tos << 20) | flowLabel);
  bytes.set(source, Ipv6.SOURCE);
  bytes.set(destination, Ipv6.DESTINATION);
  return bytes;
}

export function headerBytes({ source }: Addresses): number {
  return source.length === 4 ? Ipv4.BYTES : Ipv6.BYTES;
}

function pseudo(bytes: Uint8Array, protocol: number, length: number): number {
  if (bytes[0] >>> 4 === 6) return pseudo6(bytes, Ipv6.SOURCE, protocol, length);
  return pseudo4(ipv4.source(bytes, 0), ipv4.destination(bytes, 0), protocol, length);
}

export interface Ports {
  sourcePort: number;
  destinationPort: number;
}

export function udpPacket(
  addresses: Addresses,
  { sourcePort, destinationPort }: Ports,
  payload: Uint8Array,
  fields: HeaderFields = {},
): Uint8Array {
  const length = Udp.BYTES + payload.length;
  const bytes = packet(addresses, Protocol.UDP, length, fields);
  const at = headerBytes(addresses);
  write16(bytes, at + Udp.SOURCE_PORT, sourcePort);
  write16(bytes, at + Udp.DESTINATION_PORT, destinationPort);
  write16(bytes, at + Udp.LENGTH, length);
  bytes.set(payload, at + Udp.BYTES);
  const checksum = finish(pseudo(bytes, Protocol.UDP, length) + sumBytes(bytes, at, length));
  // 0 says that there is none (RFC 768).
  write16(bytes, at + Udp.CHECKSUM, checksum === 0 ? 0xffff : checksum);
  return bytes;
}

/** `message` from the ICMP header on, its checksum not filled in yet; ICMPv6 where the addresses are IPv6. */
export function icmpPacket(addresses: Addresses, message: Uint8Array, fields: HeaderFields = {}): Uint8Array {
  const isIpv4 = addresses.source.length === 4;
  const bytes = packet(addresses, isIpv4 ? Protocol.ICMP : Protocol.ICMPV6, message.length, fields);
  const at = headerBytes(addresses);
  bytes.set(message, at);
  if (isIpv4) writeChecksum4(bytes, at, message.length);
  else writeChecksum6(bytes, 0, at, message.length);
  return bytes;
}

export function echoRequest(
  addresses: Addresses,
  id: number,
  sequence: number,
  data: Uint8Array,
  fields: HeaderFields,
) {
  const message = new Uint8Array(Icmp.BYTES + data.length);
  message[0] = addresses.source.length === 4 ? 8 : 128;
  write16(message, Icmp.ECHO_ID, id);
  write16(message, Icmp.ECHO_SEQUENCE, sequence);
  message.set(data, Icmp.BYTES);
  return icmpPacket(addresses, message, fields);
}

/** `header` is a whole TCP header, options and all, its checksum not filled in yet; without data. */
export function tcpPacket(addresses: Addresses, header: Uint8Array, fields: HeaderFields = {}): Uint8Array {
  const bytes = packet(addresses, Protocol.TCP, header.length, fields);
  const at = headerBytes(addresses);
  bytes.set(header, at);
  write16(bytes, at + 16, finish(pseudo(bytes, Protocol.TCP, header.length) + sumBytes(bytes, at, header.length)));
  return bytes;
}

/** A packet as it goes out on a link. */
export function frameOf(destinationMac: Uint8Array, sourceMac: Uint8Array, packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(Ethernet.BYTES + packet.length);
  frame.set(destinationMac, Ethernet.DESTINATION);
  frame.set(sourceMac, Ethernet.SOURCE);
  write16(frame, Ethernet.TYPE, packet[0] >>> 4 === 4 ? EtherType.IPV4 : EtherType.IPV6);
  frame.set(packet, Ethernet.BYTES);
  return frame;
}

/** 33:33 and the last 32 bits of an IPv6 group (RFC 2464 §7). */
export function groupMac(group: Uint8Array): Uint8Array {
  return Uint8Array.of(0x33, 0x33, ...group.subarray(12, 16));
}

export const BROADCAST_MAC = new Uint8Array(6).fill(0xff);
