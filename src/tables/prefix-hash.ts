/*
 * Entries for exact values of a prefix's first 32 bits: a hash table that grows and shrinks, a block of the pool.
 *
 *   | tag | entries in use | bits | pair to visit next | key | entry | key | entry | ...
 *
 * There are 2^bits pairs; one whose entry is 0 is free.
 *
 * - Open addressing: a pair lies at its place or in one of the next, and what is taken out is closed up, so there are
 *   no tombstones. It is between an eighth and a half full; most look-ups need one pair.
 * - Who adds an entry finds it 0 and must fill it at once, or delete it.
 * - Growing moves all entries. If there is no room to, the table fills up but for one pair.
 */
import type { WordPool } from './word-pool.js';

export const enum Hash {
  COUNT = 1,
  BITS = 2,
  NEXT = 3,
  PAIRS = 4,
  /** 2^32 divided by the golden ratio, odd. */
  FACTOR = 0x9e37_79b1 | 0,
}

const MIN_BITS = 2;

function wordsOf(bits: number): number {
  return Hash.PAIRS + (2 << bits);
}

export class PrefixHash {
  private readonly words: Int32Array;

  constructor(private readonly pool: WordPool) {
    this.words = pool.words;
  }

  /** A table without an entry, or 0: there is no room. */
  create(): number {
    return this.allocate(MIN_BITS);
  }

  /** Where in `words` the entry of a key lies, or 0. */
  find(hash: number, key: number): number {
    const place = this.placeOf(hash, key);
    return this.words[place] !== 0 ? place : 0;
  }

  /**
   * Adds a key, which must not be there. Afterwards `words[holder]`, which holds the table, may hold another one.
   * Returns where the entry lies, or 0: there is no room.
   */
  add(holder: number, key: number): number {
    const { words } = this;
    const count = words[words[holder] + Hash.COUNT] + 1;
    const bits = words[words[holder] + Hash.BITS];
    if (2 * count > 1 << bits && !this.resize(holder, bits + 1) && count === 1 << bits) return 0;
    const hash = words[holder];
    const place = this.placeOf(hash, key);
    words[place - 1] = key;
    words[hash + Hash.COUNT] = count;
    return place;
  }

  /** Deletes the entry at a place. Afterwards `words[holder]` may hold another table, or 0. */
  delete(holder: number, place: number): void {
    const { words } = this;
    const hash = words[holder];
    const bits = words[hash + Hash.BITS];
    const count = --words[hash + Hash.COUNT];
    this.closeUp(hash, place);
    if (count === 0) {
      this.release(hash);
      words[holder] = 0;
    } else if (8 * count < 1 << bits && bits > MIN_BITS) {
      this.resize(holder, bits - 1);
    }
  }

  release(hash: number): void {
    this.pool.release(hash, wordsOf(this.words[hash + Hash.BITS]));
  }

  /** Where the entry after the one at `last`, or the first, lies of those whose key is `key` under `mask`; or 0. */
  next(hash: number, key: number, mask: number, last: number): number {
    const { words } = this;
    const end = this.end(hash);
    for (let place = last === 0 ? hash + Hash.PAIRS + 1 : last + 2; place < end; place += 2) {
      if (words[place] !== 0 && ((words[place - 1] ^ key) & mask) === 0) return place;
    }
    return 0;
  }

  /** Where one entry after the other lies, round and round, a pair at each call; 0: the pair is free. */
  visit(hash: number): number {
    const { words } = this;
    const pair = words[hash + Hash.NEXT] & (this.span(hash) - 1);
    const place = hash + Hash.PAIRS + 2 * pair + 1;
    words[hash + Hash.NEXT] = pair + 1;
    return words[place] !== 0 ? place : 0;
  }

  /** How many pairs `next` looks at in all. */
  span(hash: number): number {
    return 1 << this.words[hash + Hash.BITS];
  }

  private end(hash: number): number {
    return hash + wordsOf(this.words[hash + Hash.BITS]);
  }

  private home(hash: number, key: number): number {
    return hash + Hash.PAIRS + ((Math.imul(key, Hash.FACTOR) >>> (32 - this.words[hash + Hash.BITS])) << 1);
  }

  /** Where the entry of a key lies, or belongs if it is 0. */
  private placeOf(hash: number, key: number): number {
    const { words } = this;
    const end = this.end(hash);
    let at = this.home(hash, key);
    while (words[at + 1] !== 0 && words[at] !== key) {
      at += 2;
      if (at === end) at = hash + Hash.PAIRS;
    }
    return at + 1;
  }

  /** Frees a pair and moves those that lie behind it, and not at their place, up. */
  private closeUp(hash: number, place: number): void {
    const { words } = this;
    const size = 2 << words[hash + Hash.BITS];
    const start = hash + Hash.PAIRS;
    let gap = place - 1;
    words[gap + 1] = 0;
    for (let at = gap; ; ) {
      at = start + ((at + 2 - start) & (size - 1));
      if (words[at + 1] === 0) return;
      const home = this.home(hash, words[at]);
      if (((at - home) & (size - 1)) < ((at - gap) & (size - 1))) continue;
      words[gap] = words[at];
      words[gap + 1] = words[at + 1];
      words[at + 1] = 0;
      gap = at;
    }
  }

  private allocate(bits: number): number {
    const hash = this.pool.allocate(wordsOf(bits), 0, false);
    if (hash === 0) return 0;
    this.words.fill(0, hash + Hash.COUNT, hash + wordsOf(bits));
    this.words[hash + Hash.BITS] = bits;
    return hash;
  }

  private resize(holder: number, bits: number): boolean {
    const { words } = this;
    const old = words[holder];
    const fresh = this.allocate(bits);
    if (fresh === 0) return false;
    words[fresh + Hash.COUNT] = words[old + Hash.COUNT];
    for (let at = old + Hash.PAIRS; at < this.end(old); at += 2) {
      if (words[at + 1] === 0) continue;
      const place = this.placeOf(fresh, words[at]);
      words[place - 1] = words[at];
      words[place] = words[at + 1];
    }
    words[holder] = fresh;
    this.release(old);
    return true;
  }
}
