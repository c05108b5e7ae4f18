/*
 * -m recent: lists of addresses with the times at which they were seen last, shared by the rules that name them.
 *
 *   table ─ buckets ─► entry ─► entry …     entries also hang in a list by age: head = seen longest ago
 *   entry:  | next in bucket | older | younger | family, TTL | address, 4 | stamps kept | next stamp |     its stamps stand apart
 *
 * A table holds `entries` addresses; when it is full a new one takes the place of the one seen longest ago. Each has room for so many stamps, a
 * power of two; they are overwritten in a ring. All as in xt_recent, whose module parameters (ip_list_tot, ip_pkt_list_tot) are
 * `entries` and `stamps` of the constructor. A table begins with the first packet that asks, and ends with the last rule that names it.
 *
 * Stamps are ms of a clock that does not wrap, unlike the engine's, as a rule may ask for months; `timers` keeps it going while no packet does.
 */

import { Key, type Packet } from '../core/packet.js';
import { Answer } from './answer.js';
import { OpWord, RecentOp } from './ops.js';
import { Family } from './rule.js';

const enum Entry {
  NEXT = 0,
  OLDER = 1,
  YOUNGER = 2,
  /** Family << 8 | TTL. */
  KIND = 3,
  ADDRESS = 4,
  COUNT = 8,
  INDEX = 9,
  WORDS = 10,
}

const SECOND_MS = 1000;

/** Between two looks at the clock: less than the 24 days that the engine's ms tell apart. */
const CLOCK_MS = 24 * 3600 * SECOND_MS;

/** Stamps where neither the module's parameter nor a rule says more. */
const DEFAULT_STAMPS = 32;

/** One list. Entries are places in `words`, 0 = none. */
class RecentTable {
  private readonly words: Int32Array;
  /** Of an entry so many, at its number × `stamps`. */
  private times: Float64Array;
  readonly buckets: Int32Array;
  readonly mask = new Int32Array(4);
  size = 0;
  private oldest = 0;
  private youngest = 0;
  private free = 0;

  constructor(
    readonly capacity: number,
    public stamps: number,
    mask: Int32Array,
    maskAt: number,
  ) {
    let buckets = 16;
    while (buckets < capacity) buckets <<= 1;
    this.buckets = new Int32Array(buckets);
    this.words = new Int32Array((capacity + 1) * Entry.WORDS);
    this.times = new Float64Array((capacity + 1) * stamps);
    for (let i = 0; i < 4; i++) this.mask[i] = mask[maskAt + i];
    this.flush();
  }

  /** Room for more stamps than there is: what was known is forgotten. */
  widen(stamps: number): void {
    this.stamps = stamps;
    this.times = new Float64Array((this.capacity + 1) * stamps);
    this.flush();
  }

  flush(): void {
    this.buckets.fill(0);
    this.size = 0;
    this.oldest = 0;
    this.youngest = 0;
    this.free = 0;
    for (let i = this.capacity; i > 0; i--) {
      this.words[i * Entry.WORDS] = this.free;
      this.free = i * Entry.WORDS;
    }
  }

  /** Where the stamps of an entry begin. */
  private timesOf(at: number): number {
    return Math.imul((at / Entry.WORDS) | 0, this.stamps);
  }

  private bucket(a: number, b: number, c: number, d: number): number {
    let hash = Math.imul(
      a ^ Math.imul(b ^ Math.imul(c ^ Math.imul(d, 0x9e3779b1), 0x85ebca6b), 0xc2b2ae35),
      0x27d4eb2f,
    );
    hash ^= hash >>> 15;
    return hash & (this.buckets.length - 1);
  }

  /** `ttl` 0: any. */
  find(family: Family, a: number, b: number, c: number, d: number, ttl: number): number {
    const { words } = this;
    for (let at = this.buckets[this.bucket(a, b, c, d)]; at !== 0; at = words[at]) {
      const isSame =
        words[at + Entry.ADDRESS] === a &&
        words[at + Entry.ADDRESS + 1] === b &&
        words[at + Entry.ADDRESS + 2] === c &&
        words[at + Entry.ADDRESS + 3] === d &&
        words[at + Entry.KIND] >>> 8 === family;
      const known = words[at + Entry.KIND] & 0xff;
      if (isSame && (ttl === 0 || known === 0 || known === ttl)) return at;
    }
    return 0;
  }

