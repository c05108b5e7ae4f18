/*
 * ICMPv6: as ICMP; neighbour and router discovery and multicast listener messages are not tracked at all, a redirect
 * belongs to the flow that it quotes (nf_conntrack_proto_icmpv6.c of Linux).
 */

import { Family } from '../core/hook.js';
import type { Packet } from '../core/packet.js';
import { Icmp, Icmp6Type } from '../wire/icmp.js';
import * as ipv6 from '../wire/ipv6.js';
import { Flow, type FlowNumber } from './flows.js';
import { CtSetting } from './settings.js';
import { CtVerdict, Inspected, refresh, type Tracker, type Tracking } from './tracker.js';
import { Transport } from './tuple.js';

const NODE_INFORMATION_QUERY = 139;
/** Redirect: what comes before its options; the option that quotes the packet, and what in it comes before. */
const REDIRECT_BYTES = 40;
const REDIRECTED_HEADER = 4;
const QUOTE = 8;

export class Icmp6Tracker implements Tracker {
  /** Where the packet that a redirect quotes starts, after `inspect` said ERROR. */
  quoted = 0;

  constructor(private readonly tracking: Tracking) {}

  /** Before the look-up. */
  inspect(packet: Packet): Inspected {
    const { tracking } = this;
    const { transport } = packet;
    if (transport + Icmp.BYTES > tracking.reach(packet)) return Inspected.INVALID;
    const length = packet.network + packet.length - transport;
    if (!tracking.isChecksumRight(packet, Transport.ICMPV6, length)) return Inspected.INVALID;
    const type = tracking.arena.bytes[transport];
    if (type === Icmp6Type.REDIRECT) return this.inspectRedirect(packet);
    if ((type >= Icmp6Type.MLD_QUERY && type <= Icmp6Type.REDIRECT) || type === Icmp6Type.MLD2_REPORT)
      return Inspected.UNTRACKED;
    this.quoted = transport + Icmp.BYTES;
    return type < Icmp6Type.ECHO_REQUEST ? Inspected.ERROR : Inspected.TRACK;
  }

  private inspectRedirect(packet: Packet): Inspected {
    const { bytes } = this.tracking.arena;
    const { network, transport } = packet;
    const end = Math.min(this.tracking.reach(packet), network + packet.length);
    if (bytes[network + ipv6.Ipv6.HOP_LIMIT] !== 255 || transport + REDIRECT_BYTES > end) return Inspected.INVALID;
    if (bytes[transport + 1] !== 0 || !ipv6.isLinkLocal(bytes, network + ipv6.Ipv6.SOURCE)) return Inspected.INVALID;
    for (let at = transport + REDIRECT_BYTES; at + QUOTE <= end; ) {
      const length = bytes[at + 1] << 3;
      if (length === 0) return Inspected.INVALID;
      if (bytes[at] === REDIRECTED_HEADER) {
        this.quoted = at + QUOTE;
        return Inspected.ERROR;
      }
      at += length;
    }
    return Inspected.UNTRACKED;
  }

  track(_flow: FlowNumber, words: Int32Array, at: number, _direction: number, packet: Packet): CtVerdict {
    if (packet.family !== Family.IPV6) return CtVerdict.INVALID;
    const type = (words[at + Flow.ORIGINAL + 8] >>> 8) & 0xff;
    if (type !== Icmp6Type.ECHO_REQUEST && type !== NODE_INFORMATION_QUERY) return CtVerdict.INVALID;
    const row = packet.namespace << CtSetting.SHIFT;
    refresh(words, at, packet.now, this.tracking.settings[row + CtSetting.ICMPV6]);
    return CtVerdict.ACCEPT;
  }
}
