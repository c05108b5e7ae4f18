/*
 * Tuples: what of a packet tells its flow from others. Laid out as in a row of flows.ts: source, destination, ports.
 *
 *   ports of TCP, UDP, UDP-Lite, SCTP   source << 16 | destination
 *   ICMP, ICMPv6                        id << 16 | type << 8 | code        its inverse has the type of the answer
 *   GRE                                 key << 16 | key                    of version 1 (PPTP) only
 *   others                              0
 */

import { Family } from '../core/hook.js';
import { Key, type Packet } from '../core/packet.js';
import { read16, read32 } from '../wire/field.js';
import { Icmp } from '../wire/icmp.js';
import { Ipv4 } from '../wire/ipv4.js';
import { Extension, FragmentHeader, Ipv6 } from '../wire/ipv6.js';
import { Flow } from './flows.js';

/** Transport protocols that conntrack knows by name. */
export const enum Transport {
  ICMP = 1,
  TCP = 6,
  UDP = 17,
  GRE = 47,
  ICMPV6 = 58,
  SCTP = 132,
  UDPLITE = 136,
}

/** A tuple with its protocol, and where its transport header starts. */
export class Tuple {
  readonly words = new Int32Array(Flow.TUPLE_WORDS6);
  protocol = 0;
  isIpv6 = false;

  /** Words of an address. */
  get addressWords(): number {
    return this.isIpv6 ? 4 : 1;
  }

  get ports(): number {
    return this.words[this.isIpv6 ? 8 : 2];
  }

  set ports(value: number) {
    this.words[this.isIpv6 ? 8 : 2] = value;
  }

  /** Reads a packet's; `end`: where in the arena its bytes in reach end. False: it is none, or cut short. */
  read(packet: Packet, bytes: Uint8Array, end: number): boolean {
    const { key } = packet;
    this.isIpv6 = packet.family === Family.IPV6;
    this.protocol = key[Key.PROTOCOL];
    const { addressWords, words } = this;
    for (let i = 0; i < addressWords; i++) {
      words[i] = key[Key.SOURCE + i];
      words[addressWords + i] = key[Key.DESTINATION + i];
    }
    if (packet.transport < 0 || key[Key.FRAGMENT] !== 0) return false;
    if (this.isIpv6 && this.protocol === Extension.NONE) return false;
    return this.readPorts(bytes, packet.transport, end);
  }

  /** Reads that of the packet at `at` that an ICMP error quotes. False: it is no whole header, or not a first fragment. */
  readQuoted(isIpv6: boolean, bytes: Uint8Array, at: number, end: number): boolean {
    this.isIpv6 = isIpv6;
    const transport = isIpv6 ? this.readQuoted6(bytes, at, end) : this.readQuoted4(bytes, at, end);
    return transport >= 0 && this.readPorts(bytes, transport, end);
  }

  private readQuoted4(bytes: Uint8Array, at: number, end: number): number {
    if (at + Ipv4.BYTES > end) return -1;
    if ((read16(bytes, at + Ipv4.FRAGMENT) & Ipv4.OFFSET_MASK) !== 0) return -1;
    this.protocol = bytes[at + Ipv4.PROTOCOL];
    this.words[0] = read32(bytes, at + Ipv4.SOURCE);
    this.words[1] = read32(bytes, at + Ipv4.DESTINATION);
    return at + ((bytes[at] & 15) << 2);
  }

  private readQuoted6(bytes: Uint8Array, at: number, end: number): number {
    if (at + Ipv6.BYTES > end) return -1;
    for (let i = 0; i < 8; i++) this.words[i] = read32(bytes, at + Ipv6.SOURCE + 4 * i);
    const transport = transportOf(bytes, at, end);
    if (transport < 0) return -1;
    this.protocol = transport & 0xff;
    return at + (transport >>> 8);
  }

