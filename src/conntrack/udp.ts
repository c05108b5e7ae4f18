/*
 * UDP and UDP-Lite: a flow is a stream, with a longer timeout, once both sides have sent and, of UDP, it still lives two seconds after its
 * first packet; only then it is ASSURED (nf_conntrack_proto_udp.c of Linux).
 *
 * Linux 6.18 takes UDP's protocol number into UDP-Lite's checksum, so that what is right is INVALID to it; here RFC 3828 is followed.
 */
import type { Packet } from '../core/packet.js';
import { read16 } from '../wire/field.js';
import { Udp } from '../wire/udp.js';
import { Flow, type FlowNumber, Status } from './flows.js';
import { CtSetting } from './settings.js';
import { CtEvent, CtVerdict, refresh, type Tracker, type Tracking } from './tracker.js';
import { Transport } from './tuple.js';

/** Word of a row: when the flow's first packet came, ms. */
const BEGAN_AT = Flow.STATE + 1;
const STREAM_AFTER_MS = 2000;

export class UdpTracker implements Tracker {
  constructor(
    private readonly tracking: Tracking,
    private readonly isLite: boolean,
  ) {}

  track(flow: FlowNumber, words: Int32Array, at: number, _direction: number, packet: Packet): CtVerdict {
    if (!(this.isLite ? this.isRightLite(packet) : this.isRight(packet))) return CtVerdict.INVALID;
    const row = packet.namespace << CtSetting.SHIFT;
    const isStream = this.isStream(words, at, packet.now);
    const setting = isStream ? CtSetting.UDP_STREAM : CtSetting.UDP;
    refresh(words, at, packet.now, this.tracking.settings[row + setting]);
    if (isStream && (words[at + Flow.STATUS] & Status.ASSURED) === 0) {
      words[at + Flow.STATUS] |= Status.ASSURED;
      this.tracking.event(flow, CtEvent.ASSURED);
    }
    return CtVerdict.ACCEPT;
  }

  private isStream(words: Int32Array, at: number, now: number): boolean {
    const status = words[at + Flow.STATUS];
    if ((status & Status.CONFIRMED) === 0) words[at + BEGAN_AT] = now;
    if ((status & Status.SEEN_REPLY) === 0) return false;
    // The age counts up to 49.7 days; what has been a stream once is one for good.
    if (this.isLite || (status & Status.ASSURED) !== 0) return true;
    return (now - words[at + BEGAN_AT]) >>> 0 > STREAM_AFTER_MS;
  }

  private isRight(packet: Packet): boolean {
    const { bytes } = this.tracking.arena;
    const rest = this.tracking.reach(packet) - packet.transport;
    if (rest < Udp.BYTES) return false;
    const length = read16(bytes, packet.transport + Udp.LENGTH);
    const whole = packet.network + packet.length - packet.transport;
    if (length < Udp.BYTES || length > whole) return false;
    if (read16(bytes, packet.transport + Udp.CHECKSUM) === 0) return true;
    return this.tracking.isChecksumRight(packet, Transport.UDP, length);
  }

  /** UDP-Lite says in place of its length how much its checksum covers; 0 = all, and there always is one. */
  private isRightLite(packet: Packet): boolean {
    const { bytes } = this.tracking.arena;
    if (this.tracking.reach(packet) - packet.transport < Udp.BYTES) return false;
    const whole = packet.network + packet.length - packet.transport;
    const stated = read16(bytes, packet.transport + Udp.LENGTH);
    const covered = stated === 0 ? whole : stated;
    if (covered < Udp.BYTES || covered > whole) return false;
    if (read16(bytes, packet.transport + Udp.CHECKSUM) === 0) return false;
    return this.tracking.isChecksumRight(packet, Transport.UDPLITE, covered);
  }
}
