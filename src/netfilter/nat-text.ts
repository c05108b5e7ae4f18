/*
 * A TCP packet with a piece of its text replaced by one of another length: lengths and checksums follow, in the frame's head and tail.
 *
 * For helpers, which do this to few packets: what is behind the piece goes through a buffer.
 */
import type { Arena } from '../core/arena.js';
import type { Packet } from '../core/packet.js';
import { finish, pseudo4, pseudo6 } from '../wire/checksum.js';
import { read16, read32, write16 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import { Ipv6 } from '../wire/ipv6.js';
import { addressOf, rangeSum, takeTail } from '../wire/span.js';
import { Tcp } from '../wire/tcp.js';
import { change16, isPartialAt, patchedPartial } from './nat-mangle.js';
import { Family } from './rule.js';

const LONGEST = 65_535;
const $rest = new Uint8Array(LONGEST);

/** Copies the bytes of a packet from `from` on, counted from its IP header, to `out`. Answers how many. */
export function readText(arena: Arena, packet: Packet, from: number, out: Uint8Array): number {
  const start = packet.network - arena.offset[packet.frame] + from;
  const count = Math.min(out.length, packet.length - from);
  for (let i = 0; i < count; i++) out[i] = arena.bytes[addressOf(arena, packet.frame, start + i)];
  return count;
}

/**
 * Puts `text` in place of `length` bytes at `from`, counted from the IP header. packet.length follows. False: the packet would be too
 * long, or there is no room for it, and nothing has changed.
 */
export function replaceText(arena: Arena, packet: Packet, from: number, length: number, text: Uint8Array): boolean {
  const before = packet.length;
  const after = before + text.length - length;
  if (after > LONGEST) return false;
  const restAt = from + length;
  const rest = readText(arena, packet, restAt, $rest.subarray(0, before - restAt));
  const start = packet.network - arena.offset[packet.frame];
  arena.truncate(packet.frame, start + Math.min(before, after));
  arena.length[packet.frame] = start + after;
  if (!takeTail(arena, packet.frame)) {
    arena.length[packet.frame] = start + before;
    return false;
  }
  write(arena, packet, from, text, text.length);
  write(arena, packet, from + text.length, $rest, rest);
  packet.length = after;
  setLength(arena, packet);
  setChecksum(arena, packet, before, after);
  return true;
}

function write(arena: Arena, packet: Packet, from: number, text: Uint8Array, count: number): void {
  const start = packet.network - arena.offset[packet.frame] + from;
  for (let i = 0; i < count; i++) arena.bytes[addressOf(arena, packet.frame, start + i)] = text[i];
}

function setLength(arena: Arena, packet: Packet): void {
  if (packet.family === Family.IPV6) {
    write16(arena.bytes, packet.network + Ipv6.PAYLOAD_LENGTH, packet.length - Ipv6.BYTES);
    return;
  }
  write16(arena.bytes, packet.network + Ipv4.TOTAL_LENGTH, packet.length);
  ipv4.writeChecksum(arena.bytes, packet.network);
}

/** Of TCP, taken anew; of a partial one the length in its pseudo-header changes. */
function setChecksum(arena: Arena, packet: Packet, before: number, after: number): void {
  const { bytes } = arena;
  const { transport, network } = packet;
  const headers = transport - network;
  const field = transport + Tcp.CHECKSUM;
  if (isPartialAt(arena, packet.frame, transport)) {
    write16(bytes, field, patchedPartial(read16(bytes, field), change16(before - headers, after - headers)));
    return;
  }
  const length = after - headers;
  write16(bytes, field, 0);
  const sum = rangeSum(arena, packet.frame, transport - arena.offset[packet.frame], length);
  write16(bytes, field, finish(sum + pseudo(arena, packet, length)));
}

function pseudo({ bytes }: Arena, { family, network }: Packet, length: number): number {
  if (family === Family.IPV6) return pseudo6(bytes, network + Ipv6.SOURCE, Protocol.TCP, length);
  const source = read32(bytes, network + Ipv4.SOURCE);
  return pseudo4(source, read32(bytes, network + Ipv4.DESTINATION), Protocol.TCP, length);
}
