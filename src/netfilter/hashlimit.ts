/*
 * -m hashlimit: a limit for each address, port or pair of them, in tables that rules name.
 *
 *   table ─ buckets ─► entry ─► entry …
 *   entry:  source 4, destination 4, ports │ next │ seen last, expires │ numbers: credit, cap of bytes, packets or bytes of the interval
 *
 * Three ways to count, as xt_hashlimit (revision 3) has them:
 * - packets: a bucket of credits, here ms. A packet costs the average, the bucket holds that of `burst` packets.
 * - bytes: in units of 16; a bucket of one second's credits. When it does not hold a packet's cost and `burst` is not used up, one of the burst
 *   fills it.
 * - rate match: counts an interval; the packet holds while the interval before was below the rate and this one is below rate + burst.
 *
 * A table has `max` entries (default 8 × size, never fewer than size); when it is full, or there is no memory for more, a new flow's packets
 * are dropped, as in the kernel. Entries go when they were not asked for during `expire`, but only once every `gc interval`: until then
 * they live on. The first packet that asks makes the table, small: it doubles as entries come. It ends with the last rule that names it.
 */
import { sooner } from '../core/delay.js';
import { Key, type Packet } from '../core/packet.js';
import { Answer } from './answer.js';
import { hasPorts } from './headers.js';
import { HashlimitMode, HashlimitOp } from './ops.js';
import { Family } from './rule.js';

const enum Entry {
  NEXT = 0,
  SOURCE = 1,
  DESTINATION = 5,
  PORTS = 9,
  PREVIOUS = 10,
  EXPIRES = 11,
  /** Of rate match: the interval before was above the rate. */
  WAS_ABOVE = 12,
  WORDS = 13,
}

const enum Amount {
  CREDIT = 0,
  CAP = 1,
  RATE = 2,
  WORDS = 4,
}

/**
 * Packets: averages are in 1/1,000,000 s. The kernel's credits are 2^39 for each of its 250 ticks a second, of which 64 bits hold a day and a half: what is
 * lost there is lost here, too.
 */
const CREDITS_PER_UNIT = (250n << 39n) / 1_000_000n;
const CREDITS_PER_MS = 2 ** 39 / 4;

/** ms that an average, or average × burst, is worth. */
function creditMs(average: number, packets: number): number {
  return Number(BigInt.asUintN(64, BigInt(average) * BigInt(packets) * CREDITS_PER_UNIT)) / CREDITS_PER_MS;
}

/** Bytes: credits a ms, and of a second; and the unit, 2^4 bytes. HZ = 250. */
const BYTE_CREDITS_PER_MS = 8_388_608 / 4;
const BYTE_CREDITS = BYTE_CREDITS_PER_MS * 1000;
const BYTE_SHIFT = 4;

/** Buckets where nobody says: the kernel's choice of a machine with more than 1 GB. */
const DEFAULT_SIZE = 8192;

/** Buckets, and entries where a rule says how many, at most: what is more is cut down to it, as in the kernel. */
export const MOST_ENTRIES = 1 << 20;

/** Room for entries at first. */
const FIRST_ROOM = 256;

/** ms: a longer time of the kernel's 32 bits is as good as for ever, and is cut down to it. */
const LONGEST_MS = 0x7fff_ffff;

/** Entries swept at most at a time. */
const SWEEP = 256;

const $key = new Int32Array(9);

function maskOf(length: number): number {
  return length <= 0 ? 0 : length >= 32 ? -1 : -1 << (32 - length);
}

/** Of a word without sign. */
function atMost(word: number, most: number): number {
  return Math.min(word >>> 0, most);
}

function powerOfTwo(n: number): number {
  return n <= 1 ? 1 : 1 << (32 - Math.clz32(n - 1));
}

