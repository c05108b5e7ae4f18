/*
 * SNPT, DNPT: IPv6-to-IPv6 network prefix translation (RFC 6296), without state. One 16-bit word behind the prefix takes up what the prefix
 * changes in checksums, so that none has to be touched.
 */
import type { Arena } from '../core/arena.js';
import { Key, type Packet } from '../core/packet.js';
import { read16, write16 } from '../wire/field.js';
import { Ipv6 } from '../wire/ipv6.js';
import { NptTarget } from './ops.js';

const ICMPV6 = 58;

/** One's-complement sum of a prefix's eight words. */
function sumOf(pool: Int32Array, at: number): number {
  let sum = 0;
  for (let i = 0; i < 4; i++) sum += (pool[at + i] >>> 16) + (pool[at + i] & 0xffff);
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}

function add(a: number, b: number): number {
  const sum = a + b;
  return (sum & 0xffff) + (sum >>> 16);
}

/** The bits of word i that the prefix leaves alone. */
function restOf(length: number, i: number): number {
  const bits = length - 32 * i;
  return bits >= 32 ? 0 : bits <= 0 ? -1 : -1 >>> bits;
}

/** Rewrites the address at `address`. False: it has no word that can take up the change. */
function map(bytes: Uint8Array, pool: Int32Array, at: number, address: number): boolean {
  const length = Math.max(pool[at + NptTarget.SOURCE_LENGTH], pool[at + NptTarget.DESTINATION_LENGTH]);
  for (let i = 0; i * 32 < length; i++) {
    const rest = restOf(length, i);
    const wanted = pool[at + NptTarget.DESTINATION + i] & ~rest;
    const place = address + 4 * i;
    write16(bytes, place, (read16(bytes, place) & (rest >>> 16)) | (wanted >>> 16));
    write16(bytes, place + 2, (read16(bytes, place + 2) & (rest & 0xffff)) | (wanted & 0xffff));
  }
  let word = 3;
  if (length > 48) {
    word = 4;
    while (word < 8 && read16(bytes, address + 2 * word) === 0xffff) word++;
    if (word === 8) return false;
  }
  const difference = add(sumOf(pool, at + NptTarget.SOURCE), ~sumOf(pool, at + NptTarget.DESTINATION) & 0xffff);
  const sum = add(read16(bytes, address + 2 * word), difference);
  write16(bytes, address + 2 * word, sum === 0xffff ? 0 : sum);
  return true;
}

function isUnder(bytes: Uint8Array, address: number, pool: Int32Array, at: number): boolean {
  const length = pool[at + NptTarget.SOURCE_LENGTH];
  for (let i = 0; i * 32 < length; i++) {
    const place = address + 4 * i;
    const word = (read16(bytes, place) << 16) | read16(bytes, place + 2);
    if (((word ^ pool[at + NptTarget.SOURCE + i]) & ~restOf(length, i)) !== 0) return false;
  }
  return true;
}

/** `isSource`: SNPT. False: the packet is to be refused. */
export function translatePrefix(
  arena: Arena,
  pool: Int32Array,
  at: number,
  packet: Packet,
  isSource: boolean,
): boolean {
  const { bytes } = arena;
  if (!map(bytes, pool, at, packet.network + (isSource ? Ipv6.SOURCE : Ipv6.DESTINATION))) return false;
  // What an ICMPv6 error quotes went the other way.
  if (packet.key[Key.PROTOCOL] !== ICMPV6 || packet.transport < 0 || bytes[packet.transport] >= 128) return true;
  const quoted = packet.transport + 8;
  if (quoted + Ipv6.BYTES > packet.network + packet.length) return true;
  const inner = quoted + (isSource ? Ipv6.DESTINATION : Ipv6.SOURCE);
  if (isUnder(bytes, inner, pool, at)) map(bytes, pool, at, inner);
  return true;
}
