/*
 * The forwarding database: (bridge, VLAN, MAC) -> port. One for the whole dataplane.
 *
 *   entry, 4 words:  | mac bytes 2..5 | mac bytes 0..1, port << 16, flags | domain | updated |
 *   aside, 4 words:  | used | older | newer | more flags |
 *
 * - Four entries are a cache line, and an address's home slot is the first of a line: at half load a look-up
 *   touches one line in 19 of 20 cases. What a look-up does not need lies aside, in a second array.
 *
 * - The domain is bridge << 12 | vlan; bridges count from 1, so domain 0 means a free slot and a fresh
 *   table is untouched zero pages.
 * - Open addressing with linear probing over at least twice as many slots as `capacity`; deletion shifts
 *   back, so there are no tombstones. A station that would lie more than MAX_PROBE slots from home is
 *   not learned; at half load that does not happen by chance, and the hash has secret keys, so it
 *   cannot be made to happen by choosing MACs.
 * - Each port has two lists through `older`/`newer`, of its learned and of its static entries, in order of
 *   insertion. They serve flushing, limits and eviction, and cost a look-up nothing.
 * - Ageing: an entry silent for longer than its bridge's ageing time counts as absent to every look-up at
 *   once; `sweep` gives the slots back later, a bounded number a call.
 * - When it is full, the port with the most learned stations loses one, the longest silent of the eight
 *   first learned. So a port that floods new addresses pushes out its own stations, never those of a port that has
 *   no more than its fair share (capacity / ports). Static entries are never evicted.
 * - `updated` and `used` are refreshed when they are more than 100 ms old: writing them with each
 *   frame would dirty a cache line a frame for a precision nobody reads. `used` lies aside: the caller may
 *   touch it for a part of the frames of a full burst.
 *
 * Who may call: the engine's worker alone. No I/O, no clock, no log: `now` is milliseconds since start and
 * may wrap; a difference of two is right as long as sweeps come within 2^31 ms (24 days).
 */
import { sharedInts } from '../core/memory.js';

const enum Entry {
  SHIFT = 2,
  LOW = 0,
  HIGH_PORT_FLAGS = 1,
  DOMAIN = 2,
  UPDATED = 3,

  PORT_SHIFT = 16,
  PORT_MASK = 0xfff,
  FLAGS_MASK = 0x70000000,
}

const enum Aside {
  SHIFT = 2,
  USED = 0,
  OLDER = 1,
  NEWER = 2,
  FLAGS = 3,
}

/** Flags of an entry. */
export const enum FdbFlag {
  /** Never ages. It moves by learning and stays static, as in Linux, unless it is sticky, too. */
  STATIC = 1 << 28,
  /** The bridge's or a port's own address: frames to it are for the local stack. Never moves by learning. */
  LOCAL = 1 << 29,
  /** Does not move by learning. */
  STICKY = 1 << 30,
  /** Made by a command, not learned. */
  ADDED_BY_USER = 1 << 0,
  /** Belongs to the bridge itself, not to one of its ports (`port` is the bridge then). */
  OF_BRIDGE = 1 << 1,
}

/** All ones if two words are equal, else 0. */
function equalMask(a: number, b: number): number {
  const difference = a ^ b;
  return ~((difference | ((0 - difference) | 0)) >> 31);
}

/** What `learn` and `insert` answer. */
export const enum Learned {
  KNOWN = 0,
  NEW = 1,
  MOVED = 2,
  /** The port's limit, the bridge's limit, or no place within MAX_PROBE. */
  REFUSED = 3,
  /** The address is the bridge's own or sticky: left as it is. */
  KEPT = 4,
}

export const FDB_DEFAULT_CAPACITY = 65_536;
export const FDB_MAX_CAPACITY = 1_048_576;

const NONE = -1;
const MAX_PROBE = 128;
/** Slots of a cache line - 1. */
const LINE = 3;
/** See `refreshMs`. */
const REFRESH_MS = 100;
/** Entries looked at for the longest silent one when room must be made. */
const EVICTION_SAMPLE = 8;

/** A station as `read` fills it in. `high` is MAC bytes 0 and 1, `low` bytes 2 to 5, both little-endian. */
export interface Station {
  low: number;
  high: number;
  bridge: number;
  vlan: number;
  port: number;
  flags: number;
  updated: number;
  used: number;
}

