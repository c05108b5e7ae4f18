/*
 * What the tables of both families have in common: many of them in one pool, each a block of a few words whose place
 * is the table's number.
 *
 *   | tag | node of the first level, or 0 | wide root or hash, or 0 | value of the default prefix, or 0 | words |
 */
import { PrefixNodes, poolOf } from './prefix-nodes.js';
import { PrefixTrie } from './prefix-trie.js';
import type { WordPool } from './word-pool.js';

const NONE = -1;
/** Bytes. */
export const DEFAULT_CAPACITY = 64 << 20;

/** Words of a table. */
export const enum Table {
  ROOT = 1,
  /** The block of IPv4's wide root or IPv6's hash, or 0. */
  TOP = 2,
  /** The value of the prefix of length 0, or 0. */
  DEFAULT = 3,
  /** Words of all nodes and of TOP. */
  SIZE = 4,
  WORDS = 5,
}

/** How a family's nodes look. */
export interface Style {
  /** Whether a lone deep prefix gets a SKIP. */
  hasSkips: boolean;
  /** The most marks of a LIST. */
  listMarks: number;
  /** A node may take so many times the room of its shortest form to be DIRECT, */
  directFactor: number;
  /** if its table takes more words than this. */
  largeWords: number;
}

export abstract class PrefixTables {
  protected readonly pool: WordPool;
  protected readonly nodes: PrefixNodes;
  protected readonly trie: PrefixTrie;
  protected readonly words: Int32Array;

  /** `capacity`: bytes that tables may use, at most 128 MiB; removals may use as much again. */
  constructor(
    capacity: number,
    private readonly style: Style,
  ) {
    this.pool = poolOf(capacity);
    this.nodes = new PrefixNodes(this.pool, style.listMarks, style.directFactor);
    this.trie = new PrefixTrie(this.nodes, style.hasSkips);
    this.words = this.pool.words;
  }

  /** Gives back the wide root or hash with all below it. */
  protected abstract releaseTop(top: number): void;

  /** A table without a prefix, or -1 if there is no room. */
  createTable(): number {
    const table = this.pool.allocate(Table.WORDS, 0, false);
    if (table === 0) return NONE;
    this.words.fill(0, table + Table.ROOT, table + Table.WORDS);
    return table;
  }

  /** Gives all its memory back, at once. */
  removeTable(table: number): void {
    const root = this.words[table + Table.ROOT];
    const top = this.words[table + Table.TOP];
    if (root !== 0) this.nodes.releaseAll(root);
    if (top !== 0) this.releaseTop(top);
    this.pool.release(table, Table.WORDS);
  }

  /** Before a change: says which forms nodes may have, and returns how many words tables take. */
  protected start(table: number): number {
    const { pool, nodes } = this;
    const isLarge = this.words[table + Table.SIZE] > this.style.largeWords;
    // When tables take half of what they may, room counts for more than time.
    nodes.mayBeDirect = isLarge && pool.used < pool.limit / 2;
    return pool.used;
  }

  /** After a change; `used` is what `start` returned. */
  protected finish(table: number, used: number): void {
    this.words[table + Table.SIZE] += this.pool.used - used;
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
