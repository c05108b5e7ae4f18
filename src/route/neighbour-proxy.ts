/*
 * Proxies: addresses that we answer for though they are not ours (`ip neigh add proxy`), and the answers that wait.
 *
 * A proxy answers a request that was broadcast or multicast after a random part of proxy_delay, so that the host itself, if
 * it is there, comes first. Until then the request waits: on each link proxy_qlen of them and one more (as in
 * Linux), of all links QUEUE; what has no room is dropped. There are few, so the next one due is searched for.
 *
 * The addresses are few per link, too, and only looked at for requests that are not for this host.
 */
import type { Frame } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, MAX_LINKS } from '../core/links.js';
import { NeighbourFamily } from '../tables/neighbours.js';
import type { Inet } from './inet.js';

/** Words of a proxy's row. */
export const enum ProxyRow {
  FAMILY,
  A,
  B,
  C,
  D,
  /** NTF_ROUTER: it is a router, advertisements for it say. */
  FLAGS,
  PROTOCOL,
  IS_PERMANENT,
  WORDS,
}

const QUEUE = 1024;
const EMPTY = new Int32Array(0);

export class NeighbourProxies {
  /** Rows of each link's proxies. */
  readonly of: Int32Array[] = new Array<Int32Array>(MAX_LINKS).fill(EMPTY);

  /** Requests that wait: frame, link, family, when due, and where their ICMPv6 message starts and ends in the frame. */
  private readonly frames = new Int32Array(QUEUE);
  private readonly links = new Int32Array(QUEUE);
  private readonly families = new Int32Array(QUEUE);
  private readonly due = new Int32Array(QUEUE);
  private readonly starts = new Int32Array(QUEUE);
  private readonly ends = new Int32Array(QUEUE);
  private count = 0;
  /** By link × 2 + family − 1. */
  private readonly waiting = new Int32Array(MAX_LINKS * 2);

  constructor(private readonly inet: Inet) {}

  /** Where an address's row starts in of[link], or -1. */
  find(link: Link, family: NeighbourFamily, a: number, b: number, c: number, d: number): number {
    const rows = this.of[link];
    for (let at = 0; at < rows.length; at += ProxyRow.WORDS) {
      const differs = (rows[at + ProxyRow.A] ^ a) | (rows[at + ProxyRow.B] ^ b) | (rows[at + ProxyRow.C] ^ c);
      if ((differs | (rows[at + ProxyRow.D] ^ d) | (rows[at] ^ family)) === 0) return at;
    }
    return -1;
  }

  /** Whether the group is one that solicitations for a proxied address go to: ff02::1:ff and its last 24 bits. */
  hasGroup(link: Link, a: number, b: number, c: number, d: number): boolean {
    const rows = this.of[link];
    if (rows.length === 0 || a !== (0xff020000 | 0) || b !== 0 || c !== 1 || d >>> 24 !== 0xff) return false;
    for (let at = 0; at < rows.length; at += ProxyRow.WORDS) {
      if (rows[at] === NeighbourFamily.IPV6 && ((rows[at + ProxyRow.D] ^ d) & 0xffffff) === 0) return true;
    }
    return false;
  }

  // --- calls of the control plane -----------------------------------------------------------------

  /** Adds a proxy, or changes the one there. */
  set(link: Link, row: Int32Array): void {
    const at = this.find(link, row[0], row[1], row[2], row[3], row[4]);
    if (at >= 0) this.of[link].set(row, at);
    else {
      const rows = new Int32Array(this.of[link].length + ProxyRow.WORDS);
      rows.set(this.of[link]);
      rows.set(row, this.of[link].length);
      this.of[link] = rows;
    }
  }

  remove(link: Link, family: NeighbourFamily, a: number, b: number, c: number, d: number): boolean {
    const at = this.find(link, family, a, b, c, d);
    if (at < 0) return false;
    const rows = this.of[link];
    this.of[link] = Int32Array.of(...rows.subarray(0, at), ...rows.subarray(at + ProxyRow.WORDS));
    return true;
  }

  /** Forgets a link's proxies, or those that are not permanent, and what waits on it. */
  clear(link: Link, keepsPermanent: boolean, reason: DropReason): void {
    const rows = this.of[link];
    const kept: number[] = [];
    for (let at = 0; keepsPermanent && at < rows.length; at += ProxyRow.WORDS) {
      if (rows[at + ProxyRow.IS_PERMANENT] !== 0) kept.push(...rows.subarray(at, at + ProxyRow.WORDS));
    }
    this.of[link] = kept.length === 0 ? EMPTY : Int32Array.from(kept);
    for (let i = this.count - 1; i >= 0; i--) {
      if (this.links[i] === link) this.inet.drop(this.take(i), reason);
    }
  }

  // --- requests that wait -------------------------------------------------------------------------

  /** Takes a request for a random part of the delay. `at`, `end`: of its ICMPv6 message, in the arena. */
  wait(
    frame: Frame,
    link: Link,
    family: NeighbourFamily,
    delayMs: number,
    limit: number,
    at: number,
    end: number,
    now: number,
  ): void {
    const i = this.count;
    const kind = link * 2 + family - 1;
    if (i === QUEUE || this.waiting[kind] > limit) return this.inet.drop(frame, DropReason.NEIGHBOUR_QUEUE);
    const start = this.inet.arena.offset[frame];
    this.frames[i] = frame;
    this.links[i] = link;
    this.families[i] = family;
    this.due[i] = (now + (this.inet.random() % delayMs)) | 0;
    this.starts[i] = at - start;
    this.ends[i] = end - start;
    this.waiting[kind]++;
    this.count++;
  }

  private take(i: number): Frame {
    const frame = this.frames[i];
    this.waiting[this.links[i] * 2 + this.families[i] - 1]--;
    const last = --this.count;
    this.frames[i] = this.frames[last];
    this.links[i] = this.links[last];
    this.families[i] = this.families[last];
    this.due[i] = this.due[last];
    this.starts[i] = this.starts[last];
    this.ends[i] = this.ends[last];
    return frame;
  }

  /** Answers the requests that are due. Returns ms until the next one is, -1 = none waits. */
  timers(now: number): number {
    let next = -1;
    for (let i = this.count - 1; i >= 0; i--) {
      const left = (this.due[i] - now) | 0;
      if (left > 0) {
        if (next < 0 || left < next) next = left;
      } else this.answer(i, now);
    }
    return next;
  }

  private answer(i: number, now: number): void {
    const link = this.links[i];
    const isIpv4 = this.families[i] === NeighbourFamily.IPV4;
    const start = this.starts[i];
    const end = this.ends[i];
    const frame = this.take(i);
    const from = this.inet.arena.offset[frame];
    if (isIpv4) this.inet.neighbour.arp.answerLate(frame, link, now);
    else this.inet.neighbour.nd.answerLate(frame, link, from + start, from + end, now);
  }
}
