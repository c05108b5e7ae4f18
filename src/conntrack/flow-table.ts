/*
 * The hash table of a store of flows: tuple -> flow and direction. Each flow lies in it twice.
 *
 *   slot:  | tag, the hash's low 8 bits | number, 23 | direction, 1 |      0: free; DELETED: free, but the search goes on
 *
 * - Open addressing with linear probing from the slot that the hash's high bits say; between a quarter and half of the slots are in use. The
 *   tag, its low bits, spares looking at rows of other tuples: a look-up costs a line of slots and the row it finds, one that finds nothing
 *   a line of slots.
 * - Sixteen bytes a flow when it is full. It grows by a second table of twice the size that takes over, some slots every few insertions, so
 *   that nobody ever waits for all of them. What was in order stays in order, so that writing it is cheap, and it is moved up to a free slot each
 *   time, so that a tuple's place tells which of the two tables it is in: none is ever looked up in both. When deleted slots take up the
 *   place it is rewritten in the same way.
 * - Probing does not begin anew at the end: there are SPARE slots behind. A run longer than that cannot happen by chance; a tuple that would lie
 *   beyond is not entered, and not found.
 * - It never refuses: there are more slots than rows.
 * - The hash has secret keys, so nobody can choose tuples that meet in one slot.
 * - The zone is part of the key: zone 0 unless the flow's zone counts for that direction.
 *
 * Expired flows are found, too: whoever asks decides.
 */
import { sharedInts } from '../core/memory.js';
import { Flow, type Flows, type Found, KindFlag, Status } from './flows.js';

export const enum TableSlot {
  FREE = 0,
  DELETED = 1,
  TAG_SHIFT = 24,
  TAG_MASK = 0xff000000 | 0,
  FOUND_MASK = 0xffffff,
}

const FIRST_SLOTS = 1 << 13;
const SPARE = 1024;
/** An index that no slot has. */
const BEYOND = 0x7fffffff;
/** Shifted by this, every hash is below BEYOND. */
const IDLE_SHIFT = 2;
/** While it grows, every so many insertions so many slots are moved: two an insertion would just do before the next growth is due. */
const STEP_INSERTIONS = 8;
const STEP = 64;
/** No run of slots in use is longer than that. */
const STEP_MOST = STEP + SPARE;
/** Early drop looks at so many groups of so many slots. */
const EVICTION_RANGE = 8;
const EVICTION_GROUP = 8;

export abstract class FlowTable {
  /** A tuple's place is its hash >>> shift, unless that is `oldAt` or more where it is hash >>> oldShift in `old`. */
  slots: Int32Array = sharedInts(FIRST_SLOTS + SPARE);
  shift = Math.clz32(FIRST_SLOTS) + 1;
  /** The table that is being replaced, and its first slot that has not been moved; while none is: BEYOND. */
  old: Int32Array = new Int32Array(0);
  oldShift = IDLE_SHIFT;
  oldAt = BEYOND;
  /** Tuples in the table. */
  size = 0;
  /** Slots of the new table that are not free, deleted ones included. */
  private used = 0;
  private insertions = 0;

  /** Flows that makeRoom found. */
  private readonly $victims = new Int32Array(EVICTION_GROUP);
  private readonly $moving = new Int32Array(STEP_MOST);
  private readonly $movingHash = new Int32Array(STEP_MOST);

  constructor(readonly flows: Flows) {}

  abstract hash(words: Int32Array, at: number, key: number, zone: number): number;
  /** Whether a row's tuple of a direction is this one. `key`: KIND & KEY_MASK. */
  protected abstract isSame(found: Found, words: Int32Array, at: number, key: number, zone: number): boolean;

  /** Looks up the tuple at words[at]. */
  find(words: Int32Array, at: number, key: number, zone: number): Found {
    return this.findHashed(this.hash(words, at, key, zone), words, at, key, zone);
  }

