/*
 * IPv4 options (RFC 791 §3.1; net/ipv4/ip_options.c): what a router must do with them.
 *
 *   receive   checks them all; a wrong one is told to the sender (ICMP parameter problem) and the packet dropped. Source routes are
 *             taken only where accept_source_route says so: not at all yet, like the kernel's default in a new namespace
 *   forward   writes our address and the time into the record route and timestamp options that have room
 *
 * Of a forwarded packet's options all are kept; what fragments keep is fragment.ts's.
 */
import type { Frame } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import type { Link } from '../core/links.js';
import { write32 } from '../wire/field.js';
import { IcmpType } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import type { Inet } from './inet.js';

const enum Option {
  END = 0,
  NOOP = 1,
  RECORD_ROUTE = 7,
  TIMESTAMP = 68,
  LOOSE_SOURCE_ROUTE = 131,
  STRICT_SOURCE_ROUTE = 137,
  ROUTER_ALERT = 148,
}

const enum Timestamp {
  ONLY = 0,
  WITH_ADDRESS = 1,
  PRESPECIFIED = 3,
}

const DAY_MS = 86_400_000;

export class Options4 {
  /** Milliseconds since midnight UT at `now` = 0, for timestamps. */
  midnightMs = 0;

  constructor(private readonly inet: Inet) {}

  /** False: the frame has been dropped. */
  receive(frame: Frame, _link: Link, now: number): boolean {
    const { bytes } = this.inet.arena;
    const network = this.inet.network(frame);
    const end = network + ipv4.headerLength(bytes, network);
    for (let at = network + ipv4.Ipv4.BYTES; at < end && bytes[at] !== Option.END; ) {
      if (bytes[at] === Option.NOOP) {
        at++;
        continue;
      }
      const wrong = this.check(at, end);
      if (wrong >= 0) return this.refuse(frame, wrong - network, now);
      if (bytes[at] === Option.LOOSE_SOURCE_ROUTE || bytes[at] === Option.STRICT_SOURCE_ROUTE) {
        this.inet.drop(frame, DropReason.SOURCE_ROUTE);
        return false;
      }
      at += bytes[at + 1];
    }
    return true;
  }

  /** Where in the arena the wrong byte of an option is; -1 = it is right. */
  private check(at: number, end: number): number {
    const { bytes } = this.inet.arena;
    if (at + 2 > end || bytes[at + 1] < 2 || at + bytes[at + 1] > end) return at;
    const length = bytes[at + 1];
    switch (bytes[at]) {
      case Option.RECORD_ROUTE:
      case Option.LOOSE_SOURCE_ROUTE:
      case Option.STRICT_SOURCE_ROUTE:
        return this.checkRoute(at, length);
      case Option.TIMESTAMP:
        return this.checkTimestamp(at, length);
      case Option.ROUTER_ALERT:
        return length < 4 ? at + 1 : -1;
      default:
        return -1;
    }
  }

  /** Length and pointer; an address is four bytes, the pointer counts from 1. */
  private checkRoute(at: number, length: number): number {
    const pointer = this.inet.arena.bytes[at + 2];
    if (length < 3) return at + 1;
    if (pointer < 4) return at + 2;
    return pointer <= length && pointer + 3 > length ? at + 2 : -1;
  }

  private checkTimestamp(at: number, length: number): number {
    const { bytes } = this.inet.arena;
    if (length < 4) return at + 1;
    const pointer = bytes[at + 2];
    if (pointer < 5) return at + 2;
    const flag = bytes[at + 3] & 15;
    if (pointer > length) return bytes[at + 3] >>> 4 === 15 ? at + 3 : -1;
    const need = flag === Timestamp.ONLY ? 3 : 7;
    return pointer + need > length ? at + 2 : -1;
  }

  private refuse(frame: Frame, pointer: number, now: number): false {
    this.inet.icmp4.error(frame, IcmpType.PARAMETER_PROBLEM, 0, pointer << 24, now);
    this.inet.drop(frame, DropReason.IPV4_OPTIONS);
    return false;
  }

  /** The packet leaves by `out`: records its address, and the time, where it is asked to. Redoes the checksum. */
  forward(frame: Frame, out: Link, now: number): void {
    const { bytes } = this.inet.arena;
    const network = this.inet.network(frame);
    const end = network + ipv4.headerLength(bytes, network);
    let isChanged = false;
    for (let at = network + ipv4.Ipv4.BYTES; at < end && bytes[at] !== Option.END; ) {
      if (bytes[at] === Option.NOOP) {
        at++;
        continue;
      }
      if (bytes[at] === Option.RECORD_ROUTE) isChanged = this.record(at, out) || isChanged;
      else if (bytes[at] === Option.TIMESTAMP) isChanged = this.stamp(at, out, now) || isChanged;
      at += bytes[at + 1];
    }
    if (isChanged) ipv4.writeChecksum(bytes, network);
  }

  private addressOf(out: Link): number {
    return this.inet.ip4.selectAddress(this.inet.namespaceOf(out), out, 0, 0);
  }

  private record(at: number, out: Link): boolean {
    const { bytes } = this.inet.arena;
    const pointer = bytes[at + 2];
    if (pointer > bytes[at + 1]) return false;
    write32(bytes, at + pointer - 1, this.addressOf(out));
    bytes[at + 2] += 4;
    return true;
  }

  private stamp(at: number, out: Link, now: number): boolean {
    const { bytes } = this.inet.arena;
    const pointer = bytes[at + 2];
    const flag = bytes[at + 3] & 15;
    if (pointer > bytes[at + 1]) {
      // One more router that found no room.
      bytes[at + 3] += 16;
      return true;
    }
    if (flag === Timestamp.PRESPECIFIED && !this.isAskedFor(at + pointer - 1, out)) return false;
    if (flag === Timestamp.WITH_ADDRESS) write32(bytes, at + pointer - 1, this.addressOf(out));
    const time = flag === Timestamp.ONLY ? 0 : 4;
    write32(bytes, at + pointer - 1 + time, (this.midnightMs + now) % DAY_MS);
    bytes[at + 2] += time + 4;
    return true;
  }

  private isAskedFor(at: number, out: Link): boolean {
    const { bytes } = this.inet.arena;
    const address = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    return this.inet.addresses.isOwn4(this.inet.namespaceOf(out), address);
  }
}
