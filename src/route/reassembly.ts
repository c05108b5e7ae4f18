/*
 * Putting fragments together again at their destination (RFC 791 §3.2, 815, 5722, 8200 §4.5), as Linux does it (ip_fragment.c,
 * inet_fragment.c, reassembly.c).
 *
 *   buckets ─► queue ─► queue …          a queue is a datagram: (namespace, source, destination, identification, and of IPv4
 *                │                       the protocol, of link-local IPv6 the link)
 *                └► run ─► run ─► …      runs of fragments that follow each other without a gap and came in that order,
 *                    │                   sorted by their place in the datagram
 *                    └► frame ─► frame …
 *
 * A fragment that lies within one run is a duplicate and dropped alone; any other overlap ends the whole datagram, and so does an
 * end that contradicts another. Links of the lists lie in arrays under the frames' own numbers: nothing is allocated.
 *
 * What limits it:
 * - time: ipfrag_time after its first fragment came a datagram is given up; if that was the one with offset 0 its sender
 *   is told (11/1, 3/1);
 * - memory: a namespace holds ipfrag_high_thresh bytes of each family; beyond that no new datagram begins. Linux counts the
 *   memory of its buffers; here a fragment counts for its length and OVERHEAD, a datagram for OVERHEAD;
 * - ipfrag_max_dist: when more fragments than that came from the source since this datagram's last one, what is there is
 *   thrown away and it begins anew (the identification has been used again). Fragments are counted per source in a table of
 *   counters under a hash: sources that share one only look busier than they are;
 * - slots: of the arena's head and tail slots at most a quarter waits here, and there are MAX_QUEUES queues: when it is
 *   more the oldest datagrams go (REASSEMBLY_MEMORY).
 *
 * The complete datagram is the frame of its first fragment with the data of the others behind; the others are counted
 * as merged.
 */
import { type Frame, NONE } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, MAX_NAMESPACES, type Namespace, Total } from '../core/links.js';
import { sharedInts } from '../core/memory.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, read32, write16 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4 } from '../wire/ipv4.js';
import { Extension, FragmentHeader, Ipv6 } from '../wire/ipv6.js';
import { completePartial, rangeCopy, takeTail } from '../wire/span.js';
import { Net4, Net6 } from './conf.js';
import type { Inet } from './inet.js';

const MAX_QUEUES = 2048;
const BUCKETS = 2048;
const COUNTERS = 16_384;

/** Bytes that the kernel's descriptor of a buffer or of a datagram takes, about. */
const OVERHEAD = 768;

/** The most that IP's length field can say. */
const LONGEST = 0xffff;

/** Words of a queue's key. */
const KEY = 11;

/** Bits of a queue's state. */
const enum State {
  FIRST_IN = 1,
  LAST_IN = 2,
}

/** What becomes of a fragment on its way into its queue. */
const enum Inserted {
  OK = 0,
  DUPLICATE = 1,
  OVERLAP = 2,
}

/** ECN of the fragments seen, one bit each: not-ECT, ECT(1), ECT(0), CE. */
const NOT_ECT = 1;
const CE = 8;

const TIME_EXCEEDED4 = 11;
const TIME_EXCEEDED6 = 3;
const PARAMETER_PROBLEM6 = 4;

export class Reassembly {
  /** Datagrams that wait. */
  queues = 0;
  /** Frames that wait, and of them those with a tail slot. */
  frames = 0;
  private tails = 0;
  /** Packets are tried out: a fragment is let go of instead of kept, and counted here. Undefined: they are not. */
  tried: number | undefined;

  private readonly heads = new Int32Array(BUCKETS).fill(NONE);
  /** Of a queue the next one in its bucket, or the next free one. */
  private readonly chain = new Int32Array(MAX_QUEUES);
  private readonly bucket = new Int32Array(MAX_QUEUES);
  private free = 0;
  private readonly keys = new Int32Array(MAX_QUEUES * KEY);
  /** Age order of all queues, oldest first. */
  private readonly older = new Int32Array(MAX_QUEUES);
  private readonly younger = new Int32Array(MAX_QUEUES);
  private oldest = NONE;
  private youngest = NONE;

