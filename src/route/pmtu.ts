/*
 * What ICMP has told us about the way to single destinations: the MTU of the path (RFC 1191, RFC 8201) and a better first
 * hop (redirects). The kernel's next-hop exceptions.
 *
 *   (namespace, destination) → path MTU, or 0; whether it is locked; gateway, or 0; when it is forgotten
 *
 * Asked for packets sent from here, and for forwarded ones where ip_forward_use_pmtu says so: `isEmpty` is the one test
 * that costs something while nothing has been learned.
 *
 * Sets of WAYS destinations, found by a keyed hash. When a set is full the entry that would be forgotten first makes
 * room; its path's MTU is learned again from the next packet that is too big.
 *
 * A *locked* MTU is the smallest that we believe, although the path claims less: then packets go without DF, so that
 * routers may fragment them.
 */
import type { Namespace } from '../core/links.js';
import { sharedInts } from '../core/memory.js';
import { read32 } from '../wire/field.js';

/** Destinations kept at most, if nothing else is said: 160 KiB. */
export const PMTU_DEFAULT = 4096;

/** Entries of a set. */
const WAYS = 4;

const NO_SECRETS = new Int32Array(4);

/** Addresses of IPv4 are put behind this word, as no IPv6 address starts with it. */
const IPV4 = -1;

/** How long a redirect is believed (RT_GC_TIMEOUT). */
const REDIRECT_MS = 300_000;

export class Pmtu {
  /** Five words an entry: its namespace + 1 (0: free), and the destination. */
  private readonly keys: Int32Array;
  private readonly mtu: Int32Array;
  private readonly locked: Int32Array;
  /** Of IPv4 one word, of IPv6 four. */
  readonly gateways: Int32Array;
  private readonly hasGateway: Int32Array;
  /** End of the gateway and of the MTU alike, as in the kernel. */
  private readonly expires: Int32Array;
  private entries = 0;

  /** Room for `capacity` destinations, a power of two; `secrets`: keys of the hash. */
  constructor(
    private readonly capacity: number,
    private readonly secrets: Int32Array = NO_SECRETS,
  ) {
    this.keys = sharedInts(capacity * 5);
    this.mtu = sharedInts(capacity);
    this.locked = sharedInts(capacity);
    this.gateways = sharedInts(capacity * 4);
    this.hasGateway = sharedInts(capacity);
    this.expires = sharedInts(capacity);
  }

  get isEmpty(): boolean {
    return this.entries === 0;
  }

  /** The entry of a destination, or -1: for the functions below. */
  find4(namespace: Namespace, address: number, now: number): number {
    return this.entries === 0 ? -1 : this.find6(namespace, IPV4, 0, 0, address, now);
  }

  find6(namespace: Namespace, a: number, b: number, c: number, d: number, now: number): number {
    if (this.entries === 0) return -1;
    const first = this.home(namespace, a, b, c, d) * WAYS;
    for (let entry = first; entry < first + WAYS; entry++) {
      if (!this.isOf(entry, namespace, a, b, c, d)) continue;
      if (this.left(entry, now) > 0) return entry;
      this.remove(entry);
      return -1;
    }
    return -1;
  }

  /** The MTU of the path to a destination: what is known, else `mtu`, that of its route. */
  get4(namespace: Namespace, address: number, mtu: number, now: number): number {
    if (this.entries === 0) return mtu;
    return this.mtuOf(this.find4(namespace, address, now)) || mtu;
  }

  /** As get4; the 16 bytes of the destination lie at `at`. */
  get6(namespace: Namespace, bytes: Uint8Array, at: number, mtu: number, now: number): number {
    if (this.entries === 0) return mtu;
    const a = read32(bytes, at);
    const b = read32(bytes, at + 4);
    return this.mtuOf(this.find6(namespace, a, b, read32(bytes, at + 8), read32(bytes, at + 12), now)) || mtu;
  }

  /** Path MTU in bytes of an entry, or 0: not known. */
  mtuOf(entry: number): number {
    return entry < 0 ? 0 : this.mtu[entry];
  }

