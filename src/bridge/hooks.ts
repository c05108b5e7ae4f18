/*
 * Where a bridge asks about a frame on its way, if IP packets that are bridged pass netfilter, too (br_netfilter): the bridge knows no more
 * of netfilter than this.
 *
 *   port ─► PREROUTING ─ learn, look up ─┬─► FORWARD ─► POSTROUTING ─► port
 *                                        └─► br0: its stack's INPUT or FORWARD, not PREROUTING again
 */
import type { Frame } from '../core/arena.js';
import type { Link } from '../core/links.js';

export interface BridgeHooks {
  /** Whether frames that `bridge` forwards are asked about at all. */
  isOn(bridge: Link): boolean;
  /** A frame came in by a port. Answers the one that goes on; NONE: it is gone, dropped or held. */
  prerouting(frame: Frame, port: Link, bridge: Link, now: number): Frame;
  /** It would leave by `to`; `frame` is one reference. Answers the frame that does, NONE: none. */
  forward(frame: Frame, port: Link, to: Link, bridge: Link, now: number): Frame;
}