class HashlimitTable {
  readonly mode: number;
  private readonly buckets: Int32Array;
  private words: Int32Array;
  private numbers: Float64Array;
  /** Entries that `words` and `numbers` hold; the first is none. */
  private room: number;
  private readonly max: number;
  private readonly gcMs: number;
  private readonly expireMs: number;
  private readonly masks = new Int32Array(8);
  private readonly average: number;
  private readonly burst: number;
  private readonly interval: number;
  /** Of packets: what one costs, and what the bucket holds. */
  private readonly costMs: number;
  private readonly capMs: number;
  size = 0;
  private end = 1;
  private free = 0;
  private sweepAt = 0;
  private sweepDue = 0;

  constructor(pool: Int32Array, at: number, now: number) {
    const size = atMost(pool[at + HashlimitOp.SIZE], MOST_ENTRIES) || DEFAULT_SIZE;
    this.mode = pool[at + HashlimitOp.MODE];
    this.max = Math.max(atMost(pool[at + HashlimitOp.MAX], MOST_ENTRIES) || 8 * size, size);
    this.gcMs = atMost(pool[at + HashlimitOp.GC_INTERVAL], LONGEST_MS);
    this.expireMs = atMost(pool[at + HashlimitOp.EXPIRE], LONGEST_MS);
    this.average = (pool[at + HashlimitOp.AVERAGE] >>> 0) + (pool[at + HashlimitOp.AVERAGE + 1] >>> 0) * 0x1_0000_0000;
    this.burst = pool[at + HashlimitOp.BURST] >>> 0;
    this.interval = pool[at + HashlimitOp.INTERVAL];
    this.costMs = creditMs(this.average, 1);
    this.capMs = creditMs(this.average, this.burst);
    for (let i = 0; i < 4; i++) {
      this.masks[i] = maskOf(pool[at + HashlimitOp.SOURCE_LENGTH] - 32 * i);
      this.masks[4 + i] = maskOf(pool[at + HashlimitOp.DESTINATION_LENGTH] - 32 * i);
    }
    this.buckets = new Int32Array(powerOfTwo(size));
    this.room = Math.min(this.max + 1, FIRST_ROOM);
    this.words = new Int32Array(this.room * Entry.WORDS);
    this.numbers = new Float64Array(this.room * Amount.WORDS);
    this.sweepDue = (now + this.gcMs) | 0;
  }

  /** Writes $key. False: the packet has no ports, though its protocol has. */
  private readKey(packet: Packet): boolean {
    const { key } = packet;
    const { mode, masks } = this;
    const words = packet.family === Family.IPV4 ? 1 : 4;
    $key.fill(0);
    for (let i = 0; i < words; i++) {
      if ((mode & HashlimitMode.SOURCE) !== 0) $key[i] = key[Key.SOURCE + i] & masks[i];
      if ((mode & HashlimitMode.DESTINATION) !== 0) $key[4 + i] = key[Key.DESTINATION + i] & masks[4 + i];
    }
    if ((mode & (HashlimitMode.SOURCE_PORT | HashlimitMode.DESTINATION_PORT)) === 0) return true;
    if (!hasPorts(key[Key.PROTOCOL])) return true;
    if (key[Key.SOURCE_PORT] < 0) return false;
    if ((mode & HashlimitMode.SOURCE_PORT) !== 0) $key[8] |= key[Key.SOURCE_PORT] << 16;
    if ((mode & HashlimitMode.DESTINATION_PORT) !== 0) $key[8] |= key[Key.DESTINATION_PORT];
    return true;
  }

  private bucket(): number {
    let hash = 0x9e3779b1;
    for (let i = 0; i < 9; i++) {
      hash = Math.imul(hash ^ $key[i], 0x85ebca6b);
      hash ^= hash >>> 13;
    }
    return hash & (this.buckets.length - 1);
  }

  private find(bucket: number): number {
    const { words } = this;
    for (let index = this.buckets[bucket]; index !== 0; index = words[index * Entry.WORDS]) {
      const at = index * Entry.WORDS + Entry.SOURCE;
      let i = 0;
      while (i < 9 && words[at + i] === $key[i]) i++;
      if (i === 9) return index;
    }
    return 0;
  }

