/*
 * Longest-prefix match for IPv6: many tables, one pool. As Lpm4, with these differences:
 *
 *   small table   node of 8 bits ─► SKIP ─► node ─► ...           an address is a node or two deep, not sixteen
 *   large table   the same, and for 2000::/3 a wide root of 2^13 entries for its first 16 bits, from 64 KiB of nodes on
 *
 * - Most nodes have few entries: lists of up to 16 marks instead of bitmaps save half of all memory. Half an Internet
 *   table (80,075 prefixes) takes 10.3 bytes a prefix if they share some thousand values, 12.3 if each has its own.
 *   With plain 16-entry nodes it would be 59, with bitmaps only 25.
 * - A burst goes through the four levels behind the wide root together, a loop for the marks of all and one for the
 *   entries of all. What has SKIPs or lies deeper, a few in a hundred, is looked up one by one.
 *
 * The wide root took away two of five levels on average, and with them an eighth of the time: they are in the cache
 * anyway. Sorting nodes into those with bitmaps and those with lists before counting marks was slower than a branch,
 * and reading all covers in a loop of its own gained nothing.
 */
import { BURST } from '../core/arena.js';
import { Leaf, Node, PrefixNodes, poolOf, Ref } from './prefix-nodes.js';
import { PrefixTrie, slotOf, Wide } from './prefix-trie.js';
import type { WordPool } from './word-pool.js';

const NONE = -1;

/** Words of a table, a block of the pool; its place there is the table's number. */
const enum Table {
  /** The node of the first 8 bits, or 0. */
  ROOT = 1,
  /** The block of the wide root, of 2000::/3, or 0: then the nodes know that part, too. */
  WIDE = 2,
  /** The value of ::/0, or 0. */
  DEFAULT = 3,
  /** Words of the nodes below ROOT. */
  SIZE = 4,
  WORDS = 5,
}

/** A table whose nodes take more words than this gets a wide root, of 32 KiB. */
const NARROW_WORDS = 16_384;
const WIDE_FIRST = 0x2000;
const WIDE_ENTRIES = 0x2000;
/** The bits that the wide root's addresses have in common. */
const WIDE_LENGTH = 3;
/** Bytes. */
const DEFAULT_CAPACITY = 64 << 20;
const VALUE_SHIFT = Leaf.VALUE_SHIFT;
/** The most marks of a list: in IPv6's tables most nodes have few, and a list is a third of a bitmap. */
const LIST_MARKS = 16;
const ADDRESS_WORDS = 4;
/** Levels below the wide root that a burst goes through together. */
const KEY_LEVELS = 4;

