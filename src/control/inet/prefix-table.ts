/*
 * The routes of one table, compactly: a hash table of prefixes, each with a chain of aliases (routes to the same prefix
 * that differ in metric or next hop), in rows of one Int32Array.
 *
 *   slots[hash(address, length)] ─► alias ─ NEXT ─► alias ─ NEXT ─► 0      rows of words + 4 words:
 *                                                                         address (1 or 4), length, info, next, route
 *
 * What an alias leads to is its `info`, a number that many aliases share; so a route costs 20 bytes (IPv4) or 32 (IPv6)
 * and about 8 bytes of slots, whatever is known about it. An alias's number is given once and never 0; numbers of removed ones are used
 * again. `route` is the row of the FIB that was written for the alias, 0 where another alias or another table won.
 *
 * Nothing is full here before memory is: rows and slots double.
 */

const enum Column {
  LENGTH = 0,
  INFO = 1,
  NEXT = 2,
  ROUTE = 3,
  COUNT = 4,
}

/** LENGTH of a row that holds no alias. */
const FREE = -1;
const FIRST_ROWS = 16;

export class PrefixTable {
  /** Aliases; `prefixes` counts their chains. */
  size = 0;
  prefixes = 0;
  /** Prefixes of each length. */
  readonly counts: Int32Array;
  private rows: Int32Array;
  /** Heads of chains; as many as a power of 2, at most half of them taken. */
  private slots = new Int32Array(FIRST_ROWS * 2);
  private readonly stride: number;
  /** Rows up to here have been given. */
  private end = 1;
  private firstFree = 0;

  /** `words`: of an address, 1 or 4. */
  constructor(readonly words: 1 | 4) {
    this.stride = words + Column.COUNT;
    this.rows = new Int32Array(FIRST_ROWS * this.stride);
    this.counts = new Int32Array(words * 32 + 1);
  }

  get bytes(): number {
    return this.rows.byteLength + this.slots.byteLength;
  }

  // --- an alias -----------------------------------------------------------------------------------

  lengthOf(alias: number): number {
    return this.rows[alias * this.stride + this.words + Column.LENGTH];
  }

  infoOf(alias: number): number {
    return this.rows[alias * this.stride + this.words + Column.INFO];
  }

  setInfo(alias: number, info: number): void {
    this.rows[alias * this.stride + this.words + Column.INFO] = info;
  }

  /** The next alias of the same prefix, 0 after the last. */
  next(alias: number): number {
    return this.rows[alias * this.stride + this.words + Column.NEXT];
  }

  routeOf(alias: number): number {
    return this.rows[alias * this.stride + this.words + Column.ROUTE];
  }

  setRoute(alias: number, route: number): void {
    this.rows[alias * this.stride + this.words + Column.ROUTE] = route;
  }

  /** Copies an alias's address to `key`. */
  loadKey(alias: number, key: Int32Array): void {
    const at = alias * this.stride;
    for (let i = 0; i < this.words; i++) key[i] = this.rows[at + i];
  }

  // --- look-up ------------------------------------------------------------------------------------

  /** The first alias of a prefix, 0 if there is none. */
  find(key: Int32Array, length: number): number {
    return this.counts[length] === 0 ? 0 : this.slots[this.slotOf(key, length)];
  }

  /** Every alias, in no order; what is removed meanwhile may be the alias given. */
  each(take: (alias: number) => void): void {
    for (let alias = 1; alias < this.end; alias++) if (this.lengthOf(alias) !== FREE) take(alias);
  }

  /** The first alias of each prefix, in no order. */
  heads(): Int32Array {
    const heads = new Int32Array(this.prefixes);
    let n = 0;
    for (const head of this.slots) if (head !== 0) heads[n++] = head;
    return heads;
  }

