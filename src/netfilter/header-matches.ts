/* Matches that read the IP or the transport header: what a packet says of itself. */
import type { Arena } from '../core/arena.js';
import { Key, type Packet } from '../core/packet.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, read32 } from '../wire/field.js';
import { Protocol } from '../wire/ipv4.js';
import { headerLength, Tcp } from '../wire/tcp.js';
import { Answer, answer } from './answer.js';
import {
  EcnOp,
  IcmpOp,
  LengthOp,
  MacOp,
  MultiportOp,
  PortsOp,
  SctpChunkMatch,
  SctpChunksOp,
  SpiOp,
  TcpFlagsOp,
  TcpmssOp,
  TcpOptionOp,
  TosOp,
  TtlOp,
} from './ops.js';
import { Family } from './rule.js';

/** Kinds of TCP's options. */
const enum TcpOption {
  MSS = 2,
  MSS_BYTES = 4,
}

const SCTP_HEADER = 12;

/**
 * What asks about a transport header: NEVER where the packet is a later fragment, DROP where the header is cut short, else YES.
 */
export function hasHeader(packet: Packet, bytes: number): Answer {
  if (packet.key[Key.FRAGMENT] !== 0) return Answer.NEVER;
  const isThere = packet.transport >= 0 && packet.transport + bytes <= packet.network + packet.length;
  return isThere ? Answer.YES : Answer.DROP;
}

/** As hasHeader for TCP with its options. */
function hasTcp(bytes: Uint8Array, packet: Packet): Answer {
  const there = hasHeader(packet, Tcp.BYTES);
  if (there !== Answer.YES) return there;
  const length = headerLength(bytes, packet.transport);
  return length < Tcp.BYTES ? Answer.DROP : hasHeader(packet, length);
}

export function tcpFlags(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  const there = hasHeader(packet, Tcp.BYTES);
  if (there !== Answer.YES) return there;
  return answer((bytes[packet.transport + Tcp.FLAGS] & pool[at + TcpFlagsOp.MASK]) === pool[at + TcpFlagsOp.COMPARE]);
}

/** Where an option starts, in bytes of the arena; -1: there is none. */
function findOption(bytes: Uint8Array, from: number, end: number, kind: number): number {
  for (let i = from; i < end; ) {
    if (bytes[i] === kind) return i;
    i += bytes[i] < 2 || i + 1 === end ? 1 : bytes[i + 1] || 1;
  }
  return -1;
}

export function tcpOption(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  const there = hasTcp(bytes, packet);
  if (there !== Answer.YES) return there;
  const end = packet.transport + headerLength(bytes, packet.transport);
  return answer(findOption(bytes, packet.transport + Tcp.BYTES, end, pool[at + TcpOptionOp.NUMBER]) >= 0);
}

export function tcpmss(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  const there = hasTcp(bytes, packet);
  if (there !== Answer.YES) return there;
  const end = packet.transport + headerLength(bytes, packet.transport);
  for (let i = packet.transport + Tcp.BYTES; i < end; ) {
    if (bytes[i] === TcpOption.MSS && end - i >= TcpOption.MSS_BYTES && bytes[i + 1] === TcpOption.MSS_BYTES) {
      return answer(isBetween(read16(bytes, i + 2), pool[at + TcpmssOp.LOW], pool[at + TcpmssOp.HIGH]));
    }
    i += bytes[i] < 2 || i + 1 === end ? 1 : bytes[i + 1] || 1;
  }
  return Answer.NO;
}

function isBetween(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}

/** `range`: low << 16 | high. */
export function isInRange(port: number, range: number): boolean {
  return port >= range >>> 16 && port <= (range & 0xffff);
}

export function ports(pool: Int32Array, at: number, packet: Packet): Answer {
  const { key } = packet;
  if (key[Key.FRAGMENT] !== 0) return Answer.NEVER;
  if (key[Key.SOURCE_PORT] < 0) return Answer.DROP;
  const flags = pool[at];
  const isSource = isInRange(key[Key.SOURCE_PORT], pool[at + PortsOp.SOURCE]);
  const isDestination = isInRange(key[Key.DESTINATION_PORT], pool[at + PortsOp.DESTINATION]);
  return answer(
    isSource !== ((flags & PortsOp.NOT_SOURCE) !== 0) && isDestination !== ((flags & PortsOp.NOT_DESTINATION) !== 0),
  );
}

