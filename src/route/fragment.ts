/*
 * Cutting packets into fragments (RFC 791 §3.2, RFC 8200 §4.5), as ip_do_fragment and ip6_fragment of Linux do it.
 *
 *   IPv4   | header, offset 0, MF | data … |   | header, offset n / 8, MF | … |   …   | header, MF as it was | rest |
 *   IPv6   | unfragmentable part | fragment header | data … |   …
 *
 * The data of all fragments but the last are a multiple of 8 bytes. A packet that is a fragment already keeps its offset and its
 * MF. IPv4 headers keep their length: in the fragments but the first, options that are not to be copied become NOPs.
 *
 * The packet is only read, but that a partial checksum in it is finished first; it must be exclusively owned. When
 * the arena runs out midway the fragments made so far are released. Superframes are never cut here.
 */
import { type Arena, type Frame, NONE } from '../core/arena.js';
import { Total } from '../core/links.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, write16, write32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4 } from '../wire/ipv4.js';
import { Extension, FragmentHeader, Ipv6 } from '../wire/ipv6.js';
import { completePartial, rangeCopy, takeTail } from '../wire/span.js';
import type { Inet } from './inet.js';

/** Room that `out` must have: fragments of 64 KiB with 8 bytes each. */
export const MAX_FRAGMENTS = 8192;

/** What is answered instead of a number of fragments. */
export const enum Fragmented {
  /** The arena has no free slot. */
  NO_FRAMES = -1,
  /** A superframe, a partial checksum out of bounds, or an MTU that no data fit in. */
  IMPOSSIBLE = -2,
}

const enum Option {
  END = 0,
  NOP = 1,
  COPIED = 0x80,
}

/**
 * Cuts an IPv4 packet into fragments of at most `mtu` bytes and writes them to `out`, each with room for its Ethernet header.
 * Answers how many they are, or Fragmented. DF is not looked at.
 */
export function fragment4(inet: Inet, frame: Frame, mtu: number, out: Int32Array): number {
  const { arena } = inet;
  if (!completePartial(arena, frame)) return Fragmented.IMPOSSIBLE;
  const at = inet.network(frame);
  const header = ipv4.headerLength(arena.bytes, at);
  const room = (mtu - header) & ~7;
  if (room <= 0) return Fragmented.IMPOSSIBLE;
  const total = arena.length[frame] - Ethernet.BYTES - header;
  let n = 0;
  for (let done = 0; done < total; n++) {
    const isLast = total - done <= mtu - header;
    const length = isLast ? total - done : room;
    const cut = cut4(inet, frame, header, done, length, isLast);
    if (cut === NONE) return giveBack(inet, out, n);
    out[n] = cut;
    done += length;
  }
  return n;
}

/** A frame with the packet's header and `length` of its data from `done` on. */
function cut4(inet: Inet, frame: Frame, header: number, done: number, length: number, isLast: boolean): Frame {
  const { arena } = inet;
  const start = Ethernet.BYTES + header;
  const cut = createLike(inet, frame, start + length);
  if (cut === NONE) return NONE;
  rangeCopy(arena, cut, Ethernet.BYTES, frame, Ethernet.BYTES, header);
  rangeCopy(arena, cut, start, frame, start + done, length);
  const at = inet.network(cut);
  const word = read16(arena.bytes, at + Ipv4.FRAGMENT);
  const more = isLast ? word & Ipv4.MORE_FRAGMENTS : Ipv4.MORE_FRAGMENTS;
  write16(arena.bytes, at + Ipv4.FRAGMENT, more | ((word & Ipv4.OFFSET_MASK) + (done >> 3)));
  write16(arena.bytes, at + Ipv4.TOTAL_LENGTH, header + length);
  if (done !== 0) blankOptions(arena.bytes, at + Ipv4.BYTES, at + header);
  ipv4.writeChecksum(arena.bytes, at);
  return cut;
}

/** Options that only the first fragment has become NOPs. */
function blankOptions(bytes: Uint8Array, from: number, end: number): void {
  for (let at = from; at < end; ) {
    const option = bytes[at];
    if (option === Option.END) return;
    const length = option === Option.NOP ? 1 : bytes[at + 1];
    if (option === Option.NOP) at++;
    else if (length < 2 || at + length > end) return;
    else {
      if ((option & Option.COPIED) === 0) bytes.fill(Option.NOP, at, at + length);
      at += length;
    }
  }
}