  private readonly state = new Uint8Array(MAX_QUEUES);
  private readonly expires = new Int32Array(MAX_QUEUES);
  /** Bytes of data that the datagram has, as far as is known, and that have come. */
  private readonly length = new Int32Array(MAX_QUEUES);
  private readonly have = new Int32Array(MAX_QUEUES);
  private readonly ecn = new Uint8Array(MAX_QUEUES);
  /** Longest fragment, header included, and longest one with DF. */
  private readonly longest = new Int32Array(MAX_QUEUES);
  private readonly longestDf = new Int32Array(MAX_QUEUES);
  /** What the source's counter of fragments was at the last one. */
  private readonly count = new Int32Array(MAX_QUEUES);
  private readonly firstRun = new Int32Array(MAX_QUEUES);
  private readonly lastRun = new Int32Array(MAX_QUEUES);

  /** Per namespace and family: bytes that wait. */
  private readonly memory = sharedInts(MAX_NAMESPACES * 2);
  private readonly counters = new Int32Array(COUNTERS);

  /** Of a fragment: where its data begin and end in the datagram, and where they begin in its frame. */
  private readonly start: Int32Array;
  private readonly end: Int32Array;
  private readonly data: Int32Array;
  private readonly next: Int32Array;
  /** Of a run's first fragment: the run's last one, and the first one of the next run. */
  private readonly runTail: Int32Array;
  private readonly nextRun: Int32Array;

  private readonly $key = new Int32Array(KEY);

  constructor(private readonly inet: Inet) {
    const { heads } = inet.arena;
    this.start = new Int32Array(heads);
    this.end = new Int32Array(heads);
    this.data = new Int32Array(heads);
    this.next = new Int32Array(heads);
    this.runTail = new Int32Array(heads);
    this.nextRun = new Int32Array(heads);
    for (let queue = 0; queue < MAX_QUEUES; queue++) this.chain[queue] = queue + 1 < MAX_QUEUES ? queue + 1 : NONE;
  }

  private letGo(frame: Frame, tried: number): Frame {
    this.tried = tried + 1;
    this.inet.arena.release(frame);
    return NONE;
  }

  // --- IPv4 -------------------------------------------------------------------------------------

  /** A fragment of a datagram for this host, nothing behind it. Given; answers the whole datagram if it was the last missing one. */
  add4(frame: Frame, now: number): Frame {
    if (this.tried !== undefined) return this.letGo(frame, this.tried);
    const { inet, $key } = this;
    const { bytes, ingress } = inet.arena;
    const at = inet.network(frame);
    const namespace = inet.namespaceOf(ingress[frame]);
    $key.fill(0);
    $key[0] = (namespace << 1) | 0;
    $key[1] = ipv4.source(bytes, at);
    $key[2] = ipv4.destination(bytes, at);
    $key[3] = (ipv4.identification(bytes, at) << 8) | ipv4.protocol(bytes, at);
    const queue = this.find(frame, namespace, 0, now);
    if (queue === NONE) return NONE;
    const maxDist = inet.conf.net(namespace, Net4.IPFRAG_MAX_DIST);
    if (maxDist > 0 && this.isTooFar(queue, maxDist)) this.restart(queue, now);
    return this.put4(frame, queue, at);
  }

