/*
 * Nodes of a compressed trie of 8 bits a level, for longest-prefix match. A node stands for 256 slots; what lies in a
 * slot is
 *
 *   0                       nothing: the node's `cover` holds, or that of a node above
 *   value << 5 | depth - 1  a leaf: the longest prefix of this level that covers the slot, `depth` bits into the
 *   level < 0                     a child, for what has prefixes longer than this level
 *
 * The depth is what makes changes local: a new prefix takes the slots whose leaf is not longer than itself, and an
 * old one gives back those that are as long. What a slot with a child has itself lies in the child's `cover`. So a
 * change touches one node and the covers of its children, whatever is above or below.
 *
 * A node is a block of the pool in the shortest of eight forms, or in a ninth that is longer and faster. Which one,
 * the pointer to it tells (Ref), so that a look-up does not read the tag:
 *
 *   BITMAP  | tag | cover | marks before each 32 slots, 8 bytes | 256 bits | entries ... | children ... |
 *   LIST    | tag | cover | up to 4, 8, 12 or 16 marks, a byte each        | entries ... | children ... |
 *   DIRECT  | tag | cover | 256 entries | children ... |
 *
 * - EXACT: an entry for each marked slot; the others are empty. RUNS: an entry for each run of equal slots; marks are
 *   where runs start, but for the first, less 1. So in both forms an entry's number is the count of marks below the
 *   slot.
 * - WIDE entries are words as above. NARROW ones have 16 bits: value << 3 | depth - 1 for values below 8,160, and
 *   from 0xff00 on the number of a child, whose pointer lies behind the entries. So a router whose prefixes share a
 *   few thousand routes needs little more than half the room of one that gives every prefix a value of its own.
 * - DIRECT has a NARROW entry for each slot, so that a look-up counts nothing and loads once. Large tables have it
 *   where it takes no more than `directFactor` times the room of the shortest form, and never when the pool is half
 *   full.
 * - SKIP, for IPv6, stands for two levels or more where there is one way only:
 *
 *   SKIP    | tag: levels | cover | child | key: the address words it lies in, 0 outside of these levels |
 *
 * A change unpacks the node into runs, edits these and packs them anew. Only the most frequent one, a new prefix in a
 * large node, writes its slots if that is DIRECT, or else moves the entries behind it (`splice`); every sixteenth of
 * the latter unpacks all the same, to look whether another form is better by now.
 *
 * No room: whatever adds says so and leaves all as it was. What removes cannot fail: it may draw on the pool's
 * reserve, which is as large as what may be used, and a node that must become WIDE, because a prefix with a high
 * value comes to light, no more than doubles.
 */
import { Tag, WordPool } from './word-pool.js';

/** A pointer to a node. */
export const enum Ref {
  /** Its block. */
  AT = (1 << 26) - 1,
  /** Else it is EXACT. */
  RUNS = 1 << 26,
  /** Else it is NARROW. */
  WIDE = 1 << 27,
  /** Else it has a BITMAP, or is a SKIP. */
  LIST = 1 << 28,
  RUNS_SHIFT = 26,
  LIST_SHIFT = 28,
  WIDE_SHIFT = 27,
  /** Of a LIST: its words of marks - 1. */
  LIST_WORDS_SHIFT = 29,
  LIST_WORDS_MASK = 3,
  /** Of what is no LIST. */
  SKIP = 1 << 29,
  SKIP_SHIFT = 29,
  DIRECT = 1 << 30,
  /** The bits from here on are those of IS_DIRECT in a DIRECT, and in no other. */
  DIRECT_SHIFT = 28,
  IS_DIRECT = -4,
  NODE = 1 << 31,
}

export const enum Node {
  COVER = 1,
  /** The marks of a LIST. */
  LIST = 2,
  RANKS = 2,
  BITMAP = 4,
  BITMAP_ENTRIES = 12,
  DIRECT_ENTRIES = 2,

  /** Tag: entries, and children << 9. */
  ENTRIES_MASK = 0x1ff,
  CHILDREN_SHIFT = 9,
}

const enum Skip {
  CHILD = 2,
  KEY = 3,
  /** Tag: levels, and words of the key << 5. */
  LEVELS_MASK = 0x1f,
  KEY_SHIFT = 5,
}

export const enum Leaf {
  VALUE_SHIFT = 5,
  DEPTH_MASK = 31,
  /** Of a NARROW one. */
  NARROW_SHIFT = 3,
  NARROW_VALUES = 8160,
  NARROW_CHILD = 0xff00,
}