export function multiport(pool: Int32Array, at: number, packet: Packet): Answer {
  const { key } = packet;
  if (key[Key.FRAGMENT] !== 0) return Answer.NEVER;
  const source = key[Key.SOURCE_PORT];
  const destination = key[Key.DESTINATION_PORT];
  if (source < 0) return Answer.DROP;
  const asksSource = (pool[at] & MultiportOp.SOURCE) !== 0;
  const asksDestination = (pool[at] & MultiportOp.DESTINATION) !== 0;
  const end = at + MultiportOp.RANGES + pool[at + MultiportOp.COUNT];
  for (let i = at + MultiportOp.RANGES; i < end; i++) {
    if ((asksSource && isInRange(source, pool[i])) || (asksDestination && isInRange(destination, pool[i]))) {
      return Answer.YES;
    }
  }
  return Answer.NO;
}

const ANY_TYPE = 255;

export function icmp(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  const there = hasHeader(packet, 4);
  if (there !== Answer.YES) return there;
  const type = pool[at + IcmpOp.TYPE];
  if (type === ANY_TYPE && packet.family === Family.IPV4) return Answer.YES;
  const code = bytes[packet.transport + 1];
  return answer(
    bytes[packet.transport] === type && isBetween(code, pool[at + IcmpOp.CODE_LOW], pool[at + IcmpOp.CODE_HIGH]),
  );
}

export function length(pool: Int32Array, at: number, packet: Packet): Answer {
  return answer(isBetween(packet.length, pool[at + LengthOp.LOW], pool[at + LengthOp.HIGH]));
}

export function ttlOf(bytes: Uint8Array, packet: Packet): number {
  return bytes[packet.network + (packet.family === Family.IPV4 ? 8 : 7)];
}

export function ttl(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  return answer(isBetween(ttlOf(bytes, packet), pool[at + TtlOp.LOW], pool[at + TtlOp.HIGH]));
}

/** TOS, or IPv6's traffic class. */
export function tosOf(bytes: Uint8Array, packet: Packet): number {
  const at = packet.network;
  return packet.family === Family.IPV4 ? bytes[at + 1] : (read16(bytes, at) >>> 4) & 0xff;
}

export function tos(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  return answer((tosOf(bytes, packet) & pool[at + TosOp.MASK]) === pool[at + TosOp.VALUE]);
}

/** What is asked of a bit: `flags` has `ask` where it must be set, `ask` and `not` where it must not. */
function holdsBit(flags: number, ask: number, not: number, isSet: boolean): boolean {
  return (flags & ask) === 0 || isSet !== ((flags & not) !== 0);
}

export function ecn(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  const flags = pool[at];
  const isEct = (tosOf(bytes, packet) & 3) === pool[at + EcnOp.ECT];
  if (!holdsBit(flags, EcnOp.IP_ECT, EcnOp.NOT_IP_ECT, isEct)) return Answer.NO;
  if ((flags & (EcnOp.TCP_ECE | EcnOp.TCP_CWR)) === 0) return Answer.YES;
  if (packet.key[Key.PROTOCOL] !== Protocol.TCP || hasHeader(packet, Tcp.BYTES) !== Answer.YES) return Answer.NO;
  const bits = bytes[packet.transport + Tcp.FLAGS];
  return answer(
    holdsBit(flags, EcnOp.TCP_ECE, EcnOp.NOT_TCP_ECE, (bits & 0x40) !== 0) &&
      holdsBit(flags, EcnOp.TCP_CWR, EcnOp.NOT_TCP_CWR, (bits & 0x80) !== 0),
  );
}

export function mac(arena: Arena, pool: Int32Array, at: number, packet: Packet): Answer {
  // Frames made here, and those of lo, have no link-layer source.
  if (packet.in <= 0) return Answer.NEVER;
  const source = packet.network - Ethernet.BYTES + Ethernet.SOURCE;
  const { bytes } = arena;
  return answer(read16(bytes, source) === pool[at + MacOp.HIGH] && read32(bytes, source + 2) === pool[at + MacOp.LOW]);
}

const ESP = 50;
const AH = 51;

/** esp, ah and ipcomp of IPv4, esp and ipcomp of IPv6. */
export function spi(bytes: Uint8Array, pool: Int32Array, at: number, packet: Packet): Answer {
  const protocol = pool[at + SpiOp.PROTOCOL];
  const there = hasHeader(packet, protocol === AH ? 12 : protocol === ESP ? 8 : 4);
  if (there !== Answer.YES) return there;
  return holdsSpi(bytes, pool, at, packet.transport);
}