/** A frame of our own with what is known of another. */
function createLike(inet: Inet, frame: Frame, length: number): Frame {
  const { arena } = inet;
  const made = inet.create(length);
  if (made === NONE) return NONE;
  if (!takeTail(arena, made)) {
    uncreate(inet, made);
    return NONE;
  }
  arena.ingress[made] = arena.ingress[frame];
  arena.received[made] = arena.received[frame];
  arena.mark[made] = arena.mark[frame];
  write16(arena.bytes, arena.offset[made] + Ethernet.TYPE, read16(arena.bytes, arena.offset[frame] + Ethernet.TYPE));
  return made;
}

/** A frame that inet.create made and that goes nowhere. */
export function uncreate(inet: Inet, frame: Frame): void {
  inet.links.totals[Total.GENERATED]--;
  inet.arena.release(frame);
}

function giveBack(inet: Inet, out: Int32Array, n: number): number {
  for (let i = 0; i < n; i++) uncreate(inet, out[i]);
  return Fragmented.NO_FRAMES;
}

/**
 * As fragment4 for an IPv6 packet made here. Hop-by-hop options and a routing header stay in front of each fragment's
 * header; the identification is random.
 */
export function fragment6(inet: Inet, frame: Frame, mtu: number, out: Int32Array): number {
  const { arena } = inet;
  if (!completePartial(arena, frame)) return Fragmented.IMPOSSIBLE;
  const field = lastUnfragmentable(arena, frame);
  if (field < 0) return Fragmented.IMPOSSIBLE;
  const header = unfragmentable(arena, frame, field);
  const most = mtu - header - FragmentHeader.BYTES;
  const room = most & ~7;
  if (room <= 0) return Fragmented.IMPOSSIBLE;
  const total = arena.length[frame] - Ethernet.BYTES - header;
  const id = inet.random() ^ (inet.random() << 16);
  let n = 0;
  for (let done = 0; done < total; n++) {
    const isLast = total - done <= most;
    const length = isLast ? total - done : room;
    const cut = cut6(inet, frame, header, field, done, length, isLast, id);
    if (cut === NONE) return giveBack(inet, out, n);
    out[n] = cut;
    done += length;
  }
  return n;
}

/** Where, from the IP header on, the next-header field lies that the fragment header's number goes to; -1: malformed. */
function lastUnfragmentable(arena: Arena, frame: Frame): number {
  const { bytes, offset } = arena;
  const at = offset[frame] + Ethernet.BYTES;
  const end = offset[frame] + arena.headLength(frame);
  let field: number = Ipv6.NEXT_HEADER;
  let next: number = Ipv6.BYTES;
  for (let seen = 0; seen < Ipv6.MAX_EXTENSIONS; seen++) {
    const kind = bytes[at + field];
    if (kind !== Extension.HOP_BY_HOP && kind !== Extension.ROUTING) return field;
    if (at + next + 8 > end) return -1;
    field = next;
    next += (bytes[at + next + 1] + 1) << 3;
  }
  return -1;
}

/** Bytes of the unfragmentable part, whose last next-header field is at `field`. */
function unfragmentable(arena: Arena, frame: Frame, field: number): number {
  if (field === Ipv6.NEXT_HEADER) return Ipv6.BYTES;
  return field + ((arena.bytes[arena.offset[frame] + Ethernet.BYTES + field + 1] + 1) << 3);
}

function cut6(
  inet: Inet,
  frame: Frame,
  header: number,
  field: number,
  done: number,
  length: number,
  isLast: boolean,
  id: number,
): Frame {
  const { arena } = inet;
  const { bytes } = arena;
  const start = Ethernet.BYTES + header;
  const cut = createLike(inet, frame, start + FragmentHeader.BYTES + length);
  if (cut === NONE) return NONE;
  rangeCopy(arena, cut, Ethernet.BYTES, frame, Ethernet.BYTES, header);
  rangeCopy(arena, cut, start + FragmentHeader.BYTES, frame, start + done, length);
  const at = inet.network(cut);
  write32(bytes, at + header, (bytes[at + field] << 24) | done | (isLast ? 0 : FragmentHeader.MORE));
  write32(bytes, at + header + FragmentHeader.IDENTIFICATION, id);
  bytes[at + field] = Extension.FRAGMENT;
  write16(bytes, at + Ipv6.PAYLOAD_LENGTH, header - Ipv6.BYTES + FragmentHeader.BYTES + length);
  return cut;
}
