import { BURST } from '../core/arena.js';
import { Leaf, Node, PrefixNodes, Ref } from './prefix-nodes.js';
import { PrefixTrie, Wide } from './prefix-trie.js';
import { WordPool } from './word-pool.js';

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
const VALUE_SHIFT = 4;
/** The most marks of a list: in IPv4's tables most nodes are too large for one, and look-ups are faster if it is of one word. */
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

  /** The wide root's answers. Where a node knows more it notes address, frame and node, and returns how many these are. */
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

  /** Where the entries lie. A loop of its own, without branches, so that the processor overlaps the misses of many. */
  function locateAll(n: number): void {
    for (let i = 0; i < n; i++) $place[i] = locate($node[i], ($key[i] >>> 8) & 0xff);
  }

  function readNodes(table: number, out: Int32Array, n: number): void {
    for (let i = 0; i < n; i++) {
      const place = $place[i];
      let value = 0;
      if (place >= 0)
        value = ($node[i] & Ref.WIDE) !== 0 ? words[place] >> Leaf.VALUE_SHIFT : narrowValue(halves[place]);
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

  /** `capacity`: bytes that tables may use. Removals may use as much again, and never do: see the end of the essay. */
  constructor(capacity = DEFAULT_CAPACITY) {
    this.pool = new WordPool(capacity >> 1, capacity >> 2);
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
