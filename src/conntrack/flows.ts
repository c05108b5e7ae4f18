/*
 * Flows: what conntrack knows of a connection, both of its tuples in one row of words. One store for each family.
 *
 *   row, 24 words (IPv4) or 36 (IPv6):
 *     | protocol's state, 11 | CACHE, 2 + 2 | EXPIRES STATUS KIND | original tuple, 3 or 9 | reply tuple, 3 or 9 |
 *
 *   tuple:  | source, 1 or 4 | destination, 1 or 4 | PORTS |
 *
 * - A flow is a number, > 0; numbers of IPv6 flows have IPV6_BIT set. The row of number n starts at word (n & NUMBER_MASK) × width.
 *   Numbers are used again; who keeps one beyond a packet compares the tuple, too.
 * - The original tuple is that of the first packet; the reply tuple is what its answers will have: NAT changes that one.
 * - PORTS is source << 16 | destination. ICMP: id << 16 | type << 8 | code; GRE: key << 16 | key; 0 where there is none.
 * - Rows are reserved for `capacity` flows at once. Memory that has never been touched costs nothing, and free rows are used before fresh ones, the
 *   last freed first: so a table costs what it held at most. When it is full `allocate` answers 0.
 * - What few flows have lies aside, in arrays under the same numbers that cost nothing until written.
 *
 * Who may call: the engine's worker alone.
 */
import { sharedInts } from '../core/memory.js';

/** A flow's number; 0 is none. */
export type FlowNumber = number;

/** Words of a row, and what is in them. */
export const enum Flow {
  WORDS4 = 24,
  WORDS6 = 36,

  /** Low byte: state of TCP and SCTP, as they are numbered in Linux. The rest, and the other words up to CACHE, are the tracker's. */
  STATE = 0,
  PROTOCOL_WORDS = 11,
  STATE_MASK = 0xff,

  /** Two words for each direction, of whoever takes established flows the short way. Zero in a new flow. */
  CACHE = 11,
  CACHE_REPLY = 13,

  /** When it expires, ms. */
  EXPIRES = 15,

  /** Low half: Status. High half: the zone. From here on an IPv4 row lies in one cache line: all that a look-up reads. */
  STATUS = 16,
  ZONE_SHIFT = 16,
  STATUS_MASK = 0xffff,

  /** protocol | namespace << 8 | KindFlag; 0: the row is free, and its EXPIRES is the next free number. */
  KIND = 17,
  NAMESPACE_SHIFT = 8,
  NAMESPACE_MASK = 0x7ff,
  /** What of KIND is part of the key. */
  KEY_MASK = 0x8007ffff | 0,
  /** Set in every row in use: a key is never 0. */
  KEY_FLAG = 0x80000000 | 0,

  ORIGINAL = 18,
  REPLY4 = 21,
  REPLY6 = 27,
  TUPLE_WORDS4 = 3,
  TUPLE_WORDS6 = 9,

  /** In a number: it is of the store of IPv6. */
  IPV6_BIT = 1 << 30,
  NUMBER_MASK = 0x7fffff,
}

/** Bits of KIND that are not part of the key. */
export const enum KindFlag {
  /** The zone counts for tuples of this direction; where it does not, the zone is 0. */
  ZONE_ORIGINAL = 1 << 19,
  ZONE_REPLY = 1 << 20,
  /** It is in the hash table. */
  HASHED = 1 << 21,
  /** It has something aside. */
  HAS_LABELS = 1 << 22,
  HAS_ACCOUNT = 1 << 23,
  HAS_MASTER = 1 << 24,
  HAS_SEQUENCE = 1 << 25,
  /** NAT has it in its table by source. */
  IN_NAT_TABLE = 1 << 26,
  /** It expects flows. */
  HAS_EXPECTATIONS = 1 << 27,
  HAS_MARK = 1 << 28,
  HAS_TIMESTAMP = 1 << 29,
  /** Listeners hear of some events only. */
  HAS_EVENTS = 1 << 30,
}

/** IPS_* of the kernel. */
export const enum Status {
  EXPECTED = 1 << 0,
  SEEN_REPLY = 1 << 1,
  ASSURED = 1 << 2,
  CONFIRMED = 1 << 3,
  SRC_NAT = 1 << 4,
  DST_NAT = 1 << 5,
  SEQ_ADJUST = 1 << 6,
  SRC_NAT_DONE = 1 << 7,
  DST_NAT_DONE = 1 << 8,
  DYING = 1 << 9,
  FIXED_TIMEOUT = 1 << 10,
  HELPER = 1 << 13,

  NAT_MASK = SRC_NAT | DST_NAT,
  NAT_DONE_MASK = SRC_NAT_DONE | DST_NAT_DONE,
}

export const enum Direction {
  ORIGINAL = 0,
  REPLY = 1,
}

/** What look-ups answer: number << 1 | direction, without IPV6_BIT; 0 = nothing. */
export type Found = number;

/** Flows that a store has room for: what fits into a slot of the hash table. */
export const FLOWS_MAX = 8_388_607;

export class Flows {
  readonly words: Int32Array;
  readonly width: number;
  readonly tupleWords: number;
  /** Words of an address. */
  readonly addressWords: number;
  /** IPV6_BIT or 0: what makes an index a number. */
  readonly bit: number;
  /** Rows in use. */
  size = 0;
  /** No row from here on has ever been used; rows count from 1. */
  end = 1;
  private free = 0;

  constructor(
    readonly isIpv6: boolean,
    readonly capacity: number = FLOWS_MAX,
  ) {
    this.width = isIpv6 ? Flow.WORDS6 : Flow.WORDS4;
    this.tupleWords = isIpv6 ? Flow.TUPLE_WORDS6 : Flow.TUPLE_WORDS4;
    this.addressWords = isIpv6 ? 4 : 1;
    this.bit = isIpv6 ? Flow.IPV6_BIT : 0;
    this.words = sharedInts((capacity + 1) * this.width);
  }

  /** A row's index, all its words 0; or 0. */
  allocate(): number {
    let index = this.free;
    if (index !== 0) this.free = this.words[index * this.width + Flow.EXPIRES];
    else if (this.end <= this.capacity) index = this.end++;
    else return 0;
    const at = index * this.width;
    for (let i = 0; i < Flow.ORIGINAL; i++) this.words[at + i] = 0;
    this.size++;
    return index;
  }

  release(index: number): void {
    const at = index * this.width;
    this.words[at + Flow.KIND] = 0;
    this.words[at + Flow.EXPIRES] = this.free;
    this.free = index;
    this.size--;
  }

  /** Where the tuple of a direction starts in the row at `at`. */
  tuple(at: number, direction: Direction): number {
    return at + Flow.ORIGINAL + (direction === Direction.ORIGINAL ? 0 : this.tupleWords);
  }
}

/** The zone that counts for a direction, of a row's STATUS and KIND. */
export function zoneOf(status: number, kind: number, direction: number): number {
  return (kind & (KindFlag.ZONE_ORIGINAL << direction)) === 0 ? 0 : status >>> Flow.ZONE_SHIFT;
}
