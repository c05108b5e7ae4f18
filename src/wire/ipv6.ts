/*
 * IPv6 (RFC 8200 §3):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------+---------------+---------------------------------------+
 *   |Version| traffic class |              flow label               |
 *   +-------+---------------+-------+---------------+---------------+
 *   |        payload length         |  next header  |   hop limit   |
 *   +-------------------------------+---------------+---------------+
 *   |                                                               |
 *   +                   source address, 16 bytes                    +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 *   |                                                               |
 *   +                 destination address, 16 bytes                 +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 *
 * Extension headers that hosts and routers skip over (§4: hop-by-hop options, routing, destination options):
 *
 *   +---------------+---------------+-------------------------------+
 *   |  next header  |  length in    |  options …                    |
 *   |               |  8 bytes − 1  |                               |
 *   +---------------+---------------+-------------------------------+
 */
import { writeAddress } from './ethernet.js';
import { read16, read32, write16, write32 } from './field.js';

export const enum Ipv6 {
  VERSION_CLASS_FLOW = 0,
  PAYLOAD_LENGTH = 4,
  NEXT_HEADER = 6,
  HOP_LIMIT = 7,
  SOURCE = 8,
  DESTINATION = 24,
  BYTES = 40,

  /** Extension headers that `transport` skips at most: RFC 8200 §4.1 knows of 4 before the transport header. */
  MAX_EXTENSIONS = 8,
}

export const enum Extension {
  HOP_BY_HOP = 0,
  ROUTING = 43,
  FRAGMENT = 44,
  AUTHENTICATION = 51,
  /** No next header: nothing follows. */
  NONE = 59,
  DESTINATION = 60,
}

/** The fragment header (§4.5). */
export const enum FragmentHeader {
  NEXT_HEADER = 0,
  /** Offset in bytes, its last three bits being flags. */
  OFFSET = 2,
  IDENTIFICATION = 4,
  BYTES = 8,

  OFFSET_MASK = 0xfff8,
  MORE = 1,
}

/** Whether the fixed header is there. What `payloadLength` says is not looked at: a capture may be cut short. */
export function check(bytes: Uint8Array, at: number, end: number): boolean {
  return at + Ipv6.BYTES <= end && bytes[at] >>> 4 === 6;
}

export function payloadLength(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Ipv6.PAYLOAD_LENGTH);
}

/** The next header after the fixed one; may be an extension header. */
export function nextHeader(bytes: Uint8Array, at: number): number {
  return bytes[at + Ipv6.NEXT_HEADER];
}

export function hopLimit(bytes: Uint8Array, at: number): number {
  return bytes[at + Ipv6.HOP_LIMIT];
}

/**
 * Skips extension headers. Answers `offset << 8 | protocol` of the first header that is none, `offset` counted from
 * `at`; or −1 where one does not end before `end` or there are more than MAX_EXTENSIONS. A fragment
 * header is not skipped: what is behind it is not a transport header in all fragments but the first.
 */
export function transport(bytes: Uint8Array, at: number, end: number): number {
  let protocol = nextHeader(bytes, at);
  let offset: number = Ipv6.BYTES;
  for (let skipped = 0; isSkipped(protocol); skipped++) {
    if (skipped === Ipv6.MAX_EXTENSIONS || at + offset + 8 > end) return -1;
    protocol = bytes[at + offset];
    offset += (bytes[at + offset + 1] + 1) << 3;
    if (at + offset > end) return -1;
  }
  return (offset << 8) | protocol;
}

function isSkipped(protocol: number): boolean {
  return protocol === Extension.HOP_BY_HOP || protocol === Extension.ROUTING || protocol === Extension.DESTINATION;
}

/** Writes the fixed header but for its addresses, which the caller copies to SOURCE and DESTINATION. */
export function write(bytes: Uint8Array, at: number, protocol: number, hopLimit: number, length: number): void {
  write32(bytes, at, 0x60000000);
  write16(bytes, at + Ipv6.PAYLOAD_LENGTH, length);
  bytes[at + Ipv6.NEXT_HEADER] = protocol;
  bytes[at + Ipv6.HOP_LIMIT] = hopLimit;
}

/** Writes the group that a neighbor solicitation for `target` goes to: ff02::1:ffXX:XXXX (RFC 4291 §2.7.1). */
export function writeSolicitedNode(bytes: Uint8Array, at: number, target: Uint8Array, targetAt: number): void {
  write32(bytes, at, 0xff020000);
  write32(bytes, at + 4, 0);
  write32(bytes, at + 8, 1);
  bytes[at + 12] = 0xff;
  for (let i = 13; i < 16; i++) bytes[at + i] = target[targetAt + i];
}

/** Writes the MAC address of the IPv6 multicast group at `group`: 33:33 and its last 32 bits (RFC 2464 §7). */
export function writeGroupMac(bytes: Uint8Array, at: number, group: number): void {
  const low = (read16(bytes, group + 12) << 16) | read16(bytes, group + 14);
  writeAddress(bytes, at, 0x3333, low);
}

// --- addresses: the 16 bytes at `at` ---------------------------------------------------------------

/** ff00::/8. */
export function isMulticast(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xff;
}

/** fe80::/10. */
export function isLinkLocal(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xfe && (bytes[at + 1] & 0xc0) === 0x80;
}

/** `::`. */
export function isUnspecified(bytes: Uint8Array, at: number): boolean {
  return (read32(bytes, at) | read32(bytes, at + 4) | read32(bytes, at + 8) | read32(bytes, at + 12)) === 0;
}

/** `::1`. */
export function isLoopback(bytes: Uint8Array, at: number): boolean {
  return (read32(bytes, at) | read32(bytes, at + 4) | read32(bytes, at + 8)) === 0 && read32(bytes, at + 12) === 1;
}
