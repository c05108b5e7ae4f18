/*
 * Which next hop of a multipath route a flow takes: a keyed hash of 31 bits over what fib_multipath_hash_policy says
 * (net.ipv4.fib_multipath_hash_policy, net.ipv6 likewise):
 *
 *   0  source, destination                       2  as 0, of the inner packet of a tunnel (IPIP, 6in4, GRE); of others their own
 *   1  source, destination, protocol, ports      3  the fields of fib_multipath_hash_fields
 *
 * The kernel's function and its secret are its own; what must agree is that a flow stays on its path, and the shares.
 * Fragments have no ports, so that all of a datagram go one way; ICMP errors hash as the flow they are about.
 */
import type { Frame } from '../core/arena.js';
import { EtherType } from '../wire/ethernet.js';
import { read16, read32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Net4, Net6 } from './conf.js';
import type { Inet } from './inet.js';

const enum Field {
  SOURCE = 1,
  DESTINATION = 2,
  PROTOCOL = 4,
  FLOW_LABEL = 8,
  SPORT = 16,
  DPORT = 32,
  L4 = SOURCE | DESTINATION | PROTOCOL | SPORT | DPORT,
}

/** Protocol numbers of packets in packets. */
const enum Tunnel {
  IPIP = 4,
  IPV6 = 41,
  GRE = 47,
}

/** Tunnels within tunnels that are looked through. */
const MOST_TUNNELS = 4;

function mix(hash: number, word: number): number {
  const x = Math.imul(hash ^ word, 0x85ebca6b);
  return x ^ (x >>> 15);
}

function finish(hash: number): number {
  const x = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 1;
}

function fieldsOf(policy: number, custom: number): number {
  if (policy === 1) return Field.L4;
  return policy === 3 ? custom : Field.SOURCE | Field.DESTINATION;
}

/** Type of an ICMP error that quotes a packet. */
function isError4(type: number): boolean {
  return type === 3 || type === 11 || type === 12 || type === 5;
}

/** Where the innermost IP header lies, through tunnels of a few kinds; `$isIpv6` says which it is. */
let $isIpv6 = false;

function innermost(bytes: Uint8Array, network: number, isIpv6: boolean, end: number): number {
  let at = network;
  $isIpv6 = isIpv6;
  for (let depth = 0; depth < MOST_TUNNELS; depth++) {
    const transport = $isIpv6
      ? ipv6.transport(bytes, at, end)
      : (ipv4.headerLength(bytes, at) << 8) | ipv4.protocol(bytes, at);
    if (transport < 0 || (!$isIpv6 && ipv4.isFragment(bytes, at))) return at;
    const inner = payloadOf(bytes, at + (transport >>> 8), transport & 0xff, end);
    if (inner < 0) return at;
    const isInnerIpv6 = bytes[inner] >>> 4 === 6;
    if (!(isInnerIpv6 ? ipv6.check(bytes, inner, end) : ipv4.check(bytes, inner, end))) return at;
    at = inner;
    $isIpv6 = isInnerIpv6;
  }
  return at;
}

/** Where the packet inside a tunnel's starts; -1: it is no tunnel of a kind known here. */
function payloadOf(bytes: Uint8Array, at: number, protocol: number, end: number): number {
  if (protocol === Tunnel.IPIP || protocol === Tunnel.IPV6) return at < end ? at : -1;
  if (protocol !== Tunnel.GRE || at + 4 > end) return -1;
  const flags = read16(bytes, at);
  const type = read16(bytes, at + 2);
  if ((flags & 7) !== 0 || (type !== EtherType.IPV4 && type !== EtherType.IPV6)) return -1;
  // Checksum, key and sequence number, where the flags say so (RFC 2890).
  const inner =
    at + 4 + ((flags & 0x8000) !== 0 ? 4 : 0) + ((flags & 0x2000) !== 0 ? 4 : 0) + ((flags & 0x1000) !== 0 ? 4 : 0);
  return inner < end ? inner : -1;
}

/** Policy 2: the addresses of the innermost packet, and of IPv6 its flow label and protocol. */
function innerHash(inet: Inet, frame: Frame, isIpv6: boolean): number {
  const { arena, keys } = inet;
  const { bytes } = arena;
  const at = innermost(bytes, inet.network(frame), isIpv6, arena.offset[frame] + arena.headLength(frame));
  if (!$isIpv6) return finish(mix(mix(keys[0], ipv4.source(bytes, at)), ipv4.destination(bytes, at)));
  const hash = mixAddress(mixAddress(keys[0], bytes, at + ipv6.Ipv6.SOURCE), bytes, at + ipv6.Ipv6.DESTINATION);
  return finish(mix(mix(hash, read32(bytes, at) & 0xfffff), ipv6.nextHeader(bytes, at)));
}

