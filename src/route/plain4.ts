/*
 * Plain IPv4 frames: what the short paths, the router's and netfilter's, take and how they send it. Plain is a frame to our own MAC in one
 * buffer of ours alone, aligned, without a VLAN tag or IP options, with a right header checksum and a TTL that is enough.
 */
import { type Frame, NONE } from '../core/arena.js';
import type { Link } from '../core/links.js';
import { Ethernet } from '../wire/ethernet.js';
import { Ipv4 } from '../wire/ipv4.js';
import type { Inet } from './inet.js';

/** EtherType as a little-endian machine reads it. */
const IPV4 = 0x0008;
/** Version 4, five words of header. */
const PLAIN = 0x45;

export interface Plain4 {
  /** Whether a frame with a MAC of `high` and `low`, of `room` bytes at least, is plain. */
  isPlain(frame: Frame, high: number, low: number, room: number): boolean;
  /** Bytes of the IP packet, once what Ethernet padded has been cut off; 0: it is longer than `limit` or broken, and nothing is. */
  trim(frame: Frame, limit: number): number;
  /** One less in TTL, the MACs, and out. */
  send(frame: Frame, out: Link, neighbour: number): void;
}

export function compilePlain4(inet: Inet): Plain4 {
  const { arena, egress, neighbours } = inet;
  const { offset, length, references, tail, words16, words32 } = arena;
  const { macHigh, macLow } = inet.links;

  function isPlain(frame: Frame, high: number, low: number, room: number): boolean {
    const at = offset[frame];
    const header = (at + Ethernet.BYTES) >> 2;
    const third = words32[header + 2];
    return (
      (at & 3) === 2 &&
      words16[(at + Ethernet.TYPE) >> 1] === IPV4 &&
      (words32[header] & 0xff) === PLAIN &&
      words16[at >> 1] === high &&
      words32[(at + 2) >> 2] === low &&
      length[frame] >= room &&
      references[frame] === 0 &&
      (third & 0xff) > 1 &&
      isRight(words32[header], words32[header + 1], third, words32[header + 3], words32[header + 4])
    );
  }

  function trim(frame: Frame, limit: number): number {
    const first = words32[(offset[frame] + Ethernet.BYTES) >> 2];
    const total = ((first >>> 8) & 0xff00) | (first >>> 24);
    const rest = length[frame] - Ethernet.BYTES - total;
    if (total < Ipv4.BYTES || rest < 0 || (rest > 0 && tail[frame] !== NONE)) return 0;
    if (total > limit && inet.ip4.longestPacket(frame) > limit) return 0;
    length[frame] -= rest;
    return total;
  }

  function send(frame: Frame, out: Link, neighbour: number): void {
    const at = offset[frame];
    const header = (at + Ethernet.BYTES) >> 2;
    const word = words32[header + 2];
    // As ip_decrease_ttl: one less in the word of TTL and protocol is one more in the checksum.
    let checksum = (word >>> 16) + 1;
    if (checksum >= 0xffff) checksum = (checksum + 1) & 0xffff;
    words32[header + 2] = ((word & 0xffff) - 1) | (checksum << 16);
    const low = macLow[out];
    words16[at >> 1] = neighbours.macHigh(neighbour);
    words32[(at + 2) >> 2] = neighbours.macLow(neighbour);
    words32[(at + 6) >> 2] = macHigh[out] | (low << 16);
    words16[(at + 10) >> 1] = low >>> 16;
    egress.enqueue(frame, out);
  }

  return { isPlain, trim, send };
}

/** Whether a header of five little-endian words sums up to a right checksum. */
function isRight(a: number, b: number, c: number, d: number, e: number): boolean {
  const sum =
    (a & 0xffff) +
    (a >>> 16) +
    (b & 0xffff) +
    (b >>> 16) +
    (c & 0xffff) +
    (c >>> 16) +
    (d & 0xffff) +
    (d >>> 16) +
    (e & 0xffff) +
    (e >>> 16);
  return (sum & 0xffff) + (sum >>> 16) === 0xffff;
}
