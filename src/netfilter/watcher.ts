/*
 * Who watches a packet that is tried out pass the hooks (explain.ts). Only while there is one, netfilter tells it what happens between
 * the hooks' steps, and does not confirm flows.
 */

import type { Packet } from '../core/packet.js';
import type { ChainNumber } from './chains.js';
import type { Memento } from './memento.js';
import type { TableId } from './rule.js';
import type { Tracer } from './traverse.js';

export interface Watcher extends Tracer {
  /** Puts back what rules have changed in tables of their own. */
  readonly memento: Memento;
  /** The packet enters a table. */
  table(table: TableId, chain: ChainNumber, packet: Packet): void;
  /** Conntrack has looked at it. */
  tracked(packet: Packet, passes: boolean): void;
  /** NAT comes next; NAT has been. */
  translating(packet: Packet): void;
  translated(packet: Packet): void;
  /** In place of what happens to its flow where it leaves, or gets to the host. False: it has been dropped. */
  confirms(packet: Packet): boolean;
  /** A line that would be in the log. */
  logged(line: string): void;
}
