/*
 * TCPMSS: the MSS option of a SYN, lowered to a value or to what the path takes, as xt_TCPMSS does it. It is never raised. A SYN without the option
 * gets one, of 536 bytes at most (IPv6: 1,220), if nothing follows its header.
 */

import { Slot } from '../core/arena.js';
import { Key, type Packet } from '../core/packet.js';
import { NextHop, Route } from '../route/fib.js';
import type { Inet } from '../route/inet.js';
import { update16 } from '../wire/checksum.js';
import { read16, write16 } from '../wire/field.js';
import { Ipv4 } from '../wire/ipv4.js';
import { Ipv6 } from '../wire/ipv6.js';
import { headerLength, Tcp } from '../wire/tcp.js';
import { changeTcp } from './header-changes.js';
import { TcpmssTarget } from './ops.js';
import { Family } from './rule.js';

const CLAMP_TO_PMTU = 0xffff;
const MSS = 2;
const MSS_BYTES = 4;
const LONGEST_HEADER = 60;
const DEFAULT_MSS4 = 536;
const DEFAULT_MSS6 = 1220;

/** False: the segment is malformed, or its path too narrow for any MSS: it is to be dropped. */
export function tcpmss(inet: Inet, pool: Int32Array, at: number, packet: Packet): boolean {
  const { arena } = inet;
  const { bytes } = arena;
  if (packet.key[Key.FRAGMENT] !== 0) return true;
  const { transport } = packet;
  const length = packet.network + packet.length - transport;
  if (transport < 0 || length < Tcp.BYTES) return false;
  const header = headerLength(bytes, transport);
  if (header < Tcp.BYTES || length < header) return false;
  const asked = pool[at + TcpmssTarget.MSS];
  const least = (packet.family === Family.IPV4 ? Ipv4.BYTES : Ipv6.BYTES) + Tcp.BYTES;
  const mss = asked === CLAMP_TO_PMTU ? pathMtu(inet, packet) - least : asked;
  if (mss <= 0) return false;
  const option = findMss(bytes, transport, header);
  if (option >= 0) lower(inet, packet, option, mss);
  else if (length === header && header < LONGEST_HEADER) insert(inet, packet, mss);
  return true;
}

function findMss(bytes: Uint8Array, transport: number, header: number): number {
  const last = transport + header - MSS_BYTES;
  for (let i = transport + Tcp.BYTES; i <= last; ) {
    if (bytes[i] === MSS && bytes[i + 1] === MSS_BYTES) return i;
    i += bytes[i] < 2 ? 1 : bytes[i + 1] || 1;
  }
  return -1;
}

function lower(inet: Inet, packet: Packet, option: number, mss: number): void {
  const { arena } = inet;
  const before = read16(arena.bytes, option + 2);
  if (before <= mss) return;
  write16(arena.bytes, option + 2, mss);
  const isOdd = ((option - packet.transport) & 1) !== 0;
  if (!isOdd) return changeTcp(arena, packet, before, mss);
  // The option's value lies across two words of the checksum: each byte counts in the other half (which the kernel forgets).
  changeTcp(arena, packet, swapped(before), swapped(mss));
}

function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}

/** The option becomes the first one; the others move on. Only where the head slot has room behind the segment. */
function insert(inet: Inet, packet: Packet, mss: number): void {
  const { arena } = inet;
  const { bytes } = arena;
  const { frame, transport } = packet;
  const end = packet.network + packet.length;
  if (end + MSS_BYTES > (frame + 1) << Slot.HEAD_SHIFT) return;
  const value = Math.min(mss, packet.family === Family.IPV4 ? DEFAULT_MSS4 : DEFAULT_MSS6);
  const options = transport + Tcp.BYTES;
  const length = end - transport;
  bytes.copyWithin(options + MSS_BYTES, options, end);
  arena.length[frame] += MSS_BYTES;
  packet.length += MSS_BYTES;
  bytes[options] = MSS;
  bytes[options + 1] = MSS_BYTES;
  write16(bytes, options + 2, value);
  changeTcp(arena, packet, 0, (MSS << 8) | MSS_BYTES);
  changeTcp(arena, packet, 0, value);
  // The pseudo-header's length is in a partial checksum, too.
  changePseudo(arena.bytes, transport, length, length + MSS_BYTES);
  const before = read16(bytes, transport + Tcp.DATA_OFFSET);
  write16(bytes, transport + Tcp.DATA_OFFSET, before + 0x1000);
  changeTcp(arena, packet, before, before + 0x1000);
  if (packet.family === Family.IPV4) lengthen4(bytes, packet.network);
  else write16(bytes, packet.network + Ipv6.PAYLOAD_LENGTH, packet.length - Ipv6.BYTES);
}