export class Fdb {
  readonly capacity: number;
  /** Slots - 1. */
  readonly mask: number;
  readonly entries: Int32Array;
  private readonly aside: Int32Array;
  /** Entries in the table, and of those the learned ones of each port and of each bridge. */
  size = 0;
  readonly learned: Int32Array;
  readonly learnedOfBridge: Int32Array;
  /** Learned entries of all ports. */
  learnedCount = 0;
  /** Most stations a port or bridge may have learned at a time; 0 = no limit. */
  readonly limit: Int32Array;
  readonly limitOfBridge: Int32Array;
  /** Ageing time of each bridge, ms; 0 = learned entries expire at once. */
  readonly ageing: Int32Array;
  /** Age at which `updated` and `used` are written anew: at most a quarter of the shortest ageing time. */
  private refreshMs = REFRESH_MS;
  /** Entries evicted to make room, ever. */
  evicted = 0;

  /** List ends: [port × 2] of the learned entries, [port × 2 + 1] of the static ones. Slot + 1, 0 = none. */
  private readonly oldest: Int32Array;
  private readonly newest: Int32Array;
  /** No port has more learned stations than `most`; `largest` had as many when it last changed. */
  private most = 0;
  private largest = 0;
  private sweepAt = 0;
  private readonly key0: number;
  private readonly key1: number;
  private readonly multiplier0: number;
  private readonly multiplier1: number;

