/*
 * Longest-prefix match for IPv4: many tables, one pool.
 *
 *   small table   node of 8 bits ─► node ─► node ─► node        some 20 bytes each, see prefix-nodes.ts
 *   large table   wide root, 2^16 entries ─► node ─► node       from 128 KiB of nodes on
 *
 * - A fresh namespace's table takes some 180 bytes. Half an Internet table (450,948 prefixes) takes 5.8 bytes a
 *   prefix if they share some thousand values, 8.8 if each has its own; three quarters of the space are entries, a
 *   tenth is the wide root.
 * - A burst goes through in three short loops: wide root, marks, entry. An address costs three or four cache lines,
 *   and the processor overlaps the misses of several addresses.
 * - A table that has a wide root keeps it until it is empty.
 * - Changes cost what prefix-nodes.ts says; a prefix of up to 16 bits also one word for each of the root's entries it
 *   covers, a /1 some 0.2 ms. 0.0.0.0/0 is a word of the table. Getting the wide root takes less than a millisecond,
 *   once.
 *
 * Measured before this was chosen: the half table, random addresses in random prefixes, in bursts of 64, on one core
 * (EPYC, Zen 4, 1 MiB L2).
 *
 *   design                                                       M/s     bytes a prefix
 *   DIR-24-8: 2^24 words                                         125     149
 *   root of 16 bits, two levels of 16 words                      71-86   22
 *   this with bitmaps only and all covers pushed down, narrow    87-93    6.6
 *   the same with 64 slots a count, wide / narrow                60 / 72  9.7 / 6.4
 *   root of 18 bits, 64-bit bitmaps (poptrie-like)               43-50   10.2
 *   root of 16 bits, ranges and binary search (DXR-like)         14-16    9.4
 *   24 marks and their count in one word                         slower    5.5
 *   lists of up to 16 marks                                      slower    5.4
 *
 * A loop that only touches the nodes before the marks are counted, as the FDB has it, gains nothing here: what it
 * saves it costs.
 *
 * Who may call: one thread, which also looks up. When there is no room, `insert` and `createTable` say so and nothing
 * has changed.
 */
import { BURST } from '../core/arena.js';
import { Leaf, Node, PrefixNodes, poolOf, Ref } from './prefix-nodes.js';
import { PrefixTrie, Wide } from './prefix-trie.js';
import type { WordPool } from './word-pool.js';

const NONE = -1;

/** Words of a table, a block of the pool; its place there is the table's number. */
const enum Table {
  /** The node of the first 8 bits, or 0; while there is no wide root. */
  ROOT = 1,
  /** The wide root's block, or 0. */
  WIDE = 2,
  /** The value of 0.0.0.0/0, or 0. */
  DEFAULT = 3,
  /** Words of the nodes below ROOT. */
  SIZE = 4,
  WORDS = 5,
}

/** A table whose nodes take more words than this gets a wide root, of 256 KiB. */
const NARROW_WORDS = 32_768;
const WIDE_ENTRIES = 1 << Wide.BITS;
/** Bytes. */
const DEFAULT_CAPACITY = 64 << 20;
const VALUE_SHIFT = Leaf.VALUE_SHIFT;
/**
 * The most marks of a list: in IPv4's tables most nodes are too large for one, and look-ups are faster if it is of
 * one word.
 */
const LIST_MARKS = 4;

