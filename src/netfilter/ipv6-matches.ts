/* Matches of IPv6 alone: extension headers, and addresses made of MAC addresses. */
import type { Arena } from '../core/arena.js';
import type { Packet } from '../core/packet.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, read32 } from '../wire/field.js';
import { Extension, FragmentHeader, Ipv6 } from '../wire/ipv6.js';
import { Answer, answer } from './answer.js';
import { hasHeader, holdsSpi } from './header-matches.js';
import { Ipv6FragmentOp, Ipv6HeadersOp, Ipv6OptionsOp, Ipv6RoutingOp, MobilityOp, SpiOp } from './ops.js';

const ESP = 50;
const MAX_EXTENSIONS = 16;

/** The extension header found last: its length in bytes, and whether it was cut short. */
let $length = 0;
let $isCut = false;

function isExtension(kind: number): boolean {
  return (
    kind === Extension.HOP_BY_HOP ||
    kind === Extension.ROUTING ||
    kind === Extension.FRAGMENT ||
    kind === Extension.DESTINATION ||
    kind === Extension.AUTHENTICATION
  );
}

function lengthOf(bytes: Uint8Array, kind: number, at: number): number {
  if (kind === Extension.FRAGMENT) return FragmentHeader.BYTES;
  return kind === Extension.AUTHENTICATION ? (bytes[at + 1] + 2) << 2 : (bytes[at + 1] + 1) << 3;
}

/** Where the first extension header of a kind starts, in bytes of the arena; -1: none, or it is cut short ($isCut). */
function find(arena: Arena, packet: Packet, wanted: number): number {
  const { bytes } = arena;
  const end = Math.min(packet.network + packet.length, arena.offset[packet.frame] + arena.headLength(packet.frame));
  let kind = bytes[packet.network + Ipv6.NEXT_HEADER];
  let at = packet.network + Ipv6.BYTES;
  $isCut = false;
  for (let seen = 0; seen < MAX_EXTENSIONS && isExtension(kind); seen++) {
    $isCut = at + 8 > end;
    if ($isCut) return -1;
    $length = lengthOf(bytes, kind, at);
    if (kind === wanted) {
      $isCut = at + $length > end;
      return $isCut ? -1 : at;
    }
    // Behind a later fragment's header nothing is known.
    if (kind === Extension.FRAGMENT && (read16(bytes, at + FragmentHeader.OFFSET) & FragmentHeader.OFFSET_MASK) !== 0) {
      return -1;
    }
    kind = bytes[at];
    at += $length;
  }
  return -1;
}

/** What `find` missed: nothing, or a header that is cut short. */
function missing(): Answer {
  return $isCut ? Answer.DROP : Answer.NEVER;
}

/** A length that is asked for: 0 is any. */
function holdsLength(asked: number, isNot: boolean): boolean {
  return asked === 0 || ($length === asked) !== isNot;
}

export function ah6(arena: Arena, pool: Int32Array, at: number, packet: Packet): Answer {
  const header = find(arena, packet, Extension.AUTHENTICATION);
  if (header < 0) return missing();
  const { bytes } = arena;
  if (!holdsLength(pool[at + SpiOp.LENGTH], (pool[at] & SpiOp.NOT_LENGTH) !== 0)) return Answer.NO;
  if ((pool[at] & SpiOp.RESERVED) !== 0 && read16(bytes, header + 2) !== 0) return Answer.NO;
  return holdsSpi(bytes, pool, at, header);
}