/** Bytes that tables may use: pointers have room for twice as much. */
const MAX_CAPACITY = 128 << 20;
const SLOTS = 256;
/** Slots of a word of a bitmap. */
const GROUP = 32;
const TOP_BITS = 0x80808080 | 0;

/** A pool of which tables may use `capacity` bytes, at most MAX_CAPACITY, and removals as much again. */
export function poolOf(capacity: number): WordPool {
  const limit = Math.min(capacity, MAX_CAPACITY) >> 2;
  return new WordPool(2 * limit, limit);
}

/** How many of four bytes are less than the byte in all of `slots`. */
export function bytesBelow(bytes: number, slots: number): number {
  const notLess = ((bytes | TOP_BITS) - (slots & ~TOP_BITS)) | 0;
  const atLeast = (bytes & ~slots) | (~(bytes ^ slots) & notLess);
  return Math.imul((~atLeast & TOP_BITS) >>> 7, 0x01010101) >>> 24;
}

/** Bits set in a word. */
export function bitCount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  x = (x + (x >>> 4)) & 0x0f0f0f0f;
  return Math.imul(x, 0x01010101) >>> 24;
}

export function leaf(value: number, depth: number): number {
  return (value << Leaf.VALUE_SHIFT) | (depth - 1);
}

/** A narrow entry that is no child as a word. */
export function widen(entry: number): number {
  return ((entry & ~7) << (Leaf.VALUE_SHIFT - Leaf.NARROW_SHIFT)) | (entry & 7);
}

/** A word that is no child as a narrow entry. */
function narrowed(entry: number): number {
  return ((entry >>> (Leaf.VALUE_SHIFT - Leaf.NARROW_SHIFT)) & ~7) | (entry & 7);
}

/** The bits of the i-th address word that belong to levels `level` to `end`. */
function levelMask(i: number, level: number, end: number): number {
  const head = i === level >> 2 ? -1 >>> ((level & 3) << 3) : -1;
  return i === (end - 1) >> 2 ? head & (-1 << (24 - (((end - 1) & 3) << 3))) : head;
}

/** Runs of equal slots, in order: where each starts and what lies there. */
class Runs {
  readonly start = new Int32Array(SLOTS + 2);
  readonly entry = new Int32Array(SLOTS + 2);
  count = 0;

  push(start: number, entry: number): void {
    const { count } = this;
    if (count > 0 && this.entry[count - 1] === entry) return;
    this.start[count] = start;
    this.entry[count] = entry;
    this.start[count + 1] = SLOTS;
    this.count = count + 1;
  }

  /** One entry in a range and nothing elsewhere. */
  setOnly(slot: number, end: number, entry: number): void {
    this.count = 0;
    if (slot > 0) this.push(0, 0);
    this.push(slot, entry);
    if (end < SLOTS) this.push(end, 0);
  }

  /** Whether nothing lies in any slot. */
  get isEmpty(): boolean {
    return this.count === 1 && this.entry[0] === 0;
  }
}

/** What happens to the slots of a range. */
const enum Edit {
  /** A prefix comes: `entry` takes the place of leaves not longer than `depth`. */
  ADD,
  /** A prefix goes: `entry` takes the place of leaves of this `depth`. */
  TAKE,
  /** `entry` takes the place of whatever is there. */
  SET,
}

function edited(edit: Edit, old: number, entry: number, depth: number): number {
  if (edit === Edit.SET) return entry;
  if (old < 0) return old;
  const oldDepth = old === 0 ? 0 : (old & Leaf.DEPTH_MASK) + 1;
  return (edit === Edit.ADD ? oldDepth <= depth : oldDepth === depth) ? entry : old;
}

/** The marks of the node at hand. */
const $marks = new Int32Array(SLOTS);

export class PrefixNodes {
  readonly words: Int32Array;
  readonly halves: Uint16Array;
  readonly bytes: Uint8Array;
  readonly finder: Finder;
  /** Whether nodes that are packed from now on may be DIRECT; the table's size decides. */
  mayBeDirect = false;
  private readonly $old = new Runs();
  private readonly $new = new Runs();
  /** What `measure` found best. */
  private $form = 0;
  private $size = 0;
  private $entries = 0;
  private $children = 0;

  /**
   * `listMarks`: with how many marks a LIST may be, at most 16; `directFactor`: so many times the room of its
   * shortest form a node may take to be DIRECT.
   */
  constructor(
    readonly pool: WordPool,
    private readonly listMarks: number,
    private readonly directFactor: number,
  ) {
    const { buffer, byteOffset, length } = pool.words;
    this.words = pool.words;
    this.halves = new Uint16Array(buffer, byteOffset, length * 2);
    this.bytes = new Uint8Array(buffer, byteOffset, length * 4);
    this.finder = compileFinder(this);
  }