/** The look-ups over one pool. As functions in a closure they have the arrays as constants. */
function compile(nodes: PrefixNodes): Pick<Lpm6, 'lookup' | 'lookupBurst'> {
  const { words } = nodes;
  const { find, locate, entryAt } = nodes.finder;
  const $address = new Int32Array(ADDRESS_WORDS);
  const $frame = new Int32Array(BURST);
  const $node = new Int32Array(BURST);
  const $place = new Int32Array(BURST);
  /** The bits of four levels behind the wide root. */
  const $key = new Int32Array(BURST);
  const $best = new Int32Array(BURST);

  function walk(table: number, keys: Int32Array, from: number): number {
    const wide = words[table + Table.WIDE];
    const first = keys[from];
    const isWide = wide !== 0 && first >>> 29 === 1;
    let best = words[table + Table.DEFAULT] << VALUE_SHIFT;
    let entry = isWide ? words[wide + Wide.ENTRIES + (first >>> 16) - WIDE_FIRST] : words[table + Table.ROOT];
    for (let level = isWide ? Wide.LEVEL : 0; entry < 0; level++) {
      const cover = words[(entry & Ref.AT) + Node.COVER];
      if (cover !== 0) best = cover;
      if ((entry & (Ref.SKIP | Ref.LIST)) === Ref.SKIP) {
        const levels = nodes.levelsOf(entry);
        if (nodes.matching(entry, level, keys, from) < levels) return best >> VALUE_SHIFT;
        level += levels;
        // Below a SKIP there is always a node, and it has no cover.
        entry = words[nodes.placeAfter(entry)];
      }
      entry = find(entry, slotOf(keys, from, level));
    }
    return (entry !== 0 ? entry : best) >> VALUE_SHIFT;
  }

  function lookup(table: number, a: number, b: number, c: number, d: number): number {
    $address[0] = a;
    $address[1] = b;
    $address[2] = c;
    $address[3] = d;
    return walk(table, $address, 0);
  }

  /** The wide root's answers, to $best; returns for how many a node knows more, noted in $frame, $node and $key. */
  function readRoot(table: number, addresses: Int32Array, n: number): number {
    const entries = words[table + Table.WIDE] + Wide.ENTRIES - WIDE_FIRST;
    const otherwise = words[table + Table.DEFAULT];
    let deeper = 0;
    for (let i = 0; i < n; i++) {
      const first = addresses[i * ADDRESS_WORDS];
      if (first >>> 29 !== 1) {
        $best[i] = walk(table, addresses, i * ADDRESS_WORDS);
        continue;
      }
      const entry = words[entries + (first >>> 16)];
      $best[i] = entry > 0 ? entry >> VALUE_SHIFT : otherwise;
      $frame[deeper] = i;
      $node[deeper] = entry;
      $key[deeper] = (first << 16) | (addresses[i * ADDRESS_WORDS + 1] >>> 16);
      deeper += entry >>> 31;
    }
    return deeper;
  }

  /**
   * The covers of `n` nodes, and where the entries lie. A short loop, so that the processor overlaps the misses of
   * many.
   */
  function locateAll(table: number, addresses: Int32Array, n: number): void {
    for (let i = 0; i < n; i++) {
      const frame = $frame[i];
      const node = $node[i];
      const cover = words[(node & Ref.AT) + Node.COVER] >> VALUE_SHIFT;
      if ((node & (Ref.SKIP | Ref.LIST)) === Ref.SKIP) {
        $best[frame] = walk(table, addresses, frame * ADDRESS_WORDS);
        $place[i] = NONE;
        continue;
      }
      $best[frame] = cover | ($best[frame] & ((cover - 1) >> 31));
      $place[i] = locate(node, $key[i] >>> 24);
    }
  }

  /**
   * The entries of `n` nodes: leaves are answers, children take the nodes' place. Returns how many children there
   * are.
   */
  function readAll(n: number): number {
    let deeper = 0;
    for (let i = 0; i < n; i++) {
      const frame = $frame[i];
      const entry = entryAt($node[i], $place[i]);
      const key = $key[i];
      $best[frame] = entry > 0 ? entry >> VALUE_SHIFT : $best[frame];
      $frame[deeper] = frame;
      $node[deeper] = entry;
      $key[deeper] = key << 8;
      deeper += entry >>> 31;
    }
    return deeper;
  }

  function lookupBurst(table: number, addresses: Int32Array, out: Int32Array, n: number): void {
    if (words[table + Table.WIDE] === 0) {
      for (let i = 0; i < n; i++) out[i] = walk(table, addresses, i * ADDRESS_WORDS);
      return;
    }
    let active = readRoot(table, addresses, n);
    for (let step = 0; step < KEY_LEVELS && active > 0; step++) {
      locateAll(table, addresses, active);
      active = readAll(active);
    }
    // Few prefixes are longer than 48 bits.
    for (let i = 0; i < active; i++) $best[$frame[i]] = walk(table, addresses, $frame[i] * ADDRESS_WORDS);
    for (let i = 0; i < n; i++) out[i] = $best[i];
  }

  return { lookup, lookupBurst };
}

export class Lpm6 {
  private readonly pool: WordPool;
  private readonly nodes: PrefixNodes;
  private readonly words: Int32Array;
  private readonly trie: PrefixTrie;

  /** The value of the longest prefix of an address, 0 if there is none. */
  readonly lookup: (table: number, a: number, b: number, c: number, d: number) => number;
  /** The values for the first `n` addresses, of four words each; at most BURST. */
  readonly lookupBurst: (table: number, addresses: Int32Array, out: Int32Array, n: number) => void;

