/*
 * The choice of an IPv6 source address (RFC 6724 §5, rules 1 to 8; ipv6_dev_get_saddr). Rules 4 (home addresses) and 7 (temporary
 * ones) have nothing to decide here.
 */
import type { Link } from '../core/links.js';
import { read32 } from '../wire/field.js';
import { Address6, AddressFlag } from './addresses.js';

/** Scope values of RFC 4007 as multicast addresses carry them: 1 interface, 2 link, 5 site, 14 global. */
export function scopeOf(bytes: Uint8Array, at: number): number {
  if (bytes[at] === 0xff) return bytes[at + 1] & 15;
  return scopeOfWord(read32(bytes, at), read32(bytes, at + 4), read32(bytes, at + 8), read32(bytes, at + 12));
}

function scopeOfWord(a: number, b: number, c: number, d: number): number {
  if (a >>> 22 === 0x3fa) return 2;
  if (a >>> 22 === 0x3fb) return 5;
  return (a | b | c) === 0 && d === 1 ? 2 : 14;
}

/** Labels of the default policy table (RFC 6724 §2.1, as the kernel has it). */
function labelOf(a: number, b: number, c: number, d: number): number {
  if ((a | b | c) === 0) return d === 1 ? 0 : 3;
  if ((a | b) === 0 && c === 0xffff) return 4;
  if (a >>> 16 === 0x2002) return 2;
  if (a === 0x20010000) return 6;
  if (a >>> 4 === 0x2001001) return 7;
  if (a >>> 25 === 0x7e) return 5;
  if (a >>> 22 === 0x3fb) return 11;
  return a >>> 16 === 0x3ffe ? 12 : 1;
}

/** Bits that two addresses have in common, counted from the left, at most `limit`. */
function common(list: Int32Array, at: number, bytes: Uint8Array, destination: number, limit: number): number {
  for (let i = 0; i < 4; i++) {
    const difference = list[at + i] ^ read32(bytes, destination + i * 4);
    if (difference !== 0) return Math.min(limit, i * 32 + Math.clz32(difference));
  }
  return limit;
}

/** One choice at a time: `start`, `offer` the addresses of links, then look. */
export class SourceChoice {
  list: Int32Array = new Int32Array(0);
  at = -1;
  private link = 0;
  private bytes: Uint8Array = new Uint8Array(0);
  private destination = 0;
  private out = 0;
  private scope = 0;
  private label = 0;

  get isMade(): boolean {
    return this.at >= 0;
  }

  /** `out`: the link that the packet leaves by. */
  start(bytes: Uint8Array, destination: number, out: Link): void {
    this.bytes = bytes;
    this.destination = destination;
    this.out = out;
    this.at = -1;
    this.scope = scopeOf(bytes, destination);
    this.label = labelOf(
      read32(bytes, destination),
      read32(bytes, destination + 4),
      read32(bytes, destination + 8),
      read32(bytes, destination + 12),
    );
  }

  offer(list: Int32Array, link: Link): void {
    for (let at = 0; at < list.length; at += Address6.WORDS) {
      if ((list[at + Address6.FLAGS] & (AddressFlag.TENTATIVE | AddressFlag.DADFAILED)) !== 0) continue;
      if (this.at >= 0 && !this.isBetter(list, at, link)) continue;
      this.list = list;
      this.at = at;
      this.link = link;
    }
  }

  private isBetter(list: Int32Array, at: number, link: Link): boolean {
    const own = this.list;
    const best = this.at;
    const isSame = common(list, at, this.bytes, this.destination, 128) === 128;
    if (isSame) return true;
    if (common(own, best, this.bytes, this.destination, 128) === 128) return false;
    const scope = scopeOfWord(list[at], list[at + 1], list[at + 2], list[at + 3]);
    const bestScope = scopeOfWord(own[best], own[best + 1], own[best + 2], own[best + 3]);
    if (scope !== bestScope) return scope > bestScope ? bestScope < this.scope : scope >= this.scope;
    const isDeprecated = (list[at + Address6.FLAGS] & AddressFlag.DEPRECATED) !== 0;
    const wasDeprecated = (own[best + Address6.FLAGS] & AddressFlag.DEPRECATED) !== 0;
    if (isDeprecated !== wasDeprecated) return wasDeprecated;
    if ((link === this.out) !== (this.link === this.out)) return link === this.out;
    const hasLabel = this.hasLabel(list, at);
    const hadLabel = this.hasLabel(own, best);
    if (hasLabel !== hadLabel) return hasLabel;
    const bits = common(list, at, this.bytes, this.destination, list[at + Address6.LENGTH]);
    return bits > common(own, best, this.bytes, this.destination, own[best + Address6.LENGTH]);
  }

  private hasLabel(list: Int32Array, at: number): boolean {
    return labelOf(list[at], list[at + 1], list[at + 2], list[at + 3]) === this.label;
  }
}
