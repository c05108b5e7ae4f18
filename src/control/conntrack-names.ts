/*
 * Names and numbers of what `conntrack` speaks of: protocols, their states, bits of a flow's status. As libnetfilter_conntrack has them.
 */
import { Helper } from '../conntrack/flow-row.js';
import { Transport } from '../conntrack/tuple.js';

/** Those that it knows by name; all others are "unknown". */
export const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [Transport.ICMP, 'icmp'],
  [Transport.TCP, 'tcp'],
  [Transport.UDP, 'udp'],
  [33, 'dccp'],
  [Transport.GRE, 'gre'],
  [Transport.ICMPV6, 'icmpv6'],
  [Transport.SCTP, 'sctp'],
  [Transport.UDPLITE, 'udplite'],
]);

/** Linux's numbers; LISTEN is what SYN_SENT2 was called. */
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

/** A protocol's states, if it has any. */
export function statesOf(protocol: number): readonly string[] | undefined {
  if (protocol === Transport.TCP) return TCP_STATES;
  return protocol === Transport.SCTP ? SCTP_STATES : undefined;
}

export const HELPER_NAMES: Readonly<Record<number, string>> = { [Helper.FTP]: 'ftp', [Helper.TFTP]: 'tftp' };
