/*
 * What rules ask about the packet that is at a hook, read from its headers once a hook. One packet at a time: the walk is synchronous;
 * who sends another packet in between (an answer of REJECT, a copy of TEE) saves and restores it.
 */
import type { Frame } from './arena.js';
import type { Family, Hook } from './hook.js';
import type { Link, Namespace } from './links.js';

/** Words of Packet.key. */
export const enum Key {
  /** Addresses in host order; IPv4 uses the first word. */
  SOURCE = 0,
  DESTINATION = 4,
  /** Transport protocol: behind IPv6's extension headers. */
  PROTOCOL = 8,
  /** Ports of TCP, UDP, UDP-Lite, SCTP and DCCP; -1 where there are none to be read. */
  SOURCE_PORT = 9,
  DESTINATION_PORT = 10,
  /** The links it came by and leaves by; 0: none (at that hook). */
  IN = 11,
  OUT = 12,
  /** Offset of its part in the datagram, bytes; 0: it is whole, or the first part. */
  FRAGMENT = 13,
  WORDS = 16,
}

export class Packet {
  readonly key = new Int32Array(Key.WORDS);
  frame: Frame = 0;
  family: Family = 0;
  hook: Hook = 0;
  namespace: Namespace = 0;
  now = 0;
  /** Byte of the arena where its IP header starts, and where its transport header starts (-1: not there). */
  network = 0;
  transport = -1;
  /** Bytes of the IP packet, header included. */
  length = 0;
  /** The links at this hook. */
  in: Link = 0;
  out: Link = 0;
  /** A bridge's ports where the packet is bridged, else 0. */
  physicalIn: Link = 0;
  physicalOut: Link = 0;
  /**
   * Set by whatever asks about something that may differ between packets of one flow and direction (a match) or changes or tells
   * something about the packet (a target): then what the rules said must not be kept for the flow.
   */
  isVolatile = false;

  /** Becomes what another one is. */
  copy(other: Packet): void {
    this.key.set(other.key);
    this.frame = other.frame;
    this.family = other.family;
    this.hook = other.hook;
    this.namespace = other.namespace;
    this.now = other.now;
    this.network = other.network;
    this.transport = other.transport;
    this.length = other.length;
    this.in = other.in;
    this.out = other.out;
    this.physicalIn = other.physicalIn;
    this.physicalOut = other.physicalOut;
    this.isVolatile = other.isVolatile;
  }
}
