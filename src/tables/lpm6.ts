/*
 * Longest-prefix match for IPv6: many tables, one pool.
 *
 *   prefixes of 32 bits and more   hash of the first 32 bits ─► node of 8 bits ─► node, or SKIP ─► ...
 *   shorter ones                   node of 8 bits ─► node, or SKIP ─► ...
 *
 * - An entry of the hash knows the longest shorter prefix as well, so that an address that it has is never looked up
 *   elsewhere: with addresses in random prefixes 97 of 100. It costs that a prefix shorter than 32 bits visits all
 *   entries below it.
 * - Most nodes have few entries: lists of up to 16 marks instead of bitmaps save half of their memory. From 128 KiB
 *   on nodes become DIRECT where that pays, node by node as in Lpm4. A fresh namespace's table takes some 350 bytes,
 *   half an Internet table (80,075 prefixes) 29.4 bytes a prefix if they share some thousand values: 6.5 are the hash,
 *   a quarter full.
 * - A burst goes through the hash and two levels of nodes together, a loop for the marks of all and one for the
 *   entries of all. What then has no answer (no entry in the hash, a SKIP, more than 48 bits), some 4 in a hundred,
 *   is looked up one by one.
 *
 * The longest operations with the half table, once V8 has compiled them, in milliseconds: a /16 1.0 to
 * 1.7, ::/1 1.3; a change during the load, which includes a larger hash, 0.35; removeTable 1.7.
 *
 * With a wide root for the first 16 bits of 2000::/3 instead of the hash and without DIRECT nodes this reached 15.5
 * M/s; with the hash, and DIRECT nodes for so many times the room of the shortest form, 22 (10 times, 22.7 bytes a
 * prefix), 24.6 (16 times, 29.4 bytes) and 25.6 (24 times, 49.6 bytes). Of 46 ns for an address 10 are the hash, 13
 * each of the two levels, and 6 the few that are looked up one by one.
 */
import { BURST } from '../core/arena.js';
import { Hash, PrefixHash } from './prefix-hash.js';
import { Leaf, leaf, Node, type PrefixNodes, Ref } from './prefix-nodes.js';
import { DEFAULT_CAPACITY, PrefixTables, type Style, Table } from './prefix-tables.js';
import { slotOf } from './prefix-trie.js';

const STYLE: Style = {
  hasSkips: true,
  // Most nodes have few entries, and a list is a third of a bitmap.
  listMarks: 16,
  directFactor: 16,
  // 128 KiB.
  largeWords: 32_768,
};
/** Prefixes of so many bits and more lie in the hash, or below its entries, which are of this level. */
const HASHED = 32;
const HASHED_LEVEL = 4;
const VALUE_SHIFT = Leaf.VALUE_SHIFT;
const ADDRESS_WORDS = 4;
/** Levels below the hash that a burst goes through together. */
const KEY_LEVELS = 2;

