/*
 * The walk cache: where namespaces do not track flows, the paths (paths.ts) of packets by their addresses, ports, protocol and the link they came by.
 *
 *   slot:  | generation | path | source | destination | ports | protocol, link | where it leaves, MTU | next hop |     four ways: the slots of a group
 *
 * A packet that is here is counted and sent as the one before it; any other takes the long path, and is noted; the second one's walk is kept if its
 * rules asked nothing that may differ between packets with the same headers. A fifth packet of a group of slots takes the place
 * of one of them. Changes of the configuration make a new generation, and all slots with it stale.
 *
 * 2^16 slots of 32 bytes, in memory that costs nothing until used. Who may call: the engine's worker alone.
 */
import type { Link } from '../core/links.js';
import { sharedInts } from '../core/memory.js';

export const enum CachedWalk {
  SHIFT = 3,
  WORDS = 8,
  /** Words of a group. */
  GROUP = 32,
  GENERATION = 0,
  PATH = 1,
  SOURCE = 2,
  DESTINATION = 3,
  PORTS = 4,
  /** Protocol, and the link << 8. */
  KIND = 5,
  /** The link it leaves by, and the route's own MTU << LEAVE_SHIFT; as in the path, but in the same line of the cache. */
  LEAVE = 6,
  LEAVE_SHIFT = 12,
  LEAVE_MASK = 0xfff,
  /** Row of fib.nexthops. */
  HOP = 7,
}

const NONE = -1;
const SLOTS = 1 << 16;

export class WalkCache {
  readonly words = sharedInts(SLOTS << CachedWalk.SHIFT);
  private turn = 0;

  constructor(private readonly key: number) {}

  /** Where a packet's group of slots starts. */
  group(source: number, destination: number, ports: number, kind: number): number {
    let hash = Math.imul(source ^ this.key, 0x2545f491);
    hash = Math.imul(hash ^ (hash >>> 15) ^ destination, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 14) ^ ports, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 16) ^ kind, 0x2545f491);
    return ((hash ^ (hash >>> 15)) & (SLOTS - 4)) << CachedWalk.SHIFT;
  }

  /** Where the slot with this packet's walk of this generation starts; -1: it is not here. */
  find(generation: number, source: number, destination: number, ports: number, kind: number): number {
    const { words } = this;
    const group = this.group(source, destination, ports, kind);
    for (let at = group; at < group + CachedWalk.GROUP; at += CachedWalk.WORDS) {
      const differs =
        (words[at + CachedWalk.GENERATION] ^ generation) |
        (words[at + CachedWalk.SOURCE] ^ source) |
        (words[at + CachedWalk.DESTINATION] ^ destination) |
        (words[at + CachedWalk.PORTS] ^ ports) |
        (words[at + CachedWalk.KIND] ^ kind);
      if (differs === 0) return at;
    }
    return NONE;
  }

  /** A slot of a group that is stale, or one in turn. */
  private room(group: number, generation: number): number {
    for (let at = group; at < group + CachedWalk.GROUP; at += CachedWalk.WORDS) {
      if (this.words[at + CachedWalk.GENERATION] !== generation) return at;
    }
    this.turn = (this.turn + CachedWalk.WORDS) & (CachedWalk.GROUP - 1);
    return group + this.turn;
  }

  /** A packet has been seen; its walk is not known yet (PATH 0). */
  note(generation: number, source: number, destination: number, ports: number, kind: number): void {
    const { words } = this;
    const at = this.room(this.group(source, destination, ports, kind), generation);
    words[at + CachedWalk.GENERATION] = generation;
    words[at + CachedWalk.PATH] = 0;
    words[at + CachedWalk.SOURCE] = source;
    words[at + CachedWalk.DESTINATION] = destination;
    words[at + CachedWalk.PORTS] = ports;
    words[at + CachedWalk.KIND] = kind;
  }

  /** Keeps the walk of a packet that was noted. `out`, `mtu`, `hop`: as in the path. */
  complete(at: number, path: number, out: Link, mtu: number, hop: number): void {
    this.words[at + CachedWalk.PATH] = path;
    this.words[at + CachedWalk.LEAVE] = out | (mtu << CachedWalk.LEAVE_SHIFT);
    this.words[at + CachedWalk.HOP] = hop;
  }
}

export function kindOf(protocol: number, link: Link): number {
  return protocol | (link << 8);
}
