/* What would become of a packet: `sluice explain`. */
import type { ConntrackInfo } from './conntrack.js';
import type { NeighbourInfo } from './neighbour.js';
import type { RouteInfo } from './route.js';

/** What would become of a frame that comes in by `dev`, or of a packet between two addresses. Answers ExplainSteps in order. */
export interface ExplainRequest {
  op: 'explain';
  /** Absent: the link that packets of `from` come by, or none where that is an address of ours. */
  dev?: string;
  /** An Ethernet frame, in hexadecimal. */
  frame?: string;
  from?: string;
  to?: string;
  /** IP protocol. TCP packets are SYNs, ICMP ones echo requests. */
  proto?: number;
  sport?: number;
  dport?: number;
}

export interface PacketEnds {
  src: string;
  dst: string;
  sport?: number;
  dport?: number;
}

/** One step of a packet's way. `text` says it in words; which other fields there are hangs on the step. */
export interface ExplainStep {
  step:
    | 'packet'
    | 'link'
    | 'vlan'
    | 'bridge'
    | 'route'
    | 'hook'
    | 'table'
    | 'rule'
    | 'return'
    | 'policy'
    | 'conntrack'
    | 'nat'
    | 'log'
    | 'answer'
    | 'held'
    | 'drop'
    | 'neighbour'
    | 'end'
    | 'remedy';
  text: string;
  /** How far within the steps before it is. */
  depth: number;
  /** It is about the packet that was made on the way as the nth: an error, a reset, a copy. */
  answer?: number;
  dev?: string;
  in?: string;
  out?: string;
  hook?: string;
  table?: string;
  chain?: string;
  /** Of a rule, in its chain. */
  number?: number;
  rule?: string;
  /** ACCEPT, DROP, RETURN, CONTINUE … */
  verdict?: string;
  mark?: number;
  state?: string;
  flow?: ConntrackInfo;
  before?: PacketEnds;
  after?: PacketEnds;
  route?: RouteInfo;
  neighbour?: NeighbourInfo;
  /** As `sluice status -j` counts it. */
  reason?: string;
  /** Of the end: what became of it. */
  result?: 'delivered' | 'left' | 'dropped' | 'held' | 'other';
  /** The one change, as a command. */
  command?: string;
}
