/*
 * What a port without an offload needs at the last moment, done as the Linux kernel's software GSO does it: finishing a
 * partial checksum (wire/span.ts, skb_checksum_help there) and cutting a superframe (`segment`, skb_gso_segment).
 *
 *   superframe   | Ethernet, tags | IP, extensions | TCP or UDP | payload …                        |
 *                0                network          transport    data
 *   segments     | the same headers, fields adjusted            | payload[0 … size)                |
 *                | the same headers, fields adjusted            | payload[size … 2 × size)         |  …
 *
 * - A partial checksum's field holds the folded, not complemented, sum of the pseudo-header. A segment's is made from
 *   it by its difference in length, so that it stays right where the addresses of the header are not those of the
 *   pseudo-header (IPv6 routing header) and where NAT has rewritten both.
 * - The virtio header is input like any other: a hostile guest fills it in. Every number in it is checked against what
 *   the frame's own headers say; what disagrees is malformed, and the caller drops and counts.
 * - As the kernel does, lengths come from the frame, not from IP's total length; the IPv4 identification counts up; CWR
 *   stays in the first segment only, FIN and PSH in the last; a superframe whose payload fits in one segment is none,
 *   and gets its checksum only. UFO (Gso.UDP), fragments and segments longer than IP can say are refused.
 * - When the arena runs out midway, the segments made so far are released.
 *
 * Nothing here allocates. `$…` are results of `locate`, valid until its next call.
 */
