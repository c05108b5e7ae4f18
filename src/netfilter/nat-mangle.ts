/*
 * A packet with one side of it made another: an address, the port (or what stands for one), and the checksums over them.
 *
 *   IPv4   address ─ header checksum ─┐
 *   IPv6   address ───────────────────┴─► TCP · UDP · UDP-Lite · SCTP · ICMP · ICMPv6 · GRE: port, checksum
 *
 * - Checksums follow what changed (RFC 1624 eqn. 3): a wrong one stays wrong. All sums here are in the machine's byte order, as the
 *   header's words are read: a one's-complement sum does not depend on it (RFC 1071 §2(B)).
 * - A partial checksum is a stored pseudo-header sum, not complemented: an address adds its difference, a port nothing.
 * - UDP: 0 is "none" and stays in IPv4; one that comes out as 0 is written as 0xffff.
 * - SCTP's CRC is taken anew over the whole packet.
 * - The packet quoted by an ICMP error may end behind 8 bytes of its transport header: what is not there is not updated.
 *
 * Little-endian, words aligned, headers in the frame's head slot: as everywhere in the IP stack.
 */
import { type Arena, type Frame, NONE, Vnet } from '../core/arena.js';
import { fold, swap } from '../wire/checksum.js';
import { crc32c } from '../wire/crc32c.js';
import { swap32, write16, write32 } from '../wire/field.js';
import { Icmp6Type, IcmpType } from '../wire/icmp.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import { Ipv6 } from '../wire/ipv6.js';
import { Tcp } from '../wire/tcp.js';
import { Udp } from '../wire/udp.js';

/** Which half of a packet's addresses and ports is changed. */
export const enum Side {
  SOURCE = 0,
  DESTINATION = 1,
}

/** Transport protocols that wire/ipv4 does not name. */
export const enum NatProtocol {
  GRE = 47,
  SCTP = 132,
  UDPLITE = 136,
}

const enum Sctp {
  CHECKSUM = 8,
  BYTES = 12,
}

const enum Gre {
  VERSION = 1,
  CALL_ID = 6,
  BYTES = 8,
}

/** Bytes of a transport header that ICMP errors quote at least: ports are in them. */
const QUOTED = 8;
/** ICMP header, up to and including the echo id. */
const ICMP_ID = 4;

// --- arithmetic ------------------------------------------------------------------------------------

/** What a 32-bit word that becomes another adds to the sum over it. */
export function change32(before: number, after: number): number {
  return (~before >>> 16) + (~before & 0xffff) + (after >>> 16) + (after & 0xffff);
}

/** As change32 for 16 bits. */
export function change16(before: number, after: number): number {
  return (~before & 0xffff) + after;
}

/** A checksum field after changes under it. */
export function patched(checksum: number, change: number): number {
  return ~fold((~checksum & 0xffff) + change) & 0xffff;
}

/** A partial checksum's stored sum after changes to the pseudo-header. */
export function patchedPartial(sum: number, change: number): number {
  return fold(sum + change);
}

/** Whether the checksum of the header at `transport` is still to be completed. */
export function isPartialAt(arena: Arena, frame: Frame, transport: number): boolean {
  const at = frame << Vnet.SHIFT;
  const isPartial = (arena.vnet[at + Vnet.FLAGS_TYPE] & Vnet.NEEDS_CSUM) !== 0;
  return isPartial && arena.vnet[at + Vnet.CSUM_START] === transport - arena.offset[frame];
}

// --- a packet --------------------------------------------------------------------------------------

/**
 * An IPv4 packet gets another address and port on one side. `transport` and `room`: where its transport header starts, −1 = nowhere,
 * and the bytes of the packet from there on. `port`: in ICMP the id, in GRE the call id. False: it cannot be, and must be dropped.
 */
export function mangle4(
  arena: Arena,
  frame: Frame,
  network: number,
  transport: number,
  room: number,
  protocol: number,
  side: Side,
  address: number,
  port: number,
): boolean {
  const { words16, words32 } = arena;
  const at = (network + Ipv4.SOURCE + (side << 2)) >> 2;
  const after = swap32(address);
  const change = change32(words32[at], after);
  words32[at] = after;
  const checksum = (network + Ipv4.CHECKSUM) >> 1;
  words16[checksum] = patched(words16[checksum], change);
  return transport < 0 || mangleTransport(arena, frame, transport, room, protocol, side, port, change);
}

/** As mangle4; the address is the four words of `addresses` at `from`. */
export function mangle6(
  arena: Arena,
  frame: Frame,
  network: number,
  transport: number,
  room: number,
  protocol: number,
  side: Side,
  addresses: Int32Array,
  from: number,
  port: number,
): boolean {
  const { words32 } = arena;
  const at = (network + Ipv6.SOURCE + (side << 4)) >> 2;
  let change = 0;
  for (let i = 0; i < 4; i++) {
    const after = swap32(addresses[from + i]);
    change += change32(words32[at + i], after);
    words32[at + i] = after;
  }
  return transport < 0 || mangleTransport(arena, frame, transport, room, protocol, side, port, change);
}

