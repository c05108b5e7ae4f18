/*
 * A flow as it is told to others: control's listings and events. Fixed rows of words, the same for both families.
 */
import { Flow } from './flows.js';

export const enum FlowRow {
  /** The flow's number. */
  NUMBER = 0,
  /** As in the row of flows.ts: Status and zone; protocol, namespace and KindFlag; STATE of the protocol in its low byte. */
  STATUS = 1,
  KIND = 2,
  STATE = 3,
  /** Ms until it expires. */
  LEFT = 4,
  MARK = 5,
  /** Each: source, 4 words; destination, 4; ports. IPv4 addresses are in the first word of their four. */
  ORIGINAL = 6,
  REPLY = 15,
  /** Packets and bytes, low word and high word each: original, reply. */
  PACKETS = 24,
  BYTES = 26,
  PACKETS_REPLY = 28,
  BYTES_REPLY = 30,
  LABELS = 32,
  /** When it began, ms of `now`; and when the row was written. */
  START = 36,
  AT = 37,
  /** Number of its helper (Helper). */
  HELPER = 38,
  /** CtEvent bits, in events; else 0. */
  EVENTS = 39,
  /** SCTP's verification tags, original and reply. */
  TAG = 40,
  TAG_REPLY = 41,
  WORDS = 42,
}

/** Conntrack helpers. */
export const enum Helper {
  NONE = 0,
  FTP = 1,
  TFTP = 2,
}

export interface FlowTuple {
  /** Four words each, IPv4 in the first. */
  source: number[];
  destination: number[];
  sourcePort: number;
  destinationPort: number;
  /** Of ICMP. */
  id: number;
  type: number;
  code: number;
}

/** A row, read. */
export interface FlowInfo {
  number: number;
  isIpv6: boolean;
  protocol: number;
  namespace: number;
  status: number;
  zone: number;
  kind: number;
  state: number;
  leftMs: number;
  mark: number;
  original: FlowTuple;
  reply: FlowTuple;
  packets: [number, number];
  bytes: [number, number];
  labels: number[];
  startMs: number;
  atMs: number;
  helper: number;
  events: number;
}

export function readRow(rows: Int32Array, at = 0): FlowInfo {
  const kind = rows[at + FlowRow.KIND];
  const status = rows[at + FlowRow.STATUS];
  return {
    number: rows[at + FlowRow.NUMBER],
    isIpv6: (rows[at + FlowRow.NUMBER] & Flow.IPV6_BIT) !== 0,
    protocol: kind & 0xff,
    namespace: (kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK,
    status: status & Flow.STATUS_MASK,
    zone: status >>> Flow.ZONE_SHIFT,
    kind,
    state: rows[at + FlowRow.STATE] & Flow.STATE_MASK,
    leftMs: rows[at + FlowRow.LEFT],
    mark: rows[at + FlowRow.MARK] >>> 0,
    original: readTuple(rows, at + FlowRow.ORIGINAL),
    reply: readTuple(rows, at + FlowRow.REPLY),
    packets: [readDouble(rows, at + FlowRow.PACKETS), readDouble(rows, at + FlowRow.PACKETS_REPLY)],
    bytes: [readDouble(rows, at + FlowRow.BYTES), readDouble(rows, at + FlowRow.BYTES_REPLY)],
    labels: Array.from(rows.subarray(at + FlowRow.LABELS, at + FlowRow.LABELS + 4)),
    startMs: rows[at + FlowRow.START],
    atMs: rows[at + FlowRow.AT],
    helper: rows[at + FlowRow.HELPER],
    events: rows[at + FlowRow.EVENTS],
  };
}

function readTuple(rows: Int32Array, at: number): FlowTuple {
  const ports = rows[at + 8];
  return {
    source: Array.from(rows.subarray(at, at + 4)),
    destination: Array.from(rows.subarray(at + 4, at + 8)),
    sourcePort: ports >>> 16,
    destinationPort: ports & 0xffff,
    id: ports >>> 16,
    type: (ports >>> 8) & 0xff,
    code: ports & 0xff,
  };
}

/** A count up to 2^53 as two words, and back. */
export function writeDouble(rows: Int32Array, at: number, value: number): void {
  rows[at] = value | 0;
  rows[at + 1] = Math.floor(value / 2 ** 32);
}

export function readDouble(rows: Int32Array, at: number): number {
  return (rows[at] >>> 0) + rows[at + 1] * 2 ** 32;
}
