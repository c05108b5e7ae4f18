/*
 * What conntrack asks of a transport protocol: whether a packet fits into its flow, what state the flow is in then, and how long it may be
 * silent from now on.
 *
 *   Conntrack.in ─ tuple ─ look up, or a new row ─► tracker.track ─► ACCEPT: the frame gets the flow
 *                                                                    INVALID: it goes on without one
 */
import type { Arena } from '../core/arena.js';
import type { Packet } from '../core/packet.js';
import { Flow, type FlowNumber, Status } from './flows.js';

export const enum CtVerdict {
  ACCEPT = 0,
  /** The packet is no part of the flow: it goes on as INVALID. A new flow is forgotten. */
  INVALID = 1,
  /** The tracker has killed the flow (Tracking.kill): look the packet up again. */
  REPEAT = 2,
  /** As ACCEPT, but the packet is not counted: it may not be the flow's, and has not kept it alive. */
  PASS = 3,
}

/** What ICMP messages are before they are looked up. */
export const enum Inspected {
  /** A request or a reply. */
  TRACK = 0,
  /** It quotes a packet, whose flow is its flow. */
  ERROR = 1,
  INVALID = 2,
  UNTRACKED = 3,
}

/** What happens to a flow, as bits (IPCT_*). */
export const enum CtEvent {
  NEW = 1 << 0,
  RELATED = 1 << 1,
  DESTROY = 1 << 2,
  REPLY = 1 << 3,
  ASSURED = 1 << 4,
  PROTOINFO = 1 << 5,
  HELPER = 1 << 6,
  MARK = 1 << 7,
  SEQADJ = 1 << 8,
  LABEL = 1 << 10,
}

export interface Tracker {
  /**
   * A packet of a flow, whose row starts at words[at]; direction: Direction. The first packet of a flow has a row without Status.CONFIRMED and the
   * protocol's words all 0: the tracker answers INVALID where it cannot begin a flow. packet.transport, packet.length and packet.now
   * are right; the transport header may be cut short, which the tracker checks.
   */
  track(flow: FlowNumber, words: Int32Array, at: number, direction: number, packet: Packet): CtVerdict;

  /** Whether a flow on its way out (assured, but closing) may make room for others. Absent: never. */
  canDropEarly?(words: Int32Array, at: number): boolean;

  /** A flow made by hand (conntrack -I): sets what the tracker needs to know of a state. Absent: nothing. */
  adopt?(words: Int32Array, at: number, state: number): void;
}

/** What a tracker may ask of conntrack. */
export interface Tracking {
  readonly arena: Arena;
  /** Rows of CtSetting: namespace << CtSetting.SHIFT. */
  readonly settings: Int32Array;
  /** The flow is over: it is in no table any more, has Status.DYING, and its number stays valid until the next packet. */
  kill(flow: FlowNumber): void;
  /** Where in the arena the bytes of the packet end that lie in its head slot. */
  reach(packet: Packet): number;
  /** Notes CtEvent bits that happened to the flow with this packet; costs nothing while nobody listens. */
  event(flow: FlowNumber, events: number): void;
  /** Whether the checksum of the packet's transport header is right or need not be checked (sysctl, hook, partial). `length`: bytes it covers. */
  isChecksumRight(packet: Packet, protocol: number, length: number): boolean;
}

/** The flow may be silent for `ms` from now on. */
export function refresh(words: Int32Array, at: number, now: number, ms: number): void {
  if ((words[at + Flow.STATUS] & Status.FIXED_TIMEOUT) === 0) words[at + Flow.EXPIRES] = (now + ms) | 0;
}
