/*
 * How often ICMP messages may be sent, as Linux limits it: a token bucket per namespace (icmp_msgs_per_sec, icmp_msgs_burst)
 * and one per peer that the messages go to (icmp_ratelimit; route/error_cost; the redirects').
 *
 *   peer = (namespace, address)   tokens in ms, time of the last change, redirects sent in a row
 *
 * As in Linux one bucket of a peer serves errors, the route errors before them and redirects alike.
 *
 * Peers lie in SETS sets of WAYS, found by a keyed hash. When a set is full its longest unused peer is forgotten, and with it
 * how much was sent to it: who can fill sets gets more messages out of us, but never more than the namespace's bucket.
 * Tokens of the namespace are taken at random, 0 to 2 for a message, so that nobody can count what others get
 * (CVE-2020-25705).
 */
import { MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { sharedInts } from '../core/memory.js';

const enum Peers {
  SETS = 1024,
  WAYS = 4,
  COUNT = SETS * WAYS,
}

/** A peer's bucket holds this many messages' worth. */
const BURST_FACTOR = 6;

/** A peer is new, or was silent for longer, with this much time to its credit. */
const NEW_CREDIT_MS = 60_000;

/** Refills of a namespace's bucket are this far apart. */
const REFILL_MS = 20;

/** Addresses of IPv4 peers are put behind this word, as no IPv6 address starts with it. */
const IPV4 = -1;

export class IcmpLimit {
  private readonly credit = sharedInts(MAX_NAMESPACES);
  private readonly stamp = sharedInts(MAX_NAMESPACES);
  /** Whether a namespace's bucket has ever been looked at. */
  private readonly isKnown = new Uint8Array(MAX_NAMESPACES);

  /** Five words a peer: its namespace + 1 (0: nobody), and its address. */
  private readonly keys = sharedInts(Peers.COUNT * 5);
  readonly tokens = sharedInts(Peers.COUNT);
  readonly last = sharedInts(Peers.COUNT);
  readonly redirects = sharedInts(Peers.COUNT);
  private readonly used = sharedInts(Peers.COUNT);

  /** `secrets`: keys of the hash. */
  constructor(private readonly secrets: Int32Array) {}

  /** Whether the namespace may send one more; nothing is taken yet. */
  allows(namespace: Namespace, perSecond: number, burst: number, now: number): boolean {
    const { credit, stamp } = this;
    if (credit[namespace] > 0) return true;
    const elapsed = this.elapsed(namespace, now);
    if (elapsed < REFILL_MS) return false;
    const more = Math.trunc((perSecond * elapsed) / 1000);
    if (more === 0) return false;
    stamp[namespace] = now;
    credit[namespace] = Math.min(credit[namespace] + more, burst);
    return credit[namespace] > 0;
  }

  private elapsed(namespace: Namespace, now: number): number {
    if (this.isKnown[namespace] === 0) {
      this.isKnown[namespace] = 1;
      return 1000;
    }
    const ms = (now - this.stamp[namespace]) | 0;
    return ms < 0 || ms > 1000 ? 1000 : ms;
  }

  /** The namespace has sent one; `random`: at least 0. */
  consume(namespace: Namespace, random: number): void {
    this.credit[namespace] = Math.max(0, this.credit[namespace] - (random % 3));
  }

  peer4(namespace: Namespace, address: number, now: number): number {
    return this.peer6(namespace, IPV4, 0, 0, address, now);
  }

  /** The row of a peer, made if need be. */
  peer6(namespace: Namespace, a: number, b: number, c: number, d: number, now: number): number {
    const first = this.home(namespace, a, b, c, d) * Peers.WAYS;
    let oldest = first;
    for (let peer = first; peer < first + Peers.WAYS; peer++) {
      if (this.isPeer(peer, namespace, a, b, c, d)) {
        this.used[peer] = now;
        return peer;
      }
      if (this.isOlder(peer, oldest, now)) oldest = peer;
    }
    this.take(oldest, namespace, a, b, c, d, now);
    return oldest;
  }

  private isPeer(peer: number, namespace: Namespace, a: number, b: number, c: number, d: number): boolean {
    const { keys } = this;
    const at = peer * 5;
    return (
      keys[at] === namespace + 1 && keys[at + 1] === a && keys[at + 2] === b && keys[at + 3] === c && keys[at + 4] === d
    );
  }

  private isOlder(peer: number, other: number, now: number): boolean {
    if (this.keys[other * 5] === 0) return false;
    return this.keys[peer * 5] === 0 || (now - this.used[peer]) >>> 0 > (now - this.used[other]) >>> 0;
  }

  private take(peer: number, namespace: Namespace, a: number, b: number, c: number, d: number, now: number): void {
    const at = peer * 5;
    this.keys[at] = namespace + 1;
    this.keys[at + 1] = a;
    this.keys[at + 2] = b;
    this.keys[at + 3] = c;
    this.keys[at + 4] = d;
    this.tokens[peer] = 0;
    this.redirects[peer] = 0;
    this.last[peer] = (now - NEW_CREDIT_MS) | 0;
    this.used[peer] = now;
  }

  private home(namespace: Namespace, a: number, b: number, c: number, d: number): number {
    const { secrets } = this;
    let hash = secrets[0] ^ namespace;
    hash = mix(hash, a ^ secrets[1]);
    hash = mix(hash, b ^ secrets[2]);
    hash = mix(hash, c ^ secrets[3]);
    hash = mix(hash, d);
    return (hash >>> 8) & (Peers.SETS - 1);
  }

  /** ms since the peer's bucket last changed. */
  silence(peer: number, now: number): number {
    return (now - this.last[peer]) >>> 0;
  }

  /** Takes `costMs` out of a peer's bucket that fills by 1 a ms up to `mostMs`; false where it holds less. */
  private spend(peer: number, costMs: number, mostMs: number, now: number): boolean {
    const tokens = Math.min(this.tokens[peer] + this.silence(peer, now), mostMs);
    this.last[peer] = now;
    const isEnough = tokens >= costMs;
    this.tokens[peer] = isEnough ? tokens - costMs : tokens;
    return isEnough;
  }

  /** Whether a message may go to a peer, one in `everyMs`; if so it is counted. */
  allowsPeer(peer: number, everyMs: number, now: number): boolean {
    return everyMs === 0 || this.spend(peer, everyMs, BURST_FACTOR * everyMs, now);
  }

  /** Whether a packet of a peer that found no route may be answered (ip_error). */
  allowsRouteError(peer: number, costMs: number, burstMs: number, now: number): boolean {
    return this.spend(peer, costMs, burstMs, now);
  }

  /**
   * Whether a redirect may go to a peer: at once, then after loadMs × 2ⁿ, `most` in all; after `silenceMs` without any it
   * starts anew.
   */
  allowsRedirect(peer: number, loadMs: number, most: number, silenceMs: number, now: number): boolean {
    const silence = this.silence(peer, now);
    if (silence > silenceMs) {
      this.tokens[peer] = 0;
      this.redirects[peer] = 0;
    }
    const sent = this.redirects[peer];
    // Who ignores them all is left alone until it has been silent, too.
    if (sent >= most) {
      this.last[peer] = now;
      return false;
    }
    return sent === 0 || silence > loadMs * 2 ** sent;
  }

  countRedirect(peer: number, now: number): void {
    this.last[peer] = now;
    this.redirects[peer]++;
  }

  /** A namespace goes; its number may be given to a new one. */
  forget(namespace: Namespace): void {
    this.isKnown[namespace] = 0;
    this.credit[namespace] = 0;
    for (let at = 0; at < this.keys.length; at += 5) if (this.keys[at] === namespace + 1) this.keys[at] = 0;
  }
}

function mix(hash: number, word: number): number {
  const x = Math.imul(hash ^ word, 0x85ebca6b);
  return Math.imul(x ^ (x >>> 15), 0xc2b2ae35) ^ (x >>> 13);
}