  private readPorts(bytes: Uint8Array, at: number, end: number): boolean {
    this.ports = 0;
    switch (this.protocol) {
      case Transport.TCP:
      case Transport.UDP:
      case Transport.UDPLITE:
      case Transport.SCTP:
        if (at + 4 > end) return false;
        this.ports = read32(bytes, at);
        return true;
      case Transport.ICMP:
      case Transport.ICMPV6:
        if (at + Icmp.BYTES > end) return false;
        this.ports = (read16(bytes, at + Icmp.ECHO_ID) << 16) | (bytes[at] << 8) | bytes[at + 1];
        return true;
      case Transport.GRE:
        return this.readGre(bytes, at, end);
      default:
        return true;
    }
  }

  /** GRE version 1 is PPTP's: its call is the destination's key. All else is one flow for each pair of addresses. */
  private readGre(bytes: Uint8Array, at: number, end: number): boolean {
    if (at + 4 > end || (bytes[at + 1] & 7) !== 1) return true;
    if (read16(bytes, at + 2) !== PPP || at + 8 > end) return false;
    this.ports = read16(bytes, at + 6);
    return true;
  }

  /** Becomes what answers to this one have; false: there are no answers to it. */
  invert(): boolean {
    const { words, addressWords } = this;
    for (let i = 0; i < addressWords; i++) {
      const source = words[i];
      words[i] = words[addressWords + i];
      words[addressWords + i] = source;
    }
    const ports = invertPorts(this.protocol, this.ports);
    if (ports === NOT_INVERTIBLE) return false;
    this.ports = ports | 0;
    return true;
  }
}

/** EtherType of PPP in GRE. */
const PPP = 0x880b;

/** Not an int32. */
export const NOT_INVERTIBLE = 2 ** 32;

/** The ports' word of a tuple's inverse, or NOT_INVERTIBLE. */
export function invertPorts(protocol: number, ports: number): number {
  if (protocol !== Transport.ICMP && protocol !== Transport.ICMPV6) return (ports << 16) | (ports >>> 16);
  const type = (ports >>> 8) & 0xff;
  const answer = protocol === Transport.ICMP ? answer4(type) : answer6(type);
  return answer < 0 ? NOT_INVERTIBLE : (ports & ~0xff00) | (answer << 8);
}

/** The type of ICMP that belongs to another as its request or reply; -1: none. Echo, timestamp, information, address mask. */
function answer4(type: number): number {
  if (type === 0 || type === 8) return type ^ 8;
  if (type >= 13 && type <= 18) return ((type + 1) ^ 1) - 1;
  return -1;
}

/** Echo and node information. */
function answer6(type: number): number {
  if (type === 128 || type === 129) return type ^ 1;
  if (type === 139 || type === 140) return 279 - type;
  return -1;
}

/** `offset << 8 | protocol` of a quoted packet's transport header; -1: there is none, or it is in an earlier fragment. */
function transportOf(bytes: Uint8Array, at: number, end: number): number {
  let kind = bytes[at + Ipv6.NEXT_HEADER];
  let offset: number = Ipv6.BYTES;
  while (isExtension(kind)) {
    const header = at + offset;
    if (header + FragmentHeader.BYTES > end) return -1;
    if (kind === Extension.FRAGMENT && fragmentOffset(bytes, header) !== 0) return -1;
    offset += extensionBytes(kind, bytes[header + 1]);
    kind = bytes[header];
  }
  return kind === Extension.NONE ? -1 : (offset << 8) | kind;
}

function isExtension(kind: number): boolean {
  return (
    kind === Extension.HOP_BY_HOP ||
    kind === Extension.ROUTING ||
    kind === Extension.FRAGMENT ||
    kind === Extension.AUTHENTICATION ||
    kind === Extension.DESTINATION
  );
}

function fragmentOffset(bytes: Uint8Array, header: number): number {
  return read16(bytes, header + FragmentHeader.OFFSET) & FragmentHeader.OFFSET_MASK;
}

/** `length` is the second byte of the header. */
function extensionBytes(kind: number, length: number): number {
  if (kind === Extension.FRAGMENT) return FragmentHeader.BYTES;
  return kind === Extension.AUTHENTICATION ? (length + 2) << 2 : (length + 1) << 3;
}