export function fragment6(arena: Arena, pool: Int32Array, at: number, packet: Packet): Answer {
  const header = find(arena, packet, Extension.FRAGMENT);
  if (header < 0) return missing();
  const { bytes } = arena;
  const flags = pool[at];
  const id = read32(bytes, header + FragmentHeader.IDENTIFICATION) >>> 0;
  const isId = id >= pool[at + Ipv6FragmentOp.ID_LOW] >>> 0 && id <= pool[at + Ipv6FragmentOp.ID_HIGH] >>> 0;
  if (isId === ((flags & Ipv6FragmentOp.NOT_ID) !== 0)) return Answer.NO;
  const word = read16(bytes, header + FragmentHeader.OFFSET);
  const hasMore = (word & FragmentHeader.MORE) !== 0;
  if ((flags & Ipv6FragmentOp.RESERVED) !== 0 && (bytes[header + 1] !== 0 || (word & 6) !== 0)) return Answer.NO;
  if ((flags & Ipv6FragmentOp.FIRST) !== 0 && (word & FragmentHeader.OFFSET_MASK) !== 0) return Answer.NO;
  if ((flags & Ipv6FragmentOp.MORE) !== 0 && !hasMore) return Answer.NO;
  return answer((flags & Ipv6FragmentOp.LAST) === 0 || !hasMore);
}

/** MASK_* of ip6t_ipv6header.h. */
const enum HeaderBit {
  HOP = 128,
  DESTINATION = 64,
  ROUTE = 32,
  FRAGMENT = 16,
  AUTHENTICATION = 8,
  ESP = 4,
  NONE = 2,
  PROTOCOL = 1,
}

function bitOf(kind: number): HeaderBit {
  if (kind === Extension.HOP_BY_HOP) return HeaderBit.HOP;
  if (kind === Extension.ROUTING) return HeaderBit.ROUTE;
  if (kind === Extension.FRAGMENT) return HeaderBit.FRAGMENT;
  return kind === Extension.AUTHENTICATION ? HeaderBit.AUTHENTICATION : HeaderBit.DESTINATION;
}

/** HeaderBits of a packet, -1: its headers are cut short. */
function headersOf(arena: Arena, packet: Packet): number {
  const { bytes } = arena;
  const end = packet.network + packet.length;
  let kind = bytes[packet.network + Ipv6.NEXT_HEADER];
  let at = packet.network + Ipv6.BYTES;
  let found = 0;
  for (let seen = 0; seen < MAX_EXTENSIONS && isExtension(kind); seen++) {
    if (at + 8 > end) return -1;
    found |= bitOf(kind);
    const length = lengthOf(bytes, kind, at);
    kind = bytes[at];
    at += length;
    if (at > end) break;
  }
  if (kind === Extension.NONE) return found | HeaderBit.NONE;
  return kind === ESP ? found | HeaderBit.ESP : found | HeaderBit.PROTOCOL;
}

/** Answers already inverted: with --soft each bit is. */
export function headers6(arena: Arena, pool: Int32Array, at: number, packet: Packet, isInverted: boolean): Answer {
  const found = headersOf(arena, packet);
  if (found < 0) return Answer.NO;
  const asked = pool[at + Ipv6HeadersOp.HEADERS];
  if ((pool[at] & Ipv6HeadersOp.SOFT) === 0) return answer((found === asked) !== isInverted);
  return answer(((found ^ asked ^ (isInverted ? 0xff : 0)) & asked) === 0);
}

const enum RoutingHeader {
  TYPE = 2,
  SEGMENTS_LEFT = 3,
  RESERVED = 4,
  ADDRESSES = 8,
}

export function routing6(arena: Arena, pool: Int32Array, at: number, packet: Packet): Answer {
  const header = find(arena, packet, Extension.ROUTING);
  if (header < 0) return missing();
  const { bytes } = arena;
  const flags = pool[at];
  const left = bytes[header + RoutingHeader.SEGMENTS_LEFT];
  const isLeft =
    left >= pool[at + Ipv6RoutingOp.SEGMENTS_LOW] >>> 0 && left <= pool[at + Ipv6RoutingOp.SEGMENTS_HIGH] >>> 0;
  if (isLeft === ((flags & Ipv6RoutingOp.NOT_SEGMENTS) !== 0)) return Answer.NO;
  const isLength = $length === pool[at + Ipv6RoutingOp.LENGTH];
  if ((flags & Ipv6RoutingOp.ASK_LENGTH) !== 0 && isLength === ((flags & Ipv6RoutingOp.NOT_LENGTH) !== 0))
    return Answer.NO;
  const isType = bytes[header + RoutingHeader.TYPE] === pool[at + Ipv6RoutingOp.TYPE];
  if ((flags & Ipv6RoutingOp.ASK_TYPE) !== 0 && isType === ((flags & Ipv6RoutingOp.NOT_TYPE) !== 0)) return Answer.NO;
  if ((flags & Ipv6RoutingOp.RESERVED) !== 0 && read32(bytes, header + RoutingHeader.RESERVED) !== 0) return Answer.NO;
  const count = pool[at + Ipv6RoutingOp.COUNT];
  if (count === 0) return Answer.YES;
  return answer(holdsAddresses(bytes, pool, at, header, count, (flags & Ipv6RoutingOp.NOT_STRICT) !== 0));
}

