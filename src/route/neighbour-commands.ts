/*
 * Neighbours by command (`ip neigh`, rtnetlink's RTM_NEWNEIGH and RTM_DELNEIGH): what the control plane calls, in plain numbers.
 *
 * An address is four words, of which IPv4 uses the first; a MAC two as in a frame. A dump is rows of DUMP words in the order the
 * entries were made, a page at a time; the last one's serial says where the next page starts, whatever has come or
 * gone in between.
 */
import { NONE } from '../core/arena.js';
import type { Link, Namespace } from '../core/links.js';
import { Neighbour, NeighbourFamily, NeighbourFlag, Nud } from '../tables/neighbours.js';
import type { Inet } from './inet.js';
import { ProxyRow } from './neighbour-proxy.js';
import { Update } from './neighbour-states.js';

/** Words of a dumped entry. */
export const enum Dump {
  LINK,
  FAMILY,
  A,
  B,
  C,
  D,
  STATE,
  FLAGS,
  MAC_HIGH,
  MAC_LOW,
  /** Ms ago. */
  USED,
  CONFIRMED,
  UPDATED,
  PROBES,
  PROTOCOL,
  SERIAL,
  WORDS,
}

/** What a command says of an entry. */
export interface NeighbourCommand {
  link: Link;
  family: NeighbourFamily;
  address: [number, number, number, number];
  /** Bytes 0 and 1, bytes 2 to 5; absent: it names none. */
  mac?: [number, number];
  state: Nud;
  /** NTF_*: ROUTER, EXT_LEARNED, USE. */
  flags: number;
  /** RTPROT_*; 0 = none named. */
  protocol: number;
  /** NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE: the verbs of `ip neigh`. */
  creates: boolean;
  isNew: boolean;
  replaces: boolean;
}

/** Negative, as the calls answer them. */
export const enum NeighbourErrno {
  ENOENT = -2,
  EEXIST = -17,
  /** No link-layer address is given or known. */
  EINVAL = -22,
  ENOBUFS = -105,
}

const PAGE = 4096;

export class NeighbourCommands {
  constructor(private readonly inet: Inet) {}

  /** As neigh_add. Answers 0 or NeighbourErrno. */
  set(command: NeighbourCommand, now: number): number {
    const known = this.find(command.link, command.family, command.address);
    if (known === NONE && !command.creates) return NeighbourErrno.ENOENT;
    if (known !== NONE && command.isNew) return NeighbourErrno.EEXIST;
    const slot = known === NONE ? this.create(command, now) : known;
    if (slot === NONE) return NeighbourErrno.ENOBUFS;
    if (command.protocol !== 0) this.inet.neighbours.setProtocol(slot, command.protocol);
    const { states } = this.inet.neighbour;
    const [high, low] = command.mac ?? [0, 0];
    const flags = this.updateFlags(command, known !== NONE);
    const errno = states.update(slot, command.mac !== undefined, high, low, command.state, flags, now);
    if (errno === 0 && (command.flags & NeighbourFlag.USE) !== 0) {
      if (!states.use(slot, now)) states.wait(slot, NONE, now);
    }
    return errno;
  }

  private find(link: Link, family: NeighbourFamily, [a, b, c, d]: [number, number, number, number]): number {
    const { neighbours } = this.inet;
    return family === NeighbourFamily.IPV4 ? neighbours.lookup4(link, a) : neighbours.lookup6(link, a, b, c, d);
  }

  private create({ link, family, address, state, flags }: NeighbourCommand, now: number): number {
    const { states } = this.inet.neighbour;
    const isExempt = state === Nud.PERMANENT || (flags & NeighbourFlag.EXT_LEARNED) !== 0;
    const [a, b, c, d] = address;
    if (family === NeighbourFamily.IPV4) return states.create4(link, a, isExempt, now);
    return states.create6(link, a, b, c, d, isExempt, now);
  }

  private updateFlags({ flags, replaces }: NeighbourCommand, isKnown: boolean): number {
    let update: number = Update.ADMIN;
    if (!isKnown || replaces) update |= Update.OVERRIDE | Update.OVERRIDE_ISROUTER;
    if ((flags & NeighbourFlag.ROUTER) !== 0) update |= Update.ISROUTER;
    if ((flags & NeighbourFlag.EXT_LEARNED) !== 0) update |= Update.EXT_LEARNED;
    if ((flags & NeighbourFlag.USE) !== 0) update |= Update.USE;
    return update;
  }

  /** As neigh_delete: those who wait for it are told. Answers 0 or ENOENT. */
  remove(link: Link, family: NeighbourFamily, address: [number, number, number, number], now: number): number {
    const slot = this.find(link, family, address);
    if (slot === NONE) return NeighbourErrno.ENOENT;
    const { states } = this.inet.neighbour;
    states.update(slot, false, 0, 0, Nud.FAILED, Update.ADMIN | Update.OVERRIDE, now);
    // Telling them may have cost the entry its place.
    if (this.find(link, family, address) === slot) states.remove(slot);
    return 0;
  }

  // --- dumps --------------------------------------------------------------------------------------

  /** The entries of a namespace and family made after the one with serial `after`; undefined: all. At most PAGE. */
  page(namespace: Namespace, family: NeighbourFamily, after: number | undefined, now: number): Int32Array {
    const { neighbours } = this.inet;
    const words: number[] = [];
    let slot = neighbours.first(namespace, family);
    while (after !== undefined && slot !== NONE && ((neighbours.serialOf(slot) - after) | 0) <= 0) {
      slot = neighbours.next(slot);
    }
    for (let i = 0; i < PAGE && slot !== NONE; i++, slot = neighbours.next(slot)) this.dump(slot, words, now);
    return Int32Array.from(words);
  }

  /** One entry's row. */
  row(slot: number, now: number): Int32Array {
    const words: number[] = [];
    this.dump(slot, words, now);
    return Int32Array.from(words);
  }

  private dump(slot: number, words: number[], now: number): void {
    const { neighbours } = this.inet;
    const { rows } = neighbours;
    const at = slot << Neighbour.SHIFT;
    words.push(neighbours.link(slot), neighbours.family(slot), rows[at], rows[at + 1], rows[at + 2], rows[at + 3]);
    words.push(neighbours.state(slot), neighbours.flags(slot), neighbours.macHigh(slot), neighbours.macLow(slot));
    words.push((now - rows[at + Neighbour.USED]) | 0, (now - rows[at + Neighbour.CONFIRMED]) | 0);
    words.push((now - rows[at + Neighbour.UPDATED]) | 0, rows[at + Neighbour.PROBES]);
    words.push(neighbours.protocol(slot), neighbours.serialOf(slot));
  }

  /** The proxies of a namespace: link and ProxyRow.WORDS each. */
  proxies(namespace: Namespace): Int32Array {
    const { links, neighbour } = this.inet;
    const words: number[] = [];
    for (const [link, rows] of neighbour.proxies.of.entries()) {
      if (rows.length === 0 || links.namespace[link] !== namespace) continue;
      for (let at = 0; at < rows.length; at += ProxyRow.WORDS) {
        words.push(link, ...rows.subarray(at, at + ProxyRow.WORDS));
      }
    }
    return Int32Array.from(words);
  }
}
