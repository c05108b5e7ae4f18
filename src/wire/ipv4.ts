/*
 * IPv4 (RFC 791 §3.1; type of service as RFC 2474 and 3168 have it):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------+-------+-----------+---+-------------------------------+
 *   |Version|  IHL  |   DSCP    |ECN|         total length          |
 *   +-------+-------+-----------+---+-----+-------------------------+
 *   |        identification         |flags|     fragment offset     |
 *   +---------------+---------------+-----+-------------------------+
 *   |  time to live |   protocol    |        header checksum        |
 *   +---------------+---------------+-------------------------------+
 *   |                         source address                        |
 *   +---------------------------------------------------------------+
 *   |                      destination address                      |
 *   +---------------------------------------------------------------+
 *   |                    options, 0 to 40 bytes                     |
 *   +---------------------------------------------------------------+
 *
 * Addresses are int32.
 */
import { finish, isRight, sumBytes } from './checksum.js';
import { read16, read32, write16, write32 } from './field.js';

export const enum Ipv4 {
  VERSION_IHL = 0,
  TOS = 1,
  TOTAL_LENGTH = 2,
  IDENTIFICATION = 4,
  FRAGMENT = 6,
  TTL = 8,
  PROTOCOL = 9,
  CHECKSUM = 10,
  SOURCE = 12,
  DESTINATION = 16,
  BYTES = 20,

  DONT_FRAGMENT = 0x4000,
  MORE_FRAGMENTS = 0x2000,
  /** In units of 8 bytes. */
  OFFSET_MASK = 0x1fff,
}

/** Protocol numbers (IANA), of IPv4 and of IPv6's next header. */
export const enum Protocol {
  ICMP = 1,
  IGMP = 2,
  TCP = 6,
  UDP = 17,
  ICMPV6 = 58,
}

/** Whether the whole header is there. What `totalLength` says is not looked at: a capture may be cut short. */
export function check(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + Ipv4.BYTES > end || bytes[at] >>> 4 !== 4) return false;
  const header = headerLength(bytes, at);
  return header >= Ipv4.BYTES && at + header <= end;
}

export function headerLength(bytes: Uint8Array, at: number): number {
  return (bytes[at] & 15) << 2;
}

export function totalLength(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Ipv4.TOTAL_LENGTH);
}

export function identification(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Ipv4.IDENTIFICATION);
}

export function isDontFragment(bytes: Uint8Array, at: number): boolean {
  return (read16(bytes, at + Ipv4.FRAGMENT) & Ipv4.DONT_FRAGMENT) !== 0;
}

export function hasMoreFragments(bytes: Uint8Array, at: number): boolean {
  return (read16(bytes, at + Ipv4.FRAGMENT) & Ipv4.MORE_FRAGMENTS) !== 0;
}

/** In bytes. */
export function fragmentOffset(bytes: Uint8Array, at: number): number {
  return (read16(bytes, at + Ipv4.FRAGMENT) & Ipv4.OFFSET_MASK) << 3;
}

/** First, middle or last of several. */
export function isFragment(bytes: Uint8Array, at: number): boolean {
  return (read16(bytes, at + Ipv4.FRAGMENT) & (Ipv4.MORE_FRAGMENTS | Ipv4.OFFSET_MASK)) !== 0;
}

export function ttl(bytes: Uint8Array, at: number): number {
  return bytes[at + Ipv4.TTL];
}

export function protocol(bytes: Uint8Array, at: number): number {
  return bytes[at + Ipv4.PROTOCOL];
}

export function source(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Ipv4.SOURCE);
}

export function destination(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Ipv4.DESTINATION);
}

/** Whether the whole header's checksum is right. */
export function isChecksumRight(bytes: Uint8Array, at: number): boolean {
  return isRight(bytes, at, headerLength(bytes, at), 0);
}

/** One hop less, with its checksum, as ip_decrease_ttl does it; the TTL is not 0. */
export function decreaseTtl(bytes: Uint8Array, at: number): void {
  bytes[at + Ipv4.TTL]--;
  const checksum = read16(bytes, at + Ipv4.CHECKSUM) + 0x0100;
  // The kernel adds in its own byte order: 0xffff is never left, whichever end it is read from.
  const folded = checksum > 0xffff ? (checksum & 0xffff) + 1 : checksum;
  write16(bytes, at + Ipv4.CHECKSUM, folded === 0xffff ? 0 : folded);
}

/** Fills in the header checksum: after every other field. */
export function writeChecksum(bytes: Uint8Array, at: number): void {
  write16(bytes, at + Ipv4.CHECKSUM, 0);
  write16(bytes, at + Ipv4.CHECKSUM, finish(sumBytes(bytes, at, headerLength(bytes, at))));
}

/** Writes a header without options, TTL 64, checksum done. `length` is the payload's, in bytes. */
export function write(
  bytes: Uint8Array,
  at: number,
  protocol: number,
  source: number,
  destination: number,
  length: number,
): void {
  write32(bytes, at, 0x45000000 | (Ipv4.BYTES + length));
  write32(bytes, at + Ipv4.IDENTIFICATION, Ipv4.DONT_FRAGMENT);
  write32(bytes, at + Ipv4.TTL, (64 << 24) | (protocol << 16));
  write32(bytes, at + Ipv4.SOURCE, source);
  write32(bytes, at + Ipv4.DESTINATION, destination);
  writeChecksum(bytes, at);
}

/** 224/4. */
export function isMulticast(address: number): boolean {
  return address >>> 28 === 14;
}

/** 127/8. */
export function isLoopback(address: number): boolean {
  return address >>> 24 === 127;
}
