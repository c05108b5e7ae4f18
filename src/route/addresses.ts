/*
 * The addresses of links and the groups they have joined, as the datapath needs them: to choose a source, to answer for a proxy, to know what is on a
 * link. What is local is not decided here but by the `local` table, as in the kernel.
 *
 *   of4[link] = [address, prefix length, broadcast, peer, scope, flags] …     words of Address4
 *   of6[link] = [a, b, c, d, prefix length, scope, flags] …                   words of Address6
 *
 * in the order of `ip addr`: primary addresses before secondary ones. Few per link, written whole by the control plane,
 * read by loops; not for the path of a forwarded packet. That one only asks `isOwn4`, a hash table of (namespace, address) with a count.
 *
 * That table is never more than half full, so that a search is short: it holds MAX_OWN_ADDRESSES. A list that finds no room is
 * not taken, and the link keeps the one it had. The control plane counts too (control/inet/address-room.ts), and refuses before
 * it comes to that.
 */
import { type Link, MAX_LINKS, type Namespace } from '../core/links.js';
import { sharedInts } from '../core/memory.js';

export const enum Address4 {
  ADDRESS,
  LENGTH,
  BROADCAST,
  /** The other end; the address itself where there is none. */
  PEER,
  /** RT_SCOPE_*: 0 universe, 253 link, 254 host. */
  SCOPE,
  FLAGS,
  WORDS,
}

export const enum Address6 {
  A,
  B,
  C,
  D,
  LENGTH,
  SCOPE,
  FLAGS,
  WORDS,
}

/** Of an address: IFA_F_*. */
export const enum AddressFlag {
  SECONDARY = 0x01,
  DADFAILED = 0x08,
  DEPRECATED = 0x20,
  TENTATIVE = 0x40,
  PERMANENT = 0x80,
}

export const enum Scope {
  UNIVERSE = 0,
  SITE = 200,
  LINK = 253,
  HOST = 254,
  NOWHERE = 255,
}

const NONE = new Int32Array(0);

/** Slots of the hash table of own addresses, three words each. */
const OWN_SLOTS = 1 << 16;
export const MAX_OWN_ADDRESSES = OWN_SLOTS >> 1;

const enum Own {
  ADDRESS,
  NAMESPACE,
  /** Links of the namespace that have the address; 0 = the slot is free, or was: then probing goes on if it is -1. */
  COUNT,
  SHIFT = 2,
}

export class Addresses {
  readonly of4: Int32Array[] = new Array<Int32Array>(MAX_LINKS).fill(NONE);
  readonly of6: Int32Array[] = new Array<Int32Array>(MAX_LINKS).fill(NONE);
  /** One word a group. */
  readonly groups4: Int32Array[] = new Array<Int32Array>(MAX_LINKS).fill(NONE);
  /** Four words a group. */
  readonly groups6: Int32Array[] = new Array<Int32Array>(MAX_LINKS).fill(NONE);
  /** Namespace that an entry of of4 was counted for. */
  private readonly countedIn = new Int32Array(MAX_LINKS);
  private readonly own = sharedInts(OWN_SLOTS << Own.SHIFT);
  /** Of its slots, those with an address. */
  private used = 0;

  clear(link: Link): void {
    this.set4(link, NONE, 0);
    this.of6[link] = NONE;
    this.groups4[link] = NONE;
    this.groups6[link] = NONE;
  }

  /** False: no room for all of them; the link keeps those it has. */
  set4(link: Link, words: Int32Array, namespace: Namespace): boolean {
    const old = this.of4[link];
    this.discount(old, old.length, this.countedIn[link]);
    const counted = this.countAll(words, namespace);
    if (counted < words.length) {
      this.discount(words, counted, namespace);
      this.countAll(old, this.countedIn[link]);
      return false;
    }
    this.of4[link] = words;
    this.countedIn[link] = namespace;
    return true;
  }

  /** Answers where it stopped: at the end, or where there was no room. */
  private countAll(words: Int32Array, namespace: Namespace): number {
    let at = 0;
    while (at < words.length && this.count(words[at], namespace, 1)) at += Address4.WORDS;
    return at;
  }

  private discount(words: Int32Array, end: number, namespace: Namespace): void {
    for (let at = 0; at < end; at += Address4.WORDS) this.count(words[at], namespace, -1);
  }

