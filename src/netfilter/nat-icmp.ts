/*
 * NAT of ICMP errors: outside like an answer of the flow, inside the packet quoted as its sender knows it (RFC 5508 §4.2).
 *
 *   | IP: one address | ICMP error | quoted IP: the other address | quoted ports, checksums |
 *
 * What is quoted went the other way: where the error's source is changed, the quoted packet's destination was that once. The ICMP
 * checksum is taken anew, after it was found right; an error whose checksum is wrong is dropped, and so is a redirect of a flow
 * with NAT, which names addresses that nobody there would know.
 */
import { Transport } from '../conntrack/tuple.js';
import type { Arena } from '../core/arena.js';
import type { Packet } from '../core/packet.js';
import { finish, pseudo6 } from '../wire/checksum.js';
import { write16 } from '../wire/field.js';
import { Icmp, Icmp6Type, IcmpType } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4 } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Ipv6 } from '../wire/ipv6.js';
import { rangeSum } from '../wire/span.js';
import { mangle4, mangle6, type Side } from './nat-mangle.js';
import { Family } from './rule.js';

/** Whether a packet's ICMP error may go on at all. `isPlain`: its flow is bound, and NAT has changed nothing of it. */
export function mayTranslate(arena: Arena, packet: Packet, isPlain: boolean): boolean {
  const isIpv6 = packet.family === Family.IPV6;
  const type = arena.bytes[packet.transport];
  const isRedirect = type === (isIpv6 ? Icmp6Type.REDIRECT : IcmpType.REDIRECT);
  return (isPlain || !isRedirect) && finish(sum(arena, packet)) === 0;
}

/**
 * Rewrites what is quoted: its address on one side, and port. The ICMP checksum is right again afterwards, as long as the
 * outer addresses stay. `address`: words of the address at `from`.
 */
export function mangleQuoted(
  arena: Arena,
  packet: Packet,
  side: Side,
  address: Int32Array,
  from: number,
  port: number,
): boolean {
  const quoted = packet.transport + Icmp.BYTES;
  const end = packet.network + packet.length;
  const isDone =
    packet.family === Family.IPV6
      ? mangleQuoted6(arena, packet, quoted, end, side, address, from, port)
      : mangleQuoted4(arena, packet, quoted, end, side, address[from], port);
  if (!isDone) return false;
  write16(arena.bytes, packet.transport + Icmp.CHECKSUM, 0);
  write16(arena.bytes, packet.transport + Icmp.CHECKSUM, finish(sum(arena, packet)));
  return true;
}

function mangleQuoted4(
  arena: Arena,
  packet: Packet,
  at: number,
  end: number,
  side: Side,
  address: number,
  port: number,
): boolean {
  if (at + Ipv4.BYTES > end) return false;
  const transport = at + ipv4.headerLength(arena.bytes, at);
  return mangle4(
    arena,
    packet.frame,
    at,
    transport,
    end - transport,
    arena.bytes[at + Ipv4.PROTOCOL],
    side,
    address,
    port,
  );
}

function mangleQuoted6(
  arena: Arena,
  packet: Packet,
  at: number,
  end: number,
  side: Side,
  address: Int32Array,
  from: number,
  port: number,
): boolean {
  if (at + Ipv6.BYTES > end) return false;
  const found = transportOf(arena.bytes, at, end);
  const transport = found < 0 ? -1 : at + (found >>> 8);
  return mangle6(arena, packet.frame, at, transport, end - transport, found & 0xff, side, address, from, port);
}

/** `offset << 8 | protocol` behind extension headers, the fragment header of a first fragment included; -1: nothing that has ports. */
function transportOf(bytes: Uint8Array, at: number, end: number): number {
  const found = ipv6.transport(bytes, at, end);
  if (found < 0 || (found & 0xff) !== ipv6.Extension.FRAGMENT) return found;
  const header = at + (found >>> 8);
  if (header + ipv6.FragmentHeader.BYTES > end) return -1;
  const offset = (bytes[header + ipv6.FragmentHeader.OFFSET] << 8) | bytes[header + ipv6.FragmentHeader.OFFSET + 1];
  if ((offset & ipv6.FragmentHeader.OFFSET_MASK) !== 0) return -1;
  return (((found >>> 8) + ipv6.FragmentHeader.BYTES) << 8) | bytes[header];
}

/** Over the ICMP message, and IPv6's pseudo-header. */
function sum(arena: Arena, packet: Packet): number {
  const length = packet.network + packet.length - packet.transport;
  const message = rangeSum(arena, packet.frame, packet.transport - arena.offset[packet.frame], length);
  if (packet.family !== Family.IPV6) return message;
  return message + pseudo6(arena.bytes, packet.network + Ipv6.SOURCE, Transport.ICMPV6, length);
}
