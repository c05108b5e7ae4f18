/*
 * Neighbours: (link, address) -> link-layer address and how far it can be trusted. One table for both families and all
 * namespaces.
 *
 *   row, 64 bytes = one cache line:
 *   | address, 4 words (IPv4: 1) | link, family | state | mac 0..1 | mac 2..5 | times … | hops | frames that wait |
 *   aside, 32 bytes: what only lists, dumps and commands need
 *
 * - A slot is an entry's number for as long as the entry lives: next hops keep it as a hint (`isAt4`, `isAt6` tell
 *   whether it still holds), queues and deadlines use it. So entries never move; a look-up finds an entry in its home row or in one of 31 others
 *   that are fixed for that home. The home row's `hops` has a bit for each of them that is in use, so a look-up that finds nothing costs
 *   one line, too. With twice as many rows as `capacity` all 32 are never taken by chance (2^-32), and
 *   the hash has secret keys, so it cannot be made to happen.
 * - MAC addresses are words as they lie in a frame (little-endian): writing one is two stores.
 * - Each namespace and family has a list of its entries in the order they were made, and two counts: of all, and of those that
 *   garbage collection may take (all but permanent and externally learned ones, as in Linux).
 *
 * When it is full, `insert` answers NONE: the caller may collect garbage and try again. Which entries to give up is the caller's
 * choice (route/neighbour-states.ts), as are all changes of state. No clock: times are those of the caller.
 *
 * A free row's key is 0 and link numbers are counted in the list ends as slot + 1, so a fresh table is untouched zero pages.
 */
