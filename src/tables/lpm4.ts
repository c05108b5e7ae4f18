/*
 * Longest-prefix match for IPv4: many tables, one pool.
 *
 *   small table        node of 8 bits ─► node ─► node ─► node       some 20 bytes each, see prefix-nodes.ts
 *   from 128 KiB on    wide root, 2^16 entries ─► node ─► node
 *   from 512 KiB on    the same, and nodes below the root become DIRECT where that pays: two loads an address
 *
 * - A fresh namespace's table takes some 180 bytes. Half an Internet table (450,948 prefixes) takes 20.3 bytes a
 *   prefix if they share some thousand values: 0.6 are the wide root, 19.4 are 16,800 DIRECT nodes, in which 95 of
 *   100 addresses in random prefixes end; 0.3 are the nodes of few prefixes. If each prefix has its own value nodes
 *   cannot be DIRECT: 9.1 bytes.
 * - A burst goes through in loops of their own for the root, the slots of DIRECT nodes and the answers, so that the
 *   processor overlaps the misses of many addresses. What is left is looked up one by one; if much is, in two short
 *   loops, for marks and for entries.
 * - Nothing is converted at once. A node gets another form when it changes, and each change of a large table looks at
 *   one more node (`refreshNext`): after 65,536 changes all have had their turn. A table that shrinks below 512 KiB
 *   goes back in the same way; that a DIRECT table is several times as large keeps it from going to and fro. A wide
 *   root stays until the table is empty.
 * - Changes cost what prefix-nodes.ts says, 1.3 microseconds in the median; a prefix of up to 16 bits also one word
 *   for each of the root's entries it covers. 0.0.0.0/0 is a word of the table.
 *
 * The longest operations with the half table, once V8 has compiled them, in milliseconds: a /1 comes 0.5, it goes
 * 0.35; a change during the load at most 0.25, which includes the wide root; removeTable 1.2, and 4 before it is
 * compiled.
 *
 * Measured before this was chosen: prototypes of the look-up alone with the half table, random addresses in random
 * prefixes, in bursts of 64, on one core (EPYC, Zen 4, 1 MiB L2), medians of five interleaved rounds on a machine
 * that others used, too. "Direct" is a NARROW entry for each of as many slots as the longest prefix up to /24 needs.
 *
 *   design                                                       M/s     bytes a prefix
 *   DIR-24-8: 2^24 words                                         66      149
 *   root of 16 bits, direct                                      148     20.6
 *   root of 17 bits, direct                                      157     17.2
 *   root of 18 bits, direct                                      153     15.1
 *   the same, root and slots in loops of their own               154     15.1
 *   the same, without a branch for leaves in the root            136     15.1
 *   the same, always 64 slots                                    115     20.0
 *   root of 20 bits, direct                                      138     17.3
 *
 * Earlier, in full:
 *
 *   root of 16 bits, two levels of 16 words                      71-86   22
 *   this without DIRECT nodes                                    50      5.8
 *   bitmaps with 64 slots a count, wide / narrow                 60 / 72 9.7 / 6.4
 *   root of 18 bits, 64-bit bitmaps (poptrie-like)               43-50   10.2
 *   root of 16 bits, ranges and binary search (DXR-like)         14-16   9.4
 *
 * A root of 16 bits is as fast as a longer one and needs no conversion: the nodes below it only change their form.
 * The other 5 of 100 addresses cost much, as each waits alone: with DIRECT nodes for all that have more than a list,
 * rather than only for those of 16 words and more, a table takes 20.3 bytes instead of 17.5.
 *
 * The limit is how many misses are under way at once, that is, how few instructions there are between them. On the
 * same pool, interleaved with librte_lpm (150 M/s): C++ 172, without what DIRECT nodes do not know; V8's code for the
 * same 91 to 98, of which it makes no difference whether root, slots and answers are one loop, two or three, nor
 * whether checks of bounds can be left out; with what they do not know, one by one, in stages or touched beforehand,
 * 60. With keys that all lie in the cache it is 200. The loop over slots is 17 to 22 instructions of V8.
 *
 * Who may call: one thread, which also looks up. When there is no room, `insert` and `createTable` say so and nothing
 * has changed.
 */
