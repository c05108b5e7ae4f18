/*
 * Names of what flows have as numbers.
 */
import { Helper } from '../conntrack/flow-row.js';
import { Transport } from '../conntrack/tuple.js';
import { SCTP_STATES, TCP_STATES } from './api/conntrack.js';

/** A protocol's states, if it has any. */
export function statesOf(protocol: number): readonly string[] | undefined {
  if (protocol === Transport.TCP) return TCP_STATES;
  return protocol === Transport.SCTP ? SCTP_STATES : undefined;
}

export const HELPER_NAMES: Readonly<Record<number, string>> = { [Helper.FTP]: 'ftp', [Helper.TFTP]: 'tftp' };
