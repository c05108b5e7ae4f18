/* ping(8), sent by a namespace's own stack. */

/** Answers many results, PingEvents; ends after `count` answers or errors, at the deadline, or when the client goes. */
export interface PingRequest {
  op: 'ping';
  /** An address; of a link-local one ADDRESS%DEV. */
  destination: string;
  count?: number;
  interval_ms: number;
  /** Bytes of data. */
  size: number;
  /** How long the last answer is waited for while there was none at all. */
  wait_ms: number;
  deadline_ms?: number;
  ttl?: number;
  tos?: number;
  /** do: never fragment; want: as long as it fits; dont: let routers fragment. */
  pmtu: 'do' | 'want' | 'dont';
  /** A source address or a link. */
  from?: string;
  /** Broadcast addresses may be pinged, too; else EACCES. */
  broadcast?: boolean;
}

/** Times are those of the engine's clock, in µs. */
export type PingEvent =
  | { event: 'start'; source: string; broadcast: boolean; time_us: number }
  | { event: 'sent'; sequence: number; time_us: number }
  | {
      event: 'reply';
      from: string;
      sequence: number;
      ttl: number;
      /** ICMP header and data. */
      bytes: number;
      rtt_us: number;
      duplicate: boolean;
      time_us: number;
    }
  /** An ICMP error about a request; `info` is its second word. */
  | { event: 'error'; from: string; sequence: number; type: number; code: number; info: number; time_us: number }
  /** The request did not leave. */
  | { event: 'refused'; sequence: number; errno: string; mtu: number; time_us: number };
