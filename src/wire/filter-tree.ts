/*
 * What the words of a capture filter mean: conditions on bytes of an Ethernet frame. The parser builds them,
 * wire/filter.ts compiles them.
 *
 * The order of tests is libpcap's, because it shows: a test of bytes that the frame does not have ends the whole filter
 * with "no", even under a `not`. So `not port 80` drops a truncated frame or lets it pass, depending on what was
 * looked at first.
 *
 * `shift` is the bytes of VLAN tags that `vlan` words have stepped over so far.
 */
import { Ethernet, EtherType } from './ethernet.js';
import { read16, read32 } from './field.js';
import { Ipv4, Protocol } from './ipv4.js';
import { Extension, Ipv6 } from './ipv6.js';
import { Vlan } from './vlan.js';

export const enum Relation {
  EQUAL = 0,
  GREATER = 1,
  GREATER_OR_EQUAL = 2,
}

export const enum Alu {
  ADD = 0,
  SUBTRACT = 1,
  MULTIPLY = 2,
  DIVIDE = 3,
  MODULO = 4,
  AND = 5,
  OR = 6,
  XOR = 7,
  SHIFT_LEFT = 8,
  SHIFT_RIGHT = 9,
}

export type Value =
  | { op: 'number'; value: number }
  | { op: 'length' }
  | { op: 'negate'; of: Value }
  | { op: 'alu'; alu: Alu; left: Value; right: Value }
  /** Big-endian bytes at index + offset, + the IPv4 header's length where `ip` is not −1 but its offset. */
  | { op: 'load'; width: number; offset: number; index: Value; ip: number };

export type Condition =
  | { op: 'always' }
  | { op: 'and' | 'or'; left: Condition; right: Condition }
  | { op: 'not'; of: Condition }
  /** As in `load`; width 0 is the frame's length. */
  | { op: 'test'; width: number; offset: number; ip: number; mask: number; relation: Relation; value: number }
  | { op: 'compare'; relation: Relation; left: Value; right: Value };

export type Direction = 'src' | 'dst' | 'src or dst' | 'src and dst';

/** EtherTypes and protocols that only filters name. */
const enum Rare {
  REVERSE_ARP = 0x8035,
  QINQ = 0x9100,
  /** 802.3: a length, not a type. */
  MAX_LENGTH = 1500,
  LLC_STP = 0x42,
  SCTP = 132,
  ALL_BITS = -1,
}

export const and = (left: Condition, right: Condition): Condition => ({ op: 'and', left, right });
export const or = (left: Condition, right: Condition): Condition => ({ op: 'or', left, right });
export const not = (of: Condition): Condition => ({ op: 'not', of });

function test(
  width: number,
  offset: number,
  relation: Relation,
  value: number,
  mask: number = Rare.ALL_BITS,
): Condition {
  return { op: 'test', width, offset, ip: -1, mask, relation, value };
}

function equals(width: number, offset: number, value: number, mask: number = Rare.ALL_BITS): Condition {
  return test(width, offset, Relation.EQUAL, value, mask);
}

/** Offset of the network header. */
export function network(shift: number): number {
  return Ethernet.BYTES + shift;
}

/** Frames of at least so many bytes. */
export function isAtLeast(bytes: number): Condition {
  return test(0, 0, Relation.GREATER_OR_EQUAL, bytes);
}

export function isAtMost(bytes: number): Condition {
  return not(test(0, 0, Relation.GREATER, bytes));
}

/** An EtherType, or, up to 1,500, an 802.2 service access point. */
export function etherType(type: number, shift: number): Condition {
  const offset = Ethernet.TYPE + shift;
  if (type > Rare.MAX_LENGTH) return equals(2, offset, type);
  const isLength = not(test(2, offset, Relation.GREATER, Rare.MAX_LENGTH));
  // OSI, IP over 802.2 and NetBEUI have the same SAP on both sides.
  const isPair = type === 0xfe || type === 0x06 || type === 0xf0;
  const sap = isPair ? equals(2, network(shift), (type << 8) | type) : equals(1, network(shift), type);
  return and(isLength, sap);
}

const TYPES: Record<string, number> = {
  ip: EtherType.IPV4,
  ip6: EtherType.IPV6,
  arp: EtherType.ARP,
  rarp: Rare.REVERSE_ARP,
  stp: Rare.LLC_STP,
};

