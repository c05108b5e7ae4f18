/*
 * Flows whose source NAT has changed, by their original source: a further flow from the same socket shall have the same one outside.
 *
 *   bucket ─► flow ⇄ flow ⇄ …      two words a flow:  | link, 3 | tag, 6 | next, 23 |     | link, 9 | previous, 23 |
 *
 * A pointer forward carries 6 bits of the hash of the flow that it leads to: rows of others are not looked at. `link` is that of a
 * MASQUERADE; flows without SRC_NAT are in no list, but may have one.
 *
 * Linear hashing: one bucket is split with each flow beyond one a bucket, so that nobody ever waits for a rehash; beyond MOST_BUCKETS
 * lists grow. Memory that was never touched costs nothing.
 *
 * Who may call: the engine's worker alone.
 */
import type { FlowTable4 } from '../conntrack/flow-table4.js';
import { Flow, type Flows, zoneOf } from '../conntrack/flows.js';
import { BURST } from '../core/arena.js';
import type { Link } from '../core/links.js';
import { sharedInts } from '../core/memory.js';

const MOST_BUCKETS = 1 << 22;
/** Four MiB of which only what is used is touched: below a million flows nothing is ever split. */
const FIRST_BUCKETS = 1 << 20;

/** Words of a flow. */
const enum Node {
  /** A pointer: index and tag; and the upper bits of the link. */
  NEXT = 0,
  /** An index, and the lower bits of the link. */
  PREVIOUS = 1,
  WORDS = 2,
  INDEX_MASK = 0x7fffff,
  TAG_SHIFT = 23,
  TAG_MASK = 0x3f << 23,
  POINTER_MASK = 0x1fffffff,
  /** Of the hash: what the tag is made of, which no bucket's number is. */
  HASH_SHIFT = 26,
  LINK_HIGH_SHIFT = 29,
  LINK_LOW_SHIFT = 23,
  LINK_LOW_BITS = 9,
  LINK_LOW_MASK = 0x1ff,
}

export class NatSources {
  /** Flows in lists. */
  size = 0;
  private readonly nodes: Int32Array;
  private readonly buckets = sharedInts(MOST_BUCKETS);
  private readonly $pointer = new Int32Array(BURST);
  private $tag = 0;
  private count = FIRST_BUCKETS;
  /** The largest power of two not above `count`. */
  private half = FIRST_BUCKETS;

  constructor(
    private readonly flows: Flows,
    private readonly keys: Int32Array,
  ) {
    this.nodes = sharedInts((flows.capacity + 1) * Node.WORDS);
  }

  /** The first flow that may have this source; the others by `next`. `key`: protocol and namespace (Flow.KEY_MASK). */
  first(words: Int32Array, at: number, key: number, zone: number): number {
    const hash = this.hash(words, at, key, zone);
    this.$tag = tagOf(hash);
    return this.follow(this.buckets[this.bucketOf(hash)]);
  }

  next(index: number): number {
    return this.follow(this.nodes[index * Node.WORDS + Node.NEXT]);
  }

  /** The first flow from a pointer on whose tag is the one looked for. */
  private follow(pointer: number): number {
    let at = pointer;
    while (((at ^ this.$tag) & Node.TAG_MASK) !== 0 && (at & Node.INDEX_MASK) !== 0) {
      at = this.nodes[(at & Node.INDEX_MASK) * Node.WORDS + Node.NEXT];
    }
    return at & Node.INDEX_MASK;
  }

  /**
   * Reads the buckets of all tuples of a burst look-up that have no flow, and then the first flow of each, so that the cache misses of these
   * overlap; `first` and `insert` find them in the cache.
   */
  touch4({ source, ports, key, found }: FlowTable4, n: number): void {
    const { buckets, nodes, $pointer } = this;
    let count = 0;
    for (let i = 0; i < n; i++) {
      if (found[i] !== 0 || key[i] === 0) continue;
      const hash = this.finish(mix(key[i] ^ this.keys[0], source[i] ^ this.keys[1]), ports[i]);
      $pointer[count++] = buckets[this.bucketOf(hash)];
    }
    for (let i = 0; i < count; i++) $pointer[i] ^= nodes[($pointer[i] & Node.INDEX_MASK) * Node.WORDS];
  }

  insert(index: number): void {
    this.push(this.hashOf(index), index);
    this.size++;
    if (this.size > this.count && this.count < MOST_BUCKETS) this.split();
  }

