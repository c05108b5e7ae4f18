/*
 * Targets that write into the packet's headers: TTL, TOS, ECN, TCP's options. Checksums follow; where the transport checksum is still
 * to be finished (a partial one) it covers the bytes as they will be and is left alone.
 */
import type { Arena } from '../core/arena.js';
import { Key, type Packet } from '../core/packet.js';
import { update16 } from '../wire/checksum.js';
import { read16, write16 } from '../wire/field.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import { completePartial, isPartial } from '../wire/span.js';
import { headerLength, Tcp } from '../wire/tcp.js';
import { Answer } from './answer.js';
import { hasHeader, tosOf, ttlOf } from './header-matches.js';
import { EcnTarget, TcpoptstripTarget, TosTarget, TtlMode, TtlTarget } from './ops.js';
import { Family } from './rule.js';

/** ipt_ECN's operations. */
const enum EcnOperation {
  IP = 1,
  ECE = 16,
  CWR = 32,
}

const ECE = 0x40;
const CWR = 0x80;
const NOP = 1;

/** Changes 16 bits of the IPv4 header, at an even place. */
function change4(bytes: Uint8Array, network: number, place: number, value: number): void {
  const before = read16(bytes, network + place);
  const field = network + Ipv4.CHECKSUM;
  write16(bytes, network + place, value);
  write16(bytes, field, update16(read16(bytes, field), before, value));
}

/** Takes a change of 16 bits at an even place of the segment into TCP's checksum. */
export function changeTcp(arena: Arena, packet: Packet, before: number, after: number): void {
  if (isPartial(arena, packet.frame)) return;
  const field = packet.transport + Tcp.CHECKSUM;
  write16(arena.bytes, field, update16(read16(arena.bytes, field), before, after));
}

export function changeTtl(arena: Arena, pool: Int32Array, at: number, packet: Packet): void {
  const { bytes } = arena;
  const mode = pool[at + TtlTarget.MODE];
  const value = pool[at + TtlTarget.VALUE];
  const before = ttlOf(bytes, packet);
  const sum = mode === TtlMode.SET ? value : mode === TtlMode.INCREMENT ? before + value : before - value;
  const after = Math.max(0, Math.min(255, sum));
  if (packet.family === Family.IPV6) bytes[packet.network + 7] = after;
  else change4(bytes, packet.network, Ipv4.TTL, (after << 8) | bytes[packet.network + Ipv4.PROTOCOL]);
}

function writeTos(bytes: Uint8Array, packet: Packet, tos: number): void {
  const { network } = packet;
  if (packet.family === Family.IPV4) change4(bytes, network, 0, (bytes[network] << 8) | tos);
  else write16(bytes, network, (read16(bytes, network) & 0xf00f) | (tos << 4));
}

export function changeTos(arena: Arena, pool: Int32Array, at: number, packet: Packet): void {
  const before = tosOf(arena.bytes, packet);
  writeTos(arena.bytes, packet, (before & ~pool[at + TosTarget.MASK]) ^ pool[at + TosTarget.VALUE]);
}

/** False: the TCP header is not there, and the packet is to be dropped. */
export function changeEcn(arena: Arena, pool: Int32Array, at: number, packet: Packet): boolean {
  const { bytes } = arena;
  const operation = pool[at + EcnTarget.OPERATION];
  if ((operation & EcnOperation.IP) !== 0) {
    writeTos(bytes, packet, (tosOf(bytes, packet) & ~3) | (pool[at + EcnTarget.ECT] & 3));
  }
  if ((operation & (EcnOperation.ECE | EcnOperation.CWR)) === 0) return true;
  if (packet.key[Key.PROTOCOL] !== Protocol.TCP) return true;
  if (hasHeader(packet, Tcp.BYTES) !== Answer.YES) return false;
  const place = packet.transport + Tcp.DATA_OFFSET;
  const before = read16(bytes, place);
  const wanted = pool[at + EcnTarget.TCP];
  let after = before;
  if ((operation & EcnOperation.ECE) !== 0) after = (after & ~ECE) | ((wanted & 1) !== 0 ? ECE : 0);
  if ((operation & EcnOperation.CWR) !== 0) after = (after & ~CWR) | ((wanted & 2) !== 0 ? CWR : 0);
  if (after === before) return true;
  write16(bytes, place, after);
  changeTcp(arena, packet, before, after);
  return true;
}

/** Options that are asked for become NOPs. */
export function stripOptions(arena: Arena, pool: Int32Array, at: number, packet: Packet): void {
  if (packet.key[Key.PROTOCOL] !== Protocol.TCP || hasHeader(packet, Tcp.BYTES) !== Answer.YES) return;
  const { bytes } = arena;
  const { transport } = packet;
  const end = transport + headerLength(bytes, transport);
  if (hasHeader(packet, end - transport) !== Answer.YES) return;
  for (let option = transport + Tcp.BYTES; option < end - 1; ) {
    const kind = bytes[option];
    const length = kind < 2 || bytes[option + 1] === 0 ? 1 : bytes[option + 1];
    if (option + length > end) return;
    const isAsked = ((pool[at + TcpoptstripTarget.OPTIONS + (kind >>> 5)] >>> (kind & 31)) & 1) !== 0;
    if (isAsked) for (let i = option; i < option + length; i++) strip(arena, packet, i);
    option += length;
  }
}

function strip(arena: Arena, packet: Packet, place: number): void {
  const { bytes } = arena;
  const isHigh = ((place - packet.transport) & 1) === 0;
  const before = isHigh ? bytes[place] << 8 : bytes[place];
  bytes[place] = NOP;
  changeTcp(arena, packet, before, isHigh ? NOP << 8 : NOP);
}

/** CHECKSUM --checksum-fill: for receivers that look at checksums still to be finished (old DHCP clients). */
export function fillChecksum(arena: Arena, packet: Packet): void {
  if (isPartial(arena, packet.frame)) completePartial(arena, packet.frame);
}