/** The look-ups over one pool. As functions in a closure they have the arrays as constants. */
function compile(nodes: PrefixNodes, $address: Int32Array, $value: Int32Array): Pick<Lpm6, 'lookup' | 'lookupBurst'> {
  const { words } = nodes;
  const { find, locate, entryAt } = nodes.finder;
  const $single = new Int32Array(ADDRESS_WORDS);
  const $frame = new Int32Array(BURST);
  const $node = new Int32Array(BURST);
  const $place = new Int32Array(BURST);
  /** The bits of the levels behind the hash. */
  const $key = new Int32Array(BURST);

  /** The entry of the first 32 bits, or 0. */
  function hashed(hash: number, key: number): number {
    if (hash === 0) return 0;
    const bits = words[hash + Hash.BITS];
    const home = Math.imul(key, Hash.FACTOR) >>> (32 - bits);
    return words[hash + Hash.PAIRS + 2 * home] === key
      ? words[hash + Hash.PAIRS + 2 * home + 1]
      : probe(hash, key, home);
  }

  /** The same, if it is not the pair where it belongs. */
  function probe(hash: number, key: number, home: number): number {
    const mask = (1 << words[hash + Hash.BITS]) - 1;
    for (let i = home; ; i = (i + 1) & mask) {
      const entry = words[hash + Hash.PAIRS + 2 * i + 1];
      if (entry === 0 || words[hash + Hash.PAIRS + 2 * i] === key) return entry;
    }
  }

  function walk(table: number, keys: Int32Array, from: number): number {
    const entry = hashed(words[table + Table.TOP], keys[from]);
    const best = words[table + Table.DEFAULT];
    return entry !== 0
      ? descend(entry, HASHED_LEVEL, best, keys, from)
      : descend(words[table + Table.ROOT], 0, best, keys, from);
  }

  /** The value of the longest prefix from an entry of this level on. */
  function descend(top: number, start: number, otherwise: number, keys: Int32Array, from: number): number {
    let best = otherwise << VALUE_SHIFT;
    let entry = top;
    for (let level = start; entry < 0; level++) {
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
    $single[0] = a;
    $single[1] = b;
    $single[2] = c;
    $single[3] = d;
    return walk(table, $single, 0);
  }

  /** 1 for a node, but for a SKIP, which are few. */
  function hasSlots(entry: number): number {
    return (entry >>> 31) & ((entry >>> Ref.LIST_SHIFT) | ~(entry >>> Ref.SKIP_SHIFT));
  }

  /** The hash's answers; returns for how many a node knows more, noted in $frame, $node and $key. */
  function readHash(table: number, n: number): number {
    const hash = words[table + Table.TOP];
    const pairs = hash + Hash.PAIRS;
    const shift = 32 - words[hash + Hash.BITS];
    let deeper = 0;
    for (let i = 0; i < n; i++) {
      const key = $address[i * ADDRESS_WORDS];
      const home = Math.imul(key, Hash.FACTOR) >>> shift;
      const entry = words[pairs + 2 * home] === key ? words[pairs + 2 * home + 1] : probe(hash, key, home);
      $value[i] = entry > 0 ? entry >> VALUE_SHIFT : 0;
      $frame[deeper] = i;
      $node[deeper] = entry;
      $key[deeper] = $address[i * ADDRESS_WORDS + 1];
      deeper += hasSlots(entry);
    }
    return deeper;
  }

  /** Where the entries of `n` nodes lie. A short loop, so that the processor overlaps the misses of many. */
  function locateAll(n: number): void {
    for (let i = 0; i < n; i++) {
      const node = $node[i];
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
      const node = $node[i];
      const key = $key[i];
      let entry = entryAt(node, $place[i]);
      if (entry === 0) entry = words[(node & Ref.AT) + Node.COVER];
      $value[frame] = entry > 0 ? entry >> VALUE_SHIFT : 0;
      $frame[deeper] = frame;
      $node[deeper] = entry;
      $key[deeper] = key << 8;
      deeper += hasSlots(entry);
    }
    return deeper;
  }

  function lookupBurst(table: number, n: number): void {
    let active = 0;
    if (words[table + Table.TOP] === 0) $value.fill(0, 0, n);
    else active = readHash(table, n);
    for (let level = 0; level < KEY_LEVELS && active > 0; level++) {
      locateAll(active);
      active = readAll(active);
    }
    // What is left has no prefix of 32 bits or more, a cover, a SKIP on its way, or one longer than 48 bits.
    for (let i = 0; i < n; i++) if ($value[i] === 0) $value[i] = walk(table, $address, i * ADDRESS_WORDS);
  }

  return { lookup, lookupBurst };
}

export class Lpm6 extends PrefixTables {
  private readonly hash: PrefixHash;

  /** The value of the longest prefix of an address, 0 if there is none. */
  readonly lookup: (table: number, a: number, b: number, c: number, d: number) => number;
  /** What lookupBurst looks up, four words each, and what it answers. */
  readonly address = new Int32Array(ADDRESS_WORDS * BURST);
  readonly value = new Int32Array(BURST);
  /** The values for the first `n` addresses. */
  readonly lookupBurst: (table: number, n: number) => void;

  constructor(capacity = DEFAULT_CAPACITY) {
    super(capacity, STYLE);
    this.hash = new PrefixHash(this.pool);
    const { lookup, lookupBurst } = compile(this.nodes, this.address, this.value);
    this.lookup = lookup;
    this.lookupBurst = lookupBurst;
  }

  protected override releaseTop(hash: number): void {
    for (let place = this.hash.next(hash, 0, 0, 0); place !== 0; place = this.hash.next(hash, 0, 0, place)) {
      if (this.words[place] < 0) this.nodes.releaseAll(this.words[place]);
    }
    this.hash.release(hash);
  }

  /** Enters a prefix, or gives it another value (1 ... 2^24 - 1). False: there is no room, nothing has changed. */
  insert(table: number, a: number, b: number, c: number, d: number, length: number, value: number): boolean {
    const { words } = this;
    if (length === 0) {
      words[table + Table.DEFAULT] = value;
      return true;
    }
    const used = this.start(table);
    this.setKey(a, b, c, d);
    const isDone = length < HASHED ? this.insertShort(table, length, value) : this.insertHashed(table, length, value);
    this.refreshNext(table);
    this.finish(table, used);
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
    if (length === 0) {
      words[table + Table.DEFAULT] = 0;
      return;
    }
    const used = this.start(table);
    this.setKey(a, b, c, d);
    if (length >= HASHED) {
      this.removeHashed(table, length, coverValue, coverLength);
    } else {
      trie.remove(table + Table.ROOT, 0, length, coverValue, coverLength);
      this.coverHashed(table, false, coverLength > 0 ? leaf(coverValue, coverLength) : 0, length);
    }
    this.refreshNext(table);
    this.finish(table, used);
  }

  private setKey(a: number, b: number, c: number, d: number): void {
    const { $key } = this.trie;
    $key[0] = a;
    $key[1] = b;
    $key[2] = c;
    $key[3] = d;
  }

  private insertShort(table: number, length: number, value: number): boolean {
    if (!this.trie.insert(table + Table.ROOT, 0, length, value)) return false;
    this.coverHashed(table, true, leaf(value, length), length);
    return true;
  }

  private insertHashed(table: number, length: number, value: number): boolean {
    const { words, trie } = this;
    const place = this.placeFor(table, trie.$key[0]);
    if (place === 0) return false;
    if (length === HASHED) {
      words[place] = this.nodes.changed(words[place], true, leaf(value, HASHED), HASHED);
      return true;
    }
    const isDone = trie.insert(place, HASHED_LEVEL, length, value);
    this.tidy(table, place);
    return isDone;
  }

  /** Where the entry of the first 32 bits lies, which may be a new one; 0: there is no room. */
  private placeFor(table: number, key: number): number {
    const { words, hash } = this;
    const holder = table + Table.TOP;
    if (words[holder] === 0) words[holder] = hash.create();
    if (words[holder] === 0) return 0;
    const known = hash.find(words[holder], key);
    if (known !== 0) return known;
    const place = hash.add(holder, key);
    if (place !== 0) words[place] = this.trie.longest(table + Table.ROOT);
    return place;
  }

  private removeHashed(table: number, length: number, coverValue: number, coverLength: number): void {
    const { words, trie } = this;
    const hash = words[table + Table.TOP];
    const place = hash === 0 ? 0 : this.hash.find(hash, trie.$key[0]);
    if (place === 0) return;
    if (length === HASHED) {
      const entry = coverLength > 0 ? leaf(coverValue, coverLength) : 0;
      words[place] = this.nodes.changed(words[place], false, entry, HASHED);
    } else {
      trie.remove(place, HASHED_LEVEL, length, coverValue, coverLength);
    }
    this.tidy(table, place);
  }

  /** As in PrefixTrie: gives some nodes the form that is best by now. */
  private refreshNext(table: number): void {
    const hash = this.words[table + Table.TOP];
    const place = hash === 0 ? 0 : this.hash.visit(hash);
    if (place !== 0 && this.words[place] < 0) this.nodes.refresh(place, KEY_LEVELS);
  }

  /** Deletes an entry of the hash that says no more than shorter prefixes do. */
  private tidy(table: number, place: number): void {
    const entry = this.words[place];
    if (entry < 0 || (entry !== 0 && (entry & Leaf.DEPTH_MASK) + 1 === HASHED)) return;
    this.hash.delete(table + Table.TOP, place);
  }

  /** A prefix shorter than HASHED comes or goes: all entries of the hash below know what covers them. */
  private coverHashed(table: number, isComing: boolean, entry: number, length: number): void {
    const { words, nodes, hash } = this;
    const at = words[table + Table.TOP];
    const key = this.trie.$key[0];
    if (at === 0) return;
    const keys = 2 ** (HASHED - length);
    const mask = -keys;
    const change = (place: number): void => {
      words[place] = nodes.changed(words[place], isComing, entry, length);
    };
    if (keys > hash.span(at)) {
      for (let place = hash.next(at, key, mask, 0); place !== 0; place = hash.next(at, key, mask, place)) change(place);
      return;
    }
    for (let i = 0; i < keys; i++) {
      const place = hash.find(at, ((key & mask) + i) | 0);
      if (place !== 0) change(place);
    }
  }
}