  findHashed(hash: number, words: Int32Array, at: number, key: number, zone: number): Found {
    const isOld = hash >>> this.oldShift >= this.oldAt;
    const slots = isOld ? this.old : this.slots;
    const tag = hash << TableSlot.TAG_SHIFT;
    for (let i = hash >>> (isOld ? this.oldShift : this.shift); i < slots.length; i++) {
      const slot = slots[i];
      if (slot === TableSlot.FREE) return 0;
      if (((slot ^ tag) & TableSlot.TAG_MASK) !== 0) continue;
      const found = slot & TableSlot.FOUND_MASK;
      if (this.isSame(found, words, at, key, zone)) return found;
    }
    return 0;
  }

  /** The first slot with the hash's tag, or 0; `slot` is that in its place. */
  protected nextSlot(hash: number, slot: number): number {
    if (slot === TableSlot.FREE) return slot;
    const isOld = hash >>> this.oldShift >= this.oldAt;
    const slots = isOld ? this.old : this.slots;
    const tag = hash << TableSlot.TAG_SHIFT;
    for (let i = (hash >>> (isOld ? this.oldShift : this.shift)) + 1; i < slots.length; i++) {
      if (slots[i] === TableSlot.FREE || ((slots[i] ^ tag) & TableSlot.TAG_MASK) === 0) return slots[i];
    }
    return TableSlot.FREE;
  }

  /** The hash of a tuple of a row. */
  private hashOf(index: number, direction: number): number {
    const { words } = this.flows;
    const at = index * this.flows.width;
    const kind = words[at + Flow.KIND];
    const zone = (kind & (KindFlag.ZONE_ORIGINAL << direction)) === 0 ? 0 : words[at + Flow.STATUS] >>> Flow.ZONE_SHIFT;
    return this.hash(words, this.flows.tuple(at, direction), kind & Flow.KEY_MASK, zone);
  }

  /** Enters one tuple of a row. */
  insert(index: number, direction: number): void {
    this.insertHashed(this.hashOf(index, direction), index, direction);
  }

  insertHashed(hash: number, index: number, direction: number): void {
    if (this.oldAt === BEYOND) {
      if (this.used >= this.slots.length >> 1) this.renew();
    } else if (++this.insertions % STEP_INSERTIONS === 0) this.step(STEP);
    const found = (index << 1) | direction;
    if (hash >>> this.oldShift >= this.oldAt) place(this.old, hash >>> this.oldShift, hash, found);
    else this.used += place(this.slots, hash >>> this.shift, hash, found);
    this.size++;
  }

  /** Takes a tuple of a row out. */
  remove(index: number, direction: number): void {
    const hash = this.hashOf(index, direction);
    const slot = (hash << TableSlot.TAG_SHIFT) | (index << 1) | direction;
    const isOld = hash >>> this.oldShift >= this.oldAt;
    const slots = isOld ? this.old : this.slots;
    this.size--;
    const at = locate(slots, hash >>> (isOld ? this.oldShift : this.shift), slot);
    if (at < 0) return;
    const freed = clear(slots, at, isOld ? this.oldAt : 0);
    if (!isOld) this.used -= freed;
  }

  /** Begins to move to a new table: of twice the size, unless deleted slots are what fills this one. */
  private renew(): void {
    const slots = this.slots.length - SPARE;
    this.old = this.slots;
    this.oldShift = this.shift;
    this.oldAt = 0;
    const next = this.size > slots >> 2 ? slots * 2 : slots;
    this.slots = sharedInts(next + SPARE);
    this.shift = Math.clz32(next) + 1;
    this.used = 0;
  }

  /** Whether it is moving: `step` has something to do. */
  get isMoving(): boolean {
    return this.oldAt !== BEYOND;
  }

