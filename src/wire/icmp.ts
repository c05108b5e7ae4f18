/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443), echo and neighbor discovery (RFC 4861 §4.3, §4.4):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +---------------+---------------+-------------------------------+
 *   |     type      |     code      |           checksum            |
 *   +---------------+---------------+-------------------------------+
 *   |          identifier           |        sequence number        |  echo; data follow
 *   +-------------------------------+-------------------------------+
 *   |R|S|O|            reserved                                     |  neighbor discovery
 *   +-+-+-+---------------------------------------------------------+
 *   |                   target address, 16 bytes                    |
 *   +---------------+---------------+-------------------------------+
 *   | option type   | length in 8   | link-layer address, 6 bytes   |
 *   +---------------+---------------+-------------------------------+
 *
 * ICMPv6 counts IPv6's pseudo-header into its checksum, ICMP does not.
 */
import { finish, isRight, pseudo6, sumBytes } from './checksum.js';
import { writeAddress } from './ethernet.js';
import { read16, write16, write32 } from './field.js';
import { Protocol } from './ipv4.js';
import { Ipv6 } from './ipv6.js';

export const enum Icmp {
  TYPE = 0,
  CODE = 1,
  CHECKSUM = 2,
  ECHO_ID = 4,
  ECHO_SEQUENCE = 6,
  /** Of echo: the data follow. */
  BYTES = 8,
  /** Of a timestamp reply: when the request came, and when the reply left. */
  RECEIVED = 12,
  TRANSMITTED = 16,
  TIMESTAMP_BYTES = 20,
  NEIGHBOR_FLAGS = 4,
  NEIGHBOR_TARGET = 8,
  NEIGHBOR_OPTION = 24,
  /** Solicitation or advertisement with one link-layer address. */
  NEIGHBOR_BYTES = 32,
}

export const enum IcmpType {
  ECHO_REPLY = 0,
  UNREACHABLE = 3,
  SOURCE_QUENCH = 4,
  REDIRECT = 5,
  ECHO_REQUEST = 8,
  TIME_EXCEEDED = 11,
  PARAMETER_PROBLEM = 12,
  TIMESTAMP_REQUEST = 13,
  TIMESTAMP_REPLY = 14,
}

/** Codes of IcmpType.UNREACHABLE (RFC 792; RFC 1812 §5.2.7.1). */
export const enum Unreachable {
  NET = 0,
  HOST = 1,
  PROTOCOL = 2,
  PORT = 3,
  FRAGMENTATION_NEEDED = 4,
  PROHIBITED = 13,
}

/** Codes of Icmp6Type.UNREACHABLE (RFC 4443 §3.1). */
export const enum Unreachable6 {
  NO_ROUTE = 0,
  PROHIBITED = 1,
  BEYOND_SCOPE = 2,
  ADDRESS = 3,
  PORT = 4,
}

/** Codes of Icmp6Type.PARAMETER_PROBLEM (RFC 4443 §3.4, RFC 7112). */
export const enum Problem6 {
  FIELD = 0,
  NEXT_HEADER = 1,
  OPTION = 2,
  INCOMPLETE_CHAIN = 3,
}

export const enum Icmp6Type {
  UNREACHABLE = 1,
  PACKET_TOO_BIG = 2,
  TIME_EXCEEDED = 3,
  PARAMETER_PROBLEM = 4,
  ECHO_REQUEST = 128,
  ECHO_REPLY = 129,
  MLD_QUERY = 130,
  MLD_REPORT = 131,
  MLD_DONE = 132,
  ROUTER_SOLICITATION = 133,
  ROUTER_ADVERTISEMENT = 134,
  NEIGHBOR_SOLICITATION = 135,
  NEIGHBOR_ADVERTISEMENT = 136,
  REDIRECT = 137,
  MLD2_REPORT = 143,
}

/** Flags of an advertisement, in the first byte of NEIGHBOR_FLAGS. */
export const enum NeighborFlag {
  ROUTER = 0x80,
  SOLICITED = 0x40,
  OVERRIDE = 0x20,
}

/** Options of neighbor discovery (RFC 4861 §4.6). */
export const enum NeighborOption {
  SOURCE_MAC = 1,
  TARGET_MAC = 2,
  /** RFC 3971 §5.3.2; in solicitations that detect duplicates, RFC 7527. */
  NONCE = 14,
}