  /** What lies in a slot of a node: 0, a leaf or a child. */
  find(node: number, slot: number): number {
    return this.finder.find(node, slot);
  }

  /** Where in `words` the pointer to the child in a slot lies. */
  place(node: number, slot: number): number {
    const at = this.finder.locate(node, slot);
    return (node & Ref.WIDE) !== 0 ? at : this.childAt(node & Ref.AT, this.entriesAt(node), this.halves[at]);
  }

  /** Enters a prefix into the slots from `slot` to `end` of the node at `words[place]`. False: there is no room. */
  add(place: number, slot: number, end: number, entry: number): boolean {
    const depth = (entry & Leaf.DEPTH_MASK) + 1;
    if (this.splice(place, slot, end, entry, depth)) return true;
    this.edit(this.words[place], Edit.ADD, slot, end, entry, depth);
    if (!this.replace(place, false)) return false;
    this.coverChildren(Edit.ADD, slot, end, entry, depth);
    return true;
  }

  /**
   * Takes a prefix out of a range; `entry`, 0 or a leaf, is what covers it in this level. False: the node is empty
   * now and still there.
   */
  take(place: number, slot: number, end: number, depth: number, entry: number): boolean {
    this.edit(this.words[place], Edit.TAKE, slot, end, entry, depth);
    this.coverChildren(Edit.TAKE, slot, end, entry, depth);
    if (this.$new.isEmpty) return false;
    this.replace(place, true);
    return true;
  }

  /** Puts a child into one slot; its cover is the caller's. False: there is no room. */
  adopt(place: number, slot: number, child: number): boolean {
    this.edit(this.words[place], Edit.SET, slot, slot + 1, child, 0);
    return this.replace(place, false);
  }

  /** Puts a leaf, or 0, where a child was. False: the node is empty now and still there. */
  orphan(place: number, slot: number, entry: number): boolean {
    this.edit(this.words[place], Edit.SET, slot, slot + 1, entry, 0);
    if (this.$new.isEmpty) return false;
    this.replace(place, true);
    return true;
  }

  /**
   * Gives the node at `words[place]`, and those below it to so many levels, the form that is best now: a change gives
   * it only to the node that it is about.
   */
  refresh(place: number, levels: number): void {
    const { words } = this;
    if (!this.isSkip(words[place]) && !(this.isDirect(words[place]) && this.mayBeDirect)) {
      this.edit(words[place], Edit.SET, 0, 0, 0, 0);
      this.replace(place, false);
    }
    const node = words[place];
    if (levels === 1 || this.isSkip(node)) return;
    const end = (node & Ref.AT) + this.sizeOf(node);
    for (let i = this.firstPointer(node); i < end; i++) if (words[i] < 0) this.refresh(i, levels - 1);
  }

  /** A new node with one entry in a range; 0: there is no room. */
  create(cover: number, slot: number, end: number, entry: number): number {
    this.$new.setOnly(slot, end, entry);
    this.measure();
    return this.pack(cover, 0, false);
  }

  /** A new SKIP over `levels` levels from `level` on, where the address is that of `key`; 0: there is no room. */
  createSkip(cover: number, level: number, levels: number, key: Int32Array, child: number): number {
    const first = level >> 2;
    const last = (level + levels - 1) >> 2;
    const size = last - first + 1;
    const block = this.pool.allocate(Skip.KEY + size, levels | (size << Skip.KEY_SHIFT), false);
    if (block === 0) return 0;
    this.words[block + Node.COVER] = cover;
    this.words[block + Skip.CHILD] = child;
    for (let i = first; i <= last; i++) {
      this.words[block + Skip.KEY + i - first] = key[i] & levelMask(i, level, level + levels);
    }
    return Ref.NODE | Ref.SKIP | block;
  }

  isDirect(node: number): boolean {
    return node >> Ref.DIRECT_SHIFT === Ref.IS_DIRECT;
  }

  isSkip(node: number): boolean {
    return (node & (Ref.SKIP | Ref.LIST)) === Ref.SKIP;
  }

  levelsOf(skip: number): number {
    return this.words[skip & Ref.AT] & Skip.LEVELS_MASK;
  }

  /** Where in `words` the pointer to what comes after a SKIP lies. */
  placeAfter(skip: number): number {
    return (skip & Ref.AT) + Skip.CHILD;
  }