  private put4(frame: Frame, queue: number, at: number): Frame {
    const { bytes, length } = this.inet.arena;
    const word = read16(bytes, at + Ipv4.FRAGMENT);
    const header = ipv4.headerLength(bytes, at);
    const from = (word & Ipv4.OFFSET_MASK) << 3;
    const size = length[frame] - Ethernet.BYTES;
    const more = (word & Ipv4.MORE_FRAGMENTS) !== 0;
    const end = from + size - header;
    if (!this.place(frame, queue, from, more ? end & ~7 : end, more, Ethernet.BYTES + header)) return NONE;
    if (size > this.longest[queue]) this.longest[queue] = size;
    if ((word & Ipv4.DONT_FRAGMENT) !== 0 && size > this.longestDf[queue]) this.longestDf[queue] = size;
    this.ecn[queue] |= 1 << (bytes[at + Ipv4.TOS] & 3);
    return this.isComplete(queue) ? this.finish4(queue, frame) : this.wait();
  }

  private finish4(queue: number, last: Frame): Frame {
    const { inet } = this;
    const { bytes } = inet.arena;
    const total = this.data[this.firstRun[queue]] - Ethernet.BYTES + this.length[queue];
    const congestion = this.congestion(queue);
    if (total > LONGEST || congestion < 0) return this.discard(queue, DropReason.REASSEMBLY_INVALID);
    const isDf = this.longestDf[queue] === this.longest[queue];
    const longest = this.longest[queue];
    const whole = this.join(queue, last);
    if (whole === NONE) return NONE;
    inet.arena.maxFragment[whole] = longest;
    const at = inet.network(whole);
    write16(bytes, at + Ipv4.TOTAL_LENGTH, total);
    bytes[at + Ipv4.TOS] |= congestion;
    write16(bytes, at + Ipv4.FRAGMENT, isDf ? Ipv4.DONT_FRAGMENT : 0);
    ipv4.writeChecksum(bytes, at);
    return whole;
  }

  // --- IPv6 -------------------------------------------------------------------------------------

  /**
   * As add4 for IPv6; the fragment header lies `header` bytes behind the start of the IPv6 header. It is gone from the whole
   * datagram.
   */
  add6(frame: Frame, header: number, now: number): Frame {
    if (this.tried !== undefined) return this.letGo(frame, this.tried);
    const { inet, $key } = this;
    const { bytes, ingress } = inet.arena;
    const at = inet.network(frame);
    const link = ingress[frame];
    const namespace = inet.namespaceOf(link);
    $key[0] = (namespace << 1) | 1;
    for (let i = 0; i < 8; i++) $key[1 + i] = read32(bytes, at + Ipv6.SOURCE + i * 4);
    $key[9] = read32(bytes, at + header + FragmentHeader.IDENTIFICATION);
    const word = read16(bytes, at + Ipv6.DESTINATION);
    const isOfLink = word >>> 8 === 0xff || (word & 0xffc0) === 0xfe80;
    $key[10] = isOfLink ? link : 0;
    const queue = this.find(frame, namespace, 1, now);
    if (queue === NONE) return NONE;
    return this.put6(frame, queue, at, header, now);
  }

  private put6(frame: Frame, queue: number, at: number, header: number, now: number): Frame {
    const { bytes, length } = this.inet.arena;
    const word = read16(bytes, at + header + FragmentHeader.OFFSET);
    const from = word & FragmentHeader.OFFSET_MASK;
    const data = Ethernet.BYTES + header + FragmentHeader.BYTES;
    const end = from + length[frame] - data;
    const more = (word & FragmentHeader.MORE) !== 0;
    if (end > LONGEST) return this.refuse6(frame, queue, header + FragmentHeader.OFFSET, now);
    if (more && (end & 7) !== 0) return this.refuse6(frame, queue, Ipv6.PAYLOAD_LENGTH, now);
    const size = length[frame] - Ethernet.BYTES;
    if (!this.place(frame, queue, from, end, more, data)) return NONE;
    if (size > this.longest[queue]) this.longest[queue] = size;
    this.ecn[queue] |= 1 << ((bytes[at + 1] >>> 4) & 3);
    return this.isComplete(queue) ? this.finish6(queue, frame) : this.wait();
  }