/** `change`: of the pseudo-header's sum. */
function mangleTransport(
  arena: Arena,
  frame: Frame,
  transport: number,
  room: number,
  protocol: number,
  side: Side,
  port: number,
  change: number,
): boolean {
  switch (protocol) {
    case Protocol.TCP:
      return mangleTcp(arena, frame, transport, room, side, port, change);
    case Protocol.UDP:
    case NatProtocol.UDPLITE:
      return mangleUdp(arena, frame, transport, room, protocol, side, port, change);
    case Protocol.ICMP:
      return mangleIcmp(arena, transport, room, port);
    case Protocol.ICMPV6:
      return mangleIcmp6(arena, transport, room, port, change);
    case NatProtocol.SCTP:
      return mangleSctp(arena, frame, transport, room, side, port);
    case NatProtocol.GRE:
      return mangleGre(arena, transport, room, side, port);
    default:
      return true;
  }
}

function mangleTcp(
  arena: Arena,
  frame: Frame,
  transport: number,
  room: number,
  side: Side,
  port: number,
  change: number,
): boolean {
  if (room < QUOTED) return false;
  const { words16 } = arena;
  const at = (transport >> 1) + side;
  const before = words16[at];
  const after = swap(port);
  words16[at] = after;
  if (room < Tcp.BYTES) return true;
  const checksum = (transport + Tcp.CHECKSUM) >> 1;
  if (isPartialAt(arena, frame, transport)) words16[checksum] = patchedPartial(words16[checksum], change);
  else words16[checksum] = patched(words16[checksum], change + change16(before, after));
  return true;
}

function mangleUdp(
  arena: Arena,
  frame: Frame,
  transport: number,
  room: number,
  protocol: number,
  side: Side,
  port: number,
  change: number,
): boolean {
  if (room < Udp.BYTES) return false;
  const { words16 } = arena;
  const at = (transport >> 1) + side;
  const before = words16[at];
  const after = swap(port);
  words16[at] = after;
  const checksum = (transport + Udp.CHECKSUM) >> 1;
  if (isPartialAt(arena, frame, transport)) words16[checksum] = patchedPartial(words16[checksum], change) || 0xffff;
  else if (words16[checksum] !== 0 || protocol !== Protocol.UDP)
    words16[checksum] = patched(words16[checksum], change + change16(before, after)) || 0xffff;
  return true;
}

/** ICMP's checksum has no pseudo-header. Errors have no id. */
function mangleIcmp(arena: Arena, transport: number, room: number, id: number): boolean {
  if (room < QUOTED) return false;
  if (!hasId4(arena.bytes[transport])) return true;
  writeId(arena, transport, id, 0);
  return true;
}

/** Types whose second word begins with an id (echo, timestamp, information, address mask). */
function hasId4(type: number): boolean {
  if (type === IcmpType.ECHO_REQUEST || type === IcmpType.ECHO_REPLY) return true;
  return type >= IcmpType.TIMESTAMP_REQUEST && type <= 18;
}

function mangleIcmp6(arena: Arena, transport: number, room: number, id: number, change: number): boolean {
  if (room < QUOTED) return false;
  const type = arena.bytes[transport];
  if (type === Icmp6Type.ECHO_REQUEST || type === Icmp6Type.ECHO_REPLY) {
    writeId(arena, transport, id, change);
    return true;
  }
  const checksum = (transport + 2) >> 1;
  arena.words16[checksum] = patched(arena.words16[checksum], change);
  return true;
}

function writeId(arena: Arena, transport: number, id: number, change: number): void {
  const { words16 } = arena;
  const at = (transport + ICMP_ID) >> 1;
  const checksum = (transport + 2) >> 1;
  const after = swap(id);
  words16[checksum] = patched(words16[checksum], change + change16(words16[at], after));
  words16[at] = after;
}

function mangleSctp(arena: Arena, frame: Frame, transport: number, room: number, side: Side, port: number): boolean {
  if (room < QUOTED) return false;
  arena.words16[(transport >> 1) + side] = swap(port);
  if (room < Sctp.BYTES || isPartialAt(arena, frame, transport)) return true;
  write32(arena.bytes, transport + Sctp.CHECKSUM, 0);
  write32(arena.bytes, transport + Sctp.CHECKSUM, swap32(~crcOf(arena, frame, transport, room)));
  return true;
}

/** CRC of a frame's bytes from `at` on, wherever they lie. */
function crcOf(arena: Arena, frame: Frame, at: number, length: number): number {
  const end = arena.offset[frame] + arena.headLength(frame);
  const here = Math.min(length, end - at);
  const crc = crc32c(arena.bytes, at, here, -1);
  if (here === length || arena.tail[frame] === NONE) return crc;
  return crc32c(arena.bytes, arena.tailOffset(frame), length - here, crc);
}

/** Version 1 (PPTP) has the receiver's call id; version 0 nothing that could be changed. */
function mangleGre(arena: Arena, transport: number, room: number, side: Side, callId: number): boolean {
  if (room < Gre.BYTES) return false;
  if (side === Side.SOURCE) return true;
  const version = arena.bytes[transport + Gre.VERSION] & 7;
  if (version === 1) write16(arena.bytes, transport + Gre.CALL_ID, callId);
  return version <= 1;
}