  /** `keys`: four random 32-bit numbers. `links`: how many ports and bridges there may be. */
  constructor(capacity: number, links: number, keys: Int32Array) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.capacity = capacity;
    this.mask = slots - 1;
    this.entries = sharedInts(slots << Entry.SHIFT);
    this.aside = sharedInts(slots << Aside.SHIFT);
    this.learned = new Int32Array(links);
    this.learnedOfBridge = new Int32Array(links);
    this.limit = new Int32Array(links);
    this.limitOfBridge = new Int32Array(links);
    this.ageing = new Int32Array(links).fill(300_000);
    this.oldest = new Int32Array(links * 2);
    this.newest = new Int32Array(links * 2);
    this.key0 = keys[0];
    this.key1 = keys[1] | 1;
    this.multiplier0 = keys[2] | 1;
    this.multiplier1 = keys[3] | 1;
  }

  /** Ageing time of a bridge, ms. */
  setAgeing(bridge: number, ageingMs: number): void {
    this.ageing[bridge] = ageingMs;
    this.refreshMs = REFRESH_MS;
    for (const other of this.ageing) this.refreshMs = Math.min(this.refreshMs, other >> 2);
  }

  /** Home slot of an address. */
  home(low: number, high: number, domain: number): number {
    let h = Math.imul(low ^ this.key0, this.multiplier0);
    h ^= h >>> 15;
    h = Math.imul(h ^ high ^ Math.imul(domain, this.key1), this.multiplier1);
    return (h ^ (h >>> 16)) & this.mask & ~LINE;
  }

  /** Whether addresses often lie behind the first slot of their line. */
  get isCrowded(): boolean {
    return this.size > this.mask >> 4;
  }

  /**
   * Where in its home line an address most likely lies, without a branch: a mispredicted one costs more than
   * looking at all four. Whoever uses it checks; if it is wrong, `find` knows.
   */
  guess(home: number, low: number): number {
    const entries = this.entries;
    const at = home << Entry.SHIFT;
    return (
      home +
      ((equalMask(entries[at + 4], low) & 1) |
        (equalMask(entries[at + 8], low) & 2) |
        (equalMask(entries[at + 12], low) & 3))
    );
  }

  /** Whether a slot has this address on this port and it was heard just now: nothing to learn. */
  isKnown(slot: number, low: number, high: number, domain: number, port: number, now: number): boolean {
    const { entries } = this;
    const at = slot << Entry.SHIFT;
    const place = high | (port << Entry.PORT_SHIFT);
    const differs =
      (entries[at] ^ low) |
      ((entries[at + Entry.HIGH_PORT_FLAGS] ^ place) & ~Entry.FLAGS_MASK) |
      (entries[at + Entry.DOMAIN] ^ domain);
    return differs === 0 && ((now - entries[at + Entry.UPDATED]) | 0) <= this.refreshMs;
  }

  /** The port of a station, if this slot has it, it has not expired and is not the bridge itself; else -1. */
  portIfAt(slot: number, low: number, high: number, domain: number, now: number): number {
    const { entries } = this;
    const at = slot << Entry.SHIFT;
    const word = entries[at + Entry.HIGH_PORT_FLAGS];
    const differs =
      (entries[at] ^ low) | ((word ^ high) & (0xffff | FdbFlag.LOCAL)) | (entries[at + Entry.DOMAIN] ^ domain);
    if (differs !== 0) return NONE;
    const idleMs = (now - entries[at + Entry.UPDATED]) | 0;
    if (idleMs > this.ageing[domain >>> 12] && (word & FdbFlag.STATIC) === 0) return NONE;
    return (word >>> Entry.PORT_SHIFT) & Entry.PORT_MASK;
  }

  /** Slot of an address, or -1. `near` is any slot of its home line. Expired entries are found too. */
  find(near: number, low: number, high: number, domain: number): number {
    const entries = this.entries;
    const mask = this.mask;
    for (let slot = near & ~LINE; ; slot = (slot + 1) & mask) {
      const at = slot << Entry.SHIFT;
      if (
        entries[at] === low &&
        (entries[at + Entry.HIGH_PORT_FLAGS] & 0xffff) === high &&
        entries[at + Entry.DOMAIN] === domain
      ) {
        return slot;
      }
      if (entries[at + Entry.DOMAIN] === 0) return NONE;
    }
  }

  /** Reads a slot, to have it in the cache. */
  peek(slot: number): number {
    return this.entries[slot << Entry.SHIFT];
  }

  port(slot: number): number {
    return (this.entries[(slot << Entry.SHIFT) + Entry.HIGH_PORT_FLAGS] >>> Entry.PORT_SHIFT) & Entry.PORT_MASK;
  }

  /** FdbFlag bits. */
  flags(slot: number): number {
    const hot = this.entries[(slot << Entry.SHIFT) + Entry.HIGH_PORT_FLAGS] & Entry.FLAGS_MASK;
    return hot | this.aside[(slot << Aside.SHIFT) + Aside.FLAGS];
  }

  isLocal(slot: number): boolean {
    return (this.entries[(slot << Entry.SHIFT) + Entry.HIGH_PORT_FLAGS] & FdbFlag.LOCAL) !== 0;
  }

  isStatic(slot: number): boolean {
    return (this.entries[(slot << Entry.SHIFT) + Entry.HIGH_PORT_FLAGS] & FdbFlag.STATIC) !== 0;
  }

  isExpired(slot: number, now: number): boolean {
    const at = slot << Entry.SHIFT;
    const idleMs = (now - this.entries[at + Entry.UPDATED]) | 0;
    return idleMs > this.ageing[this.entries[at + Entry.DOMAIN] >>> 12] && !this.isStatic(slot);
  }

  /** Notes that a frame was forwarded to this station. */
  touch(slot: number, now: number): void {
    const at = (slot << Aside.SHIFT) + Aside.USED;
    if (((now - this.aside[at]) | 0) > this.refreshMs) this.aside[at] = now;
  }

  /** A frame from this address came in by `port`. `slot` is what `find` said. */
  learn(slot: number, near: number, low: number, high: number, domain: number, port: number, now: number): Learned {
    if (slot === NONE) return this.insert(near, low, high, domain, port, 0, now);
    const at = slot << Entry.SHIFT;
    if (this.port(slot) === port) {
      if (((now - this.entries[at + Entry.UPDATED]) | 0) > this.refreshMs) this.entries[at + Entry.UPDATED] = now;
      return Learned.KNOWN;
    }
    return this.move(slot, port, now);
  }

  /** Adds an address that is not in the table. */
  insert(near: number, low: number, high: number, domain: number, port: number, flags: number, now: number): Learned {
    // Only what is learned by itself counts against limits of learning.
    const isLearned = (flags & (FdbFlag.STATIC | FdbFlag.ADDED_BY_USER)) === 0;
    if (isLearned && !this.mayLearn(port, domain >>> 12, now)) return Learned.REFUSED;
    if (this.size >= this.capacity && !this.evict(port)) return Learned.REFUSED;
    let slot = near & ~LINE;
    for (let probe = 0; this.entries[(slot << Entry.SHIFT) + Entry.DOMAIN] !== 0; probe++) {
      if (probe === MAX_PROBE) return Learned.REFUSED;
      slot = (slot + 1) & this.mask;
    }
    const at = slot << Entry.SHIFT;
    this.entries[at + Entry.LOW] = low;
    this.entries[at + Entry.HIGH_PORT_FLAGS] = high | (port << Entry.PORT_SHIFT) | (flags & Entry.FLAGS_MASK);
    this.entries[at + Entry.DOMAIN] = domain;
    this.entries[at + Entry.UPDATED] = now;
    this.aside[(slot << Aside.SHIFT) + Aside.USED] = now;
    this.aside[(slot << Aside.SHIFT) + Aside.FLAGS] = flags & ~Entry.FLAGS_MASK;
    this.append(slot);
    this.size++;
    return Learned.NEW;
  }

  /** Removes an entry; entries behind it may change their slot. */
  remove(slot: number): void {
    this.unlink(slot);
    this.size--;
    const { entries, mask } = this;
    let hole = slot;
    for (let next = (hole + 1) & mask; entries[(next << Entry.SHIFT) + Entry.DOMAIN] !== 0; next = (next + 1) & mask) {
      const at = next << Entry.SHIFT;
      const high = entries[at + Entry.HIGH_PORT_FLAGS] & 0xffff;
      const home = this.home(entries[at], high, entries[at + Entry.DOMAIN]);
      // It may fill the hole unless its home lies between the hole (exclusive) and itself.
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        this.relocate(next, hole);
        hole = next;
      }
    }
    entries[(hole << Entry.SHIFT) + Entry.DOMAIN] = 0;
  }

  /** Forgets the learned stations of a port, or with `isStatic` its static ones. Returns how many. */
  flushPort(port: number, isStatic: boolean): number {
    const list = port * 2 + (isStatic ? 1 : 0);
    let removed = 0;
    for (; this.oldest[list] !== 0; removed++) this.remove(this.oldest[list] - 1);
    return removed;
  }

  /**
   * Gives back the slots of expired stations, looking at no more than `budget` slots; goes on where the last call
   * stopped. Returns true when it has come round to the first slot.
   */
  sweep(now: number, budget: number): boolean {
    for (let i = 0; i < budget; i++) {
      const at = this.sweepAt << Entry.SHIFT;
      if (this.entries[at + Entry.DOMAIN] !== 0 && this.isExpired(this.sweepAt, now)) {
        this.remove(this.sweepAt);
        continue;
      }
      this.sweepAt = (this.sweepAt + 1) & this.mask;
      if (this.sweepAt === 0) return true;
    }
    return false;
  }

  /** Fills in the station of a slot; false if the slot is free. */
  read(slot: number, out: Station): boolean {
    const at = slot << Entry.SHIFT;
    const domain = this.entries[at + Entry.DOMAIN];
    if (domain === 0) return false;
    out.low = this.entries[at];
    out.high = this.entries[at + Entry.HIGH_PORT_FLAGS] & 0xffff;
    out.flags = this.flags(slot);
    out.bridge = domain >>> 12;
    out.vlan = domain & 0xfff;
    out.port = this.port(slot);
    out.updated = this.entries[at + Entry.UPDATED];
    out.used = this.aside[(slot << Aside.SHIFT) + Aside.USED];
    return true;
  }

  private move(slot: number, port: number, now: number): Learned {
    const keeps = FdbFlag.LOCAL | FdbFlag.STICKY;
    const low = this.entries[slot << Entry.SHIFT];
    const word = this.entries[(slot << Entry.SHIFT) + Entry.HIGH_PORT_FLAGS];
    const domain = this.entries[(slot << Entry.SHIFT) + Entry.DOMAIN];
    const isExpired = this.isExpired(slot, now);
    if ((word & keeps) !== 0 && !isExpired) return Learned.KEPT;
    const isStatic = (word & FdbFlag.STATIC) !== 0;
    if (!isStatic && !this.mayLearnOnPort(port, now)) return Learned.REFUSED;
    const high = word & 0xffff;
    // A station that gave way may have shifted this one.
    const moved = this.find(this.home(low, high, domain), low, high, domain);
    const at = moved << Entry.SHIFT;
    this.unlink(moved);
    // One that comes back after its time is a new station: what a command said of the old one is over.
    const flags = isExpired ? 0 : word & Entry.FLAGS_MASK;
    if (isExpired) this.aside[(moved << Aside.SHIFT) + Aside.FLAGS] = 0;
    this.entries[at + Entry.HIGH_PORT_FLAGS] = high | (port << Entry.PORT_SHIFT) | flags;
    this.entries[at + Entry.UPDATED] = now;
    this.append(moved);
    return Learned.MOVED;
  }

  private mayLearn(port: number, bridge: number, now: number): boolean {
    const limit = this.limitOfBridge[bridge];
    if (limit !== 0 && this.learnedOfBridge[bridge] >= limit) return false;
    return this.mayLearnOnPort(port, now);
  }

  /** At its limit a port may still replace a station that has expired. */
  private mayLearnOnPort(port: number, now: number): boolean {
    if (this.limit[port] === 0 || this.learned[port] < this.limit[port]) return true;
    const oldest = this.oldest[port * 2] - 1;
    if (oldest === NONE || !this.isExpired(oldest, now)) return false;
    this.remove(oldest);
    return true;
  }

  /** Makes room for a station of `port`; false if there are only static entries. */
  private evict(port: number): boolean {
    const own = this.learned[port];
    if (own !== this.most && this.learned[this.largest] !== this.most) this.findLargest();
    if (this.most === 0) return false;
    this.remove(this.longestSilent(own === this.most ? port : this.largest));
    this.evicted++;
    return true;
  }

  /** Stations have left the largest port since it was found: looks at all ports, some 3 µs for 4,096. */
  private findLargest(): void {
    for (let i = 0; i < this.learned.length; i++) {
      if (this.learned[i] > this.learned[this.largest]) this.largest = i;
    }
    this.most = this.learned[this.largest];
  }

  /** The longest silent of the first few of a port's list; the others go to the list's end. */
  private longestSilent(port: number): number {
    let victim = this.oldest[port * 2] - 1;
    for (let i = 1; i < EVICTION_SAMPLE; i++) {
      const other = this.aside[(victim << Aside.SHIFT) + Aside.NEWER] - 1;
      if (other === NONE) break;
      const fresher = ((this.updated(other) - this.updated(victim)) | 0) < 0 ? victim : other;
      if (fresher === victim) victim = other;
      this.unlink(fresher);
      this.append(fresher);
    }
    return victim;
  }

  private updated(slot: number): number {
    return this.entries[(slot << Entry.SHIFT) + Entry.UPDATED];
  }

  private listOf(slot: number): number {
    return this.port(slot) * 2 + (this.isStatic(slot) ? 1 : 0);
  }

  private append(slot: number): void {
    const list = this.listOf(slot);
    const last = this.newest[list];
    this.setOlder(slot, last);
    this.setNewer(slot, 0);
    this.newest[list] = slot + 1;
    if (last === 0) this.oldest[list] = slot + 1;
    else this.setNewer(last - 1, slot + 1);
    if ((list & 1) === 0) this.countLearned(slot, 1);
  }

  private unlink(slot: number): void {
    const list = this.listOf(slot);
    const older = this.aside[(slot << Aside.SHIFT) + Aside.OLDER];
    const newer = this.aside[(slot << Aside.SHIFT) + Aside.NEWER];
    if (older === 0) this.oldest[list] = newer;
    else this.setNewer(older - 1, newer);
    if (newer === 0) this.newest[list] = older;
    else this.setOlder(newer - 1, older);
    if ((list & 1) === 0) this.countLearned(slot, -1);
  }

  private setOlder(slot: number, link: number): void {
    this.aside[(slot << Aside.SHIFT) + Aside.OLDER] = link;
  }

  private setNewer(slot: number, link: number): void {
    this.aside[(slot << Aside.SHIFT) + Aside.NEWER] = link;
  }

  private countLearned(slot: number, by: number): void {
    const port = this.port(slot);
    this.learned[port] += by;
    this.learnedCount += by;
    this.learnedOfBridge[this.entries[(slot << Entry.SHIFT) + Entry.DOMAIN] >>> 12] += by;
    if (by > 0 && this.learned[port] >= this.most) {
      this.most = this.learned[port];
      this.largest = port;
    }
  }

  /** Moves an entry to a free slot, and its neighbours' pointers with it. */
  private relocate(from: number, to: number): void {
    for (let i = 0; i < 4; i++) {
      this.entries[(to << Entry.SHIFT) + i] = this.entries[(from << Entry.SHIFT) + i];
      this.aside[(to << Aside.SHIFT) + i] = this.aside[(from << Aside.SHIFT) + i];
    }
    const list = this.listOf(to);
    const older = this.aside[(to << Aside.SHIFT) + Aside.OLDER];
    const newer = this.aside[(to << Aside.SHIFT) + Aside.NEWER];
    if (older === 0) this.oldest[list] = to + 1;
    else this.setNewer(older - 1, to + 1);
    if (newer === 0) this.newest[list] = to + 1;
    else this.setOlder(newer - 1, to + 1);
  }
}