  /** How many of its levels a SKIP that starts at `level` has in common with the address at `keys[from]`. */
  matching(skip: number, level: number, keys: Int32Array, from: number): number {
    const levels = this.levelsOf(skip);
    const end = level + levels;
    let at = (skip & Ref.AT) + Skip.KEY;
    for (let i = level >> 2; i <= (end - 1) >> 2; i++) {
      const difference = (this.words[at++] ^ keys[from + i]) & levelMask(i, level, end);
      if (difference !== 0) return 4 * i + (Math.clz32(difference) >> 3) - level;
    }
    return levels;
  }

  /** The address words of a SKIP, to `key`. */
  readKey(skip: number, level: number, key: Int32Array): void {
    const at = (skip & Ref.AT) + Skip.KEY - (level >> 2);
    const end = level + this.levelsOf(skip);
    for (let i = level >> 2; i <= (end - 1) >> 2; i++) key[i] = this.words[at + i];
  }

  /** Gives back a node, not its children. */
  release(node: number): void {
    this.pool.release(node & Ref.AT, this.sizeOf(node));
  }

  /** Gives back a node with all below it. */
  releaseAll(node: number): void {
    if (this.isSkip(node)) {
      this.releaseAll(this.words[(node & Ref.AT) + Skip.CHILD]);
    } else {
      const end = (node & Ref.AT) + this.sizeOf(node);
      for (let i = this.firstPointer(node); i < end; i++) {
        if (this.words[i] < 0) this.releaseAll(this.words[i]);
      }
    }
    this.release(node);
  }

  cover(node: number): number {
    return this.words[(node & Ref.AT) + Node.COVER];
  }

  setCover(node: number, entry: number): void {
    this.words[(node & Ref.AT) + Node.COVER] = entry;
  }

  /** What becomes of an entry in which a prefix comes (`isComing`) or goes; a child's cover changes in its place. */
  changed(old: number, isComing: boolean, entry: number, depth: number): number {
    const edit = isComing ? Edit.ADD : Edit.TAKE;
    if (old >= 0) return edited(edit, old, entry, depth);
    this.setCover(old, edited(edit, this.cover(old), entry, depth));
    return old;
  }

  private sizeOf(node: number): number {
    const tag = this.pool.tag(node & Ref.AT);
    if (this.isSkip(node)) return Skip.KEY + (tag >>> Skip.KEY_SHIFT);
    const entries = tag & Node.ENTRIES_MASK;
    const head = this.entriesAt(node) - (node & Ref.AT);
    return head + ((node & Ref.WIDE) !== 0 ? entries : ((entries + 1) >> 1) + (tag >>> Node.CHILDREN_SHIFT));
  }

  private entriesAt(node: number): number {
    const at = node & Ref.AT;
    if (this.isDirect(node)) return at + Node.DIRECT_ENTRIES;
    if ((node & Ref.LIST) === 0) return at + Node.BITMAP_ENTRIES;
    return at + Node.LIST + 1 + ((node >>> Ref.LIST_WORDS_SHIFT) & Ref.LIST_WORDS_MASK);
  }

  private childAt(at: number, entries: number, entry: number): number {
    const count = this.words[at] & Node.ENTRIES_MASK;
    return entries + ((count + 1) >> 1) + (entry & 0xff);
  }

  /** Where in a node the words start that may be pointers to children: these are negative. */
  private firstPointer(node: number): number {
    const entries = this.entriesAt(node);
    if ((node & Ref.WIDE) !== 0) return entries;
    return entries + (((this.pool.tag(node & Ref.AT) & Node.ENTRIES_MASK) + 1) >> 1);
  }

  /** The i-th entry of a node. */
  private entry(node: number, entries: number, i: number): number {
    if ((node & Ref.WIDE) !== 0) return this.words[entries + i];
    const entry = this.halves[(entries << 1) + i];
    return entry < Leaf.NARROW_CHILD ? widen(entry) : this.words[this.childAt(node & Ref.AT, entries, entry)];
  }

  /**
   * The short way to add a prefix to a large node: where all slots have entries they are written; where it takes no
   * more than a part of one run, or one empty slot, the entries behind move up. False: it is not that simple, or the
   * node might by now be shorter in another form.
   */
  private splice(place: number, slot: number, end: number, entry: number, depth: number): boolean {
    const node = this.words[place];
    if ((node & Ref.LIST) !== 0) return false;
    if ((node & Ref.WIDE) === 0 && entry >>> Leaf.VALUE_SHIFT >= Leaf.NARROW_VALUES) return false;
    if (this.isDirect(node)) return this.writeSlots(node, slot, end, entry, depth);
    return (node & Ref.RUNS) !== 0
      ? this.spliceRun(place, slot, end, entry, depth)
      : end - slot === 1 && this.spliceSlot(place, slot, entry);
  }