  /** Moves what is in the next `budget` slots of the old table, and in those up to the next free one. */
  step(budget: number): void {
    for (let left = budget; left > 0 && this.oldAt !== BEYOND; left -= STEP) this.move(this.old);
    if (this.oldAt !== BEYOND || this.old.length === 0) return;
    this.old = new Int32Array(0);
    this.oldShift = IDLE_SHIFT;
  }

  /** Reads all rows first: their cache misses overlap. */
  private move(old: Int32Array): void {
    const { $moving, $movingHash } = this;
    const end = Math.min(this.oldAt + STEP, old.length);
    let at = this.oldAt;
    let n = 0;
    for (; at < end || (at < old.length && old[at] !== TableSlot.FREE && n < STEP_MOST); at++) {
      const found = old[at] & TableSlot.FOUND_MASK;
      if (found > TableSlot.DELETED) $moving[n++] = found;
    }
    for (let i = 0; i < n; i++) $movingHash[i] = this.hashOf($moving[i] >>> 1, $moving[i] & 1);
    for (let i = 0; i < n; i++) {
      this.used += place(this.slots, $movingHash[i] >>> this.shift, $movingHash[i], $moving[i]);
    }
    this.oldAt = at === old.length ? BEYOND : at;
  }

  /**
   * Early drop: of the slots from `hash` on, looks for a group with flows that may go: of this namespace and not assured. Answers how many;
   * their indexes are in `victim`.
   */
  findVictims(hash: number, namespace: number): number {
    const isOld = hash >>> this.oldShift >= this.oldAt;
    const slots = isOld ? this.old : this.slots;
    const home = hash >>> (isOld ? this.oldShift : this.shift);
    for (let group = 0; group < EVICTION_RANGE; group++) {
      const count = this.victimsFrom(slots, home + group * EVICTION_GROUP, namespace);
      if (count !== 0) return count;
    }
    return 0;
  }

  private victimsFrom(slots: Int32Array, from: number, namespace: number): number {
    let count = 0;
    for (let i = from; i < from + EVICTION_GROUP; i++) {
      const index = (slots[i] & TableSlot.FOUND_MASK) >>> 1;
      if (index === 0 || !this.mayGo(index, namespace)) continue;
      let known = 0;
      while (known < count && this.$victims[known] !== index) known++;
      if (known === count) this.$victims[count++] = index;
    }
    return count;
  }

  private mayGo(index: number, namespace: number): boolean {
    const at = index * this.flows.width;
    const kind = this.flows.words[at + Flow.KIND];
    if (((kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK) !== namespace) return false;
    return (this.flows.words[at + Flow.STATUS] & (Status.ASSURED | Status.DYING)) === 0;
  }

  victim(i: number): number {
    return this.$victims[i];
  }
}

/** Enters a tuple in the first slot from its place on that has none. Answers how many free slots that takes. */
function place(slots: Int32Array, home: number, hash: number, found: Found): number {
  let i = home;
  while (i < slots.length && (slots[i] & ~TableSlot.DELETED) !== 0) i++;
  if (i === slots.length) return 0;
  const taken = slots[i] === TableSlot.FREE ? 1 : 0;
  slots[i] = (hash << TableSlot.TAG_SHIFT) | found;
  return taken;
}

/** Where a slot's value is, or -1. */
function locate(slots: Int32Array, home: number, value: number): number {
  for (let i = home; i < slots.length; i++) {
    if (slots[i] === value) return i;
    if (slots[i] === TableSlot.FREE) return -1;
  }
  return -1;
}

/** Frees a slot, and deleted ones before it, no further than `from`, where the search ends behind them. Answers how many became free. */
function clear(slots: Int32Array, at: number, from: number): number {
  slots[at] = TableSlot.DELETED;
  if (at + 1 < slots.length && slots[at + 1] !== TableSlot.FREE) return 0;
  let freed = 0;
  for (let i = at; i >= from && slots[i] === TableSlot.DELETED; i--) {
    slots[i] = TableSlot.FREE;
    freed++;
  }
  return freed;
}