  /** RFC 8200 §4.5: tells the sender where the fragment is wrong; the others stay. */
  private refuse6(frame: Frame, queue: number, pointer: number, now: number): Frame {
    this.inet.icmp6.error(frame, PARAMETER_PROBLEM6, 0, pointer, now);
    this.inet.drop(frame, DropReason.REASSEMBLY_INVALID);
    if (this.firstRun[queue] === NONE) this.remove(queue);
    return NONE;
  }

  private finish6(queue: number, last: Frame): Frame {
    const { inet } = this;
    const { arena } = inet;
    const { bytes } = arena;
    const header = this.data[this.firstRun[queue]] - Ethernet.BYTES - FragmentHeader.BYTES;
    const payload = header - Ipv6.BYTES + this.length[queue];
    const congestion = this.congestion(queue);
    if (payload > LONGEST || congestion < 0) return this.discard(queue, DropReason.REASSEMBLY_INVALID);
    const longest = this.longest[queue];
    const whole = this.join(queue, last);
    if (whole === NONE) return NONE;
    arena.maxFragment[whole] = longest;
    const at = inet.network(whole);
    bytes[fieldBefore(bytes, at, header)] = bytes[at + header];
    write16(bytes, at + Ipv6.PAYLOAD_LENGTH, payload);
    bytes[at + 1] |= congestion << 4;
    const from = arena.offset[whole];
    bytes.copyWithin(from + FragmentHeader.BYTES, from, at + header);
    arena.offset[whole] += FragmentHeader.BYTES;
    arena.length[whole] -= FragmentHeader.BYTES;
    return whole;
  }

  // --- queues -----------------------------------------------------------------------------------

  /** The queue of $key, made if need be; NONE: there is no room, the frame was dropped. */
  private find(frame: Frame, namespace: Namespace, family: number, now: number): number {
    const bucket = this.bucketOf();
    for (let queue = this.heads[bucket]; queue !== NONE; queue = this.chain[queue]) {
      if (this.isKey(queue)) return queue;
    }
    const { conf } = this.inet;
    const isSix = family === 1;
    const most = isSix ? conf.netOf6(namespace, Net6.IPFRAG_HIGH_THRESH) : conf.net(namespace, Net4.IPFRAG_HIGH_THRESH);
    if (most === 0 || this.memory[(namespace << 1) | family] > most) {
      this.inet.drop(frame, DropReason.REASSEMBLY_MEMORY);
      return NONE;
    }
    const forMs = isSix ? conf.netOf6(namespace, Net6.IPFRAG_TIME_MS) : conf.net(namespace, Net4.IPFRAG_TIME_MS);
    return this.make(bucket, (now + forMs) | 0);
  }

