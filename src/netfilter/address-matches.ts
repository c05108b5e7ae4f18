/* Matches that ask what an address is here, by the routes, and whether a packet came the way that leads back. */
import type { Link, Namespace } from '../core/links.js';
import { LinkKind } from '../core/links.js';
import { Key, type Packet } from '../core/packet.js';
import { NextHop, Route, RouteType } from '../route/fib.js';
import type { Inet } from '../route/inet.js';
import { Ipv4 } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Ipv6 } from '../wire/ipv6.js';
import { Answer, answer } from './answer.js';
import { AddressTypeOp, IprangeOp, RpfilterOp } from './ops.js';
import { Family } from './rule.js';

const NO_LINK = 0;

/** Fills in what rules of routing see of a look-up that is no packet's. */
function fillFlow(inet: Inet, namespace: Namespace, oif: Link, mark: number): void {
  const { flow } = inet.fib;
  flow.iif = inet.loopback[namespace];
  flow.oif = oif;
  flow.mark = mark;
  flow.tos = 0;
  flow.protocol = 0;
  flow.sport = 0;
  flow.dport = 0;
}

function firstLink(inet: Inet, route: number): Link {
  const hop = inet.fib.routes[(route << Route.SHIFT) + Route.NEXTHOP];
  if (inet.fib.routes[(route << Route.SHIFT) + Route.COUNT] === 0) return NO_LINK;
  return inet.fib.nexthops[(hop << NextHop.SHIFT) + NextHop.LINK];
}

/** RouteType of an IPv4 address; `link` not 0: only what is so on that link. (inet_addr_type) */
function typeOf4(inet: Inet, namespace: Namespace, address: number, link: Link): RouteType {
  if (address >>> 24 === 0 || address === -1) return RouteType.BROADCAST;
  if (address >>> 28 === 14) return RouteType.MULTICAST;
  fillFlow(inet, namespace, 0, 0);
  const route = inet.fib.lookup4(namespace, address, 0);
  if (route <= 0) return RouteType.UNICAST;
  const type = inet.fib.routes[(route << Route.SHIFT) + Route.TYPE];
  // The kernel asks the table `local` alone: what other tables refuse is like any address.
  if (type !== RouteType.LOCAL && type !== RouteType.BROADCAST && type !== RouteType.ANYCAST) return RouteType.UNICAST;
  return link === NO_LINK || firstLink(inet, route) === link ? type : RouteType.UNICAST;
}

const enum Type6 {
  UNSPEC = 1 << 0,
  UNICAST = 1 << 1,
  LOCAL = 1 << 2,
  ANYCAST = 1 << 4,
  MULTICAST = 1 << 5,
  UNREACHABLE = 1 << 7,
}

const ROUTED6 = Type6.LOCAL | Type6.ANYCAST | Type6.UNREACHABLE;

function isAny6(key: Int32Array, at: number): boolean {
  return (key[at] | key[at + 1] | key[at + 2] | key[at + 3]) === 0;
}

/** match_type6: each kind that is asked for must hold, but of those that routes tell one. `place`: the address in the arena. */
function isOfType6(inet: Inet, packet: Packet, word: Key, place: number, types: number, link: Link): boolean {
  const { key } = packet;
  const isMulticast = key[word] >>> 24 === 0xff;
  const isAny = isAny6(key, word);
  if ((types & Type6.MULTICAST) !== 0 && !isMulticast) return false;
  if ((types & Type6.UNICAST) !== 0 && (isMulticast || isAny)) return false;
  if ((types & Type6.UNSPEC) !== 0 && !isAny) return false;
  return (types & ROUTED6) === 0 || (types & routedTypes6(inet, packet, word, place, link)) !== 0;
}

function routedTypes6(inet: Inet, packet: Packet, word: Key, place: number, link: Link): number {
  const { key, namespace } = packet;
  const { fib } = inet;
  fillFlow(inet, namespace, link, 0);
  const isOwn =
    link !== NO_LINK && inet.addresses.find6(link, key[word], key[word + 1], key[word + 2], key[word + 3]) >= 0;
  const route = fib.lookup6(namespace, inet.arena.bytes, place, place);
  if (key[word] >>> 24 === 0xff) return 0;
  if (route <= 0) return Type6.UNREACHABLE;
  const type = fib.routes[(route << Route.SHIFT) + Route.TYPE];
  let types = isOwn || (link === NO_LINK && type === RouteType.LOCAL) ? Type6.LOCAL : 0;
  if (type === RouteType.UNREACHABLE || type === RouteType.PROHIBIT || type === RouteType.BLACKHOLE) {
    types |= Type6.UNREACHABLE;
  }
  return type === RouteType.ANYCAST ? types | Type6.ANYCAST : types;
}

function hasType(inet: Inet, packet: Packet, isSource: boolean, types: number, link: Link): boolean {
  const word = isSource ? Key.SOURCE : Key.DESTINATION;
  if (packet.family === Family.IPV4) {
    return ((types >>> typeOf4(inet, packet.namespace, packet.key[word], link)) & 1) !== 0;
  }
  const place = packet.network + (isSource ? Ipv6.SOURCE : Ipv6.DESTINATION);
  return isOfType6(inet, packet, word, place, types, link);
}