/** Whether type, code, checksum and the 4 bytes behind them are there. */
export function check(_bytes: Uint8Array, at: number, end: number): boolean {
  return at + Icmp.BYTES <= end;
}

export function type(bytes: Uint8Array, at: number): number {
  return bytes[at];
}

export function code(bytes: Uint8Array, at: number): number {
  return bytes[at + Icmp.CODE];
}

export function echoId(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Icmp.ECHO_ID);
}

export function echoSequence(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Icmp.ECHO_SEQUENCE);
}

/** Whether a solicitation or advertisement is long enough to have its target address. */
export function checkNeighbor(_bytes: Uint8Array, at: number, end: number): boolean {
  return at + Icmp.NEIGHBOR_OPTION <= end;
}

/** Whether the checksum of an IPv4 message of `length` bytes is right. */
export function isRight4(bytes: Uint8Array, at: number, length: number): boolean {
  return isRight(bytes, at, length, 0);
}

/** As isRight4 for IPv6, whose header is at `ip`. */
export function isRight6(bytes: Uint8Array, ip: number, at: number, length: number): boolean {
  return isRight(bytes, at, length, pseudo6(bytes, ip + Ipv6.SOURCE, Protocol.ICMPV6, length));
}

/** Writes the 8 bytes before an echo's data; `writeChecksum4` or `6` must follow. `type` is of ICMP or of ICMPv6. */
export function writeEcho(bytes: Uint8Array, at: number, type: number, id: number, sequence: number): void {
  write32(bytes, at, type << 24);
  write16(bytes, at + Icmp.ECHO_ID, id);
  write16(bytes, at + Icmp.ECHO_SEQUENCE, sequence);
}

/**
 * Writes a solicitation or an advertisement (`flags` of NeighborFlag) but for its option; `writeNeighborMac` and
 * then `writeChecksum6` must follow.
 */
export function writeNeighbor(
  bytes: Uint8Array,
  at: number,
  type: number,
  flags: number,
  target: Uint8Array,
  targetAt: number,
): void {
  write32(bytes, at, type << 24);
  write32(bytes, at + Icmp.NEIGHBOR_FLAGS, flags << 24);
  for (let i = 0; i < 16; i++) bytes[at + Icmp.NEIGHBOR_TARGET + i] = target[targetAt + i];
}

/** Writes the link-layer address option that closes a solicitation or an advertisement. */
export function writeNeighborMac(bytes: Uint8Array, at: number, high: number, low: number): void {
  const isSolicitation = type(bytes, at) === Icmp6Type.NEIGHBOR_SOLICITATION;
  bytes[at + Icmp.NEIGHBOR_OPTION] = isSolicitation ? NeighborOption.SOURCE_MAC : NeighborOption.TARGET_MAC;
  bytes[at + Icmp.NEIGHBOR_OPTION + 1] = 1;
  writeAddress(bytes, at + Icmp.NEIGHBOR_OPTION + 2, high, low);
}

/** What `findOption` answers where there is none, and where one of the options is malformed. */
export const enum NoOption {
  ABSENT = -1,
  MALFORMED = -2,
}

/** Where the first option of a kind starts, of those from `at` to `end`; or NoOption (ndisc_parse_options). */
export function findOption(bytes: Uint8Array, at: number, end: number, kind: number): number {
  let found: number = NoOption.ABSENT;
  let i = at;
  while (i < end) {
    if (i + 2 > end) return NoOption.MALFORMED;
    const length = bytes[i + 1] << 3;
    if (length === 0 || i + length > end) return NoOption.MALFORMED;
    if (bytes[i] === kind && found < 0) found = i;
    i += length;
  }
  return found;
}

/** Fills in the checksum of an ICMP message of `length` bytes, data included. */
export function writeChecksum4(bytes: Uint8Array, at: number, length: number): void {
  write16(bytes, at + Icmp.CHECKSUM, 0);
  write16(bytes, at + Icmp.CHECKSUM, finish(sumBytes(bytes, at, length)));
}

/** Fills in the checksum of an ICMPv6 message; the IPv6 header at `ip` has its addresses already. */
export function writeChecksum6(bytes: Uint8Array, ip: number, at: number, length: number): void {
  write16(bytes, at + Icmp.CHECKSUM, 0);
  const pseudo = pseudo6(bytes, ip + Ipv6.SOURCE, Protocol.ICMPV6, length);
  write16(bytes, at + Icmp.CHECKSUM, finish(pseudo + sumBytes(bytes, at, length)));
}