/** The SPI is unsigned; of an IPCOMP header the CPI. */
export function holdsSpi(bytes: Uint8Array, pool: Int32Array, at: number, header: number): Answer {
  const protocol = pool[at + SpiOp.PROTOCOL];
  const field = protocol === ESP ? read32(bytes, header) : read32(bytes, header + 4);
  const number = protocol === ESP || protocol === AH ? field >>> 0 : read16(bytes, header + 2);
  return answer(isBetween(number, pool[at + SpiOp.LOW] >>> 0, pool[at + SpiOp.HIGH] >>> 0));
}

/** Chunks that a `--chunk-types all` still has to meet, 256 bits. */
const $missing = new Int32Array(8);

/** Bytes of chunk headers are looked at as far as they lie in the head slot: all but what follows a very long chunk. */
export function sctpChunks(arena: Arena, pool: Int32Array, at: number, packet: Packet): Answer {
  const there = hasHeader(packet, SCTP_HEADER);
  if (there !== Answer.YES) return there;
  const { bytes } = arena;
  const match = pool[at + SctpChunksOp.MATCH];
  const end = packet.network + packet.length;
  const last = Math.min(end, arena.offset[packet.frame] + arena.headLength(packet.frame));
  for (let i = 0; i < 8; i++) $missing[i] = pool[at + SctpChunksOp.TYPES + i];
  let chunk = packet.transport + SCTP_HEADER;
  do {
    if (chunk + 4 > last || read16(bytes, chunk + 2) === 0) return Answer.DROP;
    const type = bytes[chunk];
    const isAsked = ((pool[at + SctpChunksOp.TYPES + (type >>> 5)] >>> (type & 31)) & 1) !== 0;
    const holds = isAsked && hasChunkFlags(pool, at, type, bytes[chunk + 1]);
    if (match === SctpChunkMatch.ANY && holds) return Answer.YES;
    if (match === SctpChunkMatch.ONLY && !holds) return Answer.NO;
    if (holds) $missing[type >>> 5] &= ~(1 << (type & 31));
    chunk += (read16(bytes, chunk + 2) + 3) & ~3;
  } while (chunk < end);
  if (match === SctpChunkMatch.ALL) return answer(isEmpty($missing));
  return answer(match === SctpChunkMatch.ONLY);
}

function isEmpty(words: Int32Array): boolean {
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

function hasChunkFlags(pool: Int32Array, at: number, type: number, flags: number): boolean {
  const end = at + SctpChunksOp.FLAGS + pool[at + SctpChunksOp.COUNT];
  for (let i = at + SctpChunksOp.FLAGS; i < end; i++) {
    const word = pool[i];
    if ((word & 0xff) === type) return (flags & (word >>> 16) & 0xff) === ((word >>> 8) & 0xff);
  }
  return true;
}

const DCCP_HEADER = 12;

/** Bit 4 … 1 of byte 8 are the packet's type, RFC 4340 §5.1. */
export function dccpTypes(bytes: Uint8Array, types: number, packet: Packet): Answer {
  const there = hasHeader(packet, DCCP_HEADER);
  if (there !== Answer.YES) return there;
  return answer(((types >>> ((bytes[packet.transport + 8] >>> 1) & 15)) & 1) !== 0);
}

/** Bytes of a DCCP header before its options, by type; -1: no such type. */
const DCCP_EXTRA = [4, 8, 0, 8, 8, 8, 8, 12, 8, 8];

export function dccpOption(bytes: Uint8Array, kind: number, packet: Packet): Answer {
  const there = hasHeader(packet, DCCP_HEADER);
  if (there !== Answer.YES) return there;
  const at = packet.transport;
  const type = (bytes[at + 8] >>> 1) & 15;
  const fixed = DCCP_HEADER + ((bytes[at + 8] & 1) !== 0 ? 4 : 0) + (type < DCCP_EXTRA.length ? DCCP_EXTRA[type] : 0);
  const end = at + (bytes[at + 4] << 2);
  if (end < at + fixed || hasHeader(packet, end - at) !== Answer.YES) return Answer.DROP;
  for (let i = at + fixed; i < end; ) {
    if (bytes[i] === kind) return Answer.YES;
    // Options below 32 are one byte.
    i += bytes[i] < 2 || i + 1 === end ? 1 : bytes[i + 1] || 1;
  }
  return Answer.NO;
}