export function flowHash4(inet: Inet, frame: Frame): number {
  const { conf, arena, keys } = inet;
  const { bytes } = arena;
  const namespace = inet.namespaceOf(arena.ingress[frame]);
  const policy = conf.net(namespace, Net4.FIB_MULTIPATH_HASH_POLICY);
  if (policy === 2) return innerHash(inet, frame, false);
  const fields = fieldsOf(policy, conf.net(namespace, Net4.FIB_MULTIPATH_HASH_FIELDS));
  const at = inet.network(frame);
  const inner = policy === 0 ? quoted4(bytes, at, arena.offset[frame] + arena.headLength(frame)) : at;
  // An error goes the way of the flow's answers: both directions of an address pair swapped.
  const [from, to] =
    inner === at ? [ipv4.Ipv4.SOURCE, ipv4.Ipv4.DESTINATION] : [ipv4.Ipv4.DESTINATION, ipv4.Ipv4.SOURCE];
  let hash = keys[0];
  if ((fields & Field.SOURCE) !== 0) hash = mix(hash, read32(bytes, inner + from));
  if ((fields & Field.DESTINATION) !== 0) hash = mix(hash, read32(bytes, inner + to));
  const protocol = ipv4.protocol(bytes, at);
  if ((fields & Field.PROTOCOL) !== 0) hash = mix(hash, protocol);
  if (!ipv4.isFragment(bytes, at)) hash = mixPorts(hash, bytes, at + ipv4.headerLength(bytes, at), protocol, fields);
  return finish(hash);
}

function mixPorts(hash: number, bytes: Uint8Array, at: number, protocol: number, fields: number): number {
  if (protocol !== Protocol.TCP && protocol !== Protocol.UDP) return hash;
  let mixed = hash;
  if ((fields & Field.SPORT) !== 0) mixed = mix(mixed, read16(bytes, at));
  if ((fields & Field.DPORT) !== 0) mixed = mix(mixed, read16(bytes, at + 2));
  return mixed;
}

/** The IP header that an ICMP error quotes, or the packet's own. */
function quoted4(bytes: Uint8Array, at: number, end: number): number {
  if (ipv4.protocol(bytes, at) !== Protocol.ICMP || ipv4.isFragment(bytes, at)) return at;
  const icmp = at + ipv4.headerLength(bytes, at);
  return icmp + 8 + ipv4.Ipv4.BYTES <= end && isError4(bytes[icmp]) ? icmp + 8 : at;
}

export function flowHash6(inet: Inet, frame: Frame): number {
  const { conf, arena, keys } = inet;
  const { bytes } = arena;
  const namespace = inet.namespaceOf(arena.ingress[frame]);
  const policy = conf.netOf6(namespace, Net6.FIB_MULTIPATH_HASH_POLICY);
  if (policy === 2) return innerHash(inet, frame, true);
  const base = policy === 0 ? Field.FLOW_LABEL | Field.PROTOCOL : 0;
  const fields = fieldsOf(policy, conf.netOf6(namespace, Net6.FIB_MULTIPATH_HASH_FIELDS)) | base;
  const at = inet.network(frame);
  let hash = keys[0];
  if ((fields & Field.SOURCE) !== 0) hash = mixAddress(hash, bytes, at + ipv6.Ipv6.SOURCE);
  if ((fields & Field.DESTINATION) !== 0) hash = mixAddress(hash, bytes, at + ipv6.Ipv6.DESTINATION);
  if ((fields & Field.FLOW_LABEL) !== 0) hash = mix(hash, read32(bytes, at) & 0xfffff);
  const end = arena.offset[frame] + arena.headLength(frame);
  const transport = ipv6.transport(bytes, at, end);
  if (transport < 0) return finish(hash);
  const protocol = transport & 0xff;
  if ((fields & Field.PROTOCOL) !== 0) hash = mix(hash, protocol);
  if (at + (transport >>> 8) + 4 <= end) hash = mixPorts(hash, bytes, at + (transport >>> 8), protocol, fields);
  return finish(hash);
}

function mixAddress(hash: number, bytes: Uint8Array, at: number): number {
  return mix(
    mix(mix(mix(hash, read32(bytes, at)), read32(bytes, at + 4)), read32(bytes, at + 8)),
    read32(bytes, at + 12),
  );
}
