/*
 * What the datapath knows of links: parallel arrays under a link's number.
 *
 * A link's number is also its port slot in the shim and the row of its tx queue. 0 is no link and
 * never a port. Names, kinds and options belong to the control plane; here is what a packet needs.
 * Counters are doubles (exact to 2^53), one writer (the engine's worker), read by other threads as they are.
 */
import { DropReason } from './drop.js';
import { sharedDoubles, sharedInts } from './memory.js';

/** A link's number; NONE (-1) is none. */
export type Link = number;

export const MAX_LINKS = 4096;

/** A namespace's number; 0 is `host`. */
export type Namespace = number;

export const MAX_NAMESPACES = 2048;

/** What becomes of a frame that is sent on a link. */
export const enum LinkKind {
  /** Its other end is outside: a Port takes it. */
  PORT = 0,
  /** It goes through the bridge, as if br0's own stack had sent it. */
  BRIDGE = 1,
  /** It comes in at `peer`. */
  VETH = 2,
  /** It leaves by `peer` with a tag. */
  VLAN = 3,
  /** It comes in again. */
  LOOPBACK = 4,
  /** Nobody ever sees it. */
  DUMMY = 5,
}

/** The row of counters and of drops that sums up the links that are gone: what they received did not vanish with them. */
export const GONE_LINKS = MAX_LINKS;

/** Bits of `links.flags`, kept by Dataplane from the parts that control and the devices set. */
export const enum LinkFlag {
  /** Administratively up. */
  UP = 1 << 0,
  /** The other end is up. */
  CARRIER = 1 << 1,
  /** It is a bridge. */
  BRIDGE = 1 << 4,
  /** Frames are copied to a capture. */
  CAPTURE = 1 << 5,

  /** As a bridge port: it may receive, learn, and be forwarded to. */
  FORWARDING = 1 << 8,
  LEARNING_STATE = 1 << 9,
  LEARNING = 1 << 10,
  FLOOD = 1 << 11,
  BCAST_FLOOD = 1 << 12,
  MCAST_FLOOD = 1 << 13,
  ISOLATED = 1 << 14,
  HAIRPIN = 1 << 15,
  LOCKED = 1 << 16,
  /** It has a storm limit of any class. */
  STORM = 1 << 17,

  /** Some `vlan` links lie on it. */
  HAS_VLANS = 1 << 20,
  /** Its neighbours need no resolution: lo. */
  NO_ARP = 1 << 21,
}

export const enum Counter {
  RX_PACKETS = 0,
  RX_BYTES = 1,
  RX_MULTICAST = 2,
  TX_PACKETS = 3,
  TX_BYTES = 4,
  /** Frames that a port without offload cut out of superframes. */
  TX_SEGMENTS = 5,
  /** Receive calls that ended with an error of the device: it went down, or is gone. */
  RX_ERRORS = 6,
  CARRIER_CHANGES = 7,
  /** Stations not learned: the port's or the bridge's limit was reached. */
  LEARN_REFUSED = 8,
  /** Stations that moved to this port from another. */
  STATION_MOVES = 9,
  /** Frames delivered to the local stack of a bridge. */
  DELIVERED = 10,
  SHIFT = 4,
}

/** Counters of the whole dataplane. */
export const enum Total {
  CLONED = 0,
  DELIVERED = 1,
  MERGED = 2,
  GENERATED = 3,
  /** Frames on no free list: in a queue, or lost. */
  HELD = 4,
  COUNT = 16,
}

/** Whether what it receives comes from outside, and what it sends leaves. */
export function isOutside(kind: LinkKind): boolean {
  return kind === LinkKind.PORT || kind === LinkKind.DUMMY;
}

/** Adds a link's row to that of the links that are gone. */
function retire(rows: Float64Array, columns: number, link: Link): void {
  for (let i = 0; i < columns; i++) {
    rows[GONE_LINKS * columns + i] += rows[link * columns + i];
    rows[link * columns + i] = 0;
  }
}

export class Links {
  readonly flags = sharedInts(MAX_LINKS);
  /** The bridge a link is a port of, or -1. */
  readonly master = sharedInts(MAX_LINKS).fill(-1);
  /** Longest frame that may leave, in bytes with Ethernet header and one VLAN tag. */
  readonly maxLength = sharedInts(MAX_LINKS);
  readonly mtu = sharedInts(MAX_LINKS);
  readonly kind = sharedInts(MAX_LINKS);
  readonly namespace = sharedInts(MAX_LINKS);
  /** Of a veth its other end, of a vlan the link below it, of lo itself; else -1. */
  readonly peer = sharedInts(MAX_LINKS).fill(-1);
  /** Of a vlan: TPID << 16 | VID. */
  readonly tag = sharedInts(MAX_LINKS);
  /** The vlans on a link: the first, and of each the next; -1 ends the chain. */
  readonly firstVlan = sharedInts(MAX_LINKS).fill(-1);
  readonly nextVlan = sharedInts(MAX_LINKS).fill(-1);
  /** The link's own address: bytes 0..1 and 2..5, little-endian, as they are in a frame. */
  readonly macHigh = sharedInts(MAX_LINKS);
  readonly macLow = sharedInts(MAX_LINKS);
  readonly counters = sharedDoubles((MAX_LINKS + 1) << Counter.SHIFT);
  /** Drops of link l for reason r: drops[l × DropReason.COUNT + r]. */
  readonly drops = sharedDoubles((MAX_LINKS + 1) * DropReason.COUNT);
  readonly totals = sharedDoubles(Total.COUNT);

  /** All counters from nothing, as long as there is no link. */
  reset(): void {
    this.counters.fill(0);
    this.drops.fill(0);
    this.totals.fill(0);
  }

  /** Forgets all of a link; its counters go to the row of those that are gone. The number may be given to a new link. */
  clear(link: Link): void {
    if (!isOutside(this.kind[link])) this.forgetPassages(link);
    this.flags[link] = 0;
    this.master[link] = -1;
    this.maxLength[link] = 0;
    this.mtu[link] = 0;
    this.kind[link] = LinkKind.PORT;
    this.namespace[link] = 0;
    this.peer[link] = -1;
    this.tag[link] = 0;
    this.firstVlan[link] = -1;
    this.nextVlan[link] = -1;
    this.macHigh[link] = 0;
    this.macLow[link] = 0;
    retire(this.counters, 1 << Counter.SHIFT, link);
    retire(this.drops, DropReason.COUNT, link);
  }

  /** What a link inside has passed on, was neither received nor transmitted by the dataplane. */
  private forgetPassages(link: Link): void {
    const at = link << Counter.SHIFT;
    this.counters.fill(0, at + Counter.RX_PACKETS, at + Counter.RX_MULTICAST);
    this.counters.fill(0, at + Counter.TX_PACKETS, at + Counter.TX_SEGMENTS);
  }
}
