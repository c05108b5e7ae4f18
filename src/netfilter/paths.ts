/*
 * Paths: what netfilter and the router did with an established flow's packet, kept for the ones that follow it.
 *
 *   flow's CACHE words:  | generation | path |  ──►  path: | in, out, next hop, MTU, info | hits: rules and policies that count it |
 *                                                    counters: packets and bytes that took it since they were last added up
 *
 * - Flows whose packets go the same way share a path: there are about as many as there are ways through the rules, not as flows.
 * - A flow's path holds while its generation is that of now. Any change of the configuration makes a new generation; the next packet of each
 *   flow then takes the long way, and most likely comes to the same path again.
 * - The rules on a path are counted when somebody wants to know, and before rules change: `settle`.
 * - When there are MAX_PATHS, new ways get none and their packets take the long way, until `renew` forgets all paths: between two bursts, as the
 *   frames of one go by the generation that it began with.
 */
import { sharedDoubles, sharedInts } from '../core/memory.js';

export const enum Path {
  SHIFT = 6,
  WORDS = 64,
  IN = 0,
  OUT = 1,
  /** Row of fib.nexthops. */
  HOP = 2,
  /** The route's own MTU, 0 = the link's. */
  MTU = 3,
  /** CtInfo: a flow that gets its first answer meets other rules from then on. */
  INFO = 4,
  /** Number of hits. */
  COUNT = 5,
  /** The next path of its bucket. */
  NEXT = 6,
  /** As many as Walk.HITS at most. */
  HITS = 8,
}

const MAX_PATHS = 1 << 14;
const BUCKETS = 1 << 12;
/** So long paths stay at least where there are more than MAX_PATHS ways: each flow's next packet has to find its own again. */
const RENEWAL_MS = 10_000;

export class Paths {
  readonly words = sharedInts(MAX_PATHS << Path.SHIFT);
  /** Packets and bytes, by path × 2. */
  readonly counters = sharedDoubles(MAX_PATHS << 1);
  private readonly buckets = new Int32Array(BUCKETS);
  private readonly $new = new Int32Array(Path.WORDS);
  /** Path 0 is none. */
  private end = 1;
  /** A way got no path: see `renew`. */
  isFull = false;
  /** When `renew` last forgot all paths, ms. */
  private renewedAt = -RENEWAL_MS;

  /** The path of these words, made if need be; 0: there are too many. `hits`: the first `count` are its own. */
  intern(link: number, out: number, hop: number, mtu: number, info: number, hits: Int32Array, count: number): number {
    const { $new } = this;
    $new[Path.IN] = link;
    $new[Path.OUT] = out;
    $new[Path.HOP] = hop;
    $new[Path.MTU] = mtu;
    $new[Path.INFO] = info;
    $new[Path.COUNT] = count;
    let hash = 0;
    for (let i = 0; i < Path.NEXT; i++) hash = Math.imul(hash ^ $new[i], 0x2545f491) ^ (hash >>> 15);
    for (let i = 0; i < count; i++) hash = Math.imul(hash ^ hits[i], 0x2545f491) ^ (hash >>> 15);
    const bucket = (hash ^ (hash >>> 16)) & (BUCKETS - 1);
    let path = this.buckets[bucket];
    while (path !== 0 && !this.is(path, hits, count)) path = this.words[(path << Path.SHIFT) + Path.NEXT];
    return path !== 0 ? path : this.add(bucket, hits, count);
  }

  private is(path: number, hits: Int32Array, count: number): boolean {
    const { words, $new } = this;
    const at = path << Path.SHIFT;
    for (let i = 0; i < Path.NEXT; i++) if (words[at + i] !== $new[i]) return false;
    for (let i = 0; i < count; i++) if (words[at + Path.HITS + i] !== hits[i]) return false;
    return true;
  }

  private add(bucket: number, hits: Int32Array, count: number): number {
    if (this.end === MAX_PATHS) {
      this.isFull = true;
      return 0;
    }
    const path = this.end++;
    const at = path << Path.SHIFT;
    this.words.set(this.$new, at);
    for (let i = 0; i < count; i++) this.words[at + Path.HITS + i] = hits[i];
    this.words[at + Path.NEXT] = this.buckets[bucket];
    this.buckets[bucket] = path;
    return path;
  }

  /** Adds what took the paths to the counters of rules (by rule × 2) and of policies (by chain × 2). */
  settle(rules: Float64Array, policies: Float64Array): void {
    for (let path = 1; path < this.end; path++) {
      const packets = this.counters[path << 1];
      if (packets === 0) continue;
      this.addTo(rules, policies, path, packets, this.counters[(path << 1) + 1]);
      this.counters[path << 1] = 0;
      this.counters[(path << 1) + 1] = 0;
    }
  }

  private addTo(rules: Float64Array, policies: Float64Array, path: number, packets: number, bytes: number): void {
    const at = path << Path.SHIFT;
    const count = this.words[at + Path.COUNT];
    for (let i = 0; i < count; i++) {
      const hit = this.words[at + Path.HITS + i];
      const counters = hit > 0 ? rules : policies;
      counters[Math.abs(hit) << 1] += packets;
      counters[(Math.abs(hit) << 1) + 1] += bytes;
    }
  }

  /** Forgets all paths, settled before; a new generation must begin. */
  clear(): void {
    this.buckets.fill(0);
    this.end = 1;
    this.isFull = false;
  }

  /** Where a way got no path: settles and forgets all, unless it has lately. True: it did, and a new generation must begin. Not within a burst. */
  renew(now: number, rules: Float64Array, policies: Float64Array): boolean {
    if (!this.isFull || (now - this.renewedAt) >>> 0 < RENEWAL_MS) return false;
    this.renewedAt = now;
    this.settle(rules, policies);
    this.clear();
    return true;
  }
}
