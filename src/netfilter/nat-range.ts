/*
 * Which addresses and ports a flow gets: the kernel's choice (nf_nat_core.c of 6.18, get_unique_tuple).
 *
 *   SRC, no --random:  1  as it is, where the range allows and no other flow's answers would come there
 *                      2  as another flow from the same socket has it
 *   both:              3  an address of the range by its hash; the port as it is, where the range allows and it is free
 *                      4  a port: from a random one on 128 at most, then from others half as many, until fewer than 16
 *
 * Without a range of ports one stays in its class: below 512 (1 … 511), below 1024 (600 … 1023), from 1024 on. DNAT without one
 * never changes the port. ICMP's id is its port. Protocols without ports are not searched.
 *
 * Of the last 32 tries of a TCP flow that begins, a flow in TIME_WAIT or later that has the place and whose sequence numbers are behind may
 * be ended for it.
 *
 * Tuples are those of conntrack: that of the first packet as it leaves.
 */
import { Transport, Tuple } from '../conntrack/tuple.js';
import { swap32 } from '../wire/field.js';
import { jhash4, scaled } from './jhash.js';
import { NatFlag, NatRange } from './ops.js';
import { Manip } from './parts.js';

/** What tells who has a tuple already. */
export interface TupleUse {
  /** Whether the inverse of the tuple is another flow's already. `isLast`: it may be taken from a flow that is as good as over. */
  isTaken(tuple: Tuple, isLast: boolean): boolean;
  /** Writes source and its port as a flow from the same source has them, within the range. False: there is none. */
  findSource(tuple: Tuple, range: Int32Array, at: number): boolean;
  /** 16 random bits. */
  random16(): number;
}

const MOST_TRIES = 128;
const FEWEST_TRIES = 16;
/** Tries left from which on flows that are over make room. */
const LAST_TRIES = 32;
const RANDOM_ALL = NatFlag.RANDOM | NatFlag.RANDOM_FULLY;

/** One choice at a time: `tuple` is what the flow has so far, and then what it shall have. */
export class TupleChoice {
  readonly tuple = new Tuple();
  /** The zone where it counts for the flow. */
  zone = 0;
  /** A flow that another one expected: of GRE such have calls, which are ports. */
  hasMaster = false;
  private readonly $before = new Tuple();
  private readonly $address = new Int32Array(4);

  constructor(private readonly use: TupleUse) {}

  /** Makes the tuple one of the range. True: it is known to be free. */
  choose(range: Int32Array, at: number, manip: Manip): boolean {
    const { tuple, use } = this;
    const flags = range[at + NatRange.FLAGS];
    const isRandom = (flags & RANDOM_ALL) !== 0;
    if (manip === Manip.SOURCE && !isRandom) {
      if (isSourceInRange(tuple, range, at)) {
        if (!use.isTaken(tuple, false)) return true;
      } else {
        copyTuple(this.$before, tuple);
        if (use.findSource(tuple, range, at) && !use.isTaken(tuple, false)) return true;
        copyTuple(tuple, this.$before);
      }
    }
    if ((flags & NatFlag.ADDRESSES) !== 0) this.chooseAddress(range, at, manip);
    if (!isRandom && this.mayKeepPort(range, at, manip)) {
      if ((flags & NatFlag.PORTS) !== 0 && range[at + NatRange.LOW_PORT] === range[at + NatRange.HIGH_PORT])
        return false;
      if (!use.isTaken(tuple, false)) return true;
    }
    return this.choosePort(range, at, manip);
  }

  private mayKeepPort(range: Int32Array, at: number, manip: Manip): boolean {
    const flags = range[at + NatRange.FLAGS];
    if ((flags & NatFlag.PORTS) === 0) return true;
    return (flags & NatFlag.OFFSET) === 0 && isPortInRange(this.tuple, range, at, manip);
  }

  // --- address -----------------------------------------------------------------------------------

  private chooseAddress(range: Int32Array, at: number, manip: Manip): void {
    const { addressWords, words } = this.tuple;
    const to = manip === Manip.SOURCE ? 0 : addressWords;
    const isOne = isEqual(range, at + NatRange.FIRST, at + NatRange.LAST, addressWords);
    if (!isOne) return this.hashAddress(range, at, to);
    for (let i = 0; i < addressWords; i++) words[to + i] = range[at + NatRange.FIRST + i];
  }

  /** One of several, by source and, unless persistent, destination. */
  private hashAddress(range: Int32Array, at: number, to: number): void {
    const { $address } = this;
    const { words, addressWords } = this.tuple;
    const isPersistent = (range[at + NatRange.FLAGS] & NatFlag.PERSISTENT) !== 0;
    for (let i = 0; i < 4; i++) $address[i] = i < addressWords ? swap32(words[i]) : 0;
    let hash = jhash4($address, 0, isPersistent ? 0 : swap32(words[addressWords * 2 - 1]) ^ this.zone);
    let isFree = false;
    for (let i = 0; i < addressWords; i++) {
      const first = isFree ? 0 : range[at + NatRange.FIRST + i];
      const last = range[at + NatRange.LAST + i];
      const count = isFree ? 0xffffffff : (last - first + 1) >>> 0;
      words[to + i] = (first + scaled(hash, count)) | 0;
      // Below the last address's beginning the rest may be anything.
      if (words[to + i] !== last) isFree = true;
      if (!isPersistent) hash ^= swap32(words[addressWords + i]);
    }
  }

