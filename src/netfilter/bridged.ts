/*
 * IP packets that a bridge forwards, at netfilter's hooks (br_netfilter): as if they came in by and left by the bridge itself, its ports being the
 * physical devices (`-m physdev`).
 *
 *   port ─► PREROUTING ─ (put together) ─► bridge ─┬─► FORWARD ─ POSTROUTING ─ (cut again) ─► port
 *                                                  └─► br0's stack, which does not ask PREROUTING again
 *
 * A packet whose destination PREROUTING has changed goes on to that neighbour, if the bridge is where it would be routed to; otherwise to the
 * bridge's own address, and the stack routes it. (The kernel also holds it while it asks who the neighbour is; here the first one is routed.) Only where
 * net.bridge.bridge-nf-call-iptables or -ip6tables is on; frames with a VLAN tag are never asked about.
 */
import type { BridgeHooks } from '../bridge/hooks.js';
import { type Frame, NONE, Received } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import type { Link } from '../core/links.js';
import { Net4, Net6 } from '../route/conf.js';
import { fragment4, MAX_FRAGMENTS } from '../route/fragment.js';
import type { Inet } from '../route/inet.js';
import { Ethernet } from '../wire/ethernet.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { neighbourOn4, neighbourOn6 } from './bridged-neighbour.js';
import { Family } from './rule.js';

/** EtherTypes as a little-endian machine reads them. */
const IPV4 = 0x0008;
const IPV6 = 0xdd86;
/** What is no IP packet. */
const OTHER = -1;

/** The hub's part. */
export interface BridgedPackets {
  bridgedPrerouting(family: Family, frame: Frame, port: Link, bridge: Link, now: number): Frame;
  bridgedForward(family: Family, frame: Frame, port: Link, to: Link, bridge: Link, now: number): boolean;
}

export class Bridged implements BridgeHooks {
  private readonly $fragments = new Int32Array(MAX_FRAGMENTS);

  constructor(
    private readonly inet: Inet,
    private readonly packets: BridgedPackets,
  ) {}

  isOn(bridge: Link): boolean {
    return this.inet.showsBridged(this.inet.namespaceOf(bridge));
  }

  prerouting(frame: Frame, port: Link, bridge: Link, now: number): Frame {
    const { inet } = this;
    const { arena } = inet;
    const family = this.familyOf(frame, bridge);
    if (family === OTHER) {
      arena.bridgePort[frame] = 0;
      return frame;
    }
    const own = inet.own(frame);
    if (own === NONE) return NONE;
    inet.forgetTraces(own);
    arena.ingress[own] = bridge;
    arena.received[own] = this.addressee(own);
    const reason = this.check(own, family);
    if (reason !== DropReason.NONE) {
      inet.egress.drop(own, port, reason);
      return NONE;
    }
    const destination = this.destination(own, family);
    const whole = this.packets.bridgedPrerouting(family, own, port, bridge, now);
    if (whole === NONE) return NONE;
    arena.bridgePort[whole] = port;
    if (whole === own && this.destination(own, family) !== destination) this.readdress(own, family, bridge, now);
    return whole;
  }

  forward(frame: Frame, port: Link, to: Link, bridge: Link, now: number): Frame {
    const family = this.familyOf(frame, bridge);
    if (family === OTHER) return frame;
    const own = this.inet.own(frame);
    if (own === NONE || !this.packets.bridgedForward(family, own, port, to, bridge, now)) return NONE;
    const longest = this.inet.arena.maxFragment[own];
    if (longest === 0 || family === Family.IPV6) return own;
    this.cut(own, to, longest);
    return NONE;
  }

  /** OTHER also where packets of the family are not asked about. */
  private familyOf(frame: Frame, bridge: Link): number {
    const { arena, conf } = this.inet;
    const namespace = this.inet.namespaceOf(bridge);
    const type = arena.words16[(arena.offset[frame] + Ethernet.TYPE) >> 1];
    if (type === IPV4 && conf.net(namespace, Net4.BRIDGE_NF_CALL) !== 0) return Family.IPV4;
    return type === IPV6 && conf.netOf6(namespace, Net6.BRIDGE_NF_CALL) !== 0 ? Family.IPV6 : OTHER;
  }

  /** br_validate_ipv4, br_validate_ipv6. */
  private check(frame: Frame, family: Family): DropReason {
    const { arena } = this.inet;
    const { bytes } = arena;
    const at = this.inet.network(frame);
    const end = arena.offset[frame] + arena.headLength(frame);
    const rest = arena.length[frame] - Ethernet.BYTES;
    if (family === Family.IPV6) {
      const isFine = ipv6.check(bytes, at, end) && ipv6.Ipv6.BYTES + ipv6.payloadLength(bytes, at) <= rest;
      return isFine ? DropReason.NONE : DropReason.IPV6_HEADER;
    }
    if (!ipv4.check(bytes, at, end)) return DropReason.IPV4_HEADER;
    if (!ipv4.isChecksumRight(bytes, at)) return DropReason.IPV4_CHECKSUM;
    const total = ipv4.totalLength(bytes, at);
    return total < ipv4.headerLength(bytes, at) || total > rest ? DropReason.IPV4_HEADER : DropReason.NONE;
  }

  /** The last word of the destination: NAT never changes the others alone. */
  private destination(frame: Frame, family: Family): number {
    const { words32 } = this.inet.arena;
    const at = this.inet.network(frame);
    return words32[(at + (family === Family.IPV4 ? ipv4.Ipv4.DESTINATION : ipv6.Ipv6.DESTINATION + 12)) >> 2];
  }

  private addressee(frame: Frame): Received {
    const { words16, words32, offset } = this.inet.arena;
    const high = words16[offset[frame] >> 1];
    if ((high & 1) === 0) return Received.HOST;
    return high === 0xffff && words32[(offset[frame] + 2) >> 2] === -1 ? Received.BROADCAST : Received.MULTICAST;
  }

  /** br_nf_pre_routing_finish. */
  private readdress(frame: Frame, family: Family, bridge: Link, now: number): void {
    const { inet } = this;
    const { neighbours, links } = inet;
    const neighbour = family === Family.IPV4 ? neighbourOn4(inet, frame, bridge) : neighbourOn6(inet, frame, bridge);
    const isKnown = neighbour !== NONE && (neighbours.isUsable(neighbour) || inet.neighbour.states.use(neighbour, now));
    if (isKnown) this.addressTo(frame, neighbours.macHigh(neighbour), neighbours.macLow(neighbour));
    else this.addressTo(frame, links.macHigh[bridge], links.macLow[bridge]);
  }

  private addressTo(frame: Frame, high: number, low: number): void {
    const { arena } = this.inet;
    const at = arena.offset[frame];
    arena.words16[at >> 1] = high;
    arena.words32[(at + 2) >> 2] = low;
  }

  /** What came in fragments leaves in fragments. */
  private cut(frame: Frame, to: Link, longest: number): void {
    const { inet, $fragments } = this;
    const { bytes, offset } = inet.arena;
    const n = fragment4(inet, frame, longest, $fragments);
    if (n < 0) return inet.drop(frame, DropReason.FRAGMENTATION_FAILED);
    for (let i = 0; i < n; i++) {
      bytes.copyWithin(offset[$fragments[i]], offset[frame], offset[frame] + Ethernet.BYTES);
      inet.egress.enqueue($fragments[i], to);
    }
    inet.deliver(frame);
  }
}