import { type Link, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { sharedInts } from '../core/memory.js';

/** NUD_* of neighbour.h: bits, of which an entry has one or none. */
export const enum Nud {
  NONE = 0,
  /** Asked for, not answered yet. No link-layer address. */
  INCOMPLETE = 0x01,
  /** It answered a short time ago. */
  REACHABLE = 0x02,
  /** It answered once; the next frame makes us ask again, in a while. */
  STALE = 0x04,
  /** A frame was sent; if nothing confirms the neighbour, it will be asked. */
  DELAY = 0x08,
  /** It is being asked at the address known. */
  PROBE = 0x10,
  /** It did not answer. */
  FAILED = 0x20,
  /** Needs no resolution. */
  NOARP = 0x40,
  /** By command; never asked, never forgotten. */
  PERMANENT = 0x80,

  /** Its link-layer address may be used at once and nothing else is to be done. */
  CONNECTED = REACHABLE | NOARP | PERMANENT,
  /** It has a link-layer address. */
  VALID = REACHABLE | STALE | DELAY | PROBE | NOARP | PERMANENT,
  /** It has a deadline. */
  IN_TIMER = INCOMPLETE | REACHABLE | DELAY | PROBE,
}

/** NTF_*. */
export const enum NeighbourFlag {
  USE = 0x01,
  PROXY = 0x08,
  EXT_LEARNED = 0x10,
  ROUTER = 0x80,
}

/** Words of a row. */
export const enum Neighbour {
  /** IPv4: one word, the others 0. */
  A = 0,
  B = 1,
  C = 2,
  D = 3,
  /** link << 2 | family (1: IPv4, 2: IPv6); 0 = free. */
  KEY = 4,
  STATE = 5,
  MAC_HIGH = 6,
  MAC_LOW = 7,
  /** When it was last known to answer, last asked for by a frame, last changed. */
  CONFIRMED = 8,
  USED = 9,
  UPDATED = 10,
  /** Solicitations sent in this state. */
  PROBES = 11,
  /** Of this row as a home: which of its 32 places hold entries. */
  HOPS = 12,
  /** Frames that wait: first and last + 1, 0 = none; and their bytes as Linux counts them. */
  WAITING_FIRST = 13,
  WAITING_LAST = 14,
  WAITING_BYTES = 15,
  SHIFT = 4,
}

/** Words aside. */
const enum Aside {
  HOME = 0,
  PLACE = 1,
  NAMESPACE = 2,
  OLDER = 3,
  NEWER = 4,
  SERIAL = 5,
  FLAGS = 6,
  PROTOCOL = 7,
  SHIFT = 3,
}

export const enum NeighbourFamily {
  IPV4 = 1,
  IPV6 = 2,
}

export const NEIGHBOURS_CAPACITY = 65_536;

const NONE = -1;
const PLACES = 32;
/** So many of a home's places are the rows next to it: on the same page, and fetched by the processor unasked. */
const NEAR = 4;

export class Neighbours {
  readonly capacity: number;
  /** Rows - 1. */
  readonly mask: number;
  readonly rows: Int32Array;
  /** Entries in the table. */
  size = 0;
  private readonly aside: Int32Array;
  /** What to xor a home with for each of its places. */
  private readonly places = new Int32Array(PLACES);
  /** By namespace × 2 + family − 1: ends of the lists, slot + 1, 0 = none; entries; those that may be collected. */
  private readonly oldest = sharedInts(MAX_NAMESPACES * 2);
  private readonly newest = sharedInts(MAX_NAMESPACES * 2);
  private readonly counts = sharedInts(MAX_NAMESPACES * 2);
  private readonly collectable = sharedInts(MAX_NAMESPACES * 2);
  private serial = 0;
  private readonly key0: number;
  private readonly key1: number;
  private readonly multiplier0: number;
  private readonly multiplier1: number;

  /** `keys`: four random 32-bit numbers. */
  constructor(keys: Int32Array, capacity = NEIGHBOURS_CAPACITY) {
    let slots = PLACES * 2;
    while (slots < capacity * 2) slots *= 2;
    this.capacity = capacity;
    this.mask = slots - 1;
    this.rows = sharedInts(slots << Neighbour.SHIFT);
    this.aside = sharedInts(slots << Aside.SHIFT);
    this.key0 = keys[0];
    this.key1 = keys[1] | 1;
    this.multiplier0 = keys[2] | 1;
    this.multiplier1 = keys[3] | 1;
    this.choosePlaces();
  }

  /** All different, so that a home's 32 places are 32 rows. */
  private choosePlaces(): void {
    for (let i = 0; i < PLACES; i++) {
      let place = i < NEAR ? i : this.home4(i, ~i);
      while (i >= NEAR && this.places.subarray(0, i).includes(place)) place = (place + 1) & this.mask;
      this.places[i] = place;
    }
  }

  // --- look-up ----------------------------------------------------------------------------------

  private home4(key: number, address: number): number {
    let h = Math.imul(address ^ this.key0, this.multiplier0);
    h ^= h >>> 15;
    h = Math.imul(h ^ Math.imul(key, this.key1), this.multiplier1);
    return (h ^ (h >>> 16)) & this.mask;
  }

  private home6(key: number, a: number, b: number, c: number, d: number): number {
    let h = Math.imul(a ^ this.key0, this.multiplier0);
    h = Math.imul(h ^ (h >>> 15) ^ b, this.multiplier1);
    h = Math.imul(h ^ (h >>> 13) ^ c, this.multiplier0);
    h = Math.imul(h ^ (h >>> 15) ^ d, this.multiplier1);
    h = Math.imul(h ^ (h >>> 14) ^ Math.imul(key, this.key1), this.multiplier0);
    return (h ^ (h >>> 16)) & this.mask;
  }

  /** The entry's slot, or -1. */
  lookup4(link: Link, address: number): number {
    const { rows } = this;
    const key = (link << 2) | NeighbourFamily.IPV4;
    const home = this.home4(key, address);
    const at = home << Neighbour.SHIFT;
    if (rows[at] === address && rows[at + Neighbour.KEY] === key) return home;
    return rows[at + Neighbour.HOPS] >>> 1 === 0 ? NONE : this.elsewhere(home, key, address, 0, 0, 0);
  }

  lookup6(link: Link, a: number, b: number, c: number, d: number): number {
    const { rows } = this;
    const key = (link << 2) | NeighbourFamily.IPV6;
    const home = this.home6(key, a, b, c, d);
    if (this.has(home, key, a, b, c, d)) return home;
    const hops = rows[(home << Neighbour.SHIFT) + Neighbour.HOPS];
    return hops >>> 1 === 0 ? NONE : this.elsewhere(home, key, a, b, c, d);
  }

  private has(slot: number, key: number, a: number, b: number, c: number, d: number): boolean {
    const { rows } = this;
    const at = slot << Neighbour.SHIFT;
    const differs = (rows[at] ^ a) | (rows[at + 1] ^ b) | (rows[at + 2] ^ c) | (rows[at + 3] ^ d);
    return (differs | (rows[at + Neighbour.KEY] ^ key)) === 0;
  }

  private elsewhere(home: number, key: number, a: number, b: number, c: number, d: number): number {
    let hops = this.rows[(home << Neighbour.SHIFT) + Neighbour.HOPS] & ~1;
    for (; hops !== 0; hops &= hops - 1) {
      const slot = home ^ this.places[31 - Math.clz32(hops & -hops)];
      if (this.has(slot, key, a, b, c, d)) return slot;
    }
    return NONE;
  }

  /** Whether a slot kept from before, or -1, still is this neighbour's. */
  isAt4(slot: number, link: Link, address: number): boolean {
    const at = slot << Neighbour.SHIFT;
    return slot >= 0 && this.rows[at] === address && this.rows[at + Neighbour.KEY] === ((link << 2) | 1);
  }

  isAt6(slot: number, link: Link, a: number, b: number, c: number, d: number): boolean {
    return slot >= 0 && this.has(slot, (link << 2) | NeighbourFamily.IPV6, a, b, c, d);
  }

  /** Whether frames may be sent to its link-layer address at once, with nothing to note or to change. */
  isUsable(slot: number): boolean {
    return (this.rows[(slot << Neighbour.SHIFT) + Neighbour.STATE] & Nud.CONNECTED) !== 0;
  }

  macHigh(slot: number): number {
    return this.rows[(slot << Neighbour.SHIFT) + Neighbour.MAC_HIGH];
  }

  macLow(slot: number): number {
    return this.rows[(slot << Neighbour.SHIFT) + Neighbour.MAC_LOW];
  }

  state(slot: number): number {
    return this.rows[(slot << Neighbour.SHIFT) + Neighbour.STATE];
  }

  link(slot: number): Link {
    return this.rows[(slot << Neighbour.SHIFT) + Neighbour.KEY] >> 2;
  }

  family(slot: number): NeighbourFamily {
    return this.rows[(slot << Neighbour.SHIFT) + Neighbour.KEY] & 3;
  }

  flags(slot: number): number {
    return this.aside[(slot << Aside.SHIFT) + Aside.FLAGS] & 0xffff;
  }

  /** RTPROT_* of who made it; 0 unless a command named one. */
  protocol(slot: number): number {
    return this.aside[(slot << Aside.SHIFT) + Aside.PROTOCOL];
  }

  namespace(slot: number): Namespace {
    return this.aside[(slot << Aside.SHIFT) + Aside.NAMESPACE];
  }

  // --- changes ----------------------------------------------------------------------------------

  /** A new entry in state NONE; it must not be there yet. -1 = the table is full. `isExempt`: garbage collection leaves it alone. */
  insert4(namespace: Namespace, link: Link, address: number, isExempt: boolean): number {
    const key = (link << 2) | NeighbourFamily.IPV4;
    return this.insert(this.home4(key, address), namespace, key, address, 0, 0, 0, isExempt);
  }

  insert6(namespace: Namespace, link: Link, a: number, b: number, c: number, d: number, isExempt: boolean): number {
    const key = (link << 2) | NeighbourFamily.IPV6;
    return this.insert(this.home6(key, a, b, c, d), namespace, key, a, b, c, d, isExempt);
  }

  private insert(
    home: number,
    namespace: Namespace,
    key: number,
    a: number,
    b: number,
    c: number,
    d: number,
    isExempt: boolean,
  ): number {
    const place = this.size < this.capacity ? this.freePlace(home) : NONE;
    if (place === NONE) return NONE;
    const { rows, aside } = this;
    const slot = home ^ this.places[place];
    const at = slot << Neighbour.SHIFT;
    rows[at] = a;
    rows[at + 1] = b;
    rows[at + 2] = c;
    rows[at + 3] = d;
    rows[at + Neighbour.KEY] = key;
    rows[at + Neighbour.STATE] = Nud.NONE;
    rows[at + Neighbour.MAC_HIGH] = 0;
    rows[at + Neighbour.MAC_LOW] = 0;
    rows[at + Neighbour.PROBES] = 0;
    rows[(home << Neighbour.SHIFT) + Neighbour.HOPS] |= 1 << place;
    const beside = slot << Aside.SHIFT;
    aside[beside + Aside.HOME] = home;
    aside[beside + Aside.PLACE] = place;
    aside[beside + Aside.NAMESPACE] = namespace;
    aside[beside + Aside.FLAGS] = isExempt ? EXEMPT : 0;
    aside[beside + Aside.PROTOCOL] = 0;
    this.append(slot, (namespace << 1) | ((key & 3) - 1));
    return slot;
  }

  private freePlace(home: number): number {
    for (let i = 0; i < PLACES; i++) {
      if (this.rows[((home ^ this.places[i]) << Neighbour.SHIFT) + Neighbour.KEY] === 0) return i;
    }
    return NONE;
  }

  private append(slot: number, list: number): void {
    const { aside } = this;
    const beside = slot << Aside.SHIFT;
    const older = this.newest[list];
    aside[beside + Aside.OLDER] = older;
    aside[beside + Aside.NEWER] = 0;
    this.serial = (this.serial + 1) | 0;
    aside[beside + Aside.SERIAL] = this.serial;
    if (older === 0) this.oldest[list] = slot + 1;
    else aside[((older - 1) << Aside.SHIFT) + Aside.NEWER] = slot + 1;
    this.newest[list] = slot + 1;
    this.size++;
    this.counts[list]++;
    if ((aside[beside + Aside.FLAGS] & EXEMPT) === 0) this.collectable[list]++;
  }

  /** Forgets an entry; no frame may wait for it any more. */
  remove(slot: number): void {
    const { aside, rows } = this;
    const beside = slot << Aside.SHIFT;
    const list = this.listOf(slot);
    const older = aside[beside + Aside.OLDER];
    const newer = aside[beside + Aside.NEWER];
    if (older === 0) this.oldest[list] = newer;
    else aside[((older - 1) << Aside.SHIFT) + Aside.NEWER] = newer;
    if (newer === 0) this.newest[list] = older;
    else aside[((newer - 1) << Aside.SHIFT) + Aside.OLDER] = older;
    this.size--;
    this.counts[list]--;
    if ((aside[beside + Aside.FLAGS] & EXEMPT) === 0) this.collectable[list]--;
    const home = aside[beside + Aside.HOME];
    rows[(home << Neighbour.SHIFT) + Neighbour.HOPS] &= ~(1 << aside[beside + Aside.PLACE]);
    rows[(slot << Neighbour.SHIFT) + Neighbour.KEY] = 0;
    rows[(slot << Neighbour.SHIFT) + Neighbour.STATE] = Nud.NONE;
  }

  private listOf(slot: number): number {
    return (this.namespace(slot) << 1) | (this.family(slot) - 1);
  }

  setFlag(slot: number, flag: NeighbourFlag, isOn: boolean): void {
    const at = (slot << Aside.SHIFT) + Aside.FLAGS;
    this.aside[at] = isOn ? this.aside[at] | flag : this.aside[at] & ~flag;
  }

  setProtocol(slot: number, protocol: number): void {
    this.aside[(slot << Aside.SHIFT) + Aside.PROTOCOL] = protocol;
  }

  /** Whether garbage collection leaves it alone. */
  setExempt(slot: number, isExempt: boolean): void {
    const at = (slot << Aside.SHIFT) + Aside.FLAGS;
    if (((this.aside[at] & EXEMPT) !== 0) === isExempt) return;
    this.aside[at] ^= EXEMPT;
    this.collectable[this.listOf(slot)] += isExempt ? -1 : 1;
  }

  isExempt(slot: number): boolean {
    return (this.aside[(slot << Aside.SHIFT) + Aside.FLAGS] & EXEMPT) !== 0;
  }

  // --- the entries of a namespace and family ------------------------------------------------------

  /** How many there are. */
  count(namespace: Namespace, family: NeighbourFamily): number {
    return this.counts[(namespace << 1) | (family - 1)];
  }

  /** How many of them garbage collection may take. */
  collectableCount(namespace: Namespace, family: NeighbourFamily): number {
    return this.collectable[(namespace << 1) | (family - 1)];
  }

  /** The first made, or -1. */
  first(namespace: Namespace, family: NeighbourFamily): number {
    return this.oldest[(namespace << 1) | (family - 1)] - 1;
  }

  /** The one made next after `slot` in its list, or -1. */
  next(slot: number): number {
    return this.aside[(slot << Aside.SHIFT) + Aside.NEWER] - 1;
  }

  /** Grows from entry to entry of a list: where a dump in pages goes on, though the entry it ended with may be gone. */
  serialOf(slot: number): number {
    return this.aside[(slot << Aside.SHIFT) + Aside.SERIAL];
  }
}

/** Among the flags aside, above those of NTF_*. */
const EXEMPT = 1 << 16;