  add(family: Family, a: number, b: number, c: number, d: number, ttl: number, clock: number): number {
    if (this.free === 0) this.remove(this.oldest);
    const at = this.free;
    const { words } = this;
    const bucket = this.bucket(a, b, c, d);
    this.free = words[at];
    words[at] = this.buckets[bucket];
    this.buckets[bucket] = at;
    words[at + Entry.KIND] = (family << 8) | ttl;
    words[at + Entry.ADDRESS] = a;
    words[at + Entry.ADDRESS + 1] = b;
    words[at + Entry.ADDRESS + 2] = c;
    words[at + Entry.ADDRESS + 3] = d;
    this.times[this.timesOf(at)] = clock;
    words[at + Entry.COUNT] = 1;
    words[at + Entry.INDEX] = 1;
    this.append(at);
    this.size++;
    return at;
  }

  private append(at: number): void {
    const { words } = this;
    words[at + Entry.OLDER] = this.youngest;
    words[at + Entry.YOUNGER] = 0;
    if (this.youngest === 0) this.oldest = at;
    else words[this.youngest + Entry.YOUNGER] = at;
    this.youngest = at;
  }

  private unlink(at: number): void {
    const { words } = this;
    const older = words[at + Entry.OLDER];
    const younger = words[at + Entry.YOUNGER];
    if (older === 0) this.oldest = younger;
    else words[older + Entry.YOUNGER] = younger;
    if (younger === 0) this.youngest = older;
    else words[younger + Entry.OLDER] = older;
  }

  remove(at: number): void {
    const { words } = this;
    const address = at + Entry.ADDRESS;
    const bucket = this.bucket(words[address], words[address + 1], words[address + 2], words[address + 3]);
    let before = this.buckets[bucket];
    if (before === at) this.buckets[bucket] = words[at];
    else {
      while (words[before] !== at) before = words[before];
      words[before] = words[at];
    }
    this.unlink(at);
    words[at] = this.free;
    this.free = at;
    this.size--;
  }

  /** It is seen now. */
  touch(at: number, ttl: number, clock: number): void {
    const { words } = this;
    const index = words[at + Entry.INDEX] & (this.stamps - 1);
    this.times[this.timesOf(at) + index] = clock;
    words[at + Entry.INDEX] = index + 1;
    if (index + 1 > words[at + Entry.COUNT]) words[at + Entry.COUNT] = index + 1;
    words[at + Entry.KIND] = (words[at + Entry.KIND] & ~0xff) | ttl;
    this.unlink(at);
    this.append(at);
  }

  /** Whether it was seen `hits` times, since `since` where `seconds` is not 0. */
  wasSeen(at: number, seconds: number, since: number, hits: number): boolean {
    const { times } = this;
    const first = this.timesOf(at);
    const end = first + this.words[at + Entry.COUNT];
    let seen = 0;
    for (let i = first; i < end; i++) {
      if (seconds !== 0 && since > times[i]) continue;
      if (hits === 0 || ++seen >= hits) return true;
    }
    return false;
  }

  /** Takes away the one seen longest ago if that is before `since`, but not `kept`. */
  reap(since: number, kept: number): void {
    const at = this.oldest;
    if (at === 0 || at === kept) return;
    if (since > this.times[this.timesOf(at) + this.words[at + Entry.INDEX] - 1]) this.remove(at);
  }

  /** Entries from the oldest on. */
  entries(): RecentEntry[] {
    const { words } = this;
    const list: RecentEntry[] = [];
    for (let at = this.oldest; at !== 0; at = words[at + Entry.YOUNGER]) {
      const start = this.timesOf(at);
      list.push({
        family: words[at + Entry.KIND] >>> 8,
        address: [...words.subarray(at + Entry.ADDRESS, at + Entry.ADDRESS + 4)],
        ttl: words[at + Entry.KIND] & 0xff,
        stamps: [...this.times.subarray(start, start + words[at + Entry.COUNT])],
        next: words[at + Entry.INDEX],
      });
    }
    return list;
  }
}

/** As /proc/net/xt_recent shows it. */
export interface RecentEntry {
  family: Family;
  address: number[];
  ttl: number;
  /** ms of Recent.clock, in the order of the ring; `next` is where the next one goes. */
  stamps: number[];
  next: number;
}

export interface RecentOptions {
  /** ip_list_tot, 1 to 65,536. */
  entries?: number;
  /** ip_pkt_list_tot; 0: as rules ask. */
  stamps?: number;
}

function powerOfTwo(n: number): number {
  return 1 << (32 - Math.clz32(n - 1));
}

export class Recent {
  private readonly tables: Array<RecentTable | undefined> = [];
  private readonly capacity: number;
  private readonly stamps: number;
  /** ms, that do not wrap. */
  clock = 0;
  /** The engine's ms when the clock was last looked at. */
  private last = 0;
  /** Tables that are there. */
  private count = 0;

  constructor(options: RecentOptions = {}) {
    this.capacity = options.entries ?? 100;
    this.stamps = options.stamps ?? 0;
  }

