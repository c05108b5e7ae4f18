/*
 * Memory for structures of a few words each: blocks of an exact number of 32-bit words out of one array.
 *
 *   block in use:  | tag | the owner's words ... |      tag: bit 30: the block before it is free; 0 to 29: the owner's
 *   free block:    | FREE + size | next | before | ... | size |
 *
 * - A block costs nothing beside its own words; the pool needs two bits of the first. The owner knows how long its
 *   block is.
 * - Neighbouring free blocks are joined at once (the last word of a free block tells its size, so that the block
 *   behind it finds its start), and what lies free at the end goes back to the untouched rest.
 * - Free blocks lie in lists, one of each size up to LISTS, one for all that are longer. A request takes the shortest
 *   block that fits, so small holes are used up and long ones stay.
 * - `limit` bounds what may be asked for in the ordinary way; requests that must not fail (a removal that needs a
 *   little more room for a while) may use the whole array. When there is no room, `allocate` answers 0, and nothing
 *   has changed.
 */
import { sharedInts } from '../core/memory.js';

export const enum Tag {
  FREE = 1 << 31,
  AFTER_FREE = 1 << 30,
  OWNER = AFTER_FREE - 1,
  SIZE = AFTER_FREE - 1,
}

/** A free block's words. */
const enum Hole {
  SIZE = 0,
  NEXT = 1,
  BEFORE = 2,
  /** So many words a block has at least. */
  WORDS = 4,
}

/** Free blocks of so many words or more share one list. */
const LISTS = 1024;

export class WordPool {
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Words in blocks in use. */
  used = 0;
  /** All behind this is untouched or given back. Block 0 does not exist: 0 stands for none. */
  private top: number = Hole.WORDS;
  private readonly first = new Int32Array(LISTS + 1);
  /** A bit for each list that is not empty. */
  private readonly filled = new Int32Array(LISTS / 32 + 1);

  /** `size` words in all, of which ordinary requests get `limit`. */
  constructor(
    size: number,
    readonly limit: number,
  ) {
    this.words = sharedInts(size);
  }

  /** The words from the start to the last block in use: what has been touched. */
  get extent(): number {
    return this.top;
  }

  /** A block of `size` words with this tag, or 0. Its other words hold anything. */
  allocate(size: number, tag: number, isUrgent: boolean): number {
    const at = this.fit(size);
    if (at !== 0) {
      this.cut(at, size);
    } else if (this.top + size > (isUrgent ? this.words.length : this.limit)) {
      return 0;
    }
    const block = at !== 0 ? at : this.top;
    if (at === 0) this.top += size;
    // A block before it that were free would have been joined to it.
    this.words[block] = tag;
    this.used += size;
    return block;
  }

  /** Gives back a block of `size` words. */
  release(block: number, size: number): void {
    const { words } = this;
    this.used -= size;
    let start = block;
    let end = block + size;
    if ((words[block] & Tag.AFTER_FREE) !== 0) {
      start -= words[block - 1];
      this.unlink(start);
    }
    if (end === this.top) {
      this.top = start;
      return;
    }
    if (words[end] < 0) {
      const next = end;
      end += words[next] & Tag.SIZE;
      this.unlink(next);
    }
    this.link(start, end - start);
    words[end] |= Tag.AFTER_FREE;
  }

  tag(block: number): number {
    return this.words[block] & Tag.OWNER;
  }

  /** The shortest free block that can be cut to `size` words, or 0. */
  private fit(size: number): number {
    if (size < LISTS && this.first[size] !== 0) return this.first[size];
    const list = this.nextFilled(size + Hole.WORDS);
    if (list < LISTS) return this.first[list];
    let block = this.first[LISTS];
    for (; block !== 0; block = this.words[block + Hole.NEXT]) {
      const length = this.words[block] & Tag.SIZE;
      if (length === size || length >= size + Hole.WORDS) break;
    }
    return block;
  }

  /** The first list from this one on that is not empty; LISTS if none of the exact ones. */
  private nextFilled(list: number): number {
    if (list >= LISTS) return LISTS;
    let word = list >> 5;
    let bits = this.filled[word] & (-1 << (list & 31));
    while (bits === 0 && ++word < LISTS / 32) bits = this.filled[word];
    return bits === 0 ? LISTS : (word << 5) + 31 - Math.clz32(bits & -bits);
  }

  /** Takes a free block out of its list and gives back what is longer than `size`. */
  private cut(block: number, size: number): void {
    const { words } = this;
    const length = words[block] & Tag.SIZE;
    this.unlink(block);
    if (length === size) words[block + length] &= ~Tag.AFTER_FREE;
    else this.link(block + size, length - size);
  }

  private link(block: number, size: number): void {
    const { words, first } = this;
    const list = Math.min(size, LISTS);
    const next = first[list];
    words[block + Hole.SIZE] = Tag.FREE | size;
    words[block + Hole.NEXT] = next;
    words[block + Hole.BEFORE] = 0;
    words[block + size - 1] = size;
    if (next !== 0) words[next + Hole.BEFORE] = block;
    first[list] = block;
    this.filled[list >> 5] |= 1 << (list & 31);
  }

  private unlink(block: number): void {
    const { words, first } = this;
    const size = words[block] & Tag.SIZE;
    const list = Math.min(size, LISTS);
    const next = words[block + Hole.NEXT];
    const before = words[block + Hole.BEFORE];
    if (next !== 0) words[next + Hole.BEFORE] = before;
    if (before !== 0) words[before + Hole.NEXT] = next;
    else first[list] = next;
    if (first[list] === 0) this.filled[list >> 5] &= ~(1 << (list & 31));
  }
}
