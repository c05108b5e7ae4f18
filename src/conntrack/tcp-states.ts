/*
 * TCP as somebody in the middle sees it: the state of a flow, and what a segment makes of it (Linux 6.18).
 *
 *   NONE ─SYN─► SYN_SENT ─SYN/ACK─► SYN_RECV ─ACK─► ESTABLISHED ─FIN─► FIN_WAIT ─ACK─► CLOSE_WAIT ─FIN─► LAST_ACK ─ACK─► TIME_WAIT
 *                  └─SYN from the other side─► SYN_SENT2                      RST: ─► CLOSE
 *
 * The segment has not arrived yet: states are those of the sender, guessed.
 */
import { TcpFlag } from '../wire/tcp.js';

/** Numbers as in the kernel (TCP_CONNTRACK_*), which conntrack's messages carry. */
export const enum TcpState {
  NONE = 0,
  SYN_SENT = 1,
  SYN_RECV = 2,
  ESTABLISHED = 3,
  FIN_WAIT = 4,
  CLOSE_WAIT = 5,
  LAST_ACK = 6,
  TIME_WAIT = 7,
  CLOSE = 8,
  SYN_SENT2 = 9,
  COUNT = 10,
}

/** What the table says besides a state. */
export const enum TcpNext {
  /** It may be right or wrong: the receiver's answer will tell. It passes and changes nothing. */
  IGNORE = 14,
  INVALID = 15,
}

/** Segments, told apart by their flags. */
export const enum Segment {
  SYN = 0,
  SYN_ACK = 1,
  FIN = 2,
  ACK = 3,
  RST = 4,
  NONE = 5,
  COUNT = 6,
}

const CODES: Record<string, number> = { SS: 1, SR: 2, ES: 3, FW: 4, CW: 5, LA: 6, TW: 7, CL: 8, S2: 9, ig: 14, iv: 15 };

/** One line a Segment, one column a state; first what the initiator sends, then the other. */
const TRANSITIONS = `
  SS SS ig ig ig ig ig SS SS S2
  iv iv SR iv iv iv iv iv iv SR
  iv iv FW FW LA LA LA TW CL iv
  ES iv ES ES CW CW TW TW CL iv
  iv CL CL CL CL CL CL CL CL CL
  iv iv iv iv iv iv iv iv iv iv

  iv S2 iv iv iv iv iv SS iv S2
  iv SR ig ig ig ig ig ig ig SR
  iv iv FW FW LA LA LA TW CL iv
  iv ig SR ES CW CW TW TW CL ig
  iv CL CL CL CL CL CL CL CL CL
  iv iv iv iv iv iv iv iv iv iv
`;

const NEXT = Uint8Array.from(TRANSITIONS.trim().split(/\s+/), (code) => CODES[code]);

/** A TcpState or TcpNext. `direction`: 0 from the initiator, 1 from the other. */
export function nextState(direction: number, segment: Segment, state: TcpState): number {
  return NEXT[(direction * Segment.COUNT + segment) * TcpState.COUNT + state];
}

export function segmentOf(flags: number): Segment {
  if ((flags & TcpFlag.RST) !== 0) return Segment.RST;
  if ((flags & TcpFlag.SYN) !== 0) return (flags & TcpFlag.ACK) === 0 ? Segment.SYN : Segment.SYN_ACK;
  if ((flags & TcpFlag.FIN) !== 0) return Segment.FIN;
  return (flags & TcpFlag.ACK) === 0 ? Segment.NONE : Segment.ACK;
}

/** SYN, SYN+ACK and ACK with or without URG, RST, RST+ACK, FIN+ACK: the only combinations that anybody sends. */
const SENSIBLE = new Set([
  TcpFlag.SYN,
  TcpFlag.SYN | TcpFlag.URG,
  TcpFlag.SYN | TcpFlag.ACK,
  TcpFlag.RST,
  TcpFlag.RST | TcpFlag.ACK,
  TcpFlag.FIN | TcpFlag.ACK,
  TcpFlag.FIN | TcpFlag.ACK | TcpFlag.URG,
  TcpFlag.ACK,
  TcpFlag.ACK | TcpFlag.URG,
]);

const IS_SENSIBLE = Uint8Array.from({ length: 64 }, (_, flags) => (SENSIBLE.has(flags & ~TcpFlag.PSH) ? 1 : 0));

/** PSH, ECE and CWR may be with anything. */
export function isSensible(flags: number): boolean {
  return IS_SENSIBLE[flags & 63] !== 0;
}