/** Strict: just these addresses are the first; else: they occur in this order. */
function holdsAddresses(
  bytes: Uint8Array,
  pool: Int32Array,
  at: number,
  header: number,
  count: number,
  isLoose: boolean,
): boolean {
  const there = ($length - RoutingHeader.ADDRESSES) >> 4;
  if (count > there) return false;
  let asked = 0;
  for (let i = 0; i < there && asked < count; i++) {
    const isSame = isAddress(
      bytes,
      header + RoutingHeader.ADDRESSES + (i << 4),
      pool,
      at + Ipv6RoutingOp.ADDRESSES + (asked << 2),
    );
    if (isSame) asked++;
    else if (!isLoose) return false;
  }
  return asked === count && (isLoose || count === there);
}

function isAddress(bytes: Uint8Array, at: number, words: Int32Array, from: number): boolean {
  for (let i = 0; i < 4; i++) if (read32(bytes, at + i * 4) !== words[from + i]) return false;
  return true;
}

const ANY_LENGTH = 0xff;

/** The options asked for must come in this order, padding apart, from the first one on. */
export function options6(arena: Arena, pool: Int32Array, at: number, packet: Packet): Answer {
  const header = find(arena, packet, pool[at + Ipv6OptionsOp.PROTOCOL]);
  if (header < 0) return missing();
  if (!holdsLength(pool[at + Ipv6OptionsOp.LENGTH], (pool[at] & Ipv6OptionsOp.NOT_LENGTH) !== 0)) return Answer.NO;
  const { bytes } = arena;
  const count = pool[at + Ipv6OptionsOp.COUNT];
  const end = header + $length;
  let option = header + 2;
  for (let i = 0; i < count; i++) {
    if (option >= end) return Answer.NO;
    const asked = pool[at + Ipv6OptionsOp.OPTIONS + i];
    if (bytes[option] !== (asked & 0xff)) return Answer.NO;
    // PAD1 has no length.
    const isPad = bytes[option] === 0;
    const length = isPad ? 0 : bytes[option + 1];
    const wanted = asked >>> 8;
    if (!isPad && wanted !== ANY_LENGTH && wanted !== length) return Answer.NO;
    option += isPad ? 1 : length + 2;
  }
  return Answer.YES;
}

/** RFC 4291, appendix A: the last eight bytes are the MAC address of whom it came from, ff:fe in its middle. */
export function eui64(arena: Arena, packet: Packet): Answer {
  if (packet.in <= 0) return Answer.NEVER;
  const { bytes } = arena;
  const mac = packet.network - Ethernet.BYTES + Ethernet.SOURCE;
  const id = packet.network + Ipv6.SOURCE + 8;
  return answer(
    bytes[id] === (bytes[mac] ^ 2) &&
      read16(bytes, id + 1) === read16(bytes, mac + 1) &&
      read16(bytes, id + 3) === 0xfffe &&
      read16(bytes, id + 5) === read16(bytes, mac + 3) &&
      bytes[id + 7] === bytes[mac + 5],
  );
}

/** The type of a mobility header (RFC 6275 §6.1); one that does not say "nothing follows" is malformed. */
export function mobility(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  const there = hasHeader(packet, 6);
  if (there !== Answer.YES) return there;
  if (bytes[packet.transport] !== Extension.NONE) return Answer.DROP;
  const type = bytes[packet.transport + 2];
  return answer(type >= pool[at + MobilityOp.LOW] && type <= pool[at + MobilityOp.HIGH]);
}