  private writeSlots(direct: number, slot: number, end: number, entry: number, depth: number): boolean {
    const { halves } = this;
    const entries = ((direct & Ref.AT) + Node.DIRECT_ENTRIES) << 1;
    for (let i = entries + slot; i < entries + end; i++) if (halves[i] >= Leaf.NARROW_CHILD) return false;
    const narrow = narrowed(entry);
    for (let i = entries + slot; i < entries + end; i++) {
      // A longer prefix has a higher depth, and an empty slot is 0.
      if ((halves[i] & 7) < depth) halves[i] = narrow;
    }
    return true;
  }

  private spliceSlot(place: number, slot: number, entry: number): boolean {
    const node = this.words[place];
    if (this.isMarked(node, slot)) return false;
    const rank = this.marksBelow(node, slot);
    if (!this.stretch(place, rank, 1)) return false;
    this.mark(this.words[place], slot);
    this.setEntry(this.words[place], rank, entry);
    return true;
  }

  private spliceRun(place: number, slot: number, end: number, entry: number, depth: number): boolean {
    const node = this.words[place];
    const entries = this.entriesAt(node);
    const rank = this.marksBelow(node, slot);
    const old = this.entry(node, entries, rank);
    if (old < 0 || edited(Edit.ADD, old, entry, depth) !== entry || this.marksBelow(node, end - 1) !== rank)
      return false;
    const hasLeft = slot > 0 && !this.isMarked(node, slot - 1);
    const hasRight = end < SLOTS && !this.isMarked(node, end - 1);
    // Next to a run with the same entry it would become a part of that.
    if (!hasLeft && slot > 0 && this.entry(node, entries, rank - 1) === entry) return false;
    if (!hasRight && end < SLOTS && this.entry(node, entries, rank + 1) === entry) return false;
    const more = (hasLeft ? 1 : 0) + (hasRight ? 1 : 0);
    if (more > 0 && !this.stretch(place, rank, more)) return false;
    const fresh = this.words[place];
    if (hasLeft) this.mark(fresh, slot - 1);
    if (hasRight) this.mark(fresh, end - 1);
    const at = rank + (hasLeft ? 1 : 0);
    if (hasLeft) this.setEntry(fresh, rank, old);
    this.setEntry(fresh, at, entry);
    if (hasRight) this.setEntry(fresh, at + 1, old);
    return true;
  }

  private isMarked(bitmap: number, slot: number): boolean {
    return ((this.words[(bitmap & Ref.AT) + Node.BITMAP + (slot >>> 5)] >>> slot) & 1) !== 0;
  }

  private marksBelow(bitmap: number, slot: number): number {
    const at = bitmap & Ref.AT;
    const bits = this.words[at + Node.BITMAP + (slot >>> 5)];
    return bitCount(bits & ((1 << slot) - 1)) + this.bytes[((at + Node.RANKS) << 2) + (slot >>> 5)];
  }

  private mark(bitmap: number, slot: number): void {
    const at = bitmap & Ref.AT;
    this.words[at + Node.BITMAP + (slot >>> 5)] |= 1 << slot;
    for (let group = (slot >>> 5) + 1; group < SLOTS / GROUP; group++) this.bytes[((at + Node.RANKS) << 2) + group]++;
  }

  /** Writes the i-th entry, which is no child. */
  private setEntry(bitmap: number, i: number, entry: number): void {
    const at = (bitmap & Ref.AT) + Node.BITMAP_ENTRIES;
    if ((bitmap & Ref.WIDE) !== 0) this.words[at + i] = entry;
    else this.halves[(at << 1) + i] = narrowed(entry);
  }

  /**
   * Makes room for `more` entries at the rank-th place of a bitmap. False: there is none, or it is time to look for a
   * better form.
   */
  private stretch(place: number, rank: number, more: number): boolean {
    const { words } = this;
    const node = words[place];
    const old = node & Ref.AT;
    const count = words[old] & Node.ENTRIES_MASK;
    if ((count + more) >> 4 !== count >> 4) return false;
    const size = this.sizeOf(node);
    const isWide = (node & Ref.WIDE) !== 0;
    const grown = size + (isWide ? more : ((count + more + 1) >> 1) - ((count + 1) >> 1));
    const tag = this.pool.tag(old) + more;
    const block = grown === size ? old : this.pool.allocate(grown, tag, false);
    if (block === 0) return false;
    if (block === old) words[old] += more;
    else for (let i = Node.COVER; i < Node.BITMAP_ENTRIES; i++) words[block + i] = words[old + i];
    if (isWide) this.moveWords(old, block, rank, count, more);
    else this.moveHalves(old, block, rank, count, more);
    words[place] = (node & ~Ref.AT) | block;
    if (block !== old) this.pool.release(old, size);
    return true;
  }

