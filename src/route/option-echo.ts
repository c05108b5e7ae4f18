/*
 * IP options in what answers a packet (RFC 1122 §3.2.2.6, §3.2.2.8), as ip_options_echo has it: a recorded route and timestamps go
 * back to who asked for them, with our own entry for the packet and one more for the answer. Others are left out.
 *
 *   packet's header ── prepare ──► recorded   its options as Linux has them once it has received it
 *                              └─► options    those of the answer, padded to a multiple of four bytes
 *
 * The packet itself is not changed. Its options have been checked by options4.
 */
import type { Namespace } from '../core/links.js';
import { read32, write32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4 } from '../wire/ipv4.js';
import type { Inet } from './inet.js';

/** Longest options of a header. */
const LONGEST = 40;

const enum Option {
  END = 0,
  NOP = 1,
  RECORD_ROUTE = 7,
  TIMESTAMP = 68,
}

/** Bytes of an option: where the next entry goes, counted from 1; and of timestamps what an entry is, and how many had no room. */
const POINTER = 2;
const FLAGS = 3;

const enum Timestamp {
  ONLY = 0,
  WITH_ADDRESS = 1,
  PRESPECIFIED = 3,
}

export class OptionEcho {
  /** Options of the answer, and how many bytes they are. */
  readonly options = new Uint8Array(LONGEST);
  length = 0;
  readonly recorded = new Uint8Array(LONGEST);
  recordedLength = 0;
  private address = 0;
  private time = 0;
  private namespace: Namespace = 0;

  constructor(private readonly inet: Inet) {}

  /** No options come back. */
  clear(): void {
    this.length = 0;
    this.recordedLength = 0;
  }

  /** Of the packet whose header is at `at`: what we answer from `address` at `time`, ms of the day. */
  prepare(at: number, namespace: Namespace, address: number, time: number): void {
    const { bytes } = this.inet.arena;
    this.length = 0;
    this.recordedLength = ipv4.headerLength(bytes, at) - Ipv4.BYTES;
    if (this.recordedLength === 0) return;
    for (let i = 0; i < this.recordedLength; i++) this.recorded[i] = bytes[at + Ipv4.BYTES + i];
    this.namespace = namespace;
    this.address = address;
    this.time = time;
    const route = this.find(Option.RECORD_ROUTE);
    if (route >= 0) this.echoRoute(route);
    const timestamp = this.find(Option.TIMESTAMP);
    if (timestamp >= 0) this.echoTimestamp(timestamp);
    while ((this.length & 3) !== 0) this.options[this.length++] = Option.END;
  }

  /** Where an option starts, or -1. */
  private find(option: Option): number {
    const { recorded } = this;
    for (let at = 0; at < this.recordedLength && recorded[at] !== Option.END; ) {
      if (recorded[at] === option) return at;
      at += recorded[at] === Option.NOP ? 1 : Math.max(2, recorded[at + 1]);
    }
    return -1;
  }

  /** Appends an option of the packet to those of the answer; where it starts there. */
  private append(at: number): number {
    const start = this.length;
    const size = Math.min(this.recorded[at + 1], this.recordedLength - at);
    for (let i = 0; i < size; i++) this.options[this.length++] = this.recorded[at + i];
    return start;
  }

  private echoRoute(at: number): void {
    this.enterAddress(this.recorded, at);
    this.enterAddress(this.options, this.append(at));
  }

  private enterAddress(options: Uint8Array, at: number): void {
    const pointer = options[at + POINTER];
    if (pointer + 3 > options[at + 1]) return;
    write32(options, at + pointer - 1, this.address);
    options[at + POINTER] = pointer + 4;
  }

  private echoTimestamp(at: number): void {
    const { recorded } = this;
    if (recorded[at + POINTER] > recorded[at + 1]) {
      if ((recorded[at + FLAGS] & 15) !== Timestamp.PRESPECIFIED) recorded[at + FLAGS] += 16;
    } else this.enterTime(recorded, at);
    this.enterTime(this.options, this.append(at));
  }

  /** An entry of the time, where there is room and it is asked of us. */
  private enterTime(options: Uint8Array, at: number): void {
    const pointer = options[at + POINTER];
    const flag = options[at + FLAGS] & 15;
    const size = flag === Timestamp.ONLY ? 4 : 8;
    if (pointer + size - 1 > options[at + 1] || (flag > Timestamp.WITH_ADDRESS && flag !== Timestamp.PRESPECIFIED))
      return;
    const entry = at + pointer - 1;
    if (flag === Timestamp.PRESPECIFIED && !this.inet.addresses.isOwn4(this.namespace, read32(options, entry))) return;
    if (flag === Timestamp.WITH_ADDRESS) write32(options, entry, this.address);
    write32(options, entry + size - 4, this.time);
    options[at + POINTER] = pointer + size;
  }
}