  /** The slot of a prefix, or the empty one where it would be. */
  private slotOf(key: Int32Array, length: number): number {
    const { slots, rows, stride, words } = this;
    const mask = slots.length - 1;
    for (let slot = this.hash(key, 0, length) & mask; ; slot = (slot + 1) & mask) {
      const alias = slots[slot];
      if (alias === 0) return slot;
      const at = alias * stride;
      if (rows[at] !== key[0] || rows[at + words] !== length) continue;
      if (words === 1 || (rows[at + 1] === key[1] && rows[at + 2] === key[2] && rows[at + 3] === key[3])) return slot;
    }
  }

  private hash(of: Int32Array, at: number, length: number): number {
    let h = Math.imul(of[at] ^ Math.imul(length + 1, 0x85ebca6b), 0x9e3779b1);
    for (let i = 1; i < this.words; i++) h = Math.imul((h ^ (h >>> 15)) + of[at + i], 0x9e3779b1);
    h ^= h >>> 15;
    return Math.imul(h, 0x2c1b3c6d) >>> 8;
  }

  // --- change -------------------------------------------------------------------------------------

  /** Adds an alias behind another one of its prefix, or, with `previous` 0, at the head. Answers its number. */
  insert(key: Int32Array, length: number, info: number, previous: number): number {
    const alias = this.allocate();
    const at = alias * this.stride;
    for (let i = 0; i < this.words; i++) this.rows[at + i] = key[i];
    this.rows[at + this.words + Column.LENGTH] = length;
    this.rows[at + this.words + Column.INFO] = info;
    this.rows[at + this.words + Column.ROUTE] = 0;
    this.size++;
    if (previous === 0) this.setHead(key, length, alias);
    else {
      this.setNext(alias, this.next(previous));
      this.setNext(previous, alias);
    }
    return alias;
  }

  private setHead(key: Int32Array, length: number, alias: number): void {
    if ((this.prefixes + 1) * 2 > this.slots.length) this.rehash();
    const slot = this.slotOf(key, length);
    const head = this.slots[slot];
    this.setNext(alias, head);
    this.slots[slot] = alias;
    if (head !== 0) return;
    this.prefixes++;
    this.counts[length]++;
  }

  private setNext(alias: number, next: number): void {
    this.rows[alias * this.stride + this.words + Column.NEXT] = next;
  }

  /** Takes an alias out; its number may be given again. */
  remove(alias: number): void {
    const length = this.lengthOf(alias);
    this.loadKey(alias, $key);
    const slot = this.slotOf($key, length);
    const head = this.slots[slot];
    const next = this.next(alias);
    if (head !== alias) {
      let previous = head;
      while (this.next(previous) !== alias) previous = this.next(previous);
      this.setNext(previous, next);
    } else if (next !== 0) this.slots[slot] = next;
    else {
      this.vacate(slot);
      this.prefixes--;
      this.counts[length]--;
    }
    this.rows[alias * this.stride + this.words + Column.LENGTH] = FREE;
    this.setNext(alias, this.firstFree);
    this.firstFree = alias;
    this.size--;
  }

  /** Empties a slot and moves up those that probing would no longer find behind it. */
  private vacate(slot: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let hole = slot;
    for (let i = (slot + 1) & mask; slots[i] !== 0; i = (i + 1) & mask) {
      const alias = slots[i];
      const home = this.hash(this.rows, alias * this.stride, this.lengthOf(alias)) & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      slots[hole] = alias;
      hole = i;
    }
    slots[hole] = 0;
  }

  private allocate(): number {
    const free = this.firstFree;
    if (free !== 0) {
      this.firstFree = this.next(free);
      return free;
    }
    if ((this.end + 1) * this.stride > this.rows.length) {
      const rows = new Int32Array(this.rows.length * 2);
      rows.set(this.rows);
      this.rows = rows;
    }
    return this.end++;
  }

  private rehash(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 2);
    const mask = this.slots.length - 1;
    for (const head of old) {
      if (head === 0) continue;
      let slot = this.hash(this.rows, head * this.stride, this.lengthOf(head)) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = head;
    }
  }
}

const $key = new Int32Array(4);