  /** A new entry for $key, or 0: the table is full. */
  private add(bucket: number, now: number): number {
    if (this.size >= this.max) return 0;
    const index = this.take();
    if (index === 0) return 0;
    const { words } = this;
    const at = index * Entry.WORDS;
    words[at] = this.buckets[bucket];
    this.buckets[bucket] = index;
    for (let i = 0; i < 9; i++) words[at + Entry.SOURCE + i] = $key[i];
    this.size++;
    this.begin(index, now);
    return index;
  }

  /** An entry that nobody uses, or 0: there is no memory. */
  private take(): number {
    const index = this.free;
    if (index !== 0) this.free = this.words[index * Entry.WORDS];
    else if (this.end < this.room || this.grow()) return this.end++;
    return index;
  }

  /** Twice the room. False: there is no memory for it. */
  private grow(): boolean {
    const room = Math.min(this.room * 2, this.max + 1);
    try {
      const words = new Int32Array(room * Entry.WORDS);
      const numbers = new Float64Array(room * Amount.WORDS);
      words.set(this.words);
      numbers.set(this.numbers);
      Object.assign(this, { room, words, numbers });
      return true;
    } catch {
      return false;
    }
  }

  private begin(index: number, now: number): void {
    const { words, numbers, average, burst, mode } = this;
    const at = index * Entry.WORDS;
    const credit = index * Amount.WORDS;
    words[at + Entry.PREVIOUS] = now;
    words[at + Entry.WAS_ABOVE] = 0;
    if ((mode & HashlimitMode.RATE_MATCH) !== 0) {
      numbers[credit + Amount.CREDIT] = 0;
      const isBytes = (mode & HashlimitMode.BYTES) !== 0;
      const rate = isBytes ? byteRate(average) : Math.floor(1_000_000 / average);
      numbers[credit + Amount.RATE] = rate;
      if (isBytes) numbers[credit + Amount.CAP] = burst === 0 ? rate : burst * rate;
      else numbers[credit + Amount.CAP] = burst + rate;
    } else if ((mode & HashlimitMode.BYTES) !== 0) {
      numbers[credit + Amount.CREDIT] = BYTE_CREDITS;
      numbers[credit + Amount.CAP] = burst;
    } else {
      numbers[credit + Amount.CREDIT] = this.capMs;
      numbers[credit + Amount.CAP] = numbers[credit + Amount.CREDIT];
    }
  }

  private refill(index: number, now: number): void {
    const { words, numbers, mode } = this;
    const at = index * Entry.WORDS;
    const credit = index * Amount.WORDS;
    const elapsedMs = (now - words[at + Entry.PREVIOUS]) >>> 0;
    if (elapsedMs === 0) return;
    if ((mode & HashlimitMode.RATE_MATCH) !== 0) {
      const intervalMs = this.interval * 1000;
      if (elapsedMs < intervalMs) return;
      const isAbove = numbers[credit] * intervalMs > elapsedMs * numbers[credit + Amount.RATE];
      words[at + Entry.WAS_ABOVE] = isAbove ? 1 : 0;
      numbers[credit] = 0;
    } else if ((mode & HashlimitMode.BYTES) !== 0) {
      numbers[credit] = Math.min(numbers[credit] + BYTE_CREDITS_PER_MS * elapsedMs, BYTE_CREDITS);
    } else {
      numbers[credit] = Math.min(numbers[credit] + elapsedMs, numbers[credit + Amount.CAP]);
    }
    words[at + Entry.PREVIOUS] = now;
  }

  /** Bytes: what a packet costs; where that is more than there is, one of the burst fills the bucket. */
  private byteCost(credit: number, length: number): number {
    const { numbers } = this;
    const unit = Math.floor((this.average * BYTE_CREDITS) / 0x1_0000_0000);
    const cost = Math.min(((length >> BYTE_SHIFT) + 1) * unit, BYTE_CREDITS);
    if (numbers[credit] < cost && numbers[credit + Amount.CAP] > 0) {
      numbers[credit + Amount.CAP]--;
      numbers[credit] = BYTE_CREDITS;
    }
    return cost;
  }

