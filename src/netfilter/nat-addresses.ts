/*
 * Addresses that NAT takes from links: what MASQUERADE leaves with, and where REDIRECT leads.
 *
 *   MASQUERADE   IPv4: inet_select_addr of the link it leaves by, for its next hop; IPv6: the source that would be chosen (RFC 6724)
 *   REDIRECT     the first address of the link it came in by; for packets made here 127.0.0.1 or ::1
 */
import type { Link } from '../core/links.js';
import { MAX_LINKS } from '../core/links.js';
import { Key, type Packet } from '../core/packet.js';
import { Address4, Address6, AddressFlag, Scope } from '../route/addresses.js';
import { NextHop, Route } from '../route/fib.js';
import type { Inet } from '../route/inet.js';
import { SourceChoice, scopeOf } from '../route/source6.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import { Ipv6 } from '../wire/ipv6.js';
import { Family, Hook } from './rule.js';

const LOCALHOST = 0x7f000001;
/** Bits of the TOS byte that routes are chosen by. */
const ROUTED_TOS = 0x1c;
/** Scopes of IPv6 (RFC 4007) up to which an address means only one link. */
const LINK_SCOPE = 2;
const SITE_SCOPE = 5;

export class NatAddresses {
  private readonly choice = new SourceChoice();

  constructor(private readonly inet: Inet) {}

  /** Writes the address that a packet at POSTROUTING leaves with, words from `to` on. False: there is none. */
  leaving(packet: Packet, out: Int32Array, to: number): boolean {
    if (packet.family === Family.IPV6) return this.leaving6(packet, out, to);
    const address = this.leaving4(packet);
    out[to] = address;
    return address !== 0;
  }

  private leaving4(packet: Packet): number {
    const { ip4, addresses } = this.inet;
    const list = addresses.of4[packet.out];
    const isOnly = list.length === Address4.WORDS && list[Address4.SCOPE] === Scope.UNIVERSE;
    if (isOnly) return list[Address4.ADDRESS];
    return ip4.selectAddress(packet.namespace, packet.out, this.nextHop(packet), Scope.UNIVERSE);
  }

  /** The gateway that a packet goes to, or its destination. */
  private nextHop(packet: Packet): number {
    const { fib } = this.inet;
    const destination = packet.key[Key.DESTINATION];
    this.fillFlow(packet);
    const route = fib.lookup4(packet.namespace, destination, packet.key[Key.SOURCE]);
    if (route <= 0) return destination;
    const row = route << Route.SHIFT;
    const first = fib.routes[row + Route.NEXTHOP];
    for (let i = first; i < first + fib.routes[row + Route.COUNT]; i++) {
      const hop = i << NextHop.SHIFT;
      const isOurs = fib.nexthops[hop + NextHop.LINK] === packet.out && fib.nexthops[hop + NextHop.FAMILY] === 4;
      if (isOurs) return fib.nexthops[hop + NextHop.GATEWAY];
    }
    return destination;
  }

  /** What the rules of routing looked at when the packet was routed. */
  private fillFlow({ frame, namespace, network, key, in: link }: Packet): void {
    const { arena, fib, loopback } = this.inet;
    if (!fib.hasRules4(namespace)) return;
    const protocol = key[Key.PROTOCOL];
    fib.setFlow(link === 0 ? loopback[namespace] : link, 0, arena.bytes[network + Ipv4.TOS] & ROUTED_TOS, protocol);
    fib.flow.mark = arena.mark[frame];
    const hasPorts = protocol === Protocol.TCP || protocol === Protocol.UDP;
    fib.flow.sport = hasPorts ? Math.max(0, key[Key.SOURCE_PORT]) : 0;
    fib.flow.dport = hasPorts ? Math.max(0, key[Key.DESTINATION_PORT]) : 0;
  }

  private leaving6(packet: Packet, out: Int32Array, to: number): boolean {
    const { choice } = this;
    const { arena, addresses, links } = this.inet;
    const destination = packet.network + Ipv6.DESTINATION;
    choice.start(arena.bytes, destination, packet.out);
    if (scopeOf(arena.bytes, destination) <= LINK_SCOPE) choice.offer(addresses.of6[packet.out], packet.out);
    else {
      for (let link = 1; link < MAX_LINKS; link++) {
        const isOurs = links.namespace[link] === packet.namespace && addresses.of6[link].length !== 0;
        if (isOurs) choice.offer(addresses.of6[link], link);
      }
    }
    if (!choice.isMade) return false;
    for (let i = 0; i < 4; i++) out[to + i] = choice.list[choice.at + i];
    return true;
  }

  /** Writes the address that a packet at PREROUTING or OUTPUT is redirected to. False: its link has none. */
  arriving(packet: Packet, out: Int32Array, to: number): boolean {
    for (let i = 0; i < 4; i++) out[to + i] = 0;
    const isIpv6 = packet.family === Family.IPV6;
    if (packet.hook === Hook.OUTPUT) out[isIpv6 ? to + 3 : to] = isIpv6 ? 1 : LOCALHOST;
    else if (isIpv6) return this.first6(packet, packet.in, out, to);
    else out[to] = this.inet.addresses.of4[packet.in][Address4.ADDRESS] ?? 0;
    return isIpv6 || out[to] !== 0;
  }

  /** The first address of the scope that the destination has, if that is a narrow one. */
  private first6(packet: Packet, link: Link, out: Int32Array, to: number): boolean {
    const list = this.inet.addresses.of6[link];
    const scope = scopeOf(this.inet.arena.bytes, packet.network + Ipv6.DESTINATION);
    for (let at = 0; at < list.length; at += Address6.WORDS) {
      if ((list[at + Address6.FLAGS] & AddressFlag.TENTATIVE) !== 0) continue;
      if (scope <= SITE_SCOPE && scopeOfAddress(list[at]) !== scope) continue;
      for (let i = 0; i < 4; i++) out[to + i] = list[at + i];
      return true;
    }
    return false;
  }
}

/** Of an address that is a link's, by its first word. */
function scopeOfAddress(word: number): number {
  if (word >>> 22 === 0x3fa) return LINK_SCOPE;
  return word >>> 22 === 0x3fb ? SITE_SCOPE : 14;
}