  isLocked(entry: number): boolean {
    return entry >= 0 && this.locked[entry] !== 0;
  }

  /** The gateway of an IPv4 entry, or 0: that of its route. Of IPv6: `gateways`, where this is not 0. */
  gatewayOf(entry: number): number {
    return entry < 0 || this.hasGateway[entry] === 0 ? 0 : this.gateways[entry << 2];
  }

  learn4(namespace: Namespace, address: number, mtu: number, isLocked: boolean, forMs: number, now: number): void {
    this.learn6(namespace, IPV4, 0, 0, address, mtu, isLocked, forMs, now);
  }

  learn6(
    namespace: Namespace,
    a: number,
    b: number,
    c: number,
    d: number,
    mtu: number,
    isLocked: boolean,
    forMs: number,
    now: number,
  ): void {
    const entry = this.make(namespace, a, b, c, d, now);
    this.mtu[entry] = mtu;
    this.locked[entry] = isLocked ? 1 : 0;
    this.expires[entry] = (now + forMs) | 0;
  }

  redirect4(namespace: Namespace, address: number, gateway: number, now: number): void {
    this.redirect6(namespace, IPV4, 0, 0, address, gateway, 0, 0, 0, now);
  }

  /** `w`, `x`, `y`, `z`: the gateway. */
  redirect6(
    namespace: Namespace,
    a: number,
    b: number,
    c: number,
    d: number,
    w: number,
    x: number,
    y: number,
    z: number,
    now: number,
  ): void {
    const entry = this.make(namespace, a, b, c, d, now);
    this.gateways[entry << 2] = w;
    this.gateways[(entry << 2) + 1] = x;
    this.gateways[(entry << 2) + 2] = y;
    this.gateways[(entry << 2) + 3] = z;
    this.hasGateway[entry] = 1;
    this.expires[entry] = (now + REDIRECT_MS) | 0;
  }

  /** ms until an entry is forgotten; negative: it is due. */
  private left(entry: number, now: number): number {
    return (this.expires[entry] - now) | 0;
  }

  private make(namespace: Namespace, a: number, b: number, c: number, d: number, now: number): number {
    const first = this.home(namespace, a, b, c, d) * WAYS;
    let victim = first;
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.isOf(entry, namespace, a, b, c, d)) return entry;
      if (this.isSooner(entry, victim, now)) victim = entry;
    }
    this.remove(victim);
    this.keys[victim * 5] = namespace + 1;
    this.keys[victim * 5 + 1] = a;
    this.keys[victim * 5 + 2] = b;
    this.keys[victim * 5 + 3] = c;
    this.keys[victim * 5 + 4] = d;
    this.entries++;
    return victim;
  }

  private isSooner(entry: number, other: number, now: number): boolean {
    if (this.keys[other * 5] === 0) return false;
    return this.keys[entry * 5] === 0 || this.left(entry, now) < this.left(other, now);
  }

  private isOf(entry: number, namespace: Namespace, a: number, b: number, c: number, d: number): boolean {
    const { keys } = this;
    const at = entry * 5;
    return (
      keys[at + 4] === d && keys[at] === namespace + 1 && keys[at + 1] === a && keys[at + 2] === b && keys[at + 3] === c
    );
  }

  private remove(entry: number): void {
    if (this.keys[entry * 5] === 0) return;
    this.keys[entry * 5] = 0;
    this.mtu[entry] = 0;
    this.locked[entry] = 0;
    this.hasGateway[entry] = 0;
    this.entries--;
  }

  private home(namespace: Namespace, a: number, b: number, c: number, d: number): number {
    const { secrets } = this;
    let hash = namespace ^ secrets[2];
    hash = Math.imul(hash ^ a ^ secrets[0], 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ b ^ secrets[1], 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 13) ^ c ^ secrets[3], 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ d, 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 8) & (this.capacity / WAYS - 1);
  }

  /** Forgets all of a namespace; or what its routes' change (`ip route flush cache`) has made obsolete. */
  forget(namespace: Namespace): void {
    for (let entry = 0; entry < this.capacity; entry++) if (this.keys[entry * 5] === namespace + 1) this.remove(entry);
  }
}