import { BURST } from '../core/arena.js';
import { Leaf, Node, type PrefixNodes, Ref } from './prefix-nodes.js';
import { DEFAULT_CAPACITY, PrefixTables, type Style, Table } from './prefix-tables.js';
import { Wide } from './prefix-trie.js';

const STYLE: Style = {
  hasSkips: false,
  // Look-ups are faster if a list is of one word.
  listMarks: 4,
  directFactor: 10,
  // 512 KiB, some 45,000 prefixes.
  largeWords: 131_072,
};
/** A table that takes more words than this gets a wide root, of 256 KiB. */
const NARROW_WORDS = 32_768;
/** So many addresses of a burst are looked up one by one sooner than in stages. */
const FEW = 16;
const VALUE_SHIFT = Leaf.VALUE_SHIFT;

/** The look-ups over one pool. As functions in a closure they have the arrays as constants. */
function compile(nodes: PrefixNodes, $address: Int32Array, $value: Int32Array): Pick<Lpm4, 'lookup' | 'lookupBurst'> {
  const { words, halves } = nodes;
  const { find, locate, entryAt } = nodes.finder;
  const $entry = new Int32Array(BURST);
  const $half = new Int32Array(BURST);
  const $frame = new Int32Array(BURST);
  const $place = new Int32Array(BURST);

  function lookup(table: number, address: number): number {
    let best = words[table + Table.DEFAULT] << VALUE_SHIFT;
    const wide = words[table + Table.TOP];
    let entry = wide !== 0 ? words[wide + Wide.ENTRIES + (address >>> 16)] : words[table + Table.ROOT];
    let rest = wide !== 0 ? address << 16 : address;
    for (; entry < 0; rest <<= 8) {
      const cover = words[(entry & Ref.AT) + Node.COVER];
      if (cover !== 0) best = cover;
      entry = find(entry, rest >>> 24);
    }
    return (entry !== 0 ? entry : best) >> VALUE_SHIFT;
  }

  function readRoot(table: number, n: number): void {
    const entries = words[table + Table.TOP] + Wide.ENTRIES;
    for (let i = 0; i < n; i++) $entry[i] = words[entries + ($address[i] >>> 16)];
  }

  /**
   * What would lie in each address's slot if all entries of the root were DIRECT nodes. Of others it is anything: for
   * leaves from the start of the pool, which is in the cache, for nodes from what lies there and behind.
   */
  function readSlots(n: number): void {
    for (let i = 0; i < n; i++) {
      const entry = $entry[i];
      const at = entry & (entry >> 31) & Ref.AT;
      $half[i] = halves[((at + Node.DIRECT_ENTRIES) << 1) + (($address[i] >>> 8) & 0xff)];
    }
  }

  /** The answers of the root and of DIRECT nodes. What others know it notes in $frame, and returns how many these are. */
  function answer(table: number, n: number): number {
    const otherwise = words[table + Table.DEFAULT];
    let others = 0;
    for (let i = 0; i < n; i++) {
      const entry = $entry[i];
      if (entry >> Ref.DIRECT_SHIFT === Ref.IS_DIRECT) {
        const half = $half[i];
        if (isValue(half)) {
          $value[i] = half >> Leaf.NARROW_SHIFT;
          continue;
        }
      } else if (entry >= 0) {
        $value[i] = entry !== 0 ? entry >> VALUE_SHIFT : otherwise;
        continue;
      }
      $frame[others++] = i;
    }
    return others;
  }

  /** Where the entries of those in $frame lie. A loop of its own, so that the processor overlaps the misses of many. */
  function locateAll(n: number): void {
    for (let i = 0; i < n; i++) {
      const frame = $frame[i];
      $place[i] = locate($entry[frame], ($address[frame] >>> 8) & 0xff);
    }
  }

  function readNodes(table: number, n: number): void {
    for (let i = 0; i < n; i++) {
      const frame = $frame[i];
      const node = $entry[frame];
      const place = $place[i];
      let value = 0;
      if (place >= 0) value = (node & Ref.WIDE) !== 0 ? words[place] >> VALUE_SHIFT : narrowValue(halves[place]);
      // One comparison for all that is rare: an empty slot, a child.
      $value[frame] = value > 0 ? value : readFurther(table, node, place, $address[frame]);
    }
  }

  function isValue(half: number): boolean {
    return ((half - 1) | 0) >>> 0 < Leaf.NARROW_CHILD - 1;
  }

  function narrowValue(entry: number): number {
    return entry < Leaf.NARROW_CHILD ? entry >> Leaf.NARROW_SHIFT : 0;
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

  function lookupBurst(table: number, n: number): void {
    if (words[table + Table.TOP] === 0) {
      for (let i = 0; i < n; i++) $value[i] = lookup(table, $address[i]);
      return;
    }
    readRoot(table, n);
    readSlots(n);
    const others = answer(table, n);
    if (others <= FEW) {
      for (let i = 0; i < others; i++) $value[$frame[i]] = lookup(table, $address[$frame[i]]);
      return;
    }
    locateAll(others);
    readNodes(table, others);
  }

  return { lookup, lookupBurst };
}

export class Lpm4 extends PrefixTables {
  /** The value of the longest prefix of an address, 0 if there is none. */
  readonly lookup: (table: number, address: number) => number;
  /** What lookupBurst looks up, and what it answers. */
  readonly address = new Int32Array(BURST);
  readonly value = new Int32Array(BURST);
  /** The values for the first `n` addresses. */
  readonly lookupBurst: (table: number, n: number) => void;

  constructor(capacity = DEFAULT_CAPACITY) {
    super(capacity, STYLE);
    const { lookup, lookupBurst } = compile(this.nodes, this.address, this.value);
    this.lookup = lookup;
    this.lookupBurst = lookupBurst;
  }

  protected override releaseTop(wide: number): void {
    this.trie.releaseWide(wide);
  }

  /** Enters a prefix, or gives it another value (1 ... 2^24 - 1). False: there is no room, nothing has changed. */
  insert(table: number, prefix: number, length: number, value: number): boolean {
    const { words, trie } = this;
    if (length === 0) {
      words[table + Table.DEFAULT] = value;
      return true;
    }
    const used = this.start(table);
    const wide = words[table + Table.TOP];
    trie.$key[0] = prefix;
    const isDone =
      wide === 0 ? trie.insert(table + Table.ROOT, 0, length, value) : trie.insertWide(wide, length, value);
    if (wide !== 0) trie.refreshNext(wide);
    else if (words[table + Table.SIZE] > NARROW_WORDS) words[table + Table.TOP] = trie.widen(table + Table.ROOT);
    this.finish(table, used);
    return isDone;
  }

  /**
   * Takes a prefix out. The caller knows the next shorter prefix that covers it: its value and length, or 0 and 0
   * if there is none.
   */
  remove(table: number, prefix: number, length: number, coverValue: number, coverLength: number): void {
    const { words, trie } = this;
    if (length === 0) {
      words[table + Table.DEFAULT] = 0;
      return;
    }
    const used = this.start(table);
    const wide = words[table + Table.TOP];
    trie.$key[0] = prefix;
    if (wide === 0) {
      trie.remove(table + Table.ROOT, 0, length, coverValue, coverLength);
    } else if (trie.removeWide(wide, length, coverValue, coverLength)) {
      trie.refreshNext(wide);
    } else {
      trie.releaseWide(wide);
      words[table + Table.TOP] = 0;
    }
    this.finish(table, used);
  }
}