  private bucketOf(): number {
    const { $key } = this;
    const { keys } = this.inet;
    let hash = keys[0];
    for (let i = 0; i < KEY; i++) {
      hash = Math.imul(hash ^ $key[i] ^ keys[i & 3], 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    return hash & (BUCKETS - 1);
  }

  private isKey(queue: number): boolean {
    const { keys, $key } = this;
    const at = queue * KEY;
    for (let i = 0; i < KEY; i++) if (keys[at + i] !== $key[i]) return false;
    return true;
  }

  private make(bucket: number, expires: number): number {
    if (this.free === NONE) this.discard(this.oldest, DropReason.REASSEMBLY_MEMORY);
    const queue = this.free;
    this.free = this.chain[queue];
    this.keys.set(this.$key, queue * KEY);
    this.chain[queue] = this.heads[bucket];
    this.heads[bucket] = queue;
    this.bucket[queue] = bucket;
    this.older[queue] = this.youngest;
    this.younger[queue] = NONE;
    if (this.youngest === NONE) this.oldest = queue;
    else this.younger[this.youngest] = queue;
    this.youngest = queue;
    this.queues++;
    this.empty(queue);
    this.count[queue] = 0;
    this.expires[queue] = expires;
    this.charge(queue, OVERHEAD);
    return queue;
  }

  private empty(queue: number): void {
    this.state[queue] = 0;
    this.length[queue] = 0;
    this.have[queue] = 0;
    this.ecn[queue] = 0;
    this.longest[queue] = 0;
    this.longestDf[queue] = 0;
    this.firstRun[queue] = NONE;
    this.lastRun[queue] = NONE;
  }

  private charge(queue: number, bytes: number): void {
    this.memory[this.keys[queue * KEY]] += bytes;
  }

  /** Takes a queue that holds no frame (any more) out of all lists. */
  private remove(queue: number): void {
    const bucket = this.bucket[queue];
    if (this.heads[bucket] === queue) this.heads[bucket] = this.chain[queue];
    else {
      let before = this.heads[bucket];
      while (this.chain[before] !== queue) before = this.chain[before];
      this.chain[before] = this.chain[queue];
    }
    if (this.older[queue] === NONE) this.oldest = this.younger[queue];
    else this.younger[this.older[queue]] = this.younger[queue];
    if (this.younger[queue] === NONE) this.youngest = this.older[queue];
    else this.older[this.younger[queue]] = this.older[queue];
    this.charge(queue, -OVERHEAD);
    this.chain[queue] = this.free;
    this.free = queue;
    this.queues--;
  }

  /** More fragments than ipfrag_max_dist came from the source since the queue's last one. */
  private isTooFar(queue: number, maxDist: number): boolean {
    const { keys } = this.inet;
    const at = queue * KEY;
    const hash = Math.imul(this.keys[at + 1] ^ Math.imul(this.keys[at] ^ keys[1], 0xc2b2ae35) ^ keys[2], 0x85ebca6b);
    const counter = (hash >>> 16) & (COUNTERS - 1);
    const before = this.count[queue];
    this.counters[counter]++;
    this.count[queue] = this.counters[counter];
    return this.firstRun[queue] !== NONE && this.count[queue] - before > maxDist;
  }

  private restart(queue: number, now: number): void {
    this.dropFrames(queue, DropReason.REASSEMBLY_INVALID);
    this.empty(queue);
    const namespace = this.keys[queue * KEY] >>> 1;
    this.expires[queue] = (now + this.inet.conf.net(namespace, Net4.IPFRAG_TIME_MS)) | 0;
  }

  // --- fragments --------------------------------------------------------------------------------

  /** Puts a fragment in its place. False: it was dropped, and perhaps the whole queue with it. */
  private place(frame: Frame, queue: number, from: number, end: number, more: boolean, data: number): boolean {
    const { arena } = this.inet;
    if (!completePartial(arena, frame) || !this.agrees(queue, from, end, more)) {
      this.inet.drop(frame, DropReason.REASSEMBLY_INVALID);
      this.discard(queue, DropReason.REASSEMBLY_INVALID);
      return false;
    }
    arena.truncate(frame, data + end - from);
    this.start[frame] = from;
    this.end[frame] = end;
    this.data[frame] = data;
    this.next[frame] = NONE;
    const result = this.insert(frame, queue);
    if (result !== Inserted.OK) {
      this.inet.drop(frame, DropReason.REASSEMBLY_OVERLAP);
      if (result === Inserted.OVERLAP) this.discard(queue, DropReason.REASSEMBLY_OVERLAP);
      return false;
    }
    this.hold(frame, queue, from, end);
    return true;
  }

  private hold(frame: Frame, queue: number, from: number, end: number): void {
    const { arena } = this.inet;
    this.have[queue] += end - from;
    if (from === 0) this.state[queue] |= State.FIRST_IN;
    this.charge(queue, arena.length[frame] + OVERHEAD);
    this.frames++;
    if (arena.tail[frame] !== NONE) this.tails++;
  }

  /** Whether a fragment's end fits to what is known of the datagram's; an empty one never does. */
  private agrees(queue: number, from: number, end: number, more: boolean): boolean {
    const hasEnd = (this.state[queue] & State.LAST_IN) !== 0;
    if (more) {
      if (end > this.length[queue] && hasEnd) return false;
    } else {
      if (end < this.length[queue] || (hasEnd && end !== this.length[queue])) return false;
      this.state[queue] |= State.LAST_IN;
    }
    if (end > this.length[queue]) this.length[queue] = end;
    return end > from;
  }

  /** inet_frag_queue_insert. */
  private insert(frame: Frame, queue: number): Inserted {
    const last = this.lastRun[queue];
    if (last === NONE) {
      this.firstRun[queue] = frame;
      return this.startRun(frame, queue, NONE);
    }
    const reached = this.end[this.runTail[last]];
    if (reached >= this.end[frame]) return this.insertBefore(frame, queue);
    if (this.start[frame] < reached) return Inserted.OVERLAP;
    if (this.start[frame] === reached) {
      this.next[this.runTail[last]] = frame;
      this.runTail[last] = frame;
      return Inserted.OK;
    }
    this.nextRun[last] = frame;
    return this.startRun(frame, queue, NONE);
  }

  private startRun(frame: Frame, queue: number, nextRun: Frame): Inserted {
    this.runTail[frame] = frame;
    this.nextRun[frame] = nextRun;
    if (nextRun === NONE) this.lastRun[queue] = frame;
    return Inserted.OK;
  }

  /** A fragment that does not reach beyond all others. */
  private insertBefore(frame: Frame, queue: number): Inserted {
    const from = this.start[frame];
    const end = this.end[frame];
    let before = NONE;
    let run = this.firstRun[queue];
    while (from >= this.end[this.runTail[run]]) {
      before = run;
      run = this.nextRun[run];
    }
    if (end > this.start[run]) {
      const isWithin = from >= this.start[run] && end <= this.end[this.runTail[run]];
      return isWithin ? Inserted.DUPLICATE : Inserted.OVERLAP;
    }
    if (before === NONE) this.firstRun[queue] = frame;
    else this.nextRun[before] = frame;
    return this.startRun(frame, queue, run);
  }

  private isComplete(queue: number): boolean {
    return this.state[queue] === (State.FIRST_IN | State.LAST_IN) && this.have[queue] === this.length[queue];
  }

  /** What the fragments' ECN makes of the datagram's (RFC 3168 §5.3): bits to be or-ed in, or -1: they contradict. */
  private congestion(queue: number): number {
    const seen = this.ecn[queue];
    if ((seen & NOT_ECT) !== 0) return seen === NOT_ECT ? 0 : -1;
    return (seen & CE) !== 0 ? 3 : 0;
  }

  /** Makes one frame of a complete queue, which is gone then; NONE: for want of a tail slot all are dropped. */
  private join(queue: number, last: Frame): Frame {
    const { inet, data, next } = this;
    const { arena } = inet;
    const whole = this.firstRun[queue];
    const hadTail = arena.tail[whole] !== NONE;
    arena.length[whole] = data[whole] + this.length[queue];
    if (!takeTail(arena, whole)) {
      arena.length[whole] = data[whole] + this.end[whole];
      return this.discard(queue, DropReason.REASSEMBLY_MEMORY);
    }
    arena.ingress[whole] = arena.ingress[last];
    let run = this.nextRun[whole];
    let fragment = next[whole];
    if (!hadTail && arena.tail[whole] !== NONE) this.tails++;
    this.release(queue, whole, this.end[whole]);
    for (;;) {
      if (fragment === NONE) {
        if (run === NONE) break;
        fragment = run;
        run = this.nextRun[run];
      }
      const after = next[fragment];
      const size = this.end[fragment] - this.start[fragment];
      rangeCopy(arena, whole, data[whole] + this.start[fragment], fragment, data[fragment], size);
      this.release(queue, fragment, size);
      inet.links.totals[Total.MERGED]++;
      arena.release(fragment);
      fragment = after;
    }
    this.remove(queue);
    return whole;
  }

  /** A frame waits no longer; `size` bytes of data it had. */
  private release(queue: number, frame: Frame, size: number): void {
    this.charge(queue, -(this.data[frame] + size + OVERHEAD));
    this.frames--;
    if (this.inet.arena.tail[frame] !== NONE) this.tails--;
  }

  private dropFrames(queue: number, reason: DropReason): void {
    const { next } = this;
    for (let run = this.firstRun[queue]; run !== NONE; ) {
      const following = this.nextRun[run];
      for (let fragment = run; fragment !== NONE; ) {
        const after = next[fragment];
        this.release(queue, fragment, this.end[fragment] - this.start[fragment]);
        this.inet.drop(fragment, reason);
        fragment = after;
      }
      run = following;
    }
  }

  /** Gives a datagram up, all that has come of it. */
  private discard(queue: number, reason: DropReason): typeof NONE {
    this.dropFrames(queue, reason);
    this.remove(queue);
    return NONE;
  }

  /** A fragment has been taken in: others go if too many wait now. */
  private wait(): typeof NONE {
    const { arena } = this.inet;
    while (this.queues > 1 && (this.frames > arena.heads >> 2 || this.tails > arena.tails >> 2)) {
      this.discard(this.oldest, DropReason.REASSEMBLY_MEMORY);
    }
    return NONE;
  }

  // --- time, and links --------------------------------------------------------------------------

  /** Gives up what is due. Answers ms until the next is, or -1: nothing waits. */
  timers(now: number): number {
    let soonest = -1;
    for (let queue = this.oldest; queue !== NONE; ) {
      const following = this.younger[queue];
      const left = (this.expires[queue] - now) | 0;
      if (left <= 0) this.expire(queue, now);
      else if (soonest < 0 || left < soonest) soonest = left;
      queue = following;
    }
    return soonest;
  }

  private expire(queue: number, now: number): void {
    const first = this.firstRun[queue];
    if ((this.state[queue] & State.FIRST_IN) !== 0 && this.isEnd(first, queue)) {
      if ((this.keys[queue * KEY] & 1) === 0) this.inet.icmp4.error(first, TIME_EXCEEDED4, 1, 0, now);
      else this.inet.icmp6.error(first, TIME_EXCEEDED6, 1, 0, now);
    }
    this.discard(queue, DropReason.REASSEMBLY_TIMEOUT);
  }

  /** Only who a datagram is for tells of a timeout; netfilter has others' put together, too. */
  private isEnd(frame: Frame, queue: number): boolean {
    const { inet } = this;
    const isSix = (this.keys[queue * KEY] & 1) !== 0;
    const destination = this.keys[queue * KEY + 2];
    return isSix || inet.addresses.isOwn4(inet.namespaceOf(inet.arena.ingress[frame]), destination);
  }

  /** A link goes: datagrams of which a part came by it are given up. */
  forgetLink(link: Link): void {
    for (let queue = this.oldest; queue !== NONE; ) {
      const following = this.younger[queue];
      if (this.cameBy(queue, link)) this.discard(queue, DropReason.NAMESPACE_GONE);
      queue = following;
    }
  }

  private cameBy(queue: number, link: Link): boolean {
    const { ingress } = this.inet.arena;
    for (let run = this.firstRun[queue]; run !== NONE; run = this.nextRun[run]) {
      for (let fragment = run; fragment !== NONE; fragment = this.next[fragment]) {
        if (ingress[fragment] === link) return true;
      }
    }
    return false;
  }
}

/** Where the next-header field lies that announces the header `header` bytes behind the IPv6 header's start at `at`. */
function fieldBefore(bytes: Uint8Array, at: number, header: number): number {
  let field = at + Ipv6.NEXT_HEADER;
  let offset: number = Ipv6.BYTES;
  while (offset < header && bytes[field] !== Extension.FRAGMENT) {
    field = at + offset;
    offset += (bytes[field + 1] + 1) << 3;
  }
  return field;
}