  // --- port --------------------------------------------------------------------------------------

  private setPort(manip: Manip, port: number): void {
    const { tuple } = this;
    const isHigh = isIcmp(tuple.protocol) || manip === Manip.SOURCE;
    tuple.ports = isHigh ? (tuple.ports & 0xffff) | (port << 16) : (tuple.ports & ~0xffff) | port;
  }

  /** True: one that is free has been found. */
  private choosePort(range: Int32Array, at: number, manip: Manip): boolean {
    const { tuple } = this;
    const { protocol } = tuple;
    const flags = range[at + NatRange.FLAGS];
    if (!hasPort(protocol) || (protocol === Transport.GRE && !this.hasMaster)) return false;
    let low = range[at + NatRange.LOW_PORT];
    let high = range[at + NatRange.HIGH_PORT];
    if ((flags & NatFlag.PORTS) === 0) {
      const isFixed = manip === Manip.DESTINATION && !isIcmp(protocol) && protocol !== Transport.GRE;
      if (isFixed) return false;
      const port = portOf(tuple, manip);
      low = firstOfClass(protocol, port);
      high = lastOfClass(protocol, port);
    } else if (high < low) {
      low = range[at + NatRange.HIGH_PORT];
      high = range[at + NatRange.LOW_PORT];
    }
    const isOffset = (flags & NatFlag.OFFSET) !== 0;
    const start = isOffset ? (portOf(tuple, manip) - range[at + NatRange.BASE_PORT]) & 0xffff : this.use.random16();
    return this.searchPort(low, high - low + 1, start, manip);
  }

  private searchPort(low: number, size: number, start: number, manip: Manip): boolean {
    let tries = Math.min(size, MOST_TRIES);
    let offset = start;
    for (;;) {
      for (let i = 0; i < tries; i++) {
        this.setPort(manip, low + (((offset + i) & 0xffff) % size));
        if (!this.use.isTaken(this.tuple, tries - i <= LAST_TRIES)) return true;
      }
      if (tries >= size || tries < FEWEST_TRIES) return false;
      tries >>= 1;
      offset = this.use.random16();
    }
  }
}

function isIcmp(protocol: number): boolean {
  return protocol === Transport.ICMP || protocol === Transport.ICMPV6;
}

function hasPort(protocol: number): boolean {
  switch (protocol) {
    case Transport.ICMP:
    case Transport.ICMPV6:
    case Transport.TCP:
    case Transport.UDP:
    case Transport.UDPLITE:
    case Transport.SCTP:
    case Transport.GRE:
      return true;
    default:
      return false;
  }
}

function firstOfClass(protocol: number, port: number): number {
  if (isIcmp(protocol)) return 0;
  if (protocol === Transport.GRE || port < 512) return 1;
  return port < 1024 ? 600 : 1024;
}

function lastOfClass(protocol: number, port: number): number {
  if (isIcmp(protocol) || protocol === Transport.GRE || port >= 1024) return 65535;
  return port < 512 ? 511 : 1023;
}

/** Once a flow or more often: a loop over the few words there are is faster than TypedArray.set. */
export function copyTuple(to: Tuple, from: Tuple): void {
  to.isIpv6 = from.isIpv6;
  to.protocol = from.protocol;
  const count = 2 * from.addressWords + 1;
  for (let i = 0; i < count; i++) to.words[i] = from.words[i];
}

function isEqual(words: Int32Array, a: number, b: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (words[a + i] !== words[b + i]) return false;
  return true;
}

/** The port that is changed; ICMP has one id for both ways. */
function portOf(tuple: Tuple, manip: Manip): number {
  const { ports } = tuple;
  return isIcmp(tuple.protocol) || manip === Manip.SOURCE ? ports >>> 16 : ports & 0xffff;
}

/** Whether a tuple's source is one that the range allows. */
export function isSourceInRange(tuple: Tuple, range: Int32Array, at: number): boolean {
  const flags = range[at + NatRange.FLAGS];
  if ((flags & NatFlag.ADDRESSES) !== 0) {
    const { addressWords, words } = tuple;
    if (compare(words, range, at + NatRange.FIRST, addressWords) < 0) return false;
    if (compare(words, range, at + NatRange.LAST, addressWords) > 0) return false;
  }
  return (flags & NatFlag.PORTS) === 0 || isPortInRange(tuple, range, at, Manip.SOURCE);
}

function isPortInRange(tuple: Tuple, range: Int32Array, at: number, manip: Manip): boolean {
  if (!hasPort(tuple.protocol)) return true;
  const port = portOf(tuple, manip);
  return port >= range[at + NatRange.LOW_PORT] && port <= range[at + NatRange.HIGH_PORT];
}

/** Addresses as unsigned numbers: negative where the first is below the other. */
function compare(address: Int32Array, words: Int32Array, at: number, width: number): number {
  for (let i = 0; i < width; i++) {
    const difference = (address[i] >>> 0) - (words[at + i] >>> 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
