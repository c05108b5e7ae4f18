/* Flows, as conntrack(8) lists, changes and makes them. */
import type { Family } from './family.js';

/** States of TCP flows, by Linux's numbers. */
export const TCP_STATES: readonly string[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

/** And of SCTP. */
export const SCTP_STATES: readonly string[] = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
];

/** Bits of a flow's status (IPS_*) that mean something to users. */
export const enum FlowStatus {
  EXPECTED = 1 << 0,
  SEEN_REPLY = 1 << 1,
  ASSURED = 1 << 2,
  SRC_NAT = 1 << 4,
  DST_NAT = 1 << 5,
  SRC_NAT_DONE = 1 << 7,
  DST_NAT_DONE = 1 << 8,
  FIXED_TIMEOUT = 1 << 10,
  OFFLOAD = 1 << 14,
}

/** One of a flow's two tuples: what packets of that direction have. Which fields there are hangs on the protocol. */
export interface FlowEnd {
  src: string;
  dst: string;
  /** TCP, UDP, UDP-Lite, SCTP, DCCP. */
  sport?: number;
  dport?: number;
  /** ICMP, ICMPv6. */
  type?: number;
  code?: number;
  id?: number;
  /** GRE. */
  srckey?: number;
  dstkey?: number;
  /** Only with nf_conntrack_acct. */
  packets?: number;
  bytes?: number;
}

/** A flow, as `conntrack -L` tells it. */
export interface ConntrackInfo {
  id: number;
  family: Family;
  /** IP protocol. */
  protocol: number;
  /** Of TCP and SCTP. */
  state?: string;
  /** s left; absent in the event that it has expired. */
  timeout?: number;
  original: FlowEnd;
  reply: FlowEnd;
  /** FlowStatus and further bits of IPS_*. */
  status: number;
  /** Absent in events that are not about it. */
  mark?: number;
  zone?: number;
  /** The zone counts for tuples of this direction only. */
  zone_of?: 'original' | 'reply';
  helper?: string;
  /** Numbers of bits. */
  labels?: number[];
  /** SCTP's verification tags: of original packets, and of replies. */
  vtags?: [number, number];
  /** Only with nf_conntrack_timestamp; since the epoch. */
  start_us?: number;
  stop_us?: number;
}

/** A new flow (`conntrack -I`). Without a reply tuple it is the original one turned round. */
export interface NewFlow {
  family: Family;
  protocol: number;
  original: FlowEnd;
  reply?: FlowEnd;
  /** s. */
  timeout: number;
  state?: string;
  status?: number;
  mark?: number;
  zone?: number;
  zone_of?: 'original' | 'reply';
  labels?: number[];
  vtags?: [number, number];
}

/** Which end of a translation; without an address any. */
export interface NatFilter {
  address?: string;
  port?: number;
}

/** Flows of which all this is true. */
export interface ConntrackFilter {
  family?: Family;
  protocol?: number;
  /** Masks are addresses: 255.255.0.0. */
  src?: string;
  src_mask?: string;
  dst?: string;
  dst_mask?: string;
  reply_src?: string;
  reply_dst?: string;
  sport?: number;
  dport?: number;
  reply_sport?: number;
  reply_dport?: number;
  type?: number;
  code?: number;
  id?: number;
  state?: string;
  /** All these bits, and of `status_mask` no others; without it the others do not matter. */
  status?: number;
  status_mask?: number;
  mark?: { value: number; mask: number };
  zone?: number;
  orig_zone?: number;
  reply_zone?: number;
  src_nat?: NatFilter;
  dst_nat?: NatFilter;
  any_nat?: NatFilter;
  /** All these. */
  labels?: number[];
}

/** What a flow becomes (`conntrack -U`). */
export interface ConntrackChange {
  mark?: { value: number; mask: number };
  /** s. */
  timeout?: number;
  /** Bits to set. */
  status?: number;
  state?: string;
  add_labels?: number[];
  /** 'all': whatever it has. */
  remove_labels?: number[] | 'all';
}

export interface ConntrackStats {
  found: number;
  invalid: number;
  insert: number;
  insert_failed: number;
  drop: number;
  early_drop: number;
  error: number;
  search_restart: number;
  clash_resolve: number;
  chaintoolong: number;
  expect_new: number;
}

/** A flow that is expected. */
export interface ExpectationInfo {
  family: Family;
  protocol: number;
  /** s left. */
  timeout: number;
  tuple: FlowEnd;
  mask: FlowEnd;
  master: FlowEnd;
  class: number;
  helper?: string;
}

/** One result of `conntrack.events`: what happened to a flow, and how it is now. */
export interface ConntrackEvent {
  ts_us: number;
  event: 'new' | 'update' | 'destroy';
  flow: ConntrackInfo;
  /** Who did it by command: the number that the request gave. */
  pid?: number;
}

/** Who asks: `pid` is told to those who listen to events. */
interface ByProcess {
  pid?: number;
}

/** list, delete and update answer many results, pages of ConntrackInfo; the last one with `end: true`. */
export type ConntrackRequest =
  | { op: 'conntrack.list'; filter?: ConntrackFilter; zero?: boolean }
  | { op: 'conntrack.get'; family: Family; protocol: number; tuple: FlowEnd; zone?: number }
  | ({ op: 'conntrack.delete'; filter?: ConntrackFilter } & ByProcess)
  | ({ op: 'conntrack.flush'; family?: Family } & ByProcess)
  | ({ op: 'conntrack.create'; flow: NewFlow } & ByProcess)
  | ({ op: 'conntrack.update'; filter?: ConntrackFilter; change: ConntrackChange } & ByProcess)
  | { op: 'conntrack.count' }
  | { op: 'conntrack.stats' }
  | { op: 'conntrack.expectations'; family?: Family }
  | { op: 'conntrack.forget_expectations' };
