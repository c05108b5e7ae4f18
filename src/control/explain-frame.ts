/*
 * A frame that is tried out, from its link on: VLAN tag, bridge, then the IP stack (netfilter/explain.ts). In the engine's thread. What a
 * bridge would do is read from its tables, not done: it learns nothing, and no storm limit is used up.
 */
import { NONE } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag, type Namespace } from '../core/links.js';
import type { Dataplane } from '../datapath.js';
import { Explainer } from '../netfilter/explain.js';
import type { Walk } from '../netfilter/explain-steps.js';
import { Net4, Net6 } from '../route/conf.js';
import { Ethernet, EtherType, type as typeOf } from '../wire/ethernet.js';
import { outerTag, Vlan } from '../wire/vlan.js';

/** What a frame meets before the IP stack. */
export type FrameEvent =
  | { kind: 'link'; link: Link; isUp: boolean }
  | { kind: 'vlan'; link: Link; to: Link }
  /** `to`: ports that it goes to; `isLocal`: the bridge itself gets it. `isKnown`: its destination is in the table. */
  | { kind: 'bridge'; bridge: Link; port: Link; to: Link[]; isLocal: boolean; isKnown: boolean; isAsked: boolean };

export interface FrameWalk extends Walk {
  front: FrameEvent[];
  /** The link whose stack gets it; 0: none does. */
  link: Link;
}

export class FrameExplainer {
  private readonly explainer: Explainer;

  constructor(private readonly dataplane: Dataplane) {
    this.explainer = new Explainer(dataplane.inet, dataplane.netfilter);
  }

  send(namespace: Namespace, bytes: Uint8Array, now: number): FrameWalk {
    const walk = this.explainer.send(namespace, bytes, now);
    return { ...walk, front: [], link: this.dataplane.inet.loopback[namespace] };
  }

  receive(link: Link, bytes: Uint8Array, now: number): FrameWalk {
    const { flags } = this.dataplane.links;
    const isUp = (flags[link] & LinkFlag.UP) !== 0;
    const step: FrameEvent = { kind: 'link', link, isUp };
    if (isUp) return behind(step, this.pass(link, bytes, now));
    const dropped = ended(DropReason.LINK_DOWN);
    // A port forwards and learns as soon as it is up.
    const before = flags[link];
    flags[link] |= LinkFlag.UP | LinkFlag.FORWARDING | LinkFlag.LEARNING_STATE;
    const { end } = this.pass(link, bytes, now);
    flags[link] = before;
    if (end === 'left' || end === 'delivered') dropped.remedies = [{ kind: 'up', link }];
    return behind(step, dropped);
  }

  /** From a link that is up. */
  private pass(link: Link, bytes: Uint8Array, now: number): FrameWalk {
    const { links, bridges } = this.dataplane;
    if (bytes.length < Ethernet.BYTES) return ended(DropReason.RUNT);
    const vlan = this.vlanOf(link, bytes);
    if (vlan !== NONE) {
      const untagged = new Uint8Array(bytes.length - Vlan.BYTES);
      untagged.set(bytes.subarray(0, Ethernet.TYPE));
      untagged.set(bytes.subarray(Ethernet.TYPE + Vlan.BYTES), Ethernet.TYPE);
      return behind({ kind: 'vlan', link, to: vlan }, this.receive(vlan, untagged, now));
    }
    const master = links.master[link];
    if (master !== NONE && bridges[master] !== undefined) return this.bridge(master, link, bytes, now);
    return { ...this.explainer.receive(link, bytes, now), front: [], link };
  }

  private vlanOf(link: Link, bytes: Uint8Array): Link {
    const { flags, firstVlan, nextVlan, tag } = this.dataplane.links;
    if ((flags[link] & LinkFlag.HAS_VLANS) === 0 || bytes.length < Vlan.HEADER_BYTES) return NONE;
    const wanted = outerTag(bytes, 0);
    let found = firstVlan[link];
    while (found !== NONE && tag[found] !== wanted) found = nextVlan[found];
    return found;
  }

  // --- bridges ----------------------------------------------------------------------------------

  private bridge(bridge: Link, port: Link, bytes: Uint8Array, now: number): FrameWalk {
    const { links, bridging } = this.dataplane;
    const flags = links.flags[port];
    const refusal = this.refusal(bridge, port, flags, bytes, now);
    if (refusal !== DropReason.NONE) return ended(refusal);
    const way = this.wayOf(bridge, port, bytes, now);
    const isAsked = bridging.hooks?.isOn(bridge) === true && this.isForIptables(bridge, bytes);
    const step: FrameEvent = { kind: 'bridge', bridge, port, ...way, isAsked };
    if (way.isLocal) return behind(step, this.receive(bridge, bytes, now));
    if (way.reason !== DropReason.NONE) return behind(step, ended(way.reason));
    return behind(step, { ...ended(DropReason.NONE), end: 'left', out: way.to[0] });
  }