import { type Arena, BURST, type Frame, Gso, NONE, Slot, Vnet } from '../core/arena.js';
import { copySum, finish, fold, negative, pseudo4, pseudo6, sum } from '../wire/checksum.js';
import { EtherType } from '../wire/ethernet.js';
import { read16, read32, write16, write32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { completePartial, isPartial, rangeCopy, takeTail } from '../wire/span.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import * as vlan from '../wire/vlan.js';

/** What `segment` answers instead of a count. */
export const enum Segmented {
  /** The arena has not enough free slots. */
  NO_FRAMES = -1,
  /** Not a superframe that can be cut: the headers and the virtio header do not fit together. */
  MALFORMED = -2,
  /** More segments than the caller has room for. */
  TOO_MANY = -3,
}

/** Bytes that a 16-bit IP length field can say. */
const LONGEST = 0xffff;

/** Offsets from the frame's first byte. */
let $network = 0;
let $transport = 0;
let $data = 0;
let $protocol = 0;
let $isIpv6 = false;

/** Whether the frame cannot leave by a port without offloads as it is. */
export function needsOffload(arena: Arena, frame: Frame): boolean {
  return (arena.vnet[frame << Vnet.SHIFT] & (0xff00 | Vnet.NEEDS_CSUM)) !== 0;
}

function gsoType(arena: Arena, frame: Frame): number {
  return arena.vnet[(frame << Vnet.SHIFT) + Vnet.FLAGS_TYPE] >>> 8;
}

function gsoSize(arena: Arena, frame: Frame): number {
  return arena.vnet[(frame << Vnet.SHIFT) + Vnet.GSO_SIZE];
}

/**
 * Cuts a superframe into frames of gso_size bytes of payload with finished checksums and zero virtio headers. Writes
 * them to `out` in order and returns how many, at most `max`; or Segmented, and then nothing was taken from the
 * arena. The superframe is only read; it is not released.
 */
export function segment(arena: Arena, frame: Frame, out: Int32Array, max: number): number {
  if (!locate(arena, frame)) return Segmented.MALFORMED;
  if (max < 1) return Segmented.TOO_MANY;
  const payload = arena.length[frame] - $data;
  const size = gsoSize(arena, frame);
  if (payload <= size) return single(arena, frame, out);
  if ($data - lengthBase() + size > LONGEST) return Segmented.MALFORMED;
  const count = Math.ceil(payload / size);
  if (count > max) return Segmented.TOO_MANY;
  if (count > arena.freeHeadCount - BURST) return Segmented.NO_FRAMES;
  const pseudo = pseudoSum(arena, frame);
  for (let i = 0; i < count; i++) {
    const cut = cutSegment(arena, frame, i, i === count - 1 ? payload - i * size : size, pseudo);
    if (cut === NONE) return giveBack(arena, out, i);
    finishHeaders(arena, cut, i, size, i === count - 1);
    out[i] = cut;
  }
  return count;
}

/** Where the bytes start that IP's length field counts. */
function lengthBase(): number {
  return $isIpv6 ? $network + ipv6.Ipv6.BYTES : $network;
}

function giveBack(arena: Arena, out: Int32Array, count: number): number {
  for (let i = 0; i < count; i++) arena.release(out[i]);
  return Segmented.NO_FRAMES;
}

/** A "superframe" of one segment: only its checksum may be missing. */
function single(arena: Arena, frame: Frame, out: Int32Array): number {
  const copy = arena.copy(frame);
  if (copy === NONE) return Segmented.NO_FRAMES;
  arena.vnet[(copy << Vnet.SHIFT) + Vnet.FLAGS_TYPE] &= 0xff;
  // locate has checked the place of the checksum.
  completePartial(arena, copy);
  out[0] = copy;
  return 1;
}

/**
 * Finds the headers of a superframe. False where they are not all in the head slot, are not what gso_type says, or
 * the virtio header points elsewhere.
 */
function locate(arena: Arena, frame: Frame): boolean {
  const type = gsoType(arena, frame);
  if (gsoSize(arena, frame) === 0) return false;
  const isUdp = type === Gso.UDP_L4;
  const family = type & ~Gso.ECN;
  if (!isUdp && family !== Gso.TCPV4 && family !== Gso.TCPV6) return false;
  $protocol = isUdp ? ipv4.Protocol.UDP : ipv4.Protocol.TCP;
  if (!locateNetwork(arena, frame) || (!isUdp && $isIpv6 !== (family === Gso.TCPV6))) return false;
  return locateTransport(arena, frame) && checkPartial(arena, frame);
}

function locateNetwork(arena: Arena, frame: Frame): boolean {
  const { bytes } = arena;
  const start = arena.offset[frame];
  const end = start + arena.headLength(frame);
  const typeAt = vlan.typeOffset(bytes, start, end);
  if (typeAt < 0) return false;
  const type = read16(bytes, typeAt);
  $network = typeAt + 2 - start;
  $isIpv6 = type === EtherType.IPV6;
  if ($isIpv6) return locateIpv6(bytes, start, end);
  return type === EtherType.IPV4 && locateIpv4(bytes, start, end);
}

function locateIpv4(bytes: Uint8Array, start: number, end: number): boolean {
  const at = start + $network;
  if (!ipv4.check(bytes, at, end)) return false;
  if (ipv4.protocol(bytes, at) !== $protocol || ipv4.isFragment(bytes, at)) return false;
  $transport = $network + ipv4.headerLength(bytes, at);
  return true;
}

function locateIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  const at = start + $network;
  if (!ipv6.check(bytes, at, end)) return false;
  const transport = ipv6.transport(bytes, at, end);
  if (transport < 0 || (transport & 0xff) !== $protocol) return false;
  $transport = $network + (transport >>> 8);
  return true;
}

function locateTransport(arena: Arena, frame: Frame): boolean {
  const start = arena.offset[frame];
  const at = start + $transport;
  const end = start + arena.headLength(frame);
  const isTcp = $protocol === ipv4.Protocol.TCP;
  if (!(isTcp ? tcp.check(arena.bytes, at, end) : udp.check(arena.bytes, at, end))) return false;
  $data = $transport + (isTcp ? tcp.headerLength(arena.bytes, at) : udp.Udp.BYTES);
  // Segments carry their headers in the head slot too.
  return $data <= Slot.HEAD_CAPACITY;
}

/** A superframe has a partial checksum, and in the right place; only TCP's may be none, then it is made anew. */
function checkPartial(arena: Arena, frame: Frame): boolean {
  const isTcp = $protocol === ipv4.Protocol.TCP;
  if (!isPartial(arena, frame)) return isTcp;
  const at = frame << Vnet.SHIFT;
  return arena.vnet[at + Vnet.CSUM_START] === $transport && arena.vnet[at + Vnet.CSUM_OFFSET] === checksumOffset();
}