  private isBelow(index: number, packet: Packet, mode: number): boolean {
    const { numbers } = this;
    const credit = index * Amount.WORDS;
    if ((mode & HashlimitMode.RATE_MATCH) !== 0) {
      numbers[credit] += (mode & HashlimitMode.BYTES) !== 0 ? packet.length : 1;
      return this.words[index * Entry.WORDS + Entry.WAS_ABOVE] === 0 && numbers[credit] <= numbers[credit + Amount.CAP];
    }
    const isBytes = (mode & HashlimitMode.BYTES) !== 0;
    const cost = isBytes ? this.byteCost(credit, packet.length) : this.costMs;
    if (numbers[credit] < cost) return false;
    numbers[credit] -= cost;
    return true;
  }

  /** `mode`: of the rule that asks. */
  match(packet: Packet, mode: number): Answer {
    if (!this.readKey(packet)) return Answer.DROP;
    const { now } = packet;
    const bucket = this.bucket();
    const known = this.find(bucket);
    const index = known !== 0 ? known : this.add(bucket, now);
    if (index === 0) return Answer.DROP;
    if (known !== 0) this.refill(index, now);
    this.words[index * Entry.WORDS + Entry.EXPIRES] = (now + this.expireMs) | 0;
    return this.isBelow(index, packet, mode) === ((mode & HashlimitMode.INVERT) === 0) ? Answer.YES : Answer.NO;
  }

  /** Takes away expired entries of some buckets; ms until more is to be done. */
  sweep(now: number): number {
    const wait = (this.sweepDue - now) | 0;
    if (wait > 0) return wait;
    if (this.size === 0) return this.finishSweep(now);
    const last = Math.min(this.sweepAt + SWEEP, this.buckets.length);
    for (; this.sweepAt < last; this.sweepAt++) this.sweepBucket(this.sweepAt, now);
    return this.sweepAt < this.buckets.length ? 0 : this.finishSweep(now);
  }

  private finishSweep(now: number): number {
    this.sweepAt = 0;
    this.sweepDue = (now + this.gcMs) | 0;
    return this.size === 0 ? -1 : this.gcMs;
  }

  private sweepBucket(bucket: number, now: number): void {
    const { words } = this;
    let before = 0;
    for (let index = this.buckets[bucket]; index !== 0; ) {
      const at = index * Entry.WORDS;
      const next = words[at];
      if (((words[at + Entry.EXPIRES] - now) | 0) > 0) before = index;
      else {
        if (before === 0) this.buckets[bucket] = next;
        else words[before * Entry.WORDS] = next;
        words[at] = this.free;
        this.free = index;
        this.size--;
      }
      index = next;
    }
  }
}

/** Bytes a second of an average as iptables gives it. */
function byteRate(average: number): number {
  const units = average === 0 ? 0xffff_ffff : Math.floor(0xffff_ffff / average);
  return (units - 1) * (1 << BYTE_SHIFT);
}

export class Hashlimit {
  private readonly tables: Array<HashlimitTable | undefined> = [];

  match(pool: Int32Array, at: number, packet: Packet): Answer {
    const number = pool[at + HashlimitOp.TABLE];
    let table = this.tables[number];
    if (table === undefined) {
      table = new HashlimitTable(pool, at, packet.now);
      this.tables[number] = table;
    }
    return table.match(packet, pool[at + HashlimitOp.MODE]);
  }

  /** Entries of a table. */
  size(number: number): number {
    return this.tables[number]?.size ?? 0;
  }

  /** No rule names it any more. */
  close(number: number): void {
    this.tables[number] = undefined;
  }

  /** Bounded work. Returns ms until more is due, -1 = never. */
  timers(now: number): number {
    let due = -1;
    for (const table of this.tables) if (table !== undefined) due = sooner(due, table.sweep(now));
    return due;
  }
}