  private moveWords(old: number, block: number, rank: number, count: number, more: number): void {
    const { words } = this;
    const from = old + Node.BITMAP_ENTRIES;
    const to = block + Node.BITMAP_ENTRIES;
    for (let i = count - 1; i >= rank; i--) words[to + more + i] = words[from + i];
    if (to !== from) for (let i = 0; i < rank; i++) words[to + i] = words[from + i];
  }

  /** Also the children, which lie behind. */
  private moveHalves(old: number, block: number, rank: number, count: number, more: number): void {
    const { words, halves } = this;
    const from = (old + Node.BITMAP_ENTRIES) << 1;
    const to = (block + Node.BITMAP_ENTRIES) << 1;
    for (let i = count - 1; i >= rank; i--) halves[to + more + i] = halves[from + i];
    if (to === from) return;
    for (let i = 0; i < rank; i++) halves[to + i] = halves[from + i];
    const children = (words[old] & Tag.OWNER) >>> Node.CHILDREN_SHIFT;
    const oldChildren = (from >> 1) + ((count + 1) >> 1);
    const newChildren = (to >> 1) + ((count + more + 1) >> 1);
    for (let i = 0; i < children; i++) words[newChildren + i] = words[oldChildren + i];
  }

  /** The runs of a node, to $old. */
  private unpack(node: number): void {
    const { $old } = this;
    const entries = this.entriesAt(node);
    $old.count = 0;
    if (this.isDirect(node)) {
      for (let slot = 0; slot < SLOTS; slot++) $old.push(slot, this.entry(node, entries, slot));
      return;
    }
    const marks = this.readMarks(node);
    if ((node & Ref.RUNS) !== 0) {
      $old.push(0, this.entry(node, entries, 0));
      for (let i = 0; i < marks; i++) $old.push($marks[i] + 1, this.entry(node, entries, i + 1));
      return;
    }
    let end = 0;
    for (let i = 0; i < marks; i++) {
      const slot = $marks[i];
      if (slot > end) $old.push(end, 0);
      $old.push(slot, this.entry(node, entries, i));
      end = slot + 1;
    }
    if (end < SLOTS) $old.push(end, 0);
  }

  /** The marks of a node, to $marks; returns how many. */
  private readMarks(node: number): number {
    const at = node & Ref.AT;
    if ((node & Ref.LIST) === 0) return this.readBits(at + Node.BITMAP);
    const isRuns = (node & Ref.RUNS) !== 0 ? 1 : 0;
    const count = (this.words[at] & Node.ENTRIES_MASK) - isRuns;
    const from = (at + Node.LIST) << 2;
    for (let i = 0; i < count; i++) $marks[i] = this.bytes[from + i];
    return count;
  }

  private readBits(at: number): number {
    let count = 0;
    for (let start = 0; start < SLOTS; start += GROUP) {
      for (let bits = this.words[at + start / GROUP]; bits !== 0; bits &= bits - 1) {
        $marks[count++] = start + 31 - Math.clz32(bits & -bits);
      }
    }
    return count;
  }

  /** The runs of `node` as they are after an edit, to $new. */
  private edit(node: number, edit: Edit, slot: number, end: number, entry: number, depth: number): void {
    this.unpack(node);
    const { $old, $new } = this;
    $new.count = 0;
    for (let i = 0; i < $old.count; i++) {
      const from = $old.start[i];
      const to = $old.start[i + 1];
      const old = $old.entry[i];
      if (to <= slot || from >= end) {
        $new.push(from, old);
        continue;
      }
      if (from < slot) $new.push(from, old);
      $new.push(Math.max(from, slot), edited(edit, old, entry, depth));
      if (to > end) $new.push(end, old);
    }
  }

  /** The same edit on the covers of the children in a range of $old. */
  private coverChildren(edit: Edit, slot: number, end: number, entry: number, depth: number): void {
    const { $old } = this;
    for (let i = 0; i < $old.count; i++) {
      const child = $old.entry[i];
      if (child >= 0 || $old.start[i] < slot || $old.start[i] >= end) continue;
      this.setCover(child, edited(edit, this.cover(child), entry, depth));
    }
  }

