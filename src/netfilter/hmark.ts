/* HMARK: a mark from a hash of addresses and ports, the same for both directions (xt_HMARK). */
import type { Arena } from '../core/arena.js';
import { Key, type Packet } from '../core/packet.js';
import { jhashWords, scaled } from './cluster-hash.js';
import { hasPorts } from './headers.js';
import { HmarkTarget } from './ops.js';
import { type ConntrackParts, TupleWord } from './parts.js';
import { Family } from './rule.js';

/** Bits of FLAGS: 1 << XT_HMARK_CT and METHOD_L3. */
const CONNTRACK = 1 << 12;
const METHOD_L3 = 1 << 13;

const ICMP = 1;
const ICMPV6 = 58;

const $original = new Int32Array(TupleWord.WORDS);
const $reply = new Int32Array(TupleWord.WORDS);

/** One word of a masked address: IPv6's four are joined by exclusive or. */
function fold(words: Int32Array, from: number, pool: Int32Array, mask: number, isV6: boolean): number {
  if (!isV6) return words[from] & pool[mask];
  let folded = 0;
  for (let i = 0; i < 4; i++) folded ^= words[from + i] & pool[mask + i];
  return folded;
}

/** Ports under their mask, the larger one first. */
function orderPorts(ports: number, pool: Int32Array, at: number): number {
  const masked = (ports & pool[at + HmarkTarget.PORT_MASK]) | pool[at + HmarkTarget.PORT_SET];
  const source = masked >>> 16;
  const destination = masked & 0xffff;
  return destination > source ? (destination << 16) | source : (source << 16) | destination;
}

function finish(pool: Int32Array, at: number, source: number, destination: number, ports: number, protocol: number) {
  const isSwapped = destination >>> 0 < source >>> 0;
  const first = isSwapped ? destination : source;
  const second = isSwapped ? source : destination;
  const hash = jhashWords(first, second, ports, pool[at + HmarkTarget.RANDOM]);
  const mixed = hash ^ (protocol & pool[at + HmarkTarget.PROTOCOL_MASK]);
  return (scaled(mixed, pool[at + HmarkTarget.MODULUS] >>> 0) + pool[at + HmarkTarget.OFFSET]) | 0;
}

/** The packet's mark; `flow` not above 0 where it has none: then with XT_HMARK_CT the mark stays. */
export function hmark(
  arena: Arena,
  conntrack: ConntrackParts | null,
  pool: Int32Array,
  at: number,
  packet: Packet,
  flow: number,
): number {
  const flags = pool[at + HmarkTarget.FLAGS];
  const isV6 = packet.family === Family.IPV6;
  const isL3 = (flags & METHOD_L3) !== 0;
  if ((flags & CONNTRACK) !== 0) {
    if (flow <= 0 || conntrack === null) return arena.mark[packet.frame];
    return byFlow(conntrack, pool, at, flow, isV6, isL3);
  }
  const { key } = packet;
  const source = fold(key, Key.SOURCE, pool, at + HmarkTarget.SOURCE_MASK, isV6);
  const destination = fold(key, Key.DESTINATION, pool, at + HmarkTarget.DESTINATION_MASK, isV6);
  const protocol = isL3 ? 0 : key[Key.PROTOCOL];
  const isPlain = protocol === ICMP || protocol === ICMPV6 || key[Key.SOURCE_PORT] < 0 || !hasPorts(protocol);
  const ports = (key[Key.SOURCE_PORT] << 16) | key[Key.DESTINATION_PORT];
  return finish(pool, at, source, destination, isPlain ? 0 : orderPorts(ports, pool, at), protocol);
}

function byFlow(
  conntrack: ConntrackParts,
  pool: Int32Array,
  at: number,
  flow: number,
  isV6: boolean,
  isL3: boolean,
): number {
  conntrack.tuple(flow, 0, $original);
  conntrack.tuple(flow, 1, $reply);
  const source = fold($original, TupleWord.SOURCE, pool, at + HmarkTarget.SOURCE_MASK, isV6);
  const destination = fold($reply, TupleWord.SOURCE, pool, at + HmarkTarget.DESTINATION_MASK, isV6);
  if (isL3) return finish(pool, at, source, destination, 0, 0);
  const ports = ($original[TupleWord.PORTS] & ~0xffff) | ($reply[TupleWord.PORTS] >>> 16);
  return finish(pool, at, source, destination, orderPorts(ports, pool, at), conntrack.protocol(flow));
}