/** Transport protocols by name: their number, and whether IPv4, IPv6 or both carry them. */
const PROTOCOLS: Record<string, { number: number; over: 'ip' | 'ip6' | undefined }> = {
  sctp: { number: Rare.SCTP, over: undefined },
  tcp: { number: Protocol.TCP, over: undefined },
  udp: { number: Protocol.UDP, over: undefined },
  icmp: { number: Protocol.ICMP, over: 'ip' },
  igmp: { number: Protocol.IGMP, over: 'ip' },
  igrp: { number: 9, over: 'ip' },
  pim: { number: 103, over: undefined },
  vrrp: { number: 112, over: 'ip' },
  carp: { number: 112, over: 'ip' },
  icmp6: { number: Protocol.ICMPV6, over: 'ip6' },
  ah: { number: 51, over: undefined },
  esp: { number: 50, over: undefined },
};

/** Words that name a protocol. */
export function isProtocol(word: string): boolean {
  return word === 'ether' || word === 'link' || Object.hasOwn(TYPES, word) || Object.hasOwn(PROTOCOLS, word);
}

/** A protocol's name standing alone; `ether` does not. */
export function protocol(name: string, shift: number): Condition {
  if (Object.hasOwn(TYPES, name)) return etherType(TYPES[name], shift);
  return carries(PROTOCOLS[name].number, PROTOCOLS[name].over, shift);
}

/** IP carries this protocol; in IPv6 the first header or the one behind a fragment header. */
export function carries(number: number, over: 'ip' | 'ip6' | undefined, shift: number): Condition {
  if (over === 'ip') return and(etherType(EtherType.IPV4, shift), equals(1, network(shift) + Ipv4.PROTOCOL, number));
  if (over === undefined) return or(carries(number, 'ip', shift), carries(number, 'ip6', shift));
  const next = network(shift) + Ipv6.NEXT_HEADER;
  const isBehind = and(equals(1, next, Extension.FRAGMENT), equals(1, network(shift) + Ipv6.BYTES, number));
  return and(etherType(EtherType.IPV6, shift), or(equals(1, next, number), isBehind));
}

/** Either address, both, or one of them. */
function eitherWay(direction: Direction | undefined, of: (direction: 'src' | 'dst') => Condition): Condition {
  switch (direction) {
    case 'src':
    case 'dst':
      return of(direction);
    case 'src and dst':
      return and(of('src'), of('dst'));
    default:
      return or(of('src'), of('dst'));
  }
}

function hostOver(type: number, source: number, target: number) {
  return (address: number, mask: number, direction: Direction | undefined, shift: number): Condition =>
    eitherWay(direction, (way) => {
      const offset = network(shift) + (way === 'src' ? source : target);
      const isType = etherType(type, shift);
      return mask === 0 ? isType : and(isType, equals(4, offset, address, mask));
    });
}

/** Protocols that an IPv4 address can be looked for in. libpcap takes the addresses of ARP where IPv4's put them. */
const HOST_OVER: Record<string, ReturnType<typeof hostOver>> = {
  ip: hostOver(EtherType.IPV4, Ipv4.SOURCE, Ipv4.DESTINATION),
  arp: hostOver(EtherType.ARP, 14, 24),
  rarp: hostOver(Rare.REVERSE_ARP, 14, 24),
};

export function hasIpv4Host(name: string): boolean {
  return Object.hasOwn(HOST_OVER, name);
}

/** An IPv4 address (under a mask) in IPv4, ARP or RARP, or in `over` alone. */
export function host4(
  address: number,
  mask: number,
  over: string | undefined,
  direction: Direction | undefined,
  shift: number,
): Condition {
  if (over !== undefined) return HOST_OVER[over](address, mask, direction, shift);
  const of = (name: string) => HOST_OVER[name](address, mask, direction, shift);
  return or(or(of('ip'), of('arp')), of('rarp'));
}

export function host6(address: Uint8Array, bits: number, direction: Direction | undefined, shift: number): Condition {
  return eitherWay(direction, (way) => {
    const offset = network(shift) + (way === 'src' ? Ipv6.SOURCE : Ipv6.DESTINATION);
    const masked = [0, 4, 8, 12].filter((i) => bits > i * 8);
    const words = masked.map((i) => equals(4, offset + i, read32(address, i), maskOf(bits - i * 8)));
    return [etherType(EtherType.IPV6, shift), ...words].reduceRight((rest, first) => and(first, rest));
  });
}

/** The first `bits` of 32, as int32; below 0 and over 32 allowed. */
export function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

export function etherHost(mac: Uint8Array, direction: Direction | undefined): Condition {
  return eitherWay(direction, (way) => {
    const offset = way === 'src' ? Ethernet.SOURCE : Ethernet.DESTINATION;
    return and(equals(4, offset + 2, read32(mac, 2)), equals(2, offset, read16(mac, 0)));
  });
}