/** Of the checksum field in the transport header. */
function checksumOffset(): number {
  return $protocol === ipv4.Protocol.TCP ? tcp.Tcp.CHECKSUM : udp.Udp.CHECKSUM;
}

/** Sum of the superframe's pseudo-header without its length, 16 bits. */
function pseudoSum(arena: Arena, frame: Frame): number {
  const { bytes } = arena;
  const network = arena.offset[frame] + $network;
  const transport = arena.offset[frame] + $transport;
  if (isPartial(arena, frame)) {
    const isTcp = $protocol === ipv4.Protocol.TCP;
    const length = isTcp ? arena.length[frame] - $transport : udp.length(bytes, transport);
    return fold(read16(bytes, transport + checksumOffset()) + negative(length));
  }
  if ($isIpv6) return fold(pseudo6(bytes, network + ipv6.Ipv6.SOURCE, $protocol, 0));
  return fold(pseudo4(ipv4.source(bytes, network), ipv4.destination(bytes, network), $protocol, 0));
}

/**
 * A frame with the superframe's headers and one segment of its payload; the checksum field holds the sum of the
 * pseudo-header and the payload. NONE when the arena is full.
 */
function cutSegment(arena: Arena, frame: Frame, index: number, payload: number, pseudo: number): Frame {
  const cut = allocateLong(arena, $data + payload);
  if (cut === NONE) return NONE;
  const from = $data + index * gsoSize(arena, frame);
  copySum(arena, arena.offset[cut], arena.offset[frame], $data);
  const data = rangeCopy(arena, cut, $data, frame, from, payload);
  const length = $data - $transport + payload;
  // The transport header's length is even: the payload's sum needs no swap.
  const field = arena.offset[cut] + $transport + checksumOffset();
  write16(arena.bytes, field, fold(pseudo + length + data));
  return cut;
}

/** A fresh frame with a tail slot where its head slot does not hold it; or NONE. */
function allocateLong(arena: Arena, length: number): Frame {
  const frame = arena.allocate(length);
  if (frame === NONE || takeTail(arena, frame)) return frame;
  arena.release(frame);
  return NONE;
}

/** Adjusts what differs between segments, then finishes the checksum. */
function finishHeaders(arena: Arena, cut: Frame, index: number, size: number, isLast: boolean): void {
  const { bytes } = arena;
  const transport = arena.offset[cut] + $transport;
  finishNetwork(bytes, arena.offset[cut] + $network, arena.length[cut] - lengthBase(), index);
  const isTcp = $protocol === ipv4.Protocol.TCP;
  if (isTcp) finishTcp(bytes, transport, index, size, isLast);
  else write16(bytes, transport + udp.Udp.LENGTH, arena.length[cut] - $transport);
  const checksum = finish(sum(arena, transport, $data - $transport));
  write16(bytes, transport + checksumOffset(), isTcp ? checksum : checksum || 0xffff);
}

function finishNetwork(bytes: Uint8Array, at: number, length: number, index: number): void {
  if ($isIpv6) {
    write16(bytes, at + ipv6.Ipv6.PAYLOAD_LENGTH, length);
    return;
  }
  write16(bytes, at + ipv4.Ipv4.TOTAL_LENGTH, length);
  write16(bytes, at + ipv4.Ipv4.IDENTIFICATION, ipv4.identification(bytes, at) + index);
  ipv4.writeChecksum(bytes, at);
}

function finishTcp(bytes: Uint8Array, at: number, index: number, size: number, isLast: boolean): void {
  write32(bytes, at + tcp.Tcp.SEQUENCE, (read32(bytes, at + tcp.Tcp.SEQUENCE) + index * size) | 0);
  let flags = tcp.flags(bytes, at);
  if (index !== 0) flags &= ~tcp.TcpFlag.CWR;
  if (!isLast) flags &= ~(tcp.TcpFlag.FIN | tcp.TcpFlag.PSH);
  bytes[at + tcp.Tcp.FLAGS] = flags;
}
