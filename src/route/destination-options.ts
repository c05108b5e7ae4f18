/*
 * IPv6 destination options (RFC 8200 §4.6) of a packet for this host. Known is padding alone; every other option is treated as
 * its own two highest bits say: skip, drop, drop and tell the sender. Their number and length are limited by
 * max_dst_opts_number and max_dst_opts_length; a negative number bounds the options and forbids unknown ones.
 */
import type { Frame } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { Icmp6Type } from '../wire/icmp.js';
import { Ipv6 } from '../wire/ipv6.js';
import { Net6 } from './conf.js';
import type { Inet } from './inet.js';

const enum Option {
  PAD1 = 0,
  PADN = 1,
}

/** What becomes of a packet with an option that nobody knows. */
const enum Action {
  SKIP = 0,
  DROP = 1,
  DROP_AND_TELL = 2,
  DROP_AND_TELL_UNLESS_GROUP = 3,
}

/** Code of a parameter problem. */
const UNKNOWN_OPTION = 2;

/** More padding than aligns something to 8 bytes is a way to hide data. */
const MOST_PADDING = 7;

/** The header lies whole at `at`. False: the frame has been dropped. */
export function checkDestinationOptions(inet: Inet, frame: Frame, at: number, now: number): boolean {
  const { conf, arena } = inet;
  const namespace = inet.namespaceOf(arena.ingress[frame]);
  const end = at + ((arena.bytes[at + 1] + 1) << 3);
  const limit = conf.netOf6(namespace, Net6.MAX_DST_OPTS);
  if (end - at > conf.netOf6(namespace, Net6.MAX_DST_OPTS_LENGTH)) return drop(inet, frame);
  let padding = 0;
  let options = 0;
  for (let option = at + 2; option < end; ) {
    const type = arena.bytes[option];
    const size = type === Option.PAD1 ? 1 : option + 2 > end ? 0 : arena.bytes[option + 1] + 2;
    if (size === 0 || option + size > end) return drop(inet, frame);
    const isPadding = type === Option.PAD1 || type === Option.PADN;
    padding = isPadding ? padding + size : 0;
    if (padding > MOST_PADDING || (type === Option.PADN && !isZero(arena.bytes, option + 2, option + size))) {
      return drop(inet, frame);
    }
    if (!isPadding && ++options > Math.abs(limit)) return drop(inet, frame);
    if (!isPadding && !skips(inet, frame, option, limit < 0, now)) return false;
    option += size;
  }
  return true;
}

function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}

function drop(inet: Inet, frame: Frame): false {
  inet.drop(frame, DropReason.IPV6_EXTENSION);
  return false;
}

function skips(inet: Inet, frame: Frame, option: number, isForbidden: boolean, now: number): boolean {
  const { bytes } = inet.arena;
  const network = inet.network(frame);
  const action: Action = bytes[option] >>> 6;
  if (action === Action.SKIP && !isForbidden) return true;
  const isGroup = bytes[network + Ipv6.DESTINATION] === 0xff;
  if (action === Action.DROP_AND_TELL || (action === Action.DROP_AND_TELL_UNLESS_GROUP && !isGroup)) {
    inet.icmp6.error(frame, Icmp6Type.PARAMETER_PROBLEM, UNKNOWN_OPTION, option - network, now);
  }
  return drop(inet, frame);
}