export function etherGroup(): Condition {
  return not(equals(1, Ethernet.DESTINATION, 0, 1));
}

export function ipGroup(shift: number): Condition {
  const destination = network(shift) + Ipv4.DESTINATION;
  return and(etherType(EtherType.IPV4, shift), test(1, destination, Relation.GREATER_OR_EQUAL, 224));
}

export function ip6Group(shift: number): Condition {
  return and(etherType(EtherType.IPV6, shift), equals(1, network(shift) + Ipv6.DESTINATION, 255));
}

/** A tag, of this id if not −1. */
export function vlan(id: number, shift: number): Condition {
  const customer = etherType(EtherType.VLAN, shift);
  const tag = or(or(customer, etherType(EtherType.SERVICE_VLAN, shift)), etherType(Rare.QINQ, shift));
  return id === -1 ? tag : and(tag, equals(2, network(shift), id, Vlan.VID_MASK));
}

/** IPv4 and its first fragment or only piece. */
function isFirst(shift: number): Condition {
  return equals(2, network(shift) + Ipv4.FRAGMENT, 0, Ipv4.OFFSET_MASK);
}

/** Ports first … last of one protocol or of TCP, UDP and SCTP. In IPv6 only right behind its header. */
export function ports(
  first: number,
  last: number,
  protocol: string | undefined,
  direction: Direction | undefined,
  shift: number,
): Condition {
  const names = protocol === undefined ? ['sctp', 'tcp', 'udp'] : [protocol];
  const over = (type: number, field: number, more: (number: number) => Condition) => {
    const each = names.map((name) =>
      and(equals(1, network(shift) + field, PROTOCOLS[name].number), more(PROTOCOLS[name].number)),
    );
    return and(
      etherType(type, shift),
      each.reduceRight((rest, one) => or(one, rest)),
    );
  };
  const ip = network(shift);
  const four = eitherWay(direction, (way) => isBetween(ip + (way === 'src' ? 0 : 2), ip, first, last));
  const six = eitherWay(direction, (way) => isBetween(ip + Ipv6.BYTES + (way === 'src' ? 0 : 2), -1, first, last));
  return or(
    over(EtherType.IPV6, Ipv6.NEXT_HEADER, () => six),
    over(EtherType.IPV4, Ipv4.PROTOCOL, () => and(isFirst(shift), four)),
  );
}

function isBetween(offset: number, ip: number, first: number, last: number): Condition {
  const field = { op: 'test', width: 2, offset, ip, mask: Rare.ALL_BITS } as const;
  if (first === last) return { ...field, relation: Relation.EQUAL, value: first };
  const atLeast: Condition = { ...field, relation: Relation.GREATER_OR_EQUAL, value: Math.min(first, last) };
  return and(atLeast, not({ ...field, relation: Relation.GREATER, value: Math.max(first, last) }));
}

/** A value and the condition under which it may be computed at all: that the frame has the protocol. */
export interface Guarded {
  value: Value;
  guard: Condition | undefined;
}

export function both(left: Condition | undefined, right: Condition): Condition {
  return left === undefined ? right : and(left, right);
}

/** `protocol[index:width]`, or undefined where a protocol has no bytes to look at. */
export function load(protocolName: string, index: Guarded, width: number, shift: number): Guarded | undefined {
  const at = (offset: number, ip = -1): Value => ({ op: 'load', width, offset, index: index.value, ip });
  const ip = network(shift);
  if (protocolName === 'ether' || protocolName === 'link') return { value: at(0), guard: index.guard };
  if (protocolName === 'icmp6') {
    const isNext = equals(1, ip + Ipv6.NEXT_HEADER, Protocol.ICMPV6);
    return { value: at(ip + Ipv6.BYTES), guard: and(both(index.guard, protocol('ip6', shift)), isNext) };
  }
  if (protocolName === 'stp' || protocolName === 'ah' || protocolName === 'esp') return undefined;
  if (Object.hasOwn(TYPES, protocolName)) {
    return { value: at(ip), guard: both(index.guard, protocol(protocolName, shift)) };
  }
  const isWhole = and(protocol(protocolName, shift), isFirst(shift));
  return { value: at(ip, ip), guard: and(protocol('ip', shift), both(index.guard, isWhole)) };
}

/** Both guards, then the comparison or its opposite: `ip[8] < 5` is of IPv4 frames alone. */
export function compare(relation: Relation, isReversed: boolean, left: Guarded, right: Guarded): Condition {
  const condition: Condition = { op: 'compare', relation, left: left.value, right: right.value };
  return both(left.guard, both(right.guard, isReversed ? not(condition) : condition));
}
