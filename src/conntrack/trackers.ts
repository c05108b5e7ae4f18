/* Which tracker each transport protocol has (nf_conntrack_proto.c of Linux). */
import { GenericTracker } from './generic.js';
import { GreTracker } from './gre.js';
import type { IcmpTracker } from './icmp.js';
import type { Icmp6Tracker } from './icmp6.js';
import { SctpTracker } from './sctp.js';
import type { Sequences } from './sequences.js';
import { TcpTracker } from './tcp.js';
import type { Tracker, Tracking } from './tracker.js';
import { Transport } from './tuple.js';
import { UdpTracker } from './udp.js';

/** By protocol. Those of ICMP are conntrack's own, which asks them before it looks a packet up. */
export function makeTrackers(
  tracking: Tracking,
  sequences: Sequences,
  icmp: IcmpTracker,
  icmp6: Icmp6Tracker,
): Tracker[] {
  const trackers: Tracker[] = new Array(256).fill(new GenericTracker(tracking));
  trackers[Transport.ICMP] = icmp;
  trackers[Transport.ICMPV6] = icmp6;
  trackers[Transport.TCP] = new TcpTracker(tracking, tracking.arena, sequences);
  trackers[Transport.UDP] = new UdpTracker(tracking, false);
  trackers[Transport.UDPLITE] = new UdpTracker(tracking, true);
  trackers[Transport.GRE] = new GreTracker(tracking);
  trackers[Transport.SCTP] = new SctpTracker(tracking);
  return trackers;
}
