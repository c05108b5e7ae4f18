/*
 * Protocols that conntrack knows nothing of: one flow for each pair of addresses.
 */
import type { Packet } from '../core/packet.js';
import type { FlowNumber } from './flows.js';
import { CtSetting } from './settings.js';
import { CtVerdict, refresh, type Tracker, type Tracking } from './tracker.js';

export class GenericTracker implements Tracker {
  constructor(private readonly tracking: Tracking) {}

  track(_flow: FlowNumber, words: Int32Array, at: number, _direction: number, packet: Packet): CtVerdict {
    const row = packet.namespace << CtSetting.SHIFT;
    refresh(words, at, packet.now, this.tracking.settings[row + CtSetting.GENERIC]);
    return CtVerdict.ACCEPT;
  }
}