  /** False: it is a new one, and the table is full. */
  private count(address: number, namespace: Namespace, by: number): boolean {
    const { own } = this;
    let free = -1;
    let at = home(address, namespace);
    for (let i = 0; i < OWN_SLOTS; i++, at = next(at)) {
      const count = own[at + Own.COUNT];
      if (count > 0 && own[at] === address && own[at + Own.NAMESPACE] === namespace) {
        own[at + Own.COUNT] = count + by;
        if (count + by === 0) this.free(at);
        return true;
      }
      if (count <= 0 && free < 0) free = at;
      if (count === 0) break;
    }
    if (by < 0 || free < 0 || this.used === MAX_OWN_ADDRESSES) return by < 0;
    this.used++;
    own[free] = address;
    own[free + Own.NAMESPACE] = namespace;
    own[free + Own.COUNT] = 1;
    return true;
  }

  /** A slot is of no address any more. At the end of a row of used ones, it and those before it are as if they had never been. */
  private free(slot: number): void {
    const { own } = this;
    this.used--;
    own[slot + Own.COUNT] = -1;
    if (own[next(slot) + Own.COUNT] !== 0) return;
    for (let at = slot; own[at + Own.COUNT] === -1; at = previous(at)) own[at + Own.COUNT] = 0;
  }

  /** Whether an address is one of the namespace's own (inet_lookup_ifaddr). */
  isOwn4(namespace: Namespace, address: number): boolean {
    const { own } = this;
    let at = home(address, namespace);
    for (let i = 0; i < OWN_SLOTS; i++, at = next(at)) {
      const count = own[at + Own.COUNT];
      if (count === 0) return false;
      if (count > 0 && own[at] === address && own[at + Own.NAMESPACE] === namespace) return true;
    }
    return false;
  }

  isGroup4(link: Link, address: number): boolean {
    const list = this.groups4[link];
    for (let at = 0; at < list.length; at++) if (list[at] === address) return true;
    return false;
  }

  isGroup6(link: Link, a: number, b: number, c: number, d: number): boolean {
    const list = this.groups6[link];
    for (let at = 0; at < list.length; at += 4) {
      if (list[at + 3] === d && list[at + 2] === c && list[at + 1] === b && list[at] === a) return true;
    }
    return false;
  }

  /** Whether an address of the link's subnets (inet_addr_onlink). */
  isOnLink4(link: Link, address: number): boolean {
    const list = this.of4[link];
    for (let at = 0; at < list.length; at += Address4.WORDS) {
      const length = list[at + Address4.LENGTH];
      if (length === 0 || (list[at + Address4.PEER] ^ address) >>> (32 - length) === 0) return true;
    }
    return false;
  }

  has4(link: Link, address: number): boolean {
    const list = this.of4[link];
    for (let at = 0; at < list.length; at += Address4.WORDS) if (list[at] === address) return true;
    return false;
  }

  /** Whether the link has a link-local address: with it comes its route to fe80::/64. */
  hasLinkLocal(link: Link): boolean {
    const list = this.of6[link];
    for (let at = 0; at < list.length; at += Address6.WORDS) if (list[at] >>> 22 === 0x3fa) return true;
    return false;
  }

  /** Where the link's entry of an address starts in of6[link], or -1. */
  find6(link: Link, a: number, b: number, c: number, d: number): number {
    const list = this.of6[link];
    for (let at = 0; at < list.length; at += Address6.WORDS) {
      if (list[at + 3] === d && list[at + 2] === c && list[at + 1] === b && list[at] === a) return at;
    }
    return -1;
  }
}

function home(address: number, namespace: Namespace): number {
  const hash = Math.imul(address ^ Math.imul(namespace, 0x9e3779b1), 0x85ebca6b);
  return ((hash ^ (hash >>> 15)) & (OWN_SLOTS - 1)) << Own.SHIFT;
}

function next(at: number): number {
  return (at + (1 << Own.SHIFT)) & ((OWN_SLOTS << Own.SHIFT) - 1);
}

function previous(at: number): number {
  return (at - (1 << Own.SHIFT)) & ((OWN_SLOTS << Own.SHIFT) - 1);
}
