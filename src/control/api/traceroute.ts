/* traceroute(8), sent by a namespace's own stack. */

export type TracerouteMethod = 'default' | 'udp' | 'icmp' | 'tcp';

/** Answers many results, TracerouteProbes in order of hop and query. */
export interface TracerouteRequest {
  op: 'traceroute';
  destination: string;
  method: TracerouteMethod;
  first: number;
  max: number;
  queries: number;
  wait_ms: number;
  /** As many times as long as a probe of the same hop, or of one behind it, took, a probe is waited for; 0: as `wait_ms` says. */
  here: number;
  near: number;
  /** Destination port; of `default` the first one; of `icmp` the first sequence number. */
  port?: number;
  /** Bytes of a probe, IP header included. */
  length: number;
  from?: string;
  dont_fragment?: boolean;
}

export interface TracerouteProbe {
  ttl: number;
  /** Absent: no answer. */
  from?: string;
  rtt_us?: number;
  /** traceroute's annotation: !H, !N, !X … */
  note?: string;
}
