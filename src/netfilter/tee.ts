/*
 * TEE: a copy of the packet goes to another host on a link of ours, as it is (nf_dup_ipv4.c, nf_dup_ipv6.c). The copy is not
 * tracked and passes OUTPUT and POSTROUTING as if made here, where it is not copied again. At PREROUTING and INPUT its TTL is one less,
 * so that two hosts that copy to each other come to an end.
 */
import { type Frame, NONE, UNTRACKED } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, Total } from '../core/links.js';
import type { Packet } from '../core/packet.js';
import { NextHop, Route, RouteType } from '../route/fib.js';
import { HookFamily, Output } from '../route/hooks.js';
import { write16, write32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4 } from '../wire/ipv4.js';
import { TeeTarget } from './ops.js';
import type { NetfilterParts } from './parts.js';
import { Family, Hook } from './rule.js';

export class Tee {
  private isBusy = false;
  private readonly $gateway = new Uint8Array(16);

  constructor(private readonly parts: NetfilterParts) {}

  run(pool: Int32Array, at: number, packet: Packet): void {
    if (this.isBusy) return;
    const { inet } = this.parts;
    const { arena } = inet;
    const frame = arena.copy(packet.frame);
    if (frame === NONE) return;
    inet.links.totals[Total.CLONED]++;
    arena.flow[frame] = UNTRACKED;
    arena.ingress[frame] = inet.loopback[packet.namespace];
    const isIn = packet.hook === Hook.PREROUTING || packet.hook === Hook.INPUT;
    const oif = pool[at + TeeTarget.OUT] === 0 ? 0 : this.parts.patterns.first(pool[at + TeeTarget.OUT]);
    const isLost = pool[at + TeeTarget.OUT] !== 0 && oif === 0;
    this.isBusy = true;
    if (isLost) inet.drop(frame, DropReason.NO_ROUTE);
    else if (packet.family === Family.IPV4) this.send4(frame, pool[at + TeeTarget.GATEWAY], oif, isIn, packet);
    else this.send6(frame, pool, at + TeeTarget.GATEWAY, oif, isIn, packet);
    this.isBusy = false;
  }

  /** The original's length limits the copy: a router on its way is to tell its sender, not to cut it up. */
  private send4(frame: Frame, gateway: number, oif: Link, isIn: boolean, packet: Packet): void {
    const { inet } = this.parts;
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    bytes[at + Ipv4.FRAGMENT] |= 0x40;
    if (isIn) bytes[at + Ipv4.TTL]--;
    ipv4.writeChecksum(bytes, at);
    this.fillFlow(packet, oif);
    const route = inet.fib.lookup4(packet.namespace, gateway, 0);
    if (!this.leadsOut(route, oif)) return inet.drop(frame, DropReason.NO_ROUTE);
    inet.ip4.sendBy(frame, packet.namespace, route, gateway, packet.now);
  }

  private send6(frame: Frame, pool: Int32Array, from: number, oif: Link, isIn: boolean, packet: Packet): void {
    const { inet } = this.parts;
    const { arena, fib, hooks } = inet;
    const { namespace, now } = packet;
    for (let i = 0; i < 4; i++) write32(this.$gateway, i * 4, pool[from + i]);
    if (isIn) arena.bytes[inet.network(frame) + 7]--;
    this.fillFlow(packet, oif);
    const route = fib.lookup6(namespace, this.$gateway, 0, 0);
    if (!this.leadsOut(route, oif)) return inet.drop(frame, DropReason.NO_ROUTE);
    const out = fib.nexthops[(fib.select(route, 0) << NextHop.SHIFT) + NextHop.LINK];
    if ((hooks.isOn[namespace] & HookFamily.IPV6) !== 0) {
      if (hooks.output6(frame, namespace, out, now) === Output.GONE) return;
      if (!hooks.postrouting6(frame, out, now)) return;
    }
    write16(arena.bytes, arena.offset[frame] + 12, 0x86dd);
    inet.neighbour.output6(frame, out, pool[from], pool[from + 1], pool[from + 2], pool[from + 3], now);
  }

  private fillFlow(packet: Packet, oif: Link): void {
    const { inet } = this.parts;
    const { flow } = inet.fib;
    flow.iif = inet.loopback[packet.namespace];
    flow.oif = oif;
    flow.mark = 0;
    flow.tos = 0;
    flow.protocol = 0;
    flow.sport = 0;
    flow.dport = 0;
  }

  /** Whether a route leads to another host, by the link that is asked for. */
  private leadsOut(route: number, oif: Link): boolean {
    if (route <= 0) return false;
    const { fib } = this.parts.inet;
    if (fib.routes[(route << Route.SHIFT) + Route.TYPE] !== RouteType.UNICAST) return false;
    return fib.select(route, 0) >= 0 && (oif === 0 || fib.leadsTo(route, oif));
  }
}