  private tick(now: number): number {
    // A clock that is set back stands still.
    this.clock += Math.max((now - this.last) | 0, 0);
    this.last = now;
    return this.clock;
  }

  private tableOf(pool: Int32Array, at: number): RecentTable {
    const number = pool[at + RecentOp.TABLE];
    const hits = pool[at + RecentOp.HIT_COUNT];
    const table = this.tables[number];
    const wanted = this.stampsFor(hits);
    if (table === undefined) {
      const made = new RecentTable(this.capacity, wanted, pool, at + RecentOp.MASK);
      this.tables[number] = made;
      this.count++;
      return made;
    }
    if (wanted > table.stamps) table.widen(wanted);
    return table;
  }

  private stampsFor(hits: number): number {
    if (this.stamps !== 0 && hits < this.stamps) return powerOfTwo(this.stamps);
    return hits === 0 ? DEFAULT_STAMPS : powerOfTwo(hits);
  }

  /** Answers with the inversion; `ttl` of the packet as it came in. */
  match(pool: Int32Array, at: number, packet: Packet, ttl: number): Answer {
    const { key } = packet;
    const clock = this.tick(packet.now);
    const table = this.tableOf(pool, at);
    const word = pool[at];
    const from = (word & RecentOp.DESTINATION) !== 0 ? Key.DESTINATION : Key.SOURCE;
    const isV6 = packet.family === Family.IPV6;
    const a = key[from] & table.mask[0];
    const b = isV6 ? key[from + 1] & table.mask[1] : 0;
    const c = isV6 ? key[from + 2] & table.mask[2] : 0;
    const d = isV6 ? key[from + 3] & table.mask[3] : 0;
    const entry = table.find(packet.family, a, b, c, d, (word & RecentOp.TTL) !== 0 ? ttl : 0);
    const isInverted = (word & OpWord.INVERTED) !== 0;
    if (entry === 0) {
      if ((word & RecentOp.SET) === 0) return isInverted ? Answer.YES : Answer.NO;
      table.add(packet.family, a, b, c, d, ttl, clock);
      return isInverted ? Answer.NO : Answer.YES;
    }
    const holds = this.holds(table, entry, pool, at) !== isInverted;
    if ((word & RecentOp.REMOVE) !== 0) table.remove(entry);
    else if ((word & RecentOp.SET) !== 0 || ((word & RecentOp.UPDATE) !== 0 && holds)) table.touch(entry, ttl, clock);
    return holds ? Answer.YES : Answer.NO;
  }

  private holds(table: RecentTable, entry: number, pool: Int32Array, at: number): boolean {
    const word = pool[at];
    if ((word & (RecentOp.SET | RecentOp.REMOVE)) !== 0) return true;
    if ((word & (RecentOp.CHECK | RecentOp.UPDATE)) === 0) return false;
    const seconds = pool[at + RecentOp.SECONDS] >>> 0;
    const since = this.clock - seconds * SECOND_MS;
    const wasSeen = table.wasSeen(entry, seconds, since, pool[at + RecentOp.HIT_COUNT]);
    if ((word & RecentOp.REAP) !== 0) {
      const holds = wasSeen !== ((word & OpWord.INVERTED) !== 0);
      table.reap(since, (word & RecentOp.UPDATE) !== 0 && holds ? entry : -1);
    }
    return wasSeen;
  }

  // --- for control ------------------------------------------------------------------------------

  entries(number: number): RecentEntry[] {
    return this.tables[number]?.entries() ?? [];
  }

  /** As "+ADDRESS" written to /proc/net/xt_recent. False: no rule has asked yet, so there is no table. */
  add(number: number, family: Family, address: readonly number[], now: number): boolean {
    const table = this.tables[number];
    if (table === undefined) return false;
    const [a, b = 0, c = 0, d = 0] = address;
    const entry = table.find(family, a, b, c, d, 0);
    const clock = this.tick(now);
    if (entry === 0) table.add(family, a, b, c, d, 0, clock);
    else table.touch(entry, 0, clock);
    return true;
  }

  remove(number: number, family: Family, address: readonly number[]): void {
    const [a, b = 0, c = 0, d = 0] = address;
    const table = this.tables[number];
    const entry = table?.find(family, a, b, c, d, 0) ?? 0;
    if (entry !== 0) table?.remove(entry);
  }

  flush(number: number): void {
    this.tables[number]?.flush();
  }

  /** No rule names it any more. */
  close(number: number): void {
    if (this.tables[number] !== undefined) this.count--;
    this.tables[number] = undefined;
  }

  /** Keeps the clock going. Returns ms until it has to be called again, -1 = never. */
  timers(now: number): number {
    this.tick(now);
    return this.count === 0 ? -1 : CLOCK_MS;
  }
}
