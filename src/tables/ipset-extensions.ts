/*
 * What a member of an IP set has beside its key: when it ends, its counters, what SET --map-set takes from it. Arrays under the
 * member's index, made only for sets that have them.
 *
 * Deadlines are ms of a clock that does not wrap (IpSets.clock), so that timeouts of weeks are exact; 0 = never.
 */
import { DEFAULT_TIMEOUT, Member, MemberFlag, type MemberQuestion } from './ipset-member.js';

export interface ExtensionOptions {
  /** Seconds; 0: members stay unless they say otherwise; absent: members have no timeout. */
  timeout?: number | undefined;
  counters?: boolean | undefined;
  skbinfo?: boolean | undefined;
  comments?: boolean | undefined;
}

const SKB_WORDS = 4;

export class MemberExtensions {
  readonly hasTimeout: boolean;
  readonly hasCounters: boolean;
  readonly hasSkbinfo: boolean;
  readonly hasComments: boolean;
  private readonly timeout: number;
  private deadlines: Float64Array;
  private counters: Float64Array;
  private skb: Int32Array;
  private comments: Int32Array;

  constructor(options: ExtensionOptions, capacity: number) {
    this.hasTimeout = options.timeout !== undefined;
    this.timeout = options.timeout ?? 0;
    this.hasCounters = options.counters === true;
    this.hasSkbinfo = options.skbinfo === true;
    this.hasComments = options.comments === true;
    this.deadlines = new Float64Array(this.hasTimeout ? capacity : 0);
    this.counters = new Float64Array(this.hasCounters ? capacity * 2 : 0);
    this.skb = new Int32Array(this.hasSkbinfo ? capacity * SKB_WORDS : 0);
    this.comments = new Int32Array(this.hasComments ? capacity : 0);
  }

  get bytes(): number {
    return this.deadlines.byteLength + this.counters.byteLength + this.skb.byteLength + this.comments.byteLength;
  }

  grow(capacity: number): void {
    this.deadlines = grown(this.deadlines, this.hasTimeout ? capacity : 0);
    this.counters = grown(this.counters, this.hasCounters ? capacity * 2 : 0);
    const skb = new Int32Array(this.hasSkbinfo ? capacity * SKB_WORDS : 0);
    skb.set(this.skb);
    this.skb = skb;
    const comments = new Int32Array(this.hasComments ? capacity : 0);
    comments.set(this.comments);
    this.comments = comments;
  }

  isExpired(index: number, clock: number): boolean {
    return this.hasTimeout && this.deadlines[index] !== 0 && this.deadlines[index] <= clock;
  }

  /** A member made by a packet. */
  setByPacket(index: number, question: MemberQuestion, clock: number): void {
    this.setDeadline(index, question.timeout, clock);
    if (this.hasCounters) {
      this.counters[index * 2] = 1;
      this.counters[index * 2 + 1] = question.length;
    }
    if (this.hasSkbinfo) this.skb.fill(0, index * SKB_WORDS, (index + 1) * SKB_WORDS);
    if (this.hasComments) this.comments[index] = 0;
  }

  private setDeadline(index: number, timeout: number, clock: number): void {
    if (!this.hasTimeout) return;
    const seconds = timeout === DEFAULT_TIMEOUT ? this.timeout : timeout >>> 0;
    this.deadlines[index] = seconds === 0 ? 0 : clock + seconds * 1000;
  }

  /** A member that is new: what it does not say is 0. */
  clear(index: number): void {
    if (!this.hasCounters) return;
    this.counters[index * 2] = 0;
    this.counters[index * 2 + 1] = 0;
  }

  setByRow(index: number, row: Int32Array, at: number, clock: number): void {
    const flags = row[at + Member.FLAGS];
    this.setDeadline(index, row[at + Member.TIMEOUT], clock);
    if (this.hasCounters) {
      if ((flags & MemberFlag.HAS_PACKETS) !== 0) this.counters[index * 2] = read64(row, at + Member.PACKETS);
      if ((flags & MemberFlag.HAS_BYTES) !== 0) this.counters[index * 2 + 1] = read64(row, at + Member.BYTES);
    }
    if (this.hasComments) this.comments[index] = row[at + Member.COMMENT];
    if (!this.hasSkbinfo) return;
    const has = (flags & MemberFlag.HAS_SKBINFO) !== 0;
    for (let i = 0; i < SKB_WORDS; i++) this.skb[index * SKB_WORDS + i] = has ? row[at + Member.SKB_MARK + i] : 0;
  }

  /** A member moves into another's place. */
  move(to: number, from: number): void {
    if (this.hasTimeout) this.deadlines[to] = this.deadlines[from];
    if (this.hasCounters) {
      this.counters[to * 2] = this.counters[from * 2];
      this.counters[to * 2 + 1] = this.counters[from * 2 + 1];
    }
    if (this.hasComments) this.comments[to] = this.comments[from];
    if (!this.hasSkbinfo) return;
    for (let i = 0; i < SKB_WORDS; i++) this.skb[to * SKB_WORDS + i] = this.skb[from * SKB_WORDS + i];
  }

  /** A packet has found a member that has not expired: counts it, and answers whether its counters are as asked. */
  matches(index: number, question: MemberQuestion, skips: boolean, compares: boolean): boolean {
    if (this.hasCounters) {
      const { counters } = this;
      if (!skips) {
        counters[index * 2]++;
        counters[index * 2 + 1] += question.length;
      }
      if (compares && !compare(counters[index * 2], question.packetsCompare, question.packets)) return false;
      if (compares && !compare(counters[index * 2 + 1], question.bytesCompare, question.bytes)) return false;
    }
    if (this.hasSkbinfo) {
      for (let i = 0; i < SKB_WORDS; i++) question.found[i] = this.skb[index * SKB_WORDS + i];
      question.hasFound = true;
    }
    return true;
  }

  /** Into a member's row. */
  read(index: number, row: Int32Array, at: number, clock: number): void {
    if (this.hasTimeout && this.deadlines[index] !== 0) {
      row[at + Member.TIMEOUT] = Math.max(1, Math.floor((this.deadlines[index] - clock) / 1000));
    }
    if (this.hasCounters) {
      write64(row, at + Member.PACKETS, this.counters[index * 2]);
      write64(row, at + Member.BYTES, this.counters[index * 2 + 1]);
      row[at + Member.FLAGS] |= MemberFlag.HAS_PACKETS | MemberFlag.HAS_BYTES;
    }
    if (this.hasComments) row[at + Member.COMMENT] = this.comments[index];
    if (!this.hasSkbinfo) return;
    row[at + Member.FLAGS] |= MemberFlag.HAS_SKBINFO;
    for (let i = 0; i < SKB_WORDS; i++) row[at + Member.SKB_MARK + i] = this.skb[index * SKB_WORDS + i];
  }
}

/** Numbers of SetCompare: none, equal, not equal, less, greater. */
function compare(value: number, how: number, than: number): boolean {
  switch (how) {
    case 1:
      return value === than;
    case 2:
      return value !== than;
    case 3:
      return value < than;
    case 4:
      return value > than;
    default:
      return true;
  }
}

function grown(array: Float64Array, length: number): Float64Array {
  const out = new Float64Array(length);
  out.set(array);
  return out;
}

export function read64(words: Int32Array, at: number): number {
  return (words[at] >>> 0) + (words[at + 1] >>> 0) * 0x1_0000_0000;
}

function write64(words: Int32Array, at: number, value: number): void {
  words[at] = (value % 0x1_0000_0000) | 0;
  words[at + 1] = Math.floor(value / 0x1_0000_0000) | 0;
}
