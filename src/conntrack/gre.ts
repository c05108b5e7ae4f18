/*
 * GRE (RFC 2784, 2637): ASSURED as soon as the other side has answered.
 */
import type { Packet } from '../core/packet.js';
import { Flow, type FlowNumber, Status } from './flows.js';
import { CtSetting } from './settings.js';
import { CtEvent, CtVerdict, refresh, type Tracker, type Tracking } from './tracker.js';

export class GreTracker implements Tracker {
  constructor(private readonly tracking: Tracking) {}

  track(flow: FlowNumber, words: Int32Array, at: number, _direction: number, packet: Packet): CtVerdict {
    const row = packet.namespace << CtSetting.SHIFT;
    const status = words[at + Flow.STATUS];
    const hasReply = (status & Status.SEEN_REPLY) !== 0;
    const setting = hasReply ? CtSetting.GRE_STREAM : CtSetting.GRE;
    refresh(words, at, packet.now, this.tracking.settings[row + setting]);
    if (hasReply && (status & Status.ASSURED) === 0) {
      words[at + Flow.STATUS] = status | Status.ASSURED;
      this.tracking.event(flow, CtEvent.ASSURED);
    }
    return CtVerdict.ACCEPT;
  }
}
