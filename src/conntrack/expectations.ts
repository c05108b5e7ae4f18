/*
 * Expectations: flows that another flow has announced (FTP's data connections). The first packet that fits one begins a flow that is RELATED to
 * its master.
 *
 *   row:  | next | key zone | tuple 9 | mask of the source 4, of its port | master expires flags class helper | what NAT wants back, 3 |
 *
 * A chained hash by protocol, destination and its port, which are always given; the source may be any. Few flows have expectations and they
 * live for minutes, so what is not a look-up walks through all rows. nf_conntrack_expect_max limits a namespace; the store as a
 * whole has room for CAPACITY. Who adds one is told when it is full.
 */
import { MAX_NAMESPACES } from '../core/links.js';
import { sharedInts } from '../core/memory.js';
import { Flow, type FlowNumber } from './flows.js';
import { CtSetting } from './settings.js';
import type { Tuple } from './tuple.js';

/** Words of a row. */
export const enum Expect {
  SHIFT = 5,
  NEXT = 0,
  /** As KIND & KEY_MASK of a flow, with IS_IPV6; 0: free. */
  KEY = 1,
  ZONE = 2,
  /** Source, destination, ports; of IPv4 three words. */
  TUPLE = 3,
  /** Bits of the source address that count, four words, and of its port (in the high half, as in ports). */
  SOURCE_MASK = 12,
  PORT_MASK = 16,
  MASTER = 17,
  EXPIRES = 18,
  /** ExpectFlag. */
  FLAGS = 19,
  CLASS = 20,
  /** The helper that the expected flow gets. */
  HELPER = 21,
  /** For the helper's NAT: port and direction as they were, and what to do. */
  SAVED_PORT = 22,
  NAT_DIRECTION = 23,
  NAT_FUNCTION = 24,
  WORDS = 32,

  /** In KEY. */
  IS_IPV6 = 1 << 19,
}

export const enum ExpectFlag {
  /** It stays when a flow has come. */
  PERMANENT = 1,
  INACTIVE = 2,
}

/** What `add` answers. */
export const enum Expected {
  OK = 0,
  /** Another flow expects the same. */
  BUSY = 1,
  FULL = 2,
}

const CAPACITY = 16_383;
const BUCKETS = 1024;

export class Expectations {
  readonly rows = sharedInts((CAPACITY + 1) << Expect.SHIFT);
  /** Expectations of each namespace, and of all. */
  readonly count = new Int32Array(MAX_NAMESPACES);
  size = 0;
  /** Fill this in, but for NEXT and EXPIRES, and call `add`. */
  readonly draft = new Int32Array(Expect.WORDS);
  private readonly heads = new Int32Array(BUCKETS);
  private end = 1;
  private free = 0;

  constructor(
    private readonly settings: Int32Array,
    private readonly key: number,
  ) {}