  /** `capacity`: bytes that tables may use, at most 128 MiB; removals may use as much again. */
  constructor(capacity = DEFAULT_CAPACITY) {
    this.pool = poolOf(capacity);
    this.nodes = new PrefixNodes(this.pool, LIST_MARKS);
    this.trie = new PrefixTrie(this.nodes, true, WIDE_FIRST, WIDE_ENTRIES);
    this.words = this.pool.words;
    const { lookup, lookupBurst } = compile(this.nodes);
    this.lookup = lookup;
    this.lookupBurst = lookupBurst;
  }

  /** A table without a prefix, or -1 if there is no room. */
  createTable(): number {
    const table = this.pool.allocate(Table.WORDS, 0, false);
    if (table === 0) return NONE;
    this.words.fill(0, table + Table.ROOT, table + Table.WORDS);
    return table;
  }

  /** Gives all its memory back; a full table takes some milliseconds. */
  removeTable(table: number): void {
    const root = this.words[table + Table.ROOT];
    const wide = this.words[table + Table.WIDE];
    if (root !== 0) this.nodes.releaseAll(root);
    if (wide !== 0) this.trie.releaseWide(wide);
    this.pool.release(table, Table.WORDS);
  }

  /** Enters a prefix, or gives it another value (1 ... 2^24 - 1). False: there is no room, nothing has changed. */
  insert(table: number, a: number, b: number, c: number, d: number, length: number, value: number): boolean {
    const { words, trie } = this;
    const wide = words[table + Table.WIDE];
    if (length === 0) {
      words[table + Table.DEFAULT] = value;
      return true;
    }
    this.setKey(a, b, c, d);
    if (wide !== 0 && trie.isWide() && length >= WIDE_LENGTH) return trie.insertWide(wide, length, value);
    const used = this.pool.used;
    const isDone = trie.insert(table + Table.ROOT, 0, length, value);
    // It may cover the wide root's part as well.
    if (isDone && wide !== 0 && length < WIDE_LENGTH) trie.insertWide(wide, length, value);
    words[table + Table.SIZE] += this.pool.used - used;
    if (wide === 0 && words[table + Table.SIZE] > NARROW_WORDS) this.widen(table);
    return isDone;
  }

  /**
   * Takes a prefix out. The caller knows the next shorter prefix that covers it: its value and length, or 0 and 0
   * if there is none.
   */
  remove(
    table: number,
    a: number,
    b: number,
    c: number,
    d: number,
    length: number,
    coverValue: number,
    coverLength: number,
  ): void {
    const { words, trie } = this;
    const wide = words[table + Table.WIDE];
    if (length === 0) {
      words[table + Table.DEFAULT] = 0;
      return;
    }
    this.setKey(a, b, c, d);
    const isWide = wide !== 0 && (trie.isWide() || length < WIDE_LENGTH);
    if (!isWide || length < WIDE_LENGTH) {
      const used = this.pool.used;
      trie.remove(table + Table.ROOT, 0, length, coverValue, coverLength);
      words[table + Table.SIZE] += this.pool.used - used;
    }
    if (isWide && !trie.removeWide(wide, length, coverValue, coverLength)) {
      trie.releaseWide(wide);
      words[table + Table.WIDE] = 0;
    }
  }

  private widen(table: number): void {
    const { words } = this;
    const wide = this.trie.widen(table + Table.ROOT);
    if (wide === 0) return;
    const root = words[table + Table.ROOT];
    words[table + Table.WIDE] = wide;
    words[table + Table.SIZE] = root === 0 ? 0 : this.nodes.weigh(root);
  }

  /** Bytes that tables use now. */
  get usedBytes(): number {
    return this.pool.used * 4;
  }

  /** Bytes from the pool's start to the last one in use: what memory the process spends. */
  get extentBytes(): number {
    return this.pool.extent * 4;
  }

  private setKey(a: number, b: number, c: number, d: number): void {
    const { $key } = this.trie;
    $key[0] = a;
    $key[1] = b;
    $key[2] = c;
    $key[3] = d;
  }
}
