/*
 * IPv6 hop-by-hop options (RFC 8200 §4.3, §4.2): the one extension header that a router looks into.
 *
 * Options that nothing here knows are treated as their two highest bits say: skip, drop, drop and tell the sender.
 * Known are padding and the router alert (RFC 2711). Their number and length are limited by max_hbh_opts_number and
 * max_hbh_length, against headers made to cost time.
 */
import type { Frame } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import type { Link } from '../core/links.js';
import { Icmp6Type, Problem6 } from '../wire/icmp.js';
import * as ipv6 from '../wire/ipv6.js';
import { Net6 } from './conf.js';
import type { Inet } from './inet.js';

const enum Option {
  PAD1 = 0,
  PADN = 1,
  ROUTER_ALERT = 5,
}

/** The frame's hop-by-hop header starts behind its IPv6 header. False: the frame has been dropped. */
export function checkHopByHop(inet: Inet, frame: Frame, link: Link, now: number): boolean {
  const { arena, conf } = inet;
  const { bytes } = arena;
  const network = inet.network(frame);
  const at = network + ipv6.Ipv6.BYTES;
  const headEnd = arena.offset[frame] + arena.headLength(frame);
  const end = at + 8 > headEnd ? 0 : at + ((bytes[at + 1] + 1) << 3);
  const namespace = inet.namespaceOf(link);
  if (end === 0 || end > headEnd || end - at > conf.netOf6(namespace, Net6.MAX_HBH_LENGTH)) {
    inet.drop(frame, DropReason.IPV6_EXTENSION);
    return false;
  }
  return checkOptions(inet, frame, at + 2, end, conf.netOf6(namespace, Net6.MAX_HBH_OPTS), now);
}

function checkOptions(inet: Inet, frame: Frame, from: number, end: number, limit: number, now: number): boolean {
  const { bytes } = inet.arena;
  let options = 0;
  let padding = 0;
  for (let at = from; at < end; ) {
    const type = bytes[at];
    const size = type === Option.PAD1 ? 1 : at + 2 > end ? end : bytes[at + 1] + 2;
    if (at + size > end) return refuse(inet, frame);
    if (type === Option.PAD1 || type === Option.PADN) {
      padding += size;
      if (padding > 7) return refuse(inet, frame);
    } else {
      padding = 0;
      if (++options > limit) return refuse(inet, frame);
      if (type !== Option.ROUTER_ALERT && !isSkipped(inet, frame, at, now)) return false;
    }
    at += size;
  }
  return true;
}

function refuse(inet: Inet, frame: Frame): boolean {
  inet.drop(frame, DropReason.IPV6_EXTENSION);
  return false;
}

/** What the option's own type says of those who do not know it (RFC 8200 §4.2). */
function isSkipped(inet: Inet, frame: Frame, at: number, now: number): boolean {
  const { bytes } = inet.arena;
  const action = bytes[at] >>> 6;
  if (action === 0) return true;
  const network = inet.network(frame);
  const isGroup = bytes[network + ipv6.Ipv6.DESTINATION] === 0xff;
  if (action === 2 || (action === 3 && !isGroup)) {
    inet.icmp6.error(frame, Icmp6Type.PARAMETER_PROBLEM, Problem6.OPTION, at - network, now);
  }
  return refuse(inet, frame);
}