  /** Expects what is in `draft` for `timeoutMs`. `most`: how many of its class its master may expect; its oldest one goes. */
  add(now: number, timeoutMs: number, most: number): Expected {
    const { draft } = this;
    if (this.clashes()) return Expected.BUSY;
    this.makeRoom(now, most);
    const namespace = (draft[Expect.KEY] >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
    if (this.count[namespace] >= this.settings[(namespace << CtSetting.SHIFT) + CtSetting.EXPECT_MAX]) {
      return Expected.FULL;
    }
    const number = this.allocate();
    if (number === 0) return Expected.FULL;
    const at = number << Expect.SHIFT;
    this.rows.set(draft, at);
    this.rows[at + Expect.EXPIRES] = (now + timeoutMs) | 0;
    const bucket = this.bucketOf(this.rows, at);
    this.rows[at + Expect.NEXT] = this.heads[bucket];
    this.heads[bucket] = number;
    this.count[namespace]++;
    this.size++;
    return Expected.OK;
  }

  /** The expectation that a new flow's tuple meets, or 0. It is gone then, unless it is permanent; its row can still be read. */
  take(tuple: Tuple, key: number, zone: number, now: number): number {
    const number = this.find(tuple, key, zone, now);
    if (number === 0) return 0;
    if ((this.rows[(number << Expect.SHIFT) + Expect.FLAGS] & ExpectFlag.PERMANENT) === 0) this.remove(number);
    return number;
  }

  find(tuple: Tuple, key: number, zone: number, now: number): number {
    const { rows } = this;
    const draftKey = tuple.isIpv6 ? key | Expect.IS_IPV6 : key;
    const bucket = this.bucket(draftKey, tuple.words, tuple.addressWords, tuple.ports);
    for (let number = this.heads[bucket]; number !== 0; number = rows[(number << Expect.SHIFT) + Expect.NEXT]) {
      const at = number << Expect.SHIFT;
      const isLive =
        ((rows[at + Expect.EXPIRES] - now) | 0) > 0 && (rows[at + Expect.FLAGS] & ExpectFlag.INACTIVE) === 0;
      const isOfKey = rows[at + Expect.KEY] === draftKey && rows[at + Expect.ZONE] === zone;
      if (isLive && isOfKey && this.fits(at, tuple.words, tuple.addressWords)) return number;
    }
    return 0;
  }

  /** Whether a tuple is within that of a row. */
  private fits(at: number, words: Int32Array, addressWords: number): boolean {
    const { rows } = this;
    const tuple = at + Expect.TUPLE;
    let differs = 0;
    for (let i = 0; i < addressWords; i++) {
      differs |= (rows[tuple + i] ^ words[i]) & rows[at + Expect.SOURCE_MASK + i];
      differs |= rows[tuple + addressWords + i] ^ words[addressWords + i];
    }
    const ports = rows[tuple + 2 * addressWords] ^ words[2 * addressWords];
    return (differs | (ports & (rows[at + Expect.PORT_MASK] | 0xffff))) === 0;
  }

  /** Whether the draft and another expectation could mean the same flow. The same one of the same master gives way to it. */
  private clashes(): boolean {
    const { rows, draft } = this;
    for (let number = this.heads[this.bucketOf(draft, 0)]; number !== 0; ) {
      const at = number << Expect.SHIFT;
      const next = rows[at + Expect.NEXT];
      if (this.intersects(at)) {
        const isOwn =
          rows[at + Expect.MASTER] === draft[Expect.MASTER] && rows[at + Expect.CLASS] === draft[Expect.CLASS];
        if (!isOwn) return true;
        this.remove(number);
      }
      number = next;
    }
    return false;
  }

  private intersects(at: number): boolean {
    const { rows, draft } = this;
    if (rows[at + Expect.KEY] !== draft[Expect.KEY] || rows[at + Expect.ZONE] !== draft[Expect.ZONE]) return false;
    const words = (draft[Expect.KEY] & Expect.IS_IPV6) !== 0 ? 4 : 1;
    let differs = 0;
    for (let i = 0; i < words; i++) {
      const mask = rows[at + Expect.SOURCE_MASK + i] & draft[Expect.SOURCE_MASK + i];
      differs |= (rows[at + Expect.TUPLE + i] ^ draft[Expect.TUPLE + i]) & mask;
      differs |= rows[at + Expect.TUPLE + words + i] ^ draft[Expect.TUPLE + words + i];
    }
    const mask = (rows[at + Expect.PORT_MASK] & draft[Expect.PORT_MASK]) | 0xffff;
    const ports = rows[at + Expect.TUPLE + 2 * words] ^ draft[Expect.TUPLE + 2 * words];
    return (differs | (ports & mask)) === 0;
  }

  /** A master that expects as many of the draft's class as it may loses the one that would expire first. */
  private makeRoom(now: number, most: number): void {
    const { rows, draft } = this;
    let count = 0;
    let oldest = 0;
    for (let number = 1; number < this.end; number++) {
      const at = number << Expect.SHIFT;
      if (rows[at + Expect.KEY] === 0 || rows[at + Expect.MASTER] !== draft[Expect.MASTER]) continue;
      if (rows[at + Expect.CLASS] !== draft[Expect.CLASS]) continue;
      count++;
      if (oldest === 0 || this.left(number, now) < this.left(oldest, now)) oldest = number;
    }
    if (most !== 0 && count >= most) this.remove(oldest);
  }

  /** Ms until an expectation is over. */
  left(number: number, now: number): number {
    return (this.rows[(number << Expect.SHIFT) + Expect.EXPIRES] - now) | 0;
  }

  remove(number: number): void {
    const { rows } = this;
    const at = number << Expect.SHIFT;
    if (rows[at + Expect.KEY] === 0) return;
    const bucket = this.bucketOf(rows, at);
    if (this.heads[bucket] === number) this.heads[bucket] = rows[at + Expect.NEXT];
    else this.unlink(bucket, number);
    this.count[(rows[at + Expect.KEY] >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK]--;
    this.size--;
    rows[at + Expect.KEY] = 0;
    rows[at + Expect.NEXT] = this.free;
    this.free = number;
  }

  private unlink(bucket: number, number: number): void {
    const { rows } = this;
    let before = this.heads[bucket];
    while (rows[(before << Expect.SHIFT) + Expect.NEXT] !== number) {
      before = rows[(before << Expect.SHIFT) + Expect.NEXT];
    }
    rows[(before << Expect.SHIFT) + Expect.NEXT] = rows[(number << Expect.SHIFT) + Expect.NEXT];
  }

  /** Removes what a flow expects: it is over. */
  removeOf(master: FlowNumber): void {
    for (let number = 1; number < this.end && this.size !== 0; number++) {
      if (this.rows[(number << Expect.SHIFT) + Expect.MASTER] === master) this.remove(number);
    }
  }

  /** Removes those whose time is over, and with `namespace` >= 0 all of it. */
  sweep(now: number, namespace = -1): void {
    for (let number = 1; number < this.end && this.size !== 0; number++) {
      const key = this.rows[(number << Expect.SHIFT) + Expect.KEY];
      if (key === 0) continue;
      const isOfNamespace = ((key >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK) === namespace;
      if (isOfNamespace || this.left(number, now) <= 0) this.remove(number);
    }
  }

  /** The next expectation of a namespace behind `from`, or 0: for listings. */
  next(from: number, namespace: number, now: number): number {
    for (let number = from + 1; number < this.end; number++) {
      const key = this.rows[(number << Expect.SHIFT) + Expect.KEY];
      const isOfNamespace = ((key >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK) === namespace;
      if (key !== 0 && isOfNamespace && this.left(number, now) > 0) return number;
    }
    return 0;
  }

  private allocate(): number {
    const number = this.free;
    if (number !== 0) this.free = this.rows[(number << Expect.SHIFT) + Expect.NEXT];
    else if (this.end > CAPACITY) return 0;
    return number === 0 ? this.end++ : number;
  }

  private bucketOf(rows: Int32Array, at: number): number {
    const words = (rows[at + Expect.KEY] & Expect.IS_IPV6) !== 0 ? 4 : 1;
    const tuple = rows.subarray(at + Expect.TUPLE, at + Expect.TUPLE + 9);
    return this.bucket(rows[at + Expect.KEY], tuple, words, tuple[2 * words]);
  }

  private bucket(key: number, tuple: Int32Array, words: number, ports: number): number {
    let h = Math.imul((ports & 0xffff) ^ key ^ this.key, 0x9e3779b1);
    for (let i = words; i < 2 * words; i++) h = Math.imul(h ^ (h >>> 15) ^ tuple[i], 0x85ebca6b);
    return (h ^ (h >>> 16)) & (BUCKETS - 1);
  }
}
