/*
 * What matches and targets need of the others, as they see it.
 *
 *   Matches ─┐                 ┌─ arena, links, inet
 *            ├─ NetfilterParts ┤
 *   Targets ─┘                 ├─ conntrack, nat (absent: no flows are known, as before their rules exist)
 *                              └─ sets, patterns, clock
 */

import type { Packet } from '../core/packet.js';
import type { Inet } from '../route/inet.js';
import type { IpSets } from '../tables/ipset.js';
import type { LinkPatterns } from './link-patterns.js';
import type { LogSink } from './log.js';
import type { Memento } from './memento.js';
import type { Verdict } from './rule.js';

/** Words of a tuple as matches read it. */
export const enum TupleWord {
  SOURCE = 0,
  DESTINATION = 4,
  /** As in conntrack's rows: source << 16 | destination. */
  PORTS = 8,
  WORDS = 9,
}

/** Words of ConntrackParts.account. */
export const enum AccountWord {
  ORIGINAL_PACKETS = 0,
  ORIGINAL_BYTES = 1,
  REPLY_PACKETS = 2,
  REPLY_BYTES = 3,
  WORDS = 4,
}

/** What rules ask about flows. A flow here is always a number > 0. */
export interface ConntrackParts {
  /** Status bits (IPS_*). */
  status(flow: number): number;
  protocol(flow: number): number;
  /** The low byte of the protocol's state (TcpState). */
  state(flow: number): number;
  /** Writes TupleWord.WORDS words. */
  tuple(flow: number, direction: number, into: Int32Array): void;
  zone(flow: number, direction: number): number;
  /** ms until it expires. */
  expiresIn(flow: number, now: number): number;
  /** Whether the number is a flow's that has not ended and not expired. */
  isAlive(flow: number, now: number): boolean;
  mark(flow: number): number;
  setMark(flow: number, mark: number): void;
  hasLabel(flow: number, bit: number): boolean;
  /** False: there is no room for labels. */
  setLabel(flow: number, bit: number): boolean;
  /** Writes AccountWord.WORDS doubles; false: the flow is not counted. */
  account(flow: number, into: Float64Array): boolean;
  /** The flow that expected this one, or 0. */
  master(flow: number): number;
  /** A TCP flow that a reset ends goes soon. */
  close(flow: number, now: number): void;
  /** CtHelper of a flow. */
  helper(flow: number): number;
  /** The flow whose addresses and ports a packet has that is INVALID, or not tracked; 0: none. */
  flowLike(packet: Packet): number;
}

export const enum Manip {
  SOURCE = 0,
  DESTINATION = 1,
}

/** What targets of the nat table ask for. */
export interface NatParts {
  /** Binds a new flow: `range` is a place in the pool with the words of NatRange. DROP: the frame is dropped and counted. */
  setup(packet: Packet, flow: number, range: Int32Array, at: number, manip: Manip): Verdict;
  /** As setup with the address that the packet's link has for its next hop; binds the flow to it. */
  masquerade(packet: Packet, flow: number, range: Int32Array, at: number): Verdict;
  /** As setup, to an address of the link it came in by (or 127.0.0.1, ::1 where it was made here). */
  redirect(packet: Packet, flow: number, range: Int32Array, at: number): Verdict;
}

/** Of the CT target: with what conntrack is to begin a flow. Reset by the hub before each packet's raw table. */
export interface FlowTemplate {
  isSet: boolean;
  /** CtFlag.ZONE_ORIGINAL and ZONE_REPLY; neither: both directions. */
  zoneFlags: number;
  zone: number;
  /** CtHelper. */
  helper: number;
  /** CtEvent bits that are told of the flow, 0 = all. */
  events: number;
}

export interface Clock {
  /** Seconds since 1970, UTC, at `now`; 0: nobody has told. */
  seconds(now: number): number;
}

export interface NetfilterParts {
  readonly inet: Inet;
  /** Programs and arguments: rules.pool.words. */
  readonly pool: Int32Array;
  readonly packet: Packet;
  readonly template: FlowTemplate;
  readonly patterns: LinkPatterns;
  readonly sets: IpSets;
  readonly clock: Clock;
  readonly log: LogSink;
  conntrack: ConntrackParts | null;
  nat: NatParts | null;
  /** While packets are only tried out: what changes with them is kept here before, to be put back. */
  memento: Memento | undefined;
  /** From here on the packet's walk is told (TRACE). */
  trace(packet: Packet): void;
  /** The packet's headers were changed: reads them into the packet again. */
  refresh(): void;
}