  /** Packs $new in place of the node at `words[place]`. */
  private replace(place: number, isUrgent: boolean): boolean {
    const node = this.words[place];
    const size = this.sizeOf(node);
    this.measure();
    const fresh = this.pack(this.cover(node), size === this.$size ? node & Ref.AT : 0, isUrgent);
    if (fresh === 0 && this.mayBeDirect) {
      // There may still be room for a shorter form.
      this.mayBeDirect = false;
      return this.replace(place, isUrgent);
    }
    if (fresh === 0) return false;
    this.words[place] = fresh;
    if (size !== this.$size) this.pool.release(node & Ref.AT, size);
    return true;
  }

  /** Finds the form for $new. */
  private measure(): void {
    const { $new } = this;
    let [slots, children, highest] = [0, 0, 0];
    for (let i = 0; i < $new.count; i++) {
      const entry = $new.entry[i];
      if (entry === 0) continue;
      slots += $new.start[i + 1] - $new.start[i];
      if (entry < 0) children++;
      else if (entry > highest) highest = entry;
    }
    this.$size = Infinity;
    this.$children = children;
    const mayBeNarrow = highest >>> Leaf.VALUE_SHIFT < Leaf.NARROW_VALUES;
    this.consider(Ref.RUNS, $new.count - 1, $new.count, mayBeNarrow);
    this.consider(0, slots, slots, mayBeNarrow);
    if (this.mayBeDirect && mayBeNarrow) this.considerDirect();
  }

  private considerDirect(): void {
    const size = Node.DIRECT_ENTRIES + SLOTS / 2 + this.$children;
    if (size > this.directFactor * this.$size) return;
    this.$size = size;
    this.$entries = SLOTS;
    this.$form = Ref.DIRECT;
  }

  /** Takes a form if it is shorter than the one known. */
  private consider(form: number, marks: number, entries: number, mayBeNarrow: boolean): void {
    const list = marks === 0 ? 1 : (marks + 3) >> 2;
    const isList = marks <= this.listMarks;
    const head = isList ? Node.LIST + list : Node.BITMAP_ENTRIES;
    const narrow = mayBeNarrow ? ((entries + 1) >> 1) + this.$children : Infinity;
    const size = head + Math.min(narrow, entries);
    if (size >= this.$size) return;
    this.$size = size;
    this.$entries = entries;
    this.$form =
      form | (isList ? Ref.LIST | ((list - 1) << Ref.LIST_WORDS_SHIFT) : 0) | (narrow < entries ? 0 : Ref.WIDE);
  }

  /** $new as a node in the form that was chosen, in block `at` or, if that is 0, in a new one. */
  private pack(cover: number, at: number, isUrgent: boolean): number {
    const { words, $form, $size } = this;
    const tag = this.$entries | (($form & Ref.WIDE) !== 0 ? 0 : this.$children << Node.CHILDREN_SHIFT);
    const block = at !== 0 ? at : this.pool.allocate($size, tag, isUrgent);
    if (block === 0) return 0;
    if (at !== 0) words[at] = (words[at] & Tag.AFTER_FREE) | tag;
    words[block + Node.COVER] = cover;
    const node = Ref.NODE | $form | block;
    this.writeEntries(node);
    return node;
  }

  private writeEntries(node: number): void {
    const { $new } = this;
    const at = this.entriesAt(node);
    const isRuns = (node & Ref.RUNS) !== 0;
    const isDirect = this.isDirect(node);
    let marks = 0;
    let entries = 0;
    let children = at + ((this.$entries + 1) >> 1);
    const firstChild = children;
    for (let i = 0; i < $new.count; i++) {
      const entry = $new.entry[i];
      const start = $new.start[i];
      const end = isRuns ? start + 1 : entry === 0 && !isDirect ? start : $new.start[i + 1];
      for (let slot = start; slot < end; slot++) {
        if (!isRuns) $marks[marks++] = slot;
        else if (i > 0) $marks[marks++] = slot - 1;
        if ((node & Ref.WIDE) !== 0) this.words[at + entries] = entry;
        else if (entry >= 0) this.halves[(at << 1) + entries] = narrowed(entry);
        else {
          this.halves[(at << 1) + entries] = Leaf.NARROW_CHILD | (children - firstChild);
          this.words[children++] = entry;
        }
        entries++;
      }
    }
    if (!isDirect) this.writeMarks(node, marks);
  }

