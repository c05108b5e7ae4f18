/*
 * VLAN tags (IEEE 802.1Q §9.6), between the source address and the EtherType; a service tag (802.1ad) lies outside:
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-----+-+-----------------------+
 *   |  TPID: 0x8100 or 0x88a8       | PCP |D|  VID                  |
 *   +-------------------------------+-----+-+-----------------------+
 *   |  EtherType of what follows, or another tag's TPID             |
 *   +-------------------------------+-------------------------------+
 */
import { Ethernet, EtherType } from './ethernet.js';
import { read16, write16 } from './field.js';

export const enum Vlan {
  TPID = 0,
  TCI = 2,
  BYTES = 4,
  VID_MASK = 0xfff,
  /** Drop eligible. */
  DEI = 0x1000,
  PRIORITY_SHIFT = 13,
  /** Tags of one frame that anything here looks behind. */
  MAX_TAGS = 2,
  /** Ethernet's header with one tag. */
  HEADER_BYTES = 18,
}

export function isTag(type: number): boolean {
  return type === EtherType.VLAN || type === EtherType.SERVICE_VLAN;
}

/** VLAN id of the tag at `at` (its TPID). */
export function id(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Vlan.TCI) & Vlan.VID_MASK;
}

export function priority(bytes: Uint8Array, at: number): number {
  return bytes[at + Vlan.TCI] >>> 5;
}

export function isDropEligible(bytes: Uint8Array, at: number): boolean {
  return (read16(bytes, at + Vlan.TCI) & Vlan.DEI) !== 0;
}

/**
 * Offset of the EtherType that says what the frame carries, behind up to two tags, or −1 where the frame ends
 * before it. The network header is 2 bytes further. A third tag's TPID is answered as that EtherType.
 */
export function typeOffset(bytes: Uint8Array, at: number, end: number): number {
  let offset = at + Ethernet.TYPE;
  for (let tags = 0; tags <= Vlan.MAX_TAGS; tags++) {
    if (offset + 2 > end) return -1;
    if (tags === Vlan.MAX_TAGS || !isTag(read16(bytes, offset))) break;
    offset += Vlan.BYTES;
  }
  return offset;
}

/** TPID << 16 | VID of the outer tag, 0 where there is none; the frame has at least HEADER_BYTES. */
export function outerTag(bytes: Uint8Array, at: number): number {
  const tpid = read16(bytes, at + Ethernet.TYPE);
  return isTag(tpid) ? (tpid << 16) | id(bytes, at + Ethernet.TYPE) : 0;
}

/** Moves the addresses behind the outer tag, over it: the frame then starts BYTES later. */
export function untag(bytes: Uint8Array, at: number): void {
  for (let i = at + Ethernet.TYPE - 1; i >= at; i--) bytes[i + Vlan.BYTES] = bytes[i];
}

/** Moves the addresses of the frame that starts BYTES later to `at`, and puts a tag (TPID << 16 | TCI) behind them. */
export function tag(bytes: Uint8Array, at: number, tag: number): void {
  for (let i = at; i < at + Ethernet.TYPE; i++) bytes[i] = bytes[i + Vlan.BYTES];
  write16(bytes, at + Ethernet.TYPE, tag >>> 16);
  write16(bytes, at + Ethernet.TYPE + Vlan.TCI, tag);
}
