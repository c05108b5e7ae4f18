/*
 * ICMP: a request and its replies are a flow; an error belongs to the flow of the packet it quotes (nf_conntrack_proto_icmp.c of Linux).
 */

import { Family } from '../core/hook.js';
import type { Packet } from '../core/packet.js';
import { Icmp, IcmpType } from '../wire/icmp.js';
import { Flow, type FlowNumber } from './flows.js';
import { CtSetting } from './settings.js';
import { CtVerdict, Inspected, refresh, type Tracker, type Tracking } from './tracker.js';
import { Transport } from './tuple.js';

/** The highest type there is: address mask reply. */
const LAST_TYPE = 18;

const INFORMATION_REQUEST = 15;
const ADDRESS_MASK_REQUEST = 17;

export class IcmpTracker implements Tracker {
  constructor(private readonly tracking: Tracking) {}

  /** Before the look-up. */
  inspect(packet: Packet): Inspected {
    const { tracking } = this;
    const { transport } = packet;
    if (transport + Icmp.BYTES > tracking.reach(packet)) return Inspected.INVALID;
    const length = packet.network + packet.length - transport;
    if (!tracking.isChecksumRight(packet, Transport.ICMP, length)) return Inspected.INVALID;
    const type = tracking.arena.bytes[transport];
    if (type > LAST_TYPE) return Inspected.INVALID;
    return isError(type) ? Inspected.ERROR : Inspected.TRACK;
  }

  track(_flow: FlowNumber, words: Int32Array, at: number, _direction: number, packet: Packet): CtVerdict {
    if (packet.family !== Family.IPV4) return CtVerdict.INVALID;
    const type = (words[at + Flow.ORIGINAL + 2] >>> 8) & 0xff;
    if (!isRequest(type)) return CtVerdict.INVALID;
    const row = packet.namespace << CtSetting.SHIFT;
    refresh(words, at, packet.now, this.tracking.settings[row + CtSetting.ICMP]);
    return CtVerdict.ACCEPT;
  }
}

function isRequest(type: number): boolean {
  return (
    type === IcmpType.ECHO_REQUEST ||
    type === IcmpType.TIMESTAMP_REQUEST ||
    type === INFORMATION_REQUEST ||
    type === ADDRESS_MASK_REQUEST
  );
}

function isError(type: number): boolean {
  return (
    type === IcmpType.UNREACHABLE ||
    type === IcmpType.SOURCE_QUENCH ||
    type === IcmpType.REDIRECT ||
    type === IcmpType.TIME_EXCEEDED ||
    type === IcmpType.PARAMETER_PROBLEM
  );
}