/** The look-ups over one pool. As functions in a closure they have the arrays as constants. */
function compile(nodes: PrefixNodes): Pick<Lpm4, 'lookup' | 'lookupBurst'> {
  const { words, halves, bytes } = nodes;
  const { find, locate, entryAt } = nodes.finder;
  const $key = new Int32Array(BURST);
  const $frame = new Int32Array(BURST);
  const $node = new Int32Array(BURST);
  const $place = new Int32Array(BURST);

  function lookup(table: number, address: number): number {
    let best = words[table + Table.DEFAULT] << VALUE_SHIFT;
    const wide = words[table + Table.WIDE];
    let entry = wide !== 0 ? words[wide + Wide.ENTRIES + (address >>> 16)] : words[table + Table.ROOT];
    let rest = wide !== 0 ? address << 16 : address;
    for (; entry < 0; rest <<= 8) {
      const cover = words[(entry & Ref.AT) + Node.COVER];
      if (cover !== 0) best = cover;
      entry = find(entry, rest >>> 24);
    }
    return (entry !== 0 ? entry : best) >> VALUE_SHIFT;
  }

  /**
   * The wide root's answers. Where a node knows more it notes address, frame and node, and returns how many these
   * are.
   */
  function readRoot(table: number, addresses: Int32Array, out: Int32Array, n: number): number {
    const entries = words[table + Table.WIDE] + Wide.ENTRIES;
    const otherwise = words[table + Table.DEFAULT];
    let deeper = 0;
    for (let i = 0; i < n; i++) {
      const address = addresses[i];
      const entry = words[entries + (address >>> 16)];
      out[i] = entry !== 0 ? entry >> VALUE_SHIFT : otherwise;
      $key[deeper] = address;
      $frame[deeper] = i;
      $node[deeper] = entry;
      deeper += entry >>> 31;
    }
    return deeper;
  }

  /**
   * Where the entries lie. A loop of its own, so that the processor overlaps the misses of many. It is `locate` with
   * the frequent part written out.
   */
  function locateAll(n: number): void {
    for (let i = 0; i < n; i++) {
      const slot = $key[i] >>> 8;
      const node = $node[i];
      if ((node & Ref.LIST) !== 0) {
        $place[i] = locate(node, slot & 0xff);
        continue;
      }
      const at = node & Ref.AT;
      const group = (slot >>> 5) & 7;
      const bits = words[at + Node.BITMAP + group];
      let x = bits & ((1 << slot) - 1);
      x -= (x >>> 1) & 0x55555555;
      x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
      x = (x + (x >>> 4)) & 0x0f0f0f0f;
      const rank = (Math.imul(x, 0x01010101) >>> 24) + bytes[((at + Node.RANKS) << 2) + group];
      const miss = (((bits >>> slot) | (node >>> Ref.RUNS_SHIFT)) & 1) - 1;
      $place[i] = (((at + Node.BITMAP_ENTRIES) << (((node >>> Ref.WIDE_SHIFT) & 1) ^ 1)) + rank) | miss;
    }
  }

  function readNodes(table: number, out: Int32Array, n: number): void {
    for (let i = 0; i < n; i++) {
      const place = $place[i];
      let value = 0;
      if (place >= 0) value = ($node[i] & Ref.WIDE) !== 0 ? words[place] >> VALUE_SHIFT : narrowValue(halves[place]);
      // One comparison for all that is rare: an empty slot, a child.
      out[$frame[i]] = value > 0 ? value : readFurther(table, $node[i], place, $key[i]);
    }
  }

  function narrowValue(entry: number): number {
    return entry < Leaf.NARROW_CHILD ? entry >> 3 : 0;
  }

  function readFurther(table: number, node: number, place: number, address: number): number {
    let entry = entryAt(node, place);
    if (entry < 0) {
      const below = find(entry, address & 0xff);
      entry = below !== 0 ? below : words[(entry & Ref.AT) + Node.COVER];
    }
    if (entry === 0) entry = words[(node & Ref.AT) + Node.COVER];
    return entry !== 0 ? entry >> VALUE_SHIFT : words[table + Table.DEFAULT];
  }

  function lookupBurst(table: number, addresses: Int32Array, out: Int32Array, n: number): void {
    if (words[table + Table.WIDE] === 0) {
      for (let i = 0; i < n; i++) out[i] = lookup(table, addresses[i]);
      return;
    }
    const deeper = readRoot(table, addresses, out, n);
    locateAll(deeper);
    readNodes(table, out, deeper);
  }

  return { lookup, lookupBurst };
}

export class Lpm4 {
  private readonly pool: WordPool;
  private readonly nodes: PrefixNodes;
  private readonly words: Int32Array;
  private readonly trie: PrefixTrie;

  /** The value of the longest prefix of an address, 0 if there is none. */
  readonly lookup: (table: number, address: number) => number;
  /** The values for the first `n` addresses, at most BURST. */
  readonly lookupBurst: (table: number, addresses: Int32Array, out: Int32Array, n: number) => void;

  /** `capacity`: bytes that tables may use, at most 128 MiB; removals may use as much again. */
  constructor(capacity = DEFAULT_CAPACITY) {
    this.pool = poolOf(capacity);
    this.nodes = new PrefixNodes(this.pool, LIST_MARKS);
    this.trie = new PrefixTrie(this.nodes, false, 0, WIDE_ENTRIES);
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
  insert(table: number, prefix: number, length: number, value: number): boolean {
    const { words, trie } = this;
    if (length === 0) {
      words[table + Table.DEFAULT] = value;
      return true;
    }
    trie.$key[0] = prefix;
    if (words[table + Table.WIDE] !== 0) return trie.insertWide(words[table + Table.WIDE], length, value);
    const used = this.pool.used;
    const isDone = trie.insert(table + Table.ROOT, 0, length, value);
    words[table + Table.SIZE] += this.pool.used - used;
    if (words[table + Table.SIZE] > NARROW_WORDS) this.widen(table);
    return isDone;
  }

  /**
   * Takes a prefix out. The caller knows the next shorter prefix that covers it: its value and length, or 0 and 0
   * if there is none.
   */
  remove(table: number, prefix: number, length: number, coverValue: number, coverLength: number): void {
    const { words, trie } = this;
    const wide = words[table + Table.WIDE];
    trie.$key[0] = prefix;
    if (length === 0) {
      words[table + Table.DEFAULT] = 0;
    } else if (wide === 0) {
      const used = this.pool.used;
      trie.remove(table + Table.ROOT, 0, length, coverValue, coverLength);
      words[table + Table.SIZE] += this.pool.used - used;
    } else if (!trie.removeWide(wide, length, coverValue, coverLength)) {
      trie.releaseWide(wide);
      words[table + Table.WIDE] = 0;
    }
  }

  private widen(table: number): void {
    const wide = this.trie.widen(table + Table.ROOT);
    if (wide === 0) return;
    this.words[table + Table.WIDE] = wide;
    this.words[table + Table.SIZE] = 0;
  }

  /** Bytes that tables use now. */
  get usedBytes(): number {
    return this.pool.used * 4;
  }

  /** Bytes from the pool's start to the last one in use: what memory the process spends. */
  get extentBytes(): number {
    return this.pool.extent * 4;
  }
}