  private writeMarks(node: number, marks: number): void {
    const at = node & Ref.AT;
    if ((node & Ref.LIST) === 0) {
      this.writeBits(at, marks);
      return;
    }
    const from = (at + Node.LIST) << 2;
    const room = (this.entriesAt(node) - at - Node.LIST) << 2;
    // What pads a list must not count as below any slot it could be looked up for, or not change what is found.
    const pad = (node & Ref.RUNS) !== 0 ? 255 : $marks[marks - 1];
    for (let i = 0; i < room; i++) this.bytes[from + i] = i < marks ? $marks[i] : pad;
  }

  private writeBits(at: number, marks: number): void {
    let next = 0;
    for (let group = 0; group < SLOTS / GROUP; group++) {
      this.bytes[((at + Node.RANKS) << 2) + group] = next;
      let bits = 0;
      for (; next < marks && $marks[next] < (group + 1) * GROUP; next++) bits |= 1 << $marks[next];
      this.words[at + Node.BITMAP + group] = bits;
    }
  }
}

/** The steps of a look-up, for the functions that do many. */
export interface Finder {
  /** What lies in a slot of a node: 0, a leaf or a child. */
  find(node: number, slot: number): number;
  /**
   * The first half of `find`: where a slot's entry is, counted in words, in a NARROW node in half words; -1: there is
   * none.
   */
  locate(node: number, slot: number): number;
  /** The second half. */
  entryAt(node: number, place: number): number;
}

/** Made for one set of nodes: V8 then has the arrays as constants, which halves the time of a look-up. */
function compileFinder({ words, halves, bytes }: Omit<PrefixNodes, 'finder'>): Finder {
  /** Of a list, all four words, whether they are the list's or not: their number changes in no order. */
  function locateInList(node: number, slot: number): number {
    const list = (node & Ref.AT) + Node.LIST;
    const more = (node >>> Ref.LIST_WORDS_SHIFT) & Ref.LIST_WORDS_MASK;
    const entries = list + 1 + more;
    const slots = Math.imul(slot, 0x01010101);
    const rank =
      bytesBelow(words[list], slots) +
      (bytesBelow(words[list + 1], slots) & ((0 - more) >> 31)) +
      (bytesBelow(words[list + 2], slots) & ((1 - more) >> 31)) +
      (bytesBelow(words[list + 3], slots) & ((2 - more) >> 31));
    const mark = (list << 2) + rank;
    const isMarked = ((mark - (entries << 2)) & ((bytes[mark] ^ slot) - 1)) >> 31;
    const isRuns = 0 - ((node >>> Ref.RUNS_SHIFT) & 1);
    return ((entries << (((node >>> Ref.WIDE_SHIFT) & 1) ^ 1)) + rank) | ~(isMarked | isRuns);
  }

  function locateInBitmap(node: number, slot: number): number {
    const at = node & Ref.AT;
    const group = slot >>> 5;
    const bits = words[at + Node.BITMAP + group];
    const rank = bitCount(bits & ((1 << slot) - 1)) + bytes[((at + Node.RANKS) << 2) + group];
    const miss = (((bits >>> slot) | (node >>> Ref.RUNS_SHIFT)) & 1) - 1;
    return (((at + Node.BITMAP_ENTRIES) << (((node >>> Ref.WIDE_SHIFT) & 1) ^ 1)) + rank) | miss;
  }

  function locate(node: number, slot: number): number {
    if (node >> Ref.DIRECT_SHIFT === Ref.IS_DIRECT) return (((node & Ref.AT) + Node.DIRECT_ENTRIES) << 1) + slot;
    return (node & Ref.LIST) !== 0 ? locateInList(node, slot) : locateInBitmap(node, slot);
  }

  function childOf(node: number, entry: number): number {
    const at = node & Ref.AT;
    if (node >> Ref.DIRECT_SHIFT === Ref.IS_DIRECT) {
      return words[at + Node.DIRECT_ENTRIES + SLOTS / 2 + (entry & 0xff)];
    }
    const isList = (node & Ref.LIST) !== 0;
    const list = Node.LIST + 1 + ((node >>> Ref.LIST_WORDS_SHIFT) & Ref.LIST_WORDS_MASK);
    const entries = at + (isList ? list : Node.BITMAP_ENTRIES);
    return words[entries + (((words[at] & Node.ENTRIES_MASK) + 1) >> 1) + (entry & 0xff)];
  }

  function entryAt(node: number, place: number): number {
    if (place < 0) return 0;
    if ((node & Ref.WIDE) !== 0) return words[place];
    const entry = halves[place];
    return entry < Leaf.NARROW_CHILD ? widen(entry) : childOf(node, entry);
  }

  return {
    find: (node, slot) => entryAt(node, locate(node, slot)),
    locate,
    entryAt,
  };
}
