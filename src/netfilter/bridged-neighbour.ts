/*
 * Whom a packet on a bridge would be sent to if the bridge's stack routed it: where that is a neighbour on the same bridge, it need not be routed.
 */
import { type Frame, NONE } from '../core/arena.js';
import type { Link } from '../core/links.js';
import { NextHop, Route, RouteType } from '../route/fib.js';
import type { Inet } from '../route/inet.js';
import { read32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv6 } from '../wire/ipv6.js';

/** Row of the next hop by a link, or NONE. */
function hopBy(inet: Inet, route: number, link: Link): number {
  const { fib } = inet;
  if (route <= 0 || fib.routes[(route << Route.SHIFT) + Route.TYPE] !== RouteType.UNICAST) return NONE;
  const hop = fib.select(route, 0);
  if (hop < 0) return NONE;
  return fib.nexthops[(hop << NextHop.SHIFT) + NextHop.LINK] === link ? hop << NextHop.SHIFT : NONE;
}

/** The neighbour's slot; NONE: it would leave by another link, or nobody has asked for that neighbour yet. */
export function neighbourOn4(inet: Inet, frame: Frame, bridge: Link): number {
  const { arena, fib, neighbours } = inet;
  const at = inet.network(frame);
  const destination = ipv4.destination(arena.bytes, at);
  fib.setFlow(bridge, 0, arena.bytes[at + ipv4.Ipv4.TOS] & 0x1c, ipv4.protocol(arena.bytes, at));
  const hop = hopBy(inet, fib.lookup4(inet.namespaceOf(bridge), destination, ipv4.source(arena.bytes, at)), bridge);
  if (hop === NONE) return NONE;
  const isGateway = fib.nexthops[hop + NextHop.FAMILY] === 4;
  return neighbours.lookup4(bridge, isGateway ? fib.nexthops[hop + NextHop.GATEWAY] : destination);
}

export function neighbourOn6(inet: Inet, frame: Frame, bridge: Link): number {
  const { arena, fib, neighbours } = inet;
  const { bytes } = arena;
  const at = inet.network(frame);
  const destination = at + Ipv6.DESTINATION;
  fib.setFlow(bridge, 0, 0, bytes[at + Ipv6.NEXT_HEADER]);
  const hop = hopBy(inet, fib.lookup6(inet.namespaceOf(bridge), bytes, destination, at + Ipv6.SOURCE), bridge);
  if (hop === NONE) return NONE;
  const { nexthops } = fib;
  const gateway = hop + NextHop.GATEWAY;
  if (nexthops[hop + NextHop.FAMILY] === 6)
    return neighbours.lookup6(
      bridge,
      nexthops[gateway],
      nexthops[gateway + 1],
      nexthops[gateway + 2],
      nexthops[gateway + 3],
    );
  const c = read32(bytes, destination + 8);
  return neighbours.lookup6(
    bridge,
    read32(bytes, destination),
    read32(bytes, destination + 4),
    c,
    read32(bytes, destination + 12),
  );
}