  /** Tagged frames and other protocols never are. */
  private isForIptables(bridge: Link, bytes: Uint8Array): boolean {
    const { inet } = this.dataplane;
    const namespace = inet.namespaceOf(bridge);
    const type = typeOf(bytes, 0);
    if (type === EtherType.IPV4) return inet.conf.net(namespace, Net4.BRIDGE_NF_CALL) !== 0;
    return type === EtherType.IPV6 && inet.conf.netOf6(namespace, Net6.BRIDGE_NF_CALL) !== 0;
  }

  /** Why a port does not take a frame. */
  private refusal(bridge: Link, port: Link, flags: number, bytes: Uint8Array, now: number): DropReason {
    const [high, low] = numbersAt(bytes, Ethernet.SOURCE);
    if ((high & 1) !== 0 || (high | low) === 0) return DropReason.SOURCE_INVALID;
    if ((flags & LinkFlag.FORWARDING) === 0) return DropReason.PORT_NOT_FORWARDING;
    if ((flags & LinkFlag.LOCKED) === 0) return DropReason.NONE;
    const isKnown = this.dataplane.stationPort(bridge, 0, high, low, now) === port;
    return isKnown ? DropReason.NONE : DropReason.PORT_LOCKED;
  }

  private wayOf(
    bridge: Link,
    port: Link,
    bytes: Uint8Array,
    now: number,
  ): { to: Link[]; isLocal: boolean; isKnown: boolean; reason: DropReason } {
    const { fdb } = this.dataplane;
    const [high, low] = numbersAt(bytes, Ethernet.DESTINATION);
    if ((high & 1) !== 0) {
      const gate = high === 0xffff && low === -1 ? LinkFlag.BCAST_FLOOD : LinkFlag.MCAST_FLOOD;
      return { to: this.floodTo(bridge, port, gate), isLocal: true, isKnown: false, reason: DropReason.NONE };
    }
    const domain = bridge << 12;
    const slot = fdb.find(fdb.home(low, high, domain), low, high, domain);
    if (slot === NONE || fdb.isExpired(slot, now)) {
      const to = this.floodTo(bridge, port, LinkFlag.FLOOD);
      return { to, isLocal: false, isKnown: false, reason: to.length === 0 ? DropReason.NO_EGRESS : DropReason.NONE };
    }
    if (fdb.isLocal(slot)) return { to: [], isLocal: true, isKnown: true, reason: DropReason.NONE };
    const to = fdb.port(slot);
    return { to: [to], isLocal: false, isKnown: true, reason: this.egressReason(port, to) };
  }

  private egressReason(port: Link, to: Link): DropReason {
    const { flags } = this.dataplane.links;
    if (to === port && (flags[to] & LinkFlag.HAIRPIN) === 0) return DropReason.SAME_PORT;
    if ((flags[to] & LinkFlag.FORWARDING) === 0) return DropReason.EGRESS_NOT_FORWARDING;
    return (flags[port] & flags[to] & LinkFlag.ISOLATED) !== 0 ? DropReason.ISOLATED : DropReason.NONE;
  }

  private floodTo(bridge: Link, port: Link, gate: LinkFlag): Link[] {
    const { flags } = this.dataplane.links;
    const ports = this.dataplane.bridges[bridge]?.ports ?? [];
    return ports.filter((to) => (flags[to] & gate) !== 0 && this.egressReason(port, to) === DropReason.NONE);
  }
}

function behind(step: FrameEvent, walk: FrameWalk): FrameWalk {
  walk.front.unshift(step);
  return walk;
}

function ended(reason: DropReason): FrameWalk {
  return { steps: [], end: 'dropped', reason, out: 0, remedies: [], front: [], link: 0 };
}

/** An address as the FDB has it: bytes 0..1 and 2..5, little-endian. */
function numbersAt(bytes: Uint8Array, at: number): [high: number, low: number] {
  const low = bytes[at + 2] | (bytes[at + 3] << 8) | (bytes[at + 4] << 16) | (bytes[at + 5] << 24);
  return [bytes[at] | (bytes[at + 1] << 8), low];
}