export function addressType(inet: Inet, pool: Int32Array, at: number, packet: Packet): Answer {
  const flags = pool[at];
  let link: Link = NO_LINK;
  if ((flags & AddressTypeOp.LIMIT_IN) !== 0) link = packet.in;
  else if ((flags & AddressTypeOp.LIMIT_OUT) !== 0) link = packet.out;
  const source = pool[at + AddressTypeOp.SOURCE];
  if (source !== 0) {
    const holds = hasType(inet, packet, true, source, link);
    if (holds === ((flags & AddressTypeOp.NOT_SOURCE) !== 0)) return Answer.NO;
  }
  const destination = pool[at + AddressTypeOp.DESTINATION];
  if (destination === 0) return Answer.YES;
  const holds = hasType(inet, packet, false, destination, link);
  return answer(holds !== ((flags & AddressTypeOp.NOT_DESTINATION) !== 0));
}

// --- rpfilter ------------------------------------------------------------------------------------

export function rpfilter(inet: Inet, pool: Int32Array, at: number, packet: Packet): Answer {
  if (inet.links.kind[packet.in] === LinkKind.LOOPBACK) return Answer.YES;
  const flags = pool[at];
  const mark = (flags & RpfilterOp.VALID_MARK) !== 0 ? inet.arena.mark[packet.frame] : 0;
  return answer(
    packet.family === Family.IPV4 ? isBack4(inet, packet, flags, mark) : isBack6(inet, packet, flags, mark),
  );
}

function isBack4(inet: Inet, packet: Packet, flags: number, mark: number): boolean {
  const { fib } = inet;
  const { namespace, key } = packet;
  const source = key[Key.SOURCE];
  const destination = key[Key.DESTINATION];
  const isGroup = destination >>> 28 === 14;
  // Hosts without an address yet ask all (DHCP), or a group of the link.
  if (source >>> 24 === 0 && (destination === -1 || destination >>> 8 === 0xe00000)) return true;
  fillFlow(inet, namespace, 0, mark);
  fib.flow.tos = inet.arena.bytes[packet.network + Ipv4.TOS] & 0x1c;
  const isOther = isGroup || destination === -1 || destination >>> 24 === 0;
  const route = fib.lookup4(namespace, source, isOther ? 0 : destination);
  return isBackBy(inet, packet, flags, route);
}

/** Whether a route to the packet's source leads by the link that it came in by. */
function isBackBy(inet: Inet, packet: Packet, flags: number, route: number): boolean {
  if (route <= 0) return false;
  const type = inet.fib.routes[(route << Route.SHIFT) + Route.TYPE];
  const isLocal = type === RouteType.LOCAL;
  if (type !== RouteType.UNICAST && !(isLocal && (flags & RpfilterOp.ACCEPT_LOCAL) !== 0)) return false;
  // IPv6 has local routes on the address's link, and takes them as they are.
  if (isLocal && packet.family === Family.IPV6) return true;
  return (flags & RpfilterOp.LOOSE) !== 0 || inet.fib.leadsTo(route, packet.in);
}

function isBack6(inet: Inet, packet: Packet, flags: number, mark: number): boolean {
  const { key, namespace } = packet;
  const { bytes } = inet.arena;
  const source = packet.network + Ipv6.SOURCE;
  if (isAny6(key, Key.SOURCE)) return true;
  if (ipv6.isLinkLocal(bytes, source)) return isBackLinkLocal(inet, packet, flags);
  fillFlow(inet, namespace, (flags & RpfilterOp.LOOSE) === 0 ? packet.in : 0, mark);
  const isGroup = ipv6.isMulticast(bytes, source + 16);
  return isBackBy(inet, packet, flags, inet.fib.lookup6(namespace, bytes, source, isGroup ? source : source + 16));
}

/** Every link that has a link-local address leads to all the others. */
function isBackLinkLocal(inet: Inet, packet: Packet, flags: number): boolean {
  const { key } = packet;
  const isOwn = inet.addresses.find6(packet.in, key[0], key[1], key[2], key[3]) >= 0;
  if (isOwn) return (flags & RpfilterOp.ACCEPT_LOCAL) !== 0;
  return inet.addresses.hasLinkLocal(packet.in);
}

// --- ranges --------------------------------------------------------------------------------------

/** Whether an address of `words` words lies between two, compared unsigned. */
function isWithin(key: Int32Array, at: number, pool: Int32Array, first: number, last: number, words: number): boolean {
  return compare(key, at, pool, first, words) >= 0 && compare(key, at, pool, last, words) <= 0;
}

function compare(key: Int32Array, at: number, pool: Int32Array, from: number, words: number): number {
  for (let i = 0; i < words; i++) {
    const a = key[at + i] >>> 0;
    const b = pool[from + i] >>> 0;
    if (a !== b) return a < b ? -1 : 1;
  }
  return 0;
}

export function iprange(pool: Int32Array, at: number, packet: Packet): Answer {
  const { key } = packet;
  const flags = pool[at];
  const words = packet.family === Family.IPV4 ? 1 : 4;
  if ((flags & IprangeOp.SOURCE) !== 0) {
    const isIn = isWithin(key, Key.SOURCE, pool, at + IprangeOp.SOURCE_FIRST, at + IprangeOp.SOURCE_LAST, words);
    if (isIn === ((flags & IprangeOp.NOT_SOURCE) !== 0)) return Answer.NO;
  }
  if ((flags & IprangeOp.DESTINATION) === 0) return Answer.YES;
  const first = at + IprangeOp.DESTINATION_FIRST;
  const isIn = isWithin(key, Key.DESTINATION, pool, first, at + IprangeOp.DESTINATION_LAST, words);
  return answer(isIn !== ((flags & IprangeOp.NOT_DESTINATION) !== 0));
}