function lengthen4(bytes: Uint8Array, network: number): void {
  const before = read16(bytes, network + Ipv4.TOTAL_LENGTH);
  const field = network + Ipv4.CHECKSUM;
  write16(bytes, network + Ipv4.TOTAL_LENGTH, before + MSS_BYTES);
  write16(bytes, field, update16(read16(bytes, field), before, before + MSS_BYTES));
}

/** A finished checksum is the complement of what a partial one holds. */
function changePseudo(bytes: Uint8Array, transport: number, before: number, after: number): void {
  const field = transport + Tcp.CHECKSUM;
  write16(bytes, field, update16(read16(bytes, field), before, after));
}

// --- the path's MTU ------------------------------------------------------------------------------

/** The lesser of the MTUs of both ways, by routes and what ICMP has told. */
function pathMtu(inet: Inet, packet: Packet): number {
  const there =
    packet.family === Family.IPV4 ? mtu4(inet, packet, Key.DESTINATION) : mtu6(inet, packet, Ipv6.DESTINATION);
  const back = packet.family === Family.IPV4 ? mtu4(inet, packet, Key.SOURCE) : mtu6(inet, packet, Ipv6.SOURCE);
  const out = packet.out > 0 ? inet.links.mtu[packet.out] : 0xffff;
  return Math.min(there, back, out);
}

function mtu4(inet: Inet, packet: Packet, word: Key): number {
  const address = packet.key[word];
  fillFlow(inet, packet, word === Key.DESTINATION);
  const mtu = mtuOf(inet, inet.fib.lookup4(packet.namespace, address, 0));
  return Math.min(mtu, inet.pmtu.isEmpty ? mtu : inet.pmtu.get4(packet.namespace, address, mtu, packet.now));
}

function mtu6(inet: Inet, packet: Packet, offset: number): number {
  const { bytes } = inet.arena;
  const place = packet.network + offset;
  fillFlow(inet, packet, offset === Ipv6.DESTINATION);
  const mtu = mtuOf(inet, inet.fib.lookup6(packet.namespace, bytes, place, place));
  return Math.min(mtu, inet.pmtu.isEmpty ? mtu : inet.pmtu.get6(packet.namespace, bytes, place, mtu, packet.now));
}

/** Of the way there rules of routing see the packet's mark, of the way back nothing. */
function fillFlow(inet: Inet, packet: Packet, isThere: boolean): void {
  const { flow } = inet.fib;
  flow.iif = isThere && packet.in > 0 ? packet.in : inet.loopback[packet.namespace];
  flow.oif = 0;
  flow.mark = isThere ? inet.arena.mark[packet.frame] : 0;
  flow.tos = 0;
  flow.protocol = 0;
  flow.sport = 0;
  flow.dport = 0;
}

/** Where no route leads there is no limit. */
function mtuOf(inet: Inet, route: number): number {
  if (route <= 0) return 0xffff;
  const { fib, links } = inet;
  const own = fib.routes[(route << Route.SHIFT) + Route.MTU] & 0xfffff;
  if (own !== 0) return own;
  const hop = fib.select(route, 0);
  if (hop < 0) return 0xffff;
  return links.mtu[fib.nexthops[(hop << NextHop.SHIFT) + NextHop.LINK]];
}