  remove(index: number): void {
    const { nodes } = this;
    const next = nodes[index * Node.WORDS + Node.NEXT] & Node.POINTER_MASK;
    const previous = nodes[index * Node.WORDS + Node.PREVIOUS] & Node.INDEX_MASK;
    if (previous !== 0) this.setNext(previous, next);
    else this.buckets[this.bucketOf(this.hashOf(index))] = next;
    if ((next & Node.INDEX_MASK) !== 0) this.setPrevious(next & Node.INDEX_MASK, previous);
    nodes[index * Node.WORDS + Node.NEXT] = 0;
    nodes[index * Node.WORDS + Node.PREVIOUS] = 0;
    this.size--;
  }

  /** The link that a flow is masqueraded by, 0 = none. */
  link(index: number): Link {
    const at = index * Node.WORDS;
    const high = this.nodes[at + Node.NEXT] >>> Node.LINK_HIGH_SHIFT;
    return (high << Node.LINK_LOW_BITS) | (this.nodes[at + Node.PREVIOUS] >>> Node.LINK_LOW_SHIFT);
  }

  setLink(index: number, link: Link): void {
    const { nodes } = this;
    const next = index * Node.WORDS + Node.NEXT;
    const previous = index * Node.WORDS + Node.PREVIOUS;
    nodes[next] = (nodes[next] & Node.POINTER_MASK) | ((link >>> Node.LINK_LOW_BITS) << Node.LINK_HIGH_SHIFT);
    nodes[previous] = (nodes[previous] & Node.INDEX_MASK) | ((link & Node.LINK_LOW_MASK) << Node.LINK_LOW_SHIFT);
  }

  private push(hash: number, index: number): void {
    const bucket = this.bucketOf(hash);
    const first = this.buckets[bucket];
    this.setNext(index, first);
    this.setPrevious(index, 0);
    if ((first & Node.INDEX_MASK) !== 0) this.setPrevious(first & Node.INDEX_MASK, index);
    this.buckets[bucket] = index | tagOf(hash);
  }

  private setNext(index: number, pointer: number): void {
    const at = index * Node.WORDS + Node.NEXT;
    this.nodes[at] = (this.nodes[at] & ~Node.POINTER_MASK) | pointer;
  }

  private setPrevious(index: number, to: number): void {
    const at = index * Node.WORDS + Node.PREVIOUS;
    this.nodes[at] = (this.nodes[at] & ~Node.INDEX_MASK) | to;
  }

  /** One bucket more: what of another belongs there moves. */
  private split(): void {
    const from = this.count - this.half;
    this.count++;
    if (this.count === this.half * 2) this.half *= 2;
    let index = this.buckets[from] & Node.INDEX_MASK;
    this.buckets[from] = 0;
    while (index !== 0) {
      const next = this.nodes[index * Node.WORDS + Node.NEXT] & Node.INDEX_MASK;
      this.push(this.hashOf(index), index);
      index = next;
    }
  }

  private bucketOf(hash: number): number {
    const bucket = hash & (this.half * 2 - 1);
    return bucket < this.count ? bucket : bucket & (this.half - 1);
  }

  private hashOf(index: number): number {
    const { words, width } = this.flows;
    const at = index * width;
    const kind = words[at + Flow.KIND];
    return this.hash(words, at + Flow.ORIGINAL, kind & Flow.KEY_MASK, zoneOf(words[at + Flow.STATUS], kind, 0));
  }

  /** Of a tuple's source and its port. */
  private hash(words: Int32Array, at: number, key: number, zone: number): number {
    const { addressWords } = this.flows;
    let hash = key ^ (zone << 12) ^ this.keys[0];
    for (let i = 0; i < addressWords; i++) hash = mix(hash, words[at + i] ^ this.keys[1]);
    return this.finish(hash, words[at + 2 * addressWords]);
  }

  private finish(addresses: number, ports: number): number {
    const hash = mix(addresses, (ports >>> 16) ^ this.keys[2]);
    return hash ^ (hash >>> 15);
  }
}

function tagOf(hash: number): number {
  return (hash >>> Node.HASH_SHIFT) << Node.TAG_SHIFT;
}

function mix(hash: number, word: number): number {
  const x = Math.imul(hash ^ word, 0x85ebca6b);
  return Math.imul(x ^ (x >>> 13), 0x9e3779b1);
}
